/**
 * Every environment variable of `postern milter --policy submission`: sos-milter's own names, forms and defaults
 * first, then ours.
 */
import { parsePattern, type RecordPattern } from '../../../milter/submission/pattern.js';
import { type Endpoint, endpointText } from '../../../milter/endpoint.js';
import { listenEndpoint, nameServer, path } from '../../../settings/mail-kinds.js';
import { duration, oneOf, optional, orEmpty, valueKind, type ValueKind } from '../../../settings/value-kind.js';
import { addresses, csv, octalMode, socket as socketKind } from '../verify-sender/config-kinds.js';

export interface Variable<T> {
  readonly kind: ValueKind<T>;
  readonly default: string;
  readonly doc: string;
}

const variable = <T>(kind: ValueKind<T>, byDefault: string, doc: string): Variable<T> => ({
  kind,
  default: byDefault,
  doc,
});

/** Without case: `REJECT` in capitals is meant as it is written. */
const word = <const W extends string>(...words: readonly W[]): ValueKind<W> => {
  const exact = oneOf(...words);
  return { ...exact, parse: (text) => exact.parse(text.toLowerCase()) };
};

export const flag: ValueKind<boolean> = valueKind('true|false', 'true or false (or yes, no, on, off, 1, 0)', (text) =>
  /^(?:true|yes|on|1)$/i.test(text) ? true : /^(?:false|no|off|0|)$/i.test(text) ? false : undefined,
);

export const logLevels = word('debug', 'info', 'warning', 'warn', 'error');

const message = valueKind('TEXT', 'one line of at most 2000 characters', (text) =>
  text.length <= 2000 && !/\p{Cc}/u.test(text) ? text : undefined,
);

const pattern: ValueKind<RecordPattern | undefined> = {
  label: 'REGEX',
  right: 'a regular expression',
  parse: (text) => (text === '' ? { ok: true, value: undefined } : parsePattern(text)),
  write: (value) => value?.text ?? '',
};

/** As libmilter has it, a port without a host is that of all addresses: in a container nobody else could reach it. */
const socket: ValueKind<Endpoint> = {
  ...socketKind,
  parse: (text) => {
    const [, family, port] = /^inet(6?):(\d+)$/.exec(text) ?? [];
    return socketKind.parse(port === undefined ? text : `inet${family}:${port}@${family === '6' ? '[::]' : '0.0.0.0'}`);
  },
  write: endpointText,
};

const nextHops: ValueKind<ReadonlySet<string>> = valueKind(
  'HOST,...',
  'a list between commas of next hops as the MTA says them: host, [host]:port',
  (text) =>
    new Set(
      text
        .split(',')
        .map((hop) => hop.trim().toLowerCase())
        .filter((hop) => hop !== ''),
    ),
  (hops) => [...hops].join(', '),
);

/** Those of the LDAP settings are read by src/directory: their text is all that is looked at here. */
export const directoryVariables = {
  uri: ['LDAP_SERVER_URI', 'ldap://, ldaps:// or ldapi://; several are asked in turn'],
  base: ['LDAP_SEARCH_BASE', 'where to look'],
  filter: ['LDAP_QUERY_FILTER', 'what to look for; %d is the domain, escaped'],
  bind_dn: ['LDAP_BINDDN', 'name to bind with; empty: anonymous'],
  bind_password: ['LDAP_BINDPW', 'its password, or LDAP_BINDPW_FILE a file that holds it'],
  start_tls: ['LDAP_STARTTLS', 'TLS on an ldap:// connection'],
  ca_file: ['LDAP_CA_FILE', 'CA of the servers, PEM'],
  timeout: ['LDAP_TIMEOUT', 'for one question, 5s'],
  cache: ['LDAP_CACHE', 'how long a hit holds, 5m'],
  cache_negative: ['LDAP_CACHE_NEGATIVE', 'how long a miss holds, 1m'],
  connections: ['LDAP_CONNECTIONS', 'at a time, 4'],
} as const;

export const variables = {
  LOG_LEVEL: variable(logLevels, 'info', 'least level that is logged'),
  MILTER_MODE: variable(word('test', 'reject'), 'test', 'test: log and mark; reject: refuse'),
  MILTER_NAME: variable(
    valueKind('NAME', 'letters, digits, spaces, . _ and -', (text) =>
      /^[\w. -]{1,64}$/.test(text) ? text : undefined,
    ),
    'sos-milter',
    'stands before what clients are told',
  ),
  MILTER_SOCKET: variable(optional(socket), '', '/socket/NAME, inet:PORT@HOST, inet6:PORT'),
  MILTER_REJECT_MESSAGE: variable(message, 'Security policy violation!', 'end of the 550'),
  MILTER_TMPFAIL_MESSAGE: variable(
    message,
    'Service temporarily not available! Please try again later.',
    'text of the 450',
  ),
  SPF_REGEX: variable(pattern, '', 'permits us where it matches a record from its start, without case (RE2)'),
  IGNORED_NEXT_HOPS: variable(nextHops, '', 'values of {rcpt_host}'),
  LDAP_ENABLED: variable(flag, 'false', 'own domains are known from LDAP'),

  OUTGOING_IPS: variable(addresses, '', 'our addresses as the world sees them'),
  SUBMISSION_DNS_FAILURE: variable(word('tempfail', 'pass'), 'tempfail', 'in reject mode, while DNS fails'),
  SUBMISSION_LDAP_FAILURE: variable(word('foreign', 'tempfail'), 'foreign', 'in reject mode, while LDAP fails'),
  MILTER_SOCKET_MODE: variable(optional(octalMode), '', 'of the socket’s file; by the umask, and 0660 at least'),
  LOG_FORMAT: variable(word('auto', 'json', 'pretty'), 'auto', 'auto: pretty on a terminal, else JSON'),
  METRICS: variable(optional(listenEndpoint), '', 'host:port of /metrics, /livez and /readyz'),
  SUMMARY_EVERY: variable(duration(1000, 604_800_000), '1h', 'a line with the top domains'),
  DNS_SERVERS: variable(csv(nameServer), '', 'those of /etc/resolv.conf, as it is now, where empty'),
  DNS_ZONE: variable(orEmpty(path), '', 'a zone file that answers in the place of the DNS'),
  IDLE_TIMEOUT: variable(duration(1000, 86_400_000), '7210s', 'after which a silent connection is closed'),
  STOP_TIMEOUT: variable(duration(1, 600_000), '10s', 'for sessions at a stop'),
} as const;

export type VariableName = keyof typeof variables;

type VariableValue<V> = V extends Variable<infer T> ? T : never;
export type VariableValues = { readonly [N in VariableName]: VariableValue<(typeof variables)[N]> };
