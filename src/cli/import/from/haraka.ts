/**
 * Haraka's configuration: host_list, the ini files of its core, and its plugins, each by a row of haraka-plugins.ts.
 * Haraka's switches hold for all domains, and so each becomes a marker of every domain.
 */
import { join } from 'node:path';
import { ForeignFolder, rowOf, withoutBrackets } from '../foreign.js';
import type { SourceReader } from '../import.js';
import { Ini, wordsOf } from '../ini.js';
import type { PlanDraft } from '../plan.js';
import { harakaPlugins } from './haraka-plugins.js';

export interface HarakaConfig {
  readonly folder: ForeignFolder;
  readonly plan: PlanDraft;
  /** An ini file; an empty one where there is none. */
  readonly ini: (name: string) => Ini;
}

export const readHaraka: SourceReader = (plan, { path }) => {
  const outer = new ForeignFolder(path, plan);
  const folder = outer.has('config/plugins') ? new ForeignFolder(join(path, 'config'), plan) : outer;
  const config = { folder, plan, ini: (name: string) => new Ini(folder.text(name) ?? '') };
  if (!folder.has('plugins')) plan.note('by hand', 'plugins', `${folder.path} holds no file plugins: is it Haraka’s?`);
  hosts(config);
  core(config);
  for (const { text, from } of folder.lines('plugins')) plugin(text, from, config);
  plan.note(
    'differs',
    'reject',
    'what is rejected is read to its end and kept in /spam, and its sender told 550 and an ID',
  );
  plan.note(
    'differs',
    'queue',
    'there is no queue: the MTA behind has the mail before the client hears 250; it does the outbound',
  );
};

function hosts({ folder, plan }: HarakaConfig): void {
  for (const { text, from } of folder.lines('host_list')) plan.hostAll(text, from);
  for (const { text, from } of folder.lines('host_list_regex'))
    plan.note('none', from, `${text}: a hosted domain has a folder of its own name`);
  if (plan.domains.length > 0)
    plan.note(
      'by hand',
      'host_list',
      'every recipient is valid, as it was; where the MTA behind knows its users, valid_users ahead asks it',
    );
}

function core({ folder, plan, ini }: HarakaConfig): void {
  const me = folder.first('me');
  if (me) plan.setting('hostname', me.text, me.from);
  const smtp = ini('smtp.ini');
  const listen = smtp.get('listen') ?? (smtp.get('port') && `[::0]:${smtp.get('port')}`);
  if (listen !== undefined && listen !== '')
    plan.setting('listen', wordsOf(listen.replaceAll('[::0]', '*')).join(', '), 'smtp.ini: listen');
  const nodes = smtp.get('nodes');
  if (nodes !== undefined && nodes !== '0')
    plan.setting('workers', nodes === 'cpus' || nodes === 'true' ? 'auto' : nodes, 'smtp.ini: nodes');
  const idle = smtp.get('inactivity_timeout');
  if (idle !== undefined) plan.setting('command_timeout', `${idle}s`, 'smtp.ini: inactivity_timeout');
  if (smtp.get('user') !== undefined)
    plan.note('differs', 'smtp.ini: user', 'the unit runs it as the user postern, from systemd-sysusers');
  const connection = ini('connection.ini');
  const size = folder.first('databytes') ?? {
    text: connection.get('bytes', 'max'),
    from: 'connection.ini: [max] bytes',
  };
  if (size.text !== undefined && size.text !== '0') plan.setting('max_size', size.text, size.from);
  const proxies = [...connection.all('hosts', 'haproxy'), ...folder.lines('haproxy_hosts').map(({ text }) => text)];
  if (proxies.length > 0)
    plan.setting('proxy_networks', proxies.map(withoutBrackets).join(', '), 'connection.ini: [haproxy] hosts');
  if (connection.get('data_line_length', 'max') !== undefined)
    plan.note(
      'differs',
      'connection.ini: data_line_length',
      'long lines are not cut: the octets are handed on as they came',
    );
  const tls = ini('tls.ini');
  for (const [name, key, usual] of [
    ['tls_cert', 'cert', 'tls_cert.pem'],
    ['tls_key', 'key', 'tls_key.pem'],
  ] as const) {
    const file = tls.get(key) ?? (folder.has(usual) ? usual : undefined);
    if (file !== undefined) plan.setting(name, folder.at(file), `tls.ini: ${key}`);
  }
}

function plugin(line: string, from: string, config: HarakaConfig): void {
  const [name = ''] = line.split(/\s+/);
  const rule = rowOf(harakaPlugins, name) ?? rowOf(harakaPlugins, rowOf(renamed, name) ?? '');
  if (typeof rule === 'string') config.plan.note('none', `${from}: ${name}`, rule);
  else if (rule) rule(config, `${from}: ${name}`);
  else
    config.plan.note(
      'none',
      `${from}: ${name}`,
      'is no plugin of Haraka’s own: docs/writing-plugins.md says how one is written here',
    );
}

/** Names of earlier versions. */
const renamed: Readonly<Record<string, string>> = {
  dnsbl: 'dns-list',
  dkim_verify: 'dkim',
  'connect.fcrdns': 'fcrdns',
  'connect.geoip': 'geoip',
  'connect.asn': 'asn',
  'connect.rdns_access': 'access',
  'mail_from.access': 'access',
  'rcpt_to.access': 'access',
  'data.headers': 'headers',
  'data.uribl': 'uribl',
  'data.signatures': 'uribl',
  'rcpt_to.ldap': 'rcpt-ldap',
  'rcpt_to.qmail_deliverable': 'qmail-deliverable',
  clamav: 'clamd',
  rate_limit: 'limit',
  max_unrecognized_commands: 'limit',
  relay_acl: 'relay',
  relay_all: 'relay',
  lookup_rdns: 'fcrdns',
  'lookup_rdns.strict': 'fcrdns',
};
