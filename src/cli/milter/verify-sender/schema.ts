/**
 * Every parameter of `postern milter`: name, kind of value, default. Names, forms and defaults of spf-milter's own
 * parameters are spf-milter's; a new parameter is one more row here.
 */
import { refusableResults, type RefusableResult } from '../../../milter/verify-sender/settings.js';
import { account, listenEndpoint, nameServer, path } from '../../../settings/mail-kinds.js';
import { duration, oneOf, optional, orEmpty, type ValueKind } from '../../../settings/value-kind.js';
import type { SpfResultCode } from '../../../spf/record.js';
import * as kinds from './config-kinds.js';

export interface ParameterEntry<T> {
  readonly kind: ValueKind<T>;
  /** As it would stand in the file; undefined: what the reader makes of other parameters, or nothing. */
  readonly default: string | undefined;
  /** What it is for, in one sentence without its full stop. */
  readonly doc: string;
  /** Not what spf-milter has. */
  readonly beyond?: true;
}

const entry = <T>(kind: ValueKind<T>, doc: string, byDefault?: string): ParameterEntry<T> => ({
  kind,
  doc,
  default: byDefault,
});
const beyond = <T>(kind: ValueKind<T>, doc: string, byDefault?: string): ParameterEntry<T> => ({
  ...entry(kind, doc, byDefault),
  beyond: true,
});

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
const schema = {
  authserv_id: entry(kinds.name, 'Our name in Authentication-Results; none: the hostname'),
  definitive_helo_results: entry(
    kinds.resultSet(...all),
    'HELO results behind which MAIL FROM is not verified any more',
    '',
  ),
  delete_incoming_authentication_results: entry(
    kinds.flag,
    'Take out Authentication-Results fields of incoming mail that bear our own name; none: yes where header has Authentication-Results',
  ),
  dry_run: entry(kinds.flag, 'Verify and log, but refuse and change nothing', 'no'),
  fail_reply_text_exp: entry(
    kinds.replyText('%{exp}'),
    'Text of the refusal when the domain explains its fail; %{exp} stands for its words',
    'SPF validation failed: %{o} explains: %{exp}',
  ),
  header: entry(kinds.resultFields, 'Fields a message gets; the last one comes to stand uppermost', 'Received-SPF'),
  hostname: entry(kinds.name, 'Our name, for receiver= and %{r}; none: the name the MTA gives itself (macro j)'),
  include_all_results: entry(kinds.flag, 'Record the result of HELO beside that of MAIL FROM', 'no'),
  include_mailfrom_local_part: entry(
    kinds.flag,
    'Write whole sender addresses into Authentication-Results, not only their domains',
    'no',
  ),
  log_destination: entry(
    oneOf('syslog', 'stderr'),
    'Where the log goes; where there is no syslog, standard error',
    'syslog',
  ),
  log_level: entry(
    oneOf('error', 'warn', 'info', 'debug'),
    'What is logged: info has a line for each identity, debug also says how its result came about',
    'info',
  ),
  max_lookups: entry(kinds.count, 'Terms of a record that may ask DNS (RFC 7208 says 10)', '10'),
  max_void_lookups: entry(kinds.count, 'Terms of a record that may find nothing (RFC 7208 says 2)', '2'),
  reject_helo_results: entry(refusable, 'HELO results that are refused; none: as reject_results'),
  reject_results: entry(refusable, 'Results that are refused', 'fail, temperror, permerror'),
  skip_senders: entry(kinds.senderPatterns, 'Senders and HELO names that are not verified', ''),
  skip_senders_file: entry(path, 'A file with more of them, one a line'),
  socket: entry(kinds.socket, 'Where the MTA connects; it must be given, here or by -p'),
  syslog_facility: entry(oneOf(...facilities), 'The facility of log messages', 'mail'),
  timeout_secs: entry(kinds.count, "Seconds for a message's evaluation; then the result is temperror", '20'),
  trust_authenticated_senders: entry(kinds.flag, 'Senders that have authenticated (SMTP AUTH) are not verified', 'yes'),
  trusted_networks: entry(kinds.networks, 'Clients that are not verified', 'loopback'),
  verify_helo: entry(kinds.flag, 'Verify the HELO name, before MAIL FROM', 'yes'),

  answer_within: beyond(
    duration(0, 600_000),
    "MAIL is answered within this time; a result that comes later is acted on at the end of the message, or at DATA over TCP. Keep it below the MTA's own patience: 10 s in Sendmail, 30 s in Postfix",
    '8s',
  ),
  authentication_results_form: beyond(
    oneOf('plain', 'full'),
    'What Authentication-Results says: the result and the identity, or also why',
    'plain',
  ),
  delete_incoming_received_spf: beyond(
    kinds.flag,
    'Take out Received-SPF fields of incoming mail that is verified, or exempt from it: a DMARC filter behind us would believe them. Mail of trusted and authenticated clients keeps them',
    'yes',
  ),
  dns_servers: beyond(kinds.csv(nameServer), 'Name servers to ask; empty: those of /etc/resolv.conf, as it is now', ''),
  dns_zone: beyond(orEmpty(path), 'A zone file that is answered from instead of asking the DNS, for trials', ''),
  forwarding_hosts: beyond(
    kinds.networks,
    'Hosts that pass mail on to us and write honest Received fields: the client named there is verified, at the end of the message',
    '',
  ),
  group: beyond(orEmpty(account), 'Group to become when the socket is open; empty: that of user', ''),
  idle_timeout: beyond(
    duration(1000, 86_400_000),
    'A connection of the MTA that is silent for so long is closed; 7210 s is what libmilter has',
    '7210s',
  ),
  log_format: beyond(oneOf('plain', 'json'), 'One readable line an entry, or one JSON object', 'plain'),
  mark_field: beyond(kinds.fieldNameOfOurs, 'The field for mark_results', 'X-SPF-Mark'),
  mark_results: beyond(
    kinds.resultSet(...all),
    'Results whose messages get the field mark_field with the result in it',
    '',
  ),
  metrics: beyond(
    optional(listenEndpoint),
    'Where /metrics (Prometheus), /livez and /readyz are answered; empty: nowhere',
    '',
  ),
  own_domains: beyond(
    kinds.domainPatterns,
    'Domains of ours: mail that names one as its sender, and fails, is logged, counted and marked',
    '',
  ),
  own_domains_ldap: beyond(
    orEmpty(path),
    'A file with settings of a directory that knows more of them; empty: there is none',
    '',
  ),
  prospective_ip: beyond(
    kinds.addresses,
    'Addresses of this host: mail of trusted and authenticated clients is judged as if it came from them, as the next hop will see it, and refused when none of them may send it',
    '',
  ),
  quarantine_results: beyond(kinds.resultSet(...all), "Results whose messages go into the MTA's hold queue", ''),
  reject_helo_at: beyond(
    oneOf('helo', 'mail'),
    'Where a HELO name is refused: at MAIL, when it is known whether the sender has authenticated, or at HELO itself, whoever sends',
    'mail',
  ),
  skip_forwarders: beyond(
    kinds.domainPatterns,
    'Hosts that pass mail on: clients whose confirmed host name is one of these, or that the SPF record of one of these permits, are not refused for their MAIL FROM',
    '',
  ),
  skip_helo_names: beyond(
    kinds.domainPatterns,
    'Clients whose HELO name is one of these are not refused for their MAIL FROM, if its SPF result or their confirmed host name bears it out',
    '',
  ),
  skip_recipients: beyond(kinds.senderPatterns, 'Mail to these is not refused; a refusal waits for RCPT then', ''),
  socket_group: beyond(orEmpty(account), 'Group of a UNIX socket; empty: that of group, where it is set', ''),
  socket_mode: beyond(kinds.octalMode, 'Mode of a UNIX socket; none: by the umask, but open to owner and group'),
  socket_owner: beyond(orEmpty(account), 'Owner of a UNIX socket; empty: user, where it is set', ''),
  stop_timeout: beyond(duration(1, 600_000), 'How long running sessions may go on after TERM', '10s'),
  user: beyond(
    orEmpty(account),
    'User to become when the socket is open: started as root, the milter can have its socket where only root may write; the configuration must be readable for that user, or HUP cannot read it again',
    '',
  ),
  workers: beyond(kinds.whole(1, 256), 'Processes that serve the socket together', '1'),
} as const;

export type ParameterName = keyof typeof schema;

type ParameterValue<E> = E extends ParameterEntry<infer T> ? T : never;

/** The value of each row that has its own; one that has no default may be missing. */
export type ParameterValues = { readonly [N in ParameterName]: ParameterValue<(typeof schema)[N]> | undefined };

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

const textDoc = (result: RefusableResult, token: string): string =>
  token === '' ? `Text of a refusal for ${result}` : `Text of a refusal for ${result}; ${token} stands for the reason`;

const replyEntries = refusableResults.flatMap((result): readonly [string, ParameterEntry<unknown>][] => {
  const [code, status, text] = replyDefaults[result];
  const row = result === 'neutral' || result === 'none' ? beyond : entry;
  const token = result === 'temperror' || result === 'permerror' ? '%{reason}' : '';
  return [
    [`${result}_reply_code`, row<unknown>(kinds.replyCode, `SMTP code of a refusal for ${result}`, code)],
    [`${result}_reply_text`, row<unknown>(kinds.replyText(token), textDoc(result, token), text)],
    [
      `${result}_status_code`,
      row<unknown>(kinds.statusCode, `Enhanced status code (RFC 3463) of a refusal for ${result}`, status),
    ],
  ];
});

/** All rows by name, in alphabetical order, spf-milter's before ours. */
export const entries: ReadonlyMap<string, ParameterEntry<unknown>> = new Map(
  [...(Object.entries(schema) as unknown as [string, ParameterEntry<unknown>][]), ...replyEntries].sort(
    ([a, one], [b, other]) => Number(one.beyond ?? false) - Number(other.beyond ?? false) || (a < b ? -1 : 1),
  ),
);
