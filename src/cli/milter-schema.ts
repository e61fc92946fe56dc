/**
 * Every parameter of `postern milter`: name, kind of value, default. Names, forms and defaults of spf-milter's own
 * parameters are spf-milter's; a new parameter is one more row here.
 */
import { refusableResults, type RefusableResult } from '../milter/verify-sender-settings.js';
import { account, listenEndpoint, nameServer, path } from '../settings/mail-kinds.js';
import { duration, oneOf, optional, orEmpty, type ValueKind } from '../settings/value-kind.js';
import type { SpfResultCode } from '../spf/record.js';
import * as kinds from './milter-config-kinds.js';

export interface Entry<T> {
  readonly kind: ValueKind<T>;
  /** As it would stand in the file; undefined: what the reader makes of other parameters, or nothing. */
  readonly default: string | undefined;
  /** Not what spf-milter has. */
  readonly beyond?: true;
}

const entry = <T>(kind: ValueKind<T>, byDefault?: string): Entry<T> => ({ kind, default: byDefault });
const beyond = <T>(kind: ValueKind<T>, byDefault?: string): Entry<T> => ({ ...entry(kind, byDefault), beyond: true });

const all: readonly SpfResultCode[] = ['pass', ...refusableResults];
const refusable = kinds.resultSet(...refusableResults);

/** RFC 5424 §6.2.1 */
export const facilityCodes = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;

const facilities = Object.keys(facilityCodes) as (keyof typeof facilityCodes)[];

/** Durations of ours are milliseconds. */
export const schema = {
  authserv_id: entry(kinds.name),
  definitive_helo_results: entry(kinds.resultSet(...all), ''),
  delete_incoming_authentication_results: entry(kinds.flag),
  dry_run: entry(kinds.flag, 'no'),
  fail_reply_text_exp: entry(kinds.replyText('%{exp}'), 'SPF validation failed: %{o} explains: %{exp}'),
  header: entry(kinds.resultFields, 'Received-SPF'),
  hostname: entry(kinds.name),
  include_all_results: entry(kinds.flag, 'no'),
  include_mailfrom_local_part: entry(kinds.flag, 'no'),
  log_destination: entry(oneOf('syslog', 'stderr'), 'syslog'),
  log_level: entry(oneOf('error', 'warn', 'info', 'debug'), 'info'),
  max_lookups: entry(kinds.count, '10'),
  max_void_lookups: entry(kinds.count, '2'),
  reject_helo_results: entry(refusable),
  reject_results: entry(refusable, 'fail, temperror, permerror'),
  skip_senders: entry(kinds.senderPatterns, ''),
  skip_senders_file: entry(path),
  socket: entry(kinds.socket),
  syslog_facility: entry(oneOf(...facilities), 'mail'),
  timeout_secs: entry(kinds.count, '20'),
  trust_authenticated_senders: entry(kinds.flag, 'yes'),
  trusted_networks: entry(kinds.networks, 'loopback'),
  verify_helo: entry(kinds.flag, 'yes'),

  answer_within: beyond(duration(0, 600_000), '8s'),
  dns_servers: beyond(kinds.csv(nameServer), ''),
  dns_zone: beyond(orEmpty(path), ''),
  forwarding_hosts: beyond(kinds.networks, ''),
  log_format: beyond(oneOf('plain', 'json'), 'plain'),
  mark_field: beyond(kinds.fieldNameOfOurs, 'X-SPF-Mark'),
  mark_results: beyond(kinds.resultSet(...all), ''),
  metrics: beyond(optional(listenEndpoint), ''),
  own_domains: beyond(kinds.domainPatterns, ''),
  own_domains_ldap: beyond(orEmpty(path), ''),
  prospective_ip: beyond(kinds.addresses, ''),
  quarantine_results: beyond(kinds.resultSet(...all), ''),
  skip_forwarders: beyond(kinds.domainPatterns, ''),
  skip_helo_names: beyond(kinds.domainPatterns, ''),
  skip_recipients: beyond(kinds.senderPatterns, ''),
  socket_group: beyond(orEmpty(account), ''),
  socket_mode: beyond(kinds.octalMode),
  socket_owner: beyond(orEmpty(account), ''),
  stop_timeout: beyond(duration(1, 600_000), '10s'),
  workers: beyond(kinds.whole(1, 256), '1'),
} as const;

export type ParameterName = keyof typeof schema;

type ValueOf<E> = E extends Entry<infer T> ? T : never;

/** The value of each row that has its own; one that has no default may be missing. */
export type Values = { readonly [N in ParameterName]: ValueOf<(typeof schema)[N]> | undefined };

const failed = 'SPF validation failed';
const error = 'SPF validation error: %{reason}';

const replyDefaults: Readonly<Record<RefusableResult, readonly [code: string, status: string, text: string]>> = {
  fail: ['550', '5.7.23', failed],
  softfail: ['550', '5.7.23', failed],
  neutral: ['550', '5.7.23', failed],
  none: ['550', '5.7.23', failed],
  temperror: ['451', '4.7.24', error],
  permerror: ['550', '5.7.24', error],
};

const replyEntries = refusableResults.flatMap((result): readonly [string, Entry<unknown>][] => {
  const [code, status, text] = replyDefaults[result];
  const row = result === 'neutral' || result === 'none' ? beyond : entry;
  const token = result === 'temperror' || result === 'permerror' ? '%{reason}' : '';
  return [
    [`${result}_reply_code`, row<unknown>(kinds.replyCode, code)],
    [`${result}_reply_text`, row<unknown>(kinds.replyText(token), text)],
    [`${result}_status_code`, row<unknown>(kinds.statusCode, status)],
  ];
});

/** All rows by name, in alphabetical order, spf-milter's before ours. */
export const entries: ReadonlyMap<string, Entry<unknown>> = new Map(
  [...(Object.entries(schema) as unknown as [string, Entry<unknown>][]), ...replyEntries].sort(
    ([a, one], [b, other]) => Number(one.beyond ?? false) - Number(other.beyond ?? false) || (a < b ? -1 : 1),
  ),
);
