/**
 * Every setting there is: name, kind of value, default, one line of documentation. The `Settings` type, the reader,
 * `print-config`, `--help` and the manual page derive from this table. A new setting is one more row here.
 */
import * as kinds from './mail-kinds.js';
import {
  age,
  duration,
  integer,
  listOf,
  oneOf,
  optional,
  orEmpty,
  orWord,
  size,
  type ValueKind,
  yesNo,
} from './value-kind.js';

export interface SettingEntry<T> {
  readonly kind: ValueKind<T>;
  /** In the text form of the kind; also what an empty value stands for. */
  readonly default: string;
  readonly doc: string;
}

const entry = <T>(kind: ValueKind<T>, byDefault: string, doc: string): SettingEntry<T> => ({
  kind,
  default: byDefault,
  doc,
});

const optionalPath = orEmpty(kinds.path);
const optionalName = orEmpty(kinds.hostName);
/** Not a day and more: beyond 2^31 ms a timer of Node fires at once. */
const timeLimit = duration(1, 86_400_000);
const logLevel = oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent');
const century = 36_500 * 86_400_000;
/** Durations are milliseconds, sizes octets. An empty text is '', an empty list []. */
export const schema = {
  listen: entry(listOf(kinds.listenEndpoint, { atLeastOne: true }), '*:25', 'where to take mail'),
  srv: entry(kinds.path, '/srv', 'the tree of hosted domains and their markers'),
  srv_from: entry(
    optionalName,
    '',
    'the host that has the switches, where /srv is a copy of its: page and commands change nothing here, and name it',
  ),
  spam: entry(kinds.path, '/spam', 'the quarantine'),
  state: entry(
    kinds.path,
    '/var/lib/postern',
    'where large mails wait while they are received, and what postern remembers',
  ),
  relay: entry(
    kinds.destinations,
    '127.0.0.1:10025',
    'the MTAs that accepted mail is handed to, unless its domain has a file that names others',
  ),
  relay_ca: entry(
    optionalPath,
    '',
    'certificates (PEM) of those who vouch for MTAs with tls=must; empty: whom this system trusts',
  ),
  relay_connections: entry(integer(1, 10_000), '20', 'most connections to an MTA behind at a time'),
  relay_mails_per_connection: entry(
    integer(1, 1_000_000),
    '100',
    'most mails in one session with an MTA behind, which may have a limit of its own',
  ),
  relay_timeout: entry(timeLimit, '25s', 'longest time for one mail to be handed over, connection to reply'),
  plugins: entry(optionalPath, '', 'the ordered list of plugins; empty: the list that ships with the program'),
  plugin_dirs: entry(listOf(kinds.listedPath), '', 'folders with plugins of your own'),
  hostname: entry(optionalName, '', "our name in greeting and trace fields; empty: this machine's name"),
  authserv_id: entry(optionalName, '', 'our name in Authentication-Results; empty: the hostname'),
  dns_servers: entry(
    listOf(kinds.nameServer),
    '',
    'name servers to ask; empty: those of /etc/resolv.conf, as it is now',
  ),
  dns_zone: entry(optionalPath, '', 'a zone file that is answered from instead of asking the DNS, for trials'),
  dns_timeout: entry(timeLimit, '5s', 'longest wait for the answer to one DNS question'),
  max_size: entry(size(1024), '25m', 'largest mail that is taken'),
  memory_limit: entry(size(0), '256k', 'a mail larger than this waits on disk once memory_total is used up'),
  memory_total: entry(
    size(0),
    '16m',
    'memory that mails above memory_limit share in a process before they wait on disk',
  ),
  max_header_size: entry(size(1024), '1m', 'largest header section'),
  max_connections: entry(integer(1, 1_000_000), '1000', 'most connections at a time'),
  max_connections_per_ip: entry(integer(1, 1_000_000), '50', 'most connections at a time from one address'),
  max_recipients: entry(integer(1, 100_000), '100', 'most recipients of a mail (RFC 5321 asks for 100 or more)'),
  max_errors: entry(integer(1, 100_000), '20', 'errors after which a session is ended'),
  command_timeout: entry(timeLimit, '60s', 'longest wait for the next command'),
  data_timeout: entry(timeLimit, '10m', 'longest time to receive a mail'),
  session_timeout: entry(timeLimit, '20m', 'longest session'),
  plugin_timeout: entry(timeLimit, '30s', 'longest time for a plugin to answer; then the mail is deferred'),
  stop_timeout: entry(timeLimit, '30s', 'longest time to finish running transactions at a stop'),
  bare_newline: entry(oneOf('normalize', 'reject'), 'normalize', 'what is done with a CR or LF that stands alone'),
  strict_envelope: entry(
    yesNo,
    'no',
    'refuse what RFC 5321 does not have in HELO, MAIL and RCPT and Postfix takes: no <>, blanks, a final dot',
  ),
  tls_cert: entry(
    optionalPath,
    '',
    'certificate chain (PEM) for STARTTLS, or a folder with NAME/fullchain.pem and NAME/privkey.pem, of which a client is shown the one that it asks for; empty: no STARTTLS',
  ),
  tls_key: entry(optionalPath, '', 'private key (PEM) of the certificate; empty where tls_cert is a folder'),
  workers: entry(orWord('auto', integer(1, 256)), '1', 'processes that share the ports; auto: one a core'),
  watchdog: entry(duration(3000, 86_400_000), '15s', 'silence after which a worker that hangs is killed and replaced'),
  web: entry(optional(kinds.webEndpoint), '', 'where the quarantine page is; empty: nowhere'),
  web_hosts: entry(listOf(kinds.hostName), '', 'names by which a proxy reaches the quarantine page'),
  web_proxies: entry(kinds.networks, '', 'proxies of the quarantine page whose X-Forwarded-For is believed'),
  web_tokens: entry(kinds.path, '/var/lib/postern/web-tokens', 'who may see the page: postern web token adds lines'),
  digest_url: entry(
    kinds.pageUrl,
    '',
    'where links of digest mails lead: the quarantine page as its readers reach it; empty: no digests',
  ),
  metrics: entry(
    optional(kinds.metricsEndpoint),
    '',
    'where /metrics (Prometheus), /livez and /readyz are answered; empty: nowhere',
  ),
  relay_networks: entry(kinds.networks, '', 'clients that may relay anywhere and skip the checks'),
  proxy_networks: entry(kinds.networks, '', 'proxies whose PROXY header is believed'),
  xclient_networks: entry(kinds.networks, '', 'clients whose XCLIENT command is believed'),
  postmaster: entry(optional(kinds.mailAddress), '', 'who gets mail for <postmaster>; empty: sent on as it is'),
  recipient_delimiter: entry(orEmpty(kinds.delimiter), '', 'with + here, name+anything is looked up as name too'),
  blacklist_dir: entry(optionalPath, '', 'a folder of files named by address that adds to blacklisted/ips'),
  spf_voids: entry(
    integer(0, 1000),
    '2',
    'terms of SPF records that may find nothing in DNS (RFC 7208 section 4.6.4); more are permerror',
  ),
  spf_forwarders: entry(listOf(kinds.hostPattern), '', 'forwarding hosts, by name, whose mail skips the SPF check'),
  expire: entry(age(century), '30d', 'age at which quarantined mail is deleted; 0: never'),
  expire_size: entry(
    size(0),
    '0',
    'size of the quarantine above which its oldest days are deleted, today never; 0: no limit',
  ),
  index_link: entry(
    orEmpty(kinds.linkName),
    'index.json',
    'a link to the index in each folder of the quarantine, for tools that look for that name; empty: none',
  ),
  store: entry(
    kinds.storeUrl,
    '',
    'what greylisting, ratelimit and earlytalker remember: empty: a file in state; or a Redis or Valkey',
  ),
  store_down: entry(
    oneOf('pass', 'defer'),
    'pass',
    'what becomes of a mail that the store is asked about while it is down',
  ),
  catalog: entry(
    kinds.catalogUrl,
    '',
    'a PostgreSQL database that several hosts share: what each of them refuses is found on all; empty: none',
  ),
  catalog_read: entry(
    kinds.catalogUrl,
    '',
    'a replica of the catalog that lists, searches and charts are read from as long as it keeps up; empty: none',
  ),
  bodies: entry(
    kinds.bodiesUrl,
    '',
    'an S3-compatible store that has the mails of the catalog; empty: the database has them',
  ),
  ship_keep: entry(
    age(century),
    '0',
    "age at which this host's own file of a refused mail goes that was read back from the catalog; 0: with expire",
  ),
  journal: entry(age(century), '14d', 'how long it is kept what became of every mail; 0: not at all'),
  journal_to: entry(
    oneOf('catalog', 'files'),
    'catalog',
    "whose journal page and commands show: that of all hosts, where the setting catalog names a database, or this host's files",
  ),
  journal_subject: entry(yesNo, 'yes', 'write subjects into the journal'),
  journal_mask: entry(
    age(century),
    '0',
    'age at which lines of the journal lose local-parts, subjects and the last part of addresses; 0: never',
  ),
  user: entry(orEmpty(kinds.account), '', 'user to become when the port is open'),
  group: entry(orEmpty(kinds.account), '', 'group to become when the port is open'),
  log_level: entry(logLevel, 'info', 'least level that is logged'),
  log_file: entry(optionalPath, '', 'a file that the log goes to as well, opened anew on USR1; empty: none'),
  log_format: entry(oneOf('auto', 'json', 'pretty'), 'auto', 'auto: pretty on a terminal, else JSON'),
  syslog_prefix: entry(yesNo, 'no', 'begin each log line with its syslog level, <n>, for the journal'),
} as const;

export type SettingName = keyof typeof schema;

type SettingValue<E> = E extends SettingEntry<infer T> ? T : never;

/** Frozen, through and through. Durations are milliseconds, sizes octets. */
export type Settings = { readonly [N in SettingName]: SettingValue<(typeof schema)[N]> };

/**
 * Where the value of each setting came from: `default`, `trial`, `/etc/postern.conf:12`, `POSTERN_LISTEN`,
 * `--listen`.
 */
export type Sources = Readonly<Record<SettingName, string>>;

/** The rows in order, for whoever treats all alike. */
export const entries: ReadonlyMap<SettingName, SettingEntry<unknown>> = new Map(
  Object.entries(schema) as unknown as [SettingName, SettingEntry<unknown>][],
);

export const isSettingName = (name: string): name is SettingName => Object.hasOwn(schema, name);
