/** The configuration of qpsmtpd: one file a setting, and a list of plugins in the format that postern's has, too. */
import { existsSync } from 'node:fs';
import { type ForeignFolder, type ForeignLine, rowOf } from '../foreign.js';
import type { PlanDraft } from '../plan.js';
import { timeText } from '../time-text.js';

interface Qpsmtpd {
  readonly folder: ForeignFolder;
  readonly plan: PlanDraft;
}

export function readQpsmtpd(folder: ForeignFolder, plan: PlanDraft): void {
  if (!existsSync(folder.path)) return;
  const config = { folder, plan };
  const me = folder.first('me');
  if (me) plan.setting('hostname', me.text, me.from);
  const size = folder.first('databytes');
  if (size && size.text !== '0') plan.setting('max_size', size.text, size.from);
  for (const { text, from } of folder.lines('rcpthosts', { includes: true }))
    plan.hostAll(text.replace(/^\./, ''), from);
  if (folder.has('rcpthosts'))
    plan.note(
      'by hand',
      'rcpthosts',
      'every recipient of these is valid; users/valid names them, or valid_users ahead asks the MTA',
    );
  for (const { text, from } of folder.lines('badmailfrom'))
    plan.sender('blacklisted', text.split(/\s+/)[0] ?? '', from);
  for (const { text, from } of folder.lines('badrcptto')) plan.user(text.split(/\s+/)[0] ?? '', 'invalid', from);
  for (const { text, from } of folder.lines('badhelo'))
    plan.note('none', from, `${text}: HELO names have no blacklist`);
  relayClients(config);
  for (const line of folder.lines('plugins', { includes: true })) plugin(line, config);
  for (const list of ['dnsbl_zones', 'rhsbl_zones'] as const)
    for (const { text, from } of folder.lines(list))
      plan.lineOfAll(list === 'dnsbl_zones' ? 'zones' : 'domain_zones', text.split(':')[0]?.trim() ?? '', from);
}

/** `192.168.` is all that begins so. */
function relayClients({ folder, plan }: Qpsmtpd): void {
  const networks = folder
    .lines('relayclients')
    .map(({ text }) => text)
    .filter((text) => text !== '127.0.0.1')
    .map((text) => (text.endsWith('.') ? networkOf(text) : text));
  if (networks.length > 0) plan.setting('relay_networks', networks.join(', '), 'relayclients');
}

function networkOf(text: string): string {
  const octets = text.split('.').filter((octet) => octet !== '');
  return `${[...octets, '0', '0', '0'].slice(0, 4).join('.')}/${8 * octets.length}`;
}

type Rule = string | ((words: readonly string[], config: Qpsmtpd, from: string) => void);

/** By qpsmtpd's names, those of ms-lite, and those of earlier versions. */
const rules: Readonly<Record<string, Rule>> = {
  'queue/smtp-forward': ([host = '127.0.0.1', port = '25'], { plan }, from) =>
    plan.setting('relay', `${host.replace(/^localhost$/, '127.0.0.1')}:${port}`, from),
  'queue/exim-bsmtp': listener('Exim', '#exim'),
  'queue/postfix-queue': listener('Postfix', '#postfix'),
  'queue/qmail-queue': listener('qmail', ''),
  'queue/maildir': listener('an MTA', ''),
  'virus/clamdscan': clamd,
  clamdscan: clamd,
  'virus/clamav': clamd,
  spamassassin: (words, { plan }, from) => {
    const reject = valueOf('reject_threshold', words) ?? valueOf('reject', words);
    plan.plugin(
      `spamassassin ${valueOf('spamd_socket', words) ?? '127.0.0.1:783'}${reject === undefined ? '' : ` reject=${reject}`}`,
      from,
    );
    plan.check('spamassassin', from);
  },
  greylisting: (words, { plan }, from) => {
    plan.check('greylisting', from);
    const black = valueOf('black_timeout', words);
    const [grey = '172800', white = '3110400'] = [valueOf('grey_timeout', words), valueOf('white_timeout', words)];
    const [delay, window, life] = [black, grey, white].map((time) => timeText(Number(time)));
    if (black !== undefined) plan.plugin(`greylisting delay=${delay} window=${window} life=${life} clients=5`, from);
  },
  sender_permitted_from: switched('spf'),
  dkim: switched('dkim_check'),
  dmarc: switched('dmarc'),
  headers: switched('date', 'headers'),
  fcrdns: switched('fcrdns'),
  require_resolvable_fromhost: switched('sender_domain'),
  resolvable_fromhost: switched('sender_domain'),
  check_earlytalker: earlytalker,
  earlytalker,
  helo: switched('helo'),
  count_unrecognized_commands: ([count = '4'], { plan }, from) => plan.plugin(`unrecognized_commands ${count}`, from),
  tls: (words, { plan }, from) => {
    const [certificate, key] = words;
    if (certificate === undefined || key === undefined) return;
    plan.setting('tls_cert', certificate, from);
    plan.setting('tls_key', key, from);
  },
  milter: ([name = '', place = ''], { plan }, from) =>
    plan.plugin(
      `milter inet:${place.includes(':') ? place : `127.0.0.1:${place}`} name=${name.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')}`,
      from,
    ),
  check_spamhelo: 'HELO names have no blacklist',
  karma: 'nothing is summed up over connections',
  uribl: (_words, { plan }, from) =>
    plan.note('by hand', from, '/srv/DOMAIN/uri_zones, a list a line, switches uribl on'),
  hosts_allow: '_global_/blacklisted/ips and max_connections_per_ip',
  badrcptto_patterns: 'entries are names, not patterns',
};

/** What is so without a plugin, or is a check of the same name, which its markers switch on. */
const silent =
  /^(?:rcpt_ok|check_relay|relay|check_badmailfrom|badmailfrom|check_badrcptto|badrcptto|check_loop|loop|dnsbl|rhsbl|quit_fortune|ident\/.*|logging\/.*|date|spf|sender|rdns[46]?|address|mailers|mailman|empty_body|clamav|system_load|unrecognized_commands|valid_users|blacklist|whitelist|dkim_check|archive|deliver|queue\/archive|queue\/deliver|global\/.*)$/;

function plugin({ text, from }: ForeignLine, config: Qpsmtpd): void {
  const [name = '', ...words] = text.split(/\s+/);
  const rule = rowOf(rules, name);
  const place = `${from}: ${name}`;
  if (typeof rule === 'string') config.plan.note('none', place, rule);
  else if (rule) rule(words, config, place);
  else if (name.startsWith('auth/'))
    config.plan.note('none', place, 'users send through the MTA behind, not through the MX');
  else if (!silent.test(name))
    config.plan.note('none', place, 'is no plugin of ours: docs/writing-plugins.md says how one is written here');
}

function switched(...checks: readonly string[]): Rule {
  return (_words, { plan }, from) => {
    for (const check of checks) plan.check(check, from);
  };
}

function earlytalker(words: readonly string[], { plan }: Qpsmtpd, from: string): void {
  if (valueOf('action', words) === 'log')
    plan.note('none', from, 'earlytalker does not only log: action is reject or defer');
  else plan.plugin(`earlytalker delay=6s${valueOf('action', words) === 'denysoft' ? ' action=defer' : ''}`, from);
}

function listener(mta: string, place: string): Rule {
  return (_words, { plan }, from) =>
    plan.note(
      'by hand',
      from,
      `${mta} has to take mail by SMTP on loopback, and relay to name that: docs/in-front-of.md${place}`,
    );
}

function clamd(words: readonly string[], { plan }: Qpsmtpd, from: string): void {
  plan.plugin(`clamav ${valueOf('clamd_socket', words) ?? '/run/clamav/clamd.ctl'}`, from);
  plan.check('clamav', from);
}

/** `reject_threshold 10` */
const valueOf = (name: string, words: readonly string[]): string | undefined => {
  const at = words.indexOf(name);
  return at < 0 ? undefined : words[at + 1];
};
