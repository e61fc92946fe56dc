/** What each plugin of Haraka is here: a function that writes it into the plan, or why there is no such thing. */
import { isHost } from '../host-name.js';
import { wordsOf } from '../ini.js';
import { timeText } from '../time-text.js';
import type { HarakaConfig } from './haraka.js';

type Rule = string | ((config: HarakaConfig, from: string) => void);

/** A plugin whose check has the same purpose. */
const check =
  (name: string, differs?: string): Rule =>
  ({ plan }, from) => {
    plan.check(name, from);
    if (differs !== undefined) plan.note('differs', from, differs);
  };

export const harakaPlugins: Readonly<Record<string, Rule>> = {
  access,
  attachment,
  bounce: 'a bounce is judged by its HELO name (checks/spf) and must name a mailbox that there is',
  clamd,
  dkim: check('dkim_check', 'signatures are verified and recorded; checks/dmarc is what rejects by them'),
  'dns-list': dnsList,
  fcrdns,
  greylist,
  headers,
  'helo.checks': check(
    'helo',
    'a name with _, without a dot, a bare address, or under .lan .local .localdomain .internal',
  ),
  limit,
  'mail_from.is_resolvable': check('sender_domain'),
  'queue/lmtp': relayOf('lmtp.ini', 24),
  'queue/smtp_forward': relayOf('smtp_forward.ini', 25),
  'queue/smtp_proxy': relayOf('smtp_proxy.ini', 25),
  'queue/qmail-queue': ({ plan }, from) =>
    plan.note('by hand', from, 'let qmail take mail by SMTP on loopback, and set relay to that'),
  'rcpt_to.in_host_list': () => undefined,
  'rcpt_to.host_list_base': () => undefined,
  'rcpt_to.routes': ({ plan }, from) =>
    plan.note('by hand', from, 'a domain’s file relay says where its mail goes; who has a mailbox is in users/valid'),
  'rcpt-ldap': ({ plan }, from) =>
    plan.note(
      'by hand',
      from,
      'valid_users ldap /etc/postern/users.ldap in the list of plugins; man postern.conf has the file',
    ),
  'qmail-deliverable': ({ plan }, from) =>
    plan.note('by hand', from, 'valid_users ahead in the list of plugins asks the MTA behind by RCPT'),
  relay,
  rspamd,
  spamassassin,
  spf: check(
    'spf',
    'fail and permerror are rejected, temperror deferred; spf.ini’s switches for other results have no counterpart',
  ),
  tls: () => undefined,
  toobusy: ({ plan }, from) =>
    plan.note('differs', from, 'system_load in the list of plugins turns away by the load average'),
  xclient: ({ folder, plan }, from) => {
    const networks = folder.networks('xclient.hosts');
    if (networks !== '') plan.setting('xclient_networks', networks, from);
  },
  'data.nomsgid': 'a mail without Message-ID: is taken',
  'data.noreceived': 'a mail without Received: is taken',
  aliases: 'the MTA behind has aliases',
  'auth/flat_file': 'users send through the MTA behind (submission, 587), not through the MX',
  'auth/auth_proxy': 'users send through the MTA behind (submission, 587), not through the MX',
  'auth/auth_vpopmaild': 'users send through the MTA behind (submission, 587), not through the MX',
  asn: 'nothing is judged by the network’s number',
  geoip: 'nothing is judged by country',
  early_talker: earlyTalker,
  karma: 'nothing is summed up over connections; ratelimit and greylisting remember networks',
  uribl,
  avg: 'clamav is what scans for viruses',
  messagesniffer: 'clamav, rspamd and spamassassin are what scan mail',
  esets: 'clamav is what scans for viruses',
  delay_deny: 'every rejection waits for the end of the mail already',
  dkim_sign: 'the MTA behind signs what is sent',
  p0f: 'nothing is judged by the client’s operating system',
  process_title: 'postern track and the metrics have the numbers',
  syslog: 'the log goes to standard output, and so to journald or syslog',
  'log.elasticsearch': 'the log is JSON; the journal is in state/journal',
  elasticsearch: 'the log is JSON; the journal is in state/journal',
  graph: 'the page has charts; metrics answers Prometheus',
  status: 'metrics answers Prometheus, and /readyz monitors',
  watch: 'postern tail shows mail while it comes, and so does the page',
  tarpit: 'nobody is held up',
  'queue/discard': 'mail is handed on or refused, never thrown away',
  'queue/quarantine': 'what is rejected is kept in /spam',
  'queue/test': 'postern test judges a mail and stores nothing',
};

function access({ folder, plan }: HarakaConfig, from: string): void {
  const files: readonly (readonly [
    file: string,
    which: 'blacklisted' | 'whitelisted',
    phase: 'client' | 'mail' | 'rcpt',
  ])[] = [
    ['connect.rdns_access.blacklist', 'blacklisted', 'client'],
    ['connect.rdns_access.whitelist', 'whitelisted', 'client'],
    ['mail_from.access.blacklist', 'blacklisted', 'mail'],
    ['mail_from.access.whitelist', 'whitelisted', 'mail'],
    ['rcpt_to.access.blacklist', 'blacklisted', 'rcpt'],
    ['rcpt_to.access.whitelist', 'whitelisted', 'rcpt'],
  ];
  for (const [file, which, phase] of files) {
    for (const { text, from: place } of folder.lines(file))
      if (phase === 'client') client({ plan, which, text, from: place });
      else if (phase === 'mail') plan.sender(which, text, place);
      else if (which === 'blacklisted') plan.user(text, 'invalid', place);
      else plan.recipient(text, place);
    for (const { text, from: place } of folder.lines(`${file}_regex`))
      plan.note('none', place, `${text}: entries are names, not patterns`);
  }
  for (const { text, from: place } of folder.lines('access.domains')) {
    plan.sender(text.startsWith('!') ? 'whitelisted' : 'blacklisted', text.replace(/^!/, ''), place);
    plan.note(
      'differs',
      'access.domains',
      'an entry is compared with the sender’s whole domain, not with what is below it, HELO or recipient',
    );
  }
  plan.note('differs', from, 'a whitelist entry lifts any rejection of the mail');
}

interface AccessEntry extends Pick<HarakaConfig, 'plan'> {
  readonly which: 'blacklisted' | 'whitelisted';
  readonly text: string;
  readonly from: string;
}

function client({ plan, which, text, from }: AccessEntry): void {
  if (!isHost(text)) plan.listed('_global_', `${which}/ips`, text, from);
  else if (which === 'blacklisted') plan.listed('_global_', 'blacklisted/hosts', text, from);
  else plan.note('none', from, `${text}: clients are whitelisted by address, not by name`);
}

function attachment({ ini, plan, folder }: HarakaConfig, from: string): void {
  plan.check('attachments', from);
  const types = ini('attachment.ini').get('disallowed_extensions');
  if (types !== undefined)
    plan.note(
      'by hand',
      'attachment.ini',
      `*.${wordsOf(types).join(' *.')} a line each in a file, and attachments FILE in the list of plugins`,
    );
  for (const name of ['attachment.filename.regex', 'attachment.ctype.regex'])
    if (folder.has(name)) plan.note('none', name, 'attachments takes patterns with *, not regular expressions');
}

function clamd({ ini, plan }: HarakaConfig, from: string): void {
  const place = wordsOf(ini('clamd.ini').get('clamd_socket') ?? 'localhost:3310')[0] ?? '';
  plan.plugin(`clamav ${endpoint(place, 3310)}`, from);
  plan.check('clamav', from);
}

function dnsList({ folder, ini, plan }: HarakaConfig, from: string): void {
  const lists = [ini('dns-list.ini'), ini('dnsbl.ini')];
  const zones = [
    ...lists.flatMap((list) => list.all('zones')).flatMap(wordsOf),
    ...folder.lines('dnsbl.zones').map(({ text }) => text),
  ];
  for (const zone of new Set(zones)) {
    const rows = lists.flatMap((list) => list.section(zone));
    const type = rows.find(({ key }) => key === 'type')?.value;
    if (/^(?:karma|allow)$/.test(type ?? '') || zone === 'list.dnswl.org')
      plan.note('none', from, `${zone}: it says whom to trust as well; whitelisted/ips is for that`);
    else {
      const codes = rows.map(({ key }) => key).filter((key) => /^127\.\d+\.\d+\.\d+$/.test(key));
      plan.lineOfAll('zones', codes.length > 0 ? `${zone}=${codes.join(',')}` : zone, from);
    }
  }
}

function earlyTalker({ ini, plan }: HarakaConfig, from: string): void {
  const pause = Number(ini('early_talker.ini').get('pause') ?? 5);
  plan.plugin(`earlytalker delay=${Math.min(6, Math.max(1, Math.round(pause)))}s`, from);
}

function uribl({ ini, plan }: HarakaConfig, from: string): void {
  const zones = ['uribl.ini', 'data.uribl.ini'].flatMap((file) => ini(file).sections());
  for (const zone of zones.filter((name) => name.includes('.'))) plan.lineOfAll('uri_zones', zone, from);
  plan.note('differs', from, 'a list’s bitmask is given as answers that count: multi.surbl.org=127.0.0.[8..254]');
}

function fcrdns({ ini, plan }: HarakaConfig, from: string): void {
  const isRejected = (key: string): boolean => ini('fcrdns.ini').isOn(key, 'reject');
  if (isRejected('no_rdns')) plan.check('rdns', from);
  if (isRejected('no_fcrdns')) plan.check('fcrdns', from);
  if (isRejected('invalid_tld') || isRejected('generic_rdns'))
    plan.note('none', from, 'names that look generic are not rejected; blacklisted/hosts and tld name them');
}

function greylist({ ini, plan }: HarakaConfig, from: string): void {
  const list = ini('greylist.ini');
  const time = (key: string): string => timeText(Number(list.get(key, 'period')));
  plan.check('greylisting', from);
  if (list.section('period').length > 0)
    plan.plugin(`greylisting delay=${time('black')} window=${time('grey')} life=${time('white')} clients=5`, from);
  for (const { key } of list.section('ip_whitelist'))
    plan.note('by hand', from, `${key}: whitelisted/ips would spare it all checks, not only this one`);
  plan.note('differs', from, 'a network is put off, not a host, and not where SPF vouches for a domain that is known');
}

function headers({ ini, plan }: HarakaConfig, from: string): void {
  const list = ini('headers.ini');
  plan.check('date', from);
  plan.check('address', from);
  plan.check('headers', from);
  const [past, future] = [list.get('date_past_days'), list.get('date_future_days')];
  if (past !== undefined) plan.plugin(`date ${past}${future === undefined ? '' : ` ${future}`}`, from);
  plan.note(
    'differs',
    from,
    'Date:, From: and fields that stand there twice are looked at; user agents and phishing are not',
  );
}

function limit({ ini, plan }: HarakaConfig, from: string): void {
  const list = ini('limit.ini');
  const connections = list.get('max', 'concurrency');
  if (connections !== undefined) plan.setting('max_connections_per_ip', connections, 'limit.ini: [concurrency] max');
  const errors = list.get('max', 'errors');
  if (errors !== undefined) plan.setting('max_errors', errors, 'limit.ini: [errors] max');
  const commands = list.get('max', 'unrecognized_commands');
  if (commands !== undefined)
    plan.plugin(`unrecognized_commands ${commands}`, 'limit.ini: [unrecognized_commands] max');
  plan.note(
    'by hand',
    from,
    'rates: ratelimit client=200/1h sender=500/1h in the list of plugins counts mails, not recipients or connections',
  );
}

function relay({ folder, plan }: HarakaConfig, from: string): void {
  const networks = folder.networks('relay_acl_allow');
  if (networks !== '') plan.setting('relay_networks', networks, from);
  if (folder.has('relay_dest_domains.ini'))
    plan.note('none', 'relay_dest_domains.ini', 'what is hosted is in /srv; the MTA behind routes');
}

function rspamd({ ini, plan }: HarakaConfig, from: string): void {
  const list = ini('rspamd.ini');
  plan.plugin(`rspamd ${endpoint(`${list.get('host') ?? 'localhost'}:${list.get('port') ?? '11333'}`, 11_333)}`, from);
  plan.check('rspamd', from);
}

function spamassassin({ ini, plan }: HarakaConfig, from: string): void {
  const list = ini('spamassassin.ini');
  const socket = endpoint(list.get('spamd_socket') ?? '127.0.0.1:783', 783);
  const reject = list.get('reject_threshold');
  plan.plugin(`spamassassin ${socket}${reject === undefined ? '' : ` reject=${reject}`}`, from);
  plan.check('spamassassin', from);
}

/** The queue plugin is where mail goes; a section of a domain's name is that domain's. */
function relayOf(file: string, port: number): Rule {
  return ({ ini, plan }, from) => {
    const list = ini(file);
    const placeIn = (section: string): string | undefined => {
      const host = list.get('host', section);
      const place = host && endpoint(`${host}:${list.get('port', section) ?? port}`, port);
      return place && (file === 'lmtp.ini' ? `lmtp:${place}` : place);
    };
    const main = placeIn('main');
    if (main !== undefined) plan.setting('relay', main, `${file}: host`);
    for (const domain of list.sections().filter((name) => plan.domains.includes(name.toLowerCase()))) {
      const place = placeIn(domain);
      if (place !== undefined) plan.line(domain.toLowerCase(), 'relay', place, `${file}: [${domain}]`);
    }
    if (list.get('auth_user') !== undefined)
      plan.note('none', from, 'no AUTH is said to the MTA behind: it listens on loopback');
  };
}

/** `localhost` may be another address than the one that is listened on; postern takes addresses. */
function endpoint(text: string, port: number): string {
  if (text.startsWith('/')) return text;
  const named = text.replace(/^localhost(?=:|$)/, '127.0.0.1');
  return /:\d+$/.test(named) ? named : `${named}:${port}`;
}
