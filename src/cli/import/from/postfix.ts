/**
 * A Postfix that has port 25: its domains and users, its restrictions and access tables, postscreen, and the settings
 * that have a like. Postfix stays, behind postern, on a listener of its own.
 */
import { parseDomain } from '../../../mail/domain.js';
import { ForeignFolder } from '../foreign.js';
import type { SourceReader } from '../import.js';
import type { PlanDraft } from '../plan.js';
import { PostfixMain } from './postfix-main.js';
import { type MapEntry, type PostfixMap, readMap } from './postfix-maps.js';
import { postscreen } from './postfix-postscreen.js';
import { restrictions } from './postfix-restrictions.js';

export interface PostfixConfig {
  readonly folder: ForeignFolder;
  readonly main: PostfixMain;
  readonly plan: PlanDraft;
}

export const readPostfix: SourceReader = (plan, { path }) => {
  const folder = new ForeignFolder(path, plan);
  if (!folder.has('main.cf')) return plan.note('by hand', 'main.cf', `is not in ${path}: is it Postfix’s?`);
  const config = { folder, main: new PostfixMain(folder), plan };
  plan.note(
    'by hand',
    'master.cf',
    'port 25 is postern’s; Postfix takes mail on 127.0.0.1:10025: docs/in-front-of.md has the listener',
  );
  domains(config);
  settings(config);
  restrictions(config);
  postscreen(config);
  filters(config);
};

function domains(config: PostfixConfig): void {
  const aliases = config.main.words('virtual_alias_maps');
  const kinds: readonly (readonly [parameter: string, users: readonly string[] | undefined])[] = [
    ['mydestination', undefined],
    ['virtual_mailbox_domains', [...config.main.words('virtual_mailbox_maps'), ...aliases]],
    ['virtual_alias_domains', aliases],
    ['relay_domains', config.main.words('relay_recipient_maps')],
  ];
  let count = 0;
  for (const [parameter, maps] of kinds) {
    const users = usersOf(maps, config);
    const names = namesIn(parameter, config);
    for (const name of names) hosted(name, { parameter, users }, config);
    count += names.length;
  }
  if (count === 0)
    config.plan.note('by hand', 'main.cf', 'no domain in it has a whole name: postern srv add-domain makes the first');
}

interface KnownUsers {
  /** Entries by the domain of their key; undefined where Postfix knows its users by other means. */
  readonly byDomain: ReadonlyMap<string, readonly MapEntry[]> | undefined;
  /** Some are somewhere that cannot be read. */
  readonly isPart: boolean;
}

/** Read once for all domains of a parameter: there may be thousands of either. */
function usersOf(maps: readonly string[] | undefined, { folder }: PostfixConfig): KnownUsers {
  const tables = (maps ?? []).map((map) => readMap(map, folder));
  const known = tables.filter((table): table is PostfixMap & { kind: 'table' } => table?.kind === 'table');
  if (known.length === 0) return { byDomain: undefined, isPart: true };
  const byDomain = new Map<string, MapEntry[]>();
  for (const entry of known.flatMap(({ entries }) => entries)) {
    const domain = /@([^@]*)$/.exec(entry.key.toLowerCase())?.[1];
    if (domain === undefined) continue;
    const others = byDomain.get(domain);
    if (others === undefined) byDomain.set(domain, [entry]);
    else others.push(entry);
  }
  return { byDomain, isPart: known.length < tables.length };
}

interface PostfixDomain {
  readonly parameter: string;
  readonly users: KnownUsers;
}

function hosted(name: string, { parameter, users: known }: PostfixDomain, { plan }: PostfixConfig): void {
  const from = `${parameter}: ${name}`;
  const users = known.byDomain?.get(name) ?? [];
  const takesAll = users.some(({ key }) => key.startsWith('@'));
  if (known.isPart || takesAll) {
    plan.hostAll(name, from);
    if (!takesAll)
      plan.note(
        'by hand',
        parameter,
        'Postfix knows these users, so users/valid/* takes all, and valid_users ahead in the list of plugins asks it',
      );
    return;
  }
  plan.host(name, from);
  for (const user of users) plan.user(user.key, 'valid', user.from);
  for (const role of ['postmaster', 'abuse']) plan.user(`${role}@${name}`, 'valid', `${from} (RFC 2142)`);
}

/** Names, files of names, and tables whose keys are names. */
function namesIn(parameter: string, { main, folder, plan }: PostfixConfig): readonly string[] {
  const names = main.words(parameter).flatMap((word): readonly string[] => {
    if (word.startsWith('/')) return folder.lines(word).map(({ text }) => text.split(/\s+/)[0] ?? '');
    const map = readMap(word, folder);
    if (map === undefined) return [word];
    if (map.kind === 'table') return map.entries.map(({ key }) => key).filter((key) => !key.includes('@'));
    plan.note('by hand', `${parameter}: ${word}`, 'its domains are not in a file: postern srv add-domain makes each');
    return [];
  });
  return names
    .filter((name) => name.includes('.') && !/^localhost\b/.test(name) && parseDomain(name) !== undefined)
    .map((name) => name.toLowerCase());
}

function settings({ main, plan }: PostfixConfig): void {
  const rows = [
    ['hostname', 'myhostname'],
    ['max_size', 'message_size_limit'],
    ['tls_cert', 'smtpd_tls_cert_file'],
    ['tls_key', 'smtpd_tls_key_file'],
    ['max_recipients', 'smtpd_recipient_limit'],
    ['max_connections_per_ip', 'smtpd_client_connection_count_limit'],
    ['max_errors', 'smtpd_hard_error_limit'],
    ['xclient_networks', 'smtpd_authorized_xclient_hosts'],
  ] as const;
  for (const [name, parameter] of rows) {
    const value = main.said(parameter);
    if (name === 'hostname' && value?.includes('.') === false)
      plan.note('by hand', `main.cf: myhostname = ${value}`, 'set hostname to the whole name that the MX record has');
    else if (value !== undefined && value !== '' && value !== '0' && value !== 'none')
      plan.setting(name, value, `main.cf: ${parameter}`);
  }
  const delimiter = main.said('recipient_delimiter');
  if (delimiter !== undefined && delimiter !== '')
    plan.setting('recipient_delimiter', delimiter, 'main.cf: recipient_delimiter');
  chain(main, plan);
  relays(main, plan);
  if (main.get('smtpd_sasl_auth_enable') === 'yes')
    plan.note(
      'by hand',
      'smtpd_sasl_auth_enable',
      'postern offers no AUTH: users send by submission (587, 465), which stays Postfix’s',
    );
  if (main.get('smtpd_upstream_proxy_protocol') !== '')
    plan.note('by hand', 'smtpd_upstream_proxy_protocol', 'proxy_networks names the proxies that are believed');
}

function chain(main: PostfixMain, plan: PlanDraft): void {
  const [first, second = first] = main.words('smtpd_tls_chain_files');
  if (first === undefined || second === undefined) return;
  plan.setting('tls_key', first, 'main.cf: smtpd_tls_chain_files');
  plan.setting('tls_cert', second, 'main.cf: smtpd_tls_chain_files');
}

/** Loopback is not special here, and needs nothing: who sends from this host asks Postfix itself. */
function relays(main: PostfixMain, plan: PlanDraft): void {
  const networks = main
    .words('mynetworks')
    .map((word) => word.replace(/^\[(.*)\](\/\d+)?$/, '$1$2'))
    .filter((word) => !/^(?:127\.|::1|::ffff:127\.|!)/.test(word));
  if (networks.length === 0) return;
  if (networks.some((word) => word.includes('/') && !/^[\da-f.:]+\/\d+$/i.test(word)))
    return plan.note('by hand', 'mynetworks', 'holds a table or a file: relay_networks takes networks');
  plan.setting('relay_networks', networks.join(', '), 'main.cf: mynetworks');
  plan.note(
    'by hand',
    'mynetworks',
    'the listener behind needs permit_mynetworks before reject_unauth_destination for them, and allow_percent_hack = no',
  );
}

function filters({ main, plan }: PostfixConfig): void {
  for (const place of main.words('smtpd_milters')) {
    const [, unix] = /^(?:unix|local):(.*)$/.exec(place) ?? [];
    const path = unix === undefined ? '' : unix.startsWith('/') ? unix : `${main.get('queue_directory')}/${unix}`;
    const endpoint = unix === undefined ? place.replace('localhost', '127.0.0.1') : `unix:${path}`;
    plan.plugin(`milter ${endpoint} name=${nameOf(endpoint)}`, `smtpd_milters: ${place}`);
  }
  if (main.words('smtpd_milters').length > 0)
    plan.note(
      'by hand',
      'smtpd_milters',
      '-o smtpd_milters= on the listener behind, or each filter is asked twice; docs/filters.md has more',
    );
  if (main.get('transport_maps') !== '')
    plan.note('differs', 'transport_maps', 'stays; a domain’s file relay says where else its mail goes');
  if (main.get('content_filter') !== '')
    plan.note('differs', 'content_filter', 'stays where it is: it filters what Postfix has in its queue');
  if (main.get('smtpd_proxy_filter') !== '')
    plan.note(
      'by hand',
      'smtpd_proxy_filter',
      'stays with the listener behind; what it rejects is kept as plugin relay',
    );
  if (main.get('header_checks') + main.get('body_checks') !== '')
    plan.note(
      'differs',
      'header_checks, body_checks',
      'stay: what they reject behind the message is kept in /spam as plugin relay',
    );
}

/** Filters by their usual places. */
function nameOf(endpoint: string): string {
  const known = ['opendkim', 'opendmarc', 'rspamd', 'clamav', 'spamass'].find((name) => endpoint.includes(name));
  if (known !== undefined) return known;
  const ports: Readonly<Record<string, string>> = {
    11332: 'rspamd',
    8891: 'opendkim',
    8893: 'opendmarc',
    7357: 'clamav',
  };
  const port = /:(\d+)(?:@|$)/.exec(endpoint)?.[1] ?? '';
  return (
    ports[port] ??
    (port === '' ? (endpoint.split('/').at(-1) ?? '').replace(/\W.*$/, '') || 'filter' : `filter-${port}`)
  );
}
