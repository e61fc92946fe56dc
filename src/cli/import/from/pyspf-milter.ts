/**
 * pyspf-milter and policyd-spf, which share their file: each option as the parameters of postern milter that do the
 * same.
 */
import { readText } from '../../../settings/read-text.js';
import { contentLines } from '../../../settings/read-table.js';
import { loadMilterConfig } from '../../milter/verify-sender/config.js';
import { rowOf } from '../foreign.js';
import type { SourceReader } from '../import.js';
import type { PlanDraft } from '../plan.js';
import { noteMilter } from './spf-milter.js';

type Options = ReadonlyMap<string, string>;

export const readPyspfMilter: SourceReader = (plan, { path, to }) => {
  const options = optionsIn(readText(path));
  const lines = parameters(options).map(([name, value]) => `${name} = ${value}`.trimEnd());
  const text = `# By postern import pyspf-milter, from ${path}.\n${lines.join('\n')}\n`;
  const loaded = loadMilterConfig({ file: to, options: [], readFile: (file) => (file === to ? text : readText(file)) });
  if (loaded.ok) plan.file(to, text, path);
  else for (const problem of loaded.problem) plan.note('by hand', path, problem);
  for (const [name] of options) {
    const why = rowOf(without, name);
    if (why !== undefined) plan.note('none', name, why);
    else if (!known.has(name)) plan.note('none', name, 'is no option of pyspf-milter');
  }
  differences(options, plan);
  noteMilter(plan, path);
};

/** Names without case, as pyspf reads them; the last one wins. */
function optionsIn(text: string): Options {
  const pairs = contentLines(text, 'any').map(([, line]) => {
    const [, name = line, value = ''] = /^([^=\s]+)\s*=?\s*(.*)$/.exec(line) ?? [];
    return [name.toLowerCase(), value.trim()] as const;
  });
  return new Map(pairs);
}

const byPolicy: Readonly<Record<string, readonly string[]>> = {
  spf_not_pass: ['fail', 'softfail', 'neutral'],
  softfail: ['fail', 'softfail'],
  fail: ['fail'],
};

function parameters(options: Options): readonly (readonly [name: string, value: string])[] {
  const of = (name: string): string => options.get(name) ?? '';
  const isOn = (name: string): boolean => /^(?:true|yes|1)$/i.test(of(name));
  const errors = [
    ...(isOn('permerror_reject') ? ['permerror'] : []),
    ...(isOn('temperror_defer') ? ['temperror'] : []),
  ];
  const results = (policy: string, usual: string): string =>
    [...(rowOf(byPolicy, (of(policy) || usual).toLowerCase()) ?? []), ...errors].join(', ');
  const given = (name: string, value: string): readonly (readonly [string, string])[] =>
    value === '' ? [] : [[name, value]];
  return [
    ['socket', of('socket') || 'unix:/var/spool/postfix/postern/milter.sock'],
    ['reject_results', results('mail_from_reject', 'Fail')],
    ['verify_helo', /^no_check$/i.test(of('helo_reject')) ? 'no' : 'yes'],
    ['reject_helo_results', results('helo_reject', 'SPF_Not_Pass')],
    ['header', /^ar$/i.test(of('header_type')) ? 'Authentication-Results' : 'Received-SPF'],
    ...given('authserv_id', /^(?:header|hostname)$/i.test(of('authserv_id')) ? '' : of('authserv_id')),
    ...given('dry_run', of('testonly') === '0' ? 'yes' : ''),
    ...given('log_level', Number(of('debuglevel')) >= 4 ? 'debug' : ''),
    ...given('trusted_networks', networks([of('skip_addresses'), of('whitelist'), of('internalhosts')])),
    ...given('skip_helo_names', csv(of('helo_whitelist'))),
    ...given(
      'skip_forwarders',
      csv([of('domain_whitelist'), of('domain_whitelist_ptr')].filter((one) => one !== '').join(',')),
    ),
    ...given('prospective_ip', of('prospective')),
    ...given('timeout_secs', of('lookup_time')),
    ...given('max_void_lookups', of('void_limit')),
    ...given('fail_status_code', /^no$/i.test(of('spf_enhanced_status_codes')) ? '5.7.1' : ''),
  ];
}

const csv = (value: string): string =>
  value
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .join(', ');

/** An IPv4-mapped address is its IPv4 address everywhere here. */
const networks = (values: readonly string[]): string =>
  [...new Set(csv(values.join(',')).split(', '))]
    .filter((word) => word !== '' && !word.startsWith('::ffff:'))
    .join(', ');

const known = new Set(
  `debuglevel testonly helo_reject mail_from_reject permerror_reject temperror_defer skip_addresses whitelist
   internalhosts helo_whitelist domain_whitelist domain_whitelist_ptr prospective header_type authserv_id lookup_time
   void_limit spf_enhanced_status_codes socket`.split(/\s+/),
);

const without: Readonly<Record<string, string>> = {
  pidfile: 'systemd knows the process',
  userid: 'the unit runs it as postern-milter; user in the file does so without systemd',
  umask: 'socket_mode, socket_owner and socket_group say who may connect',
  macrolistverify:
    'smtpd_milters of the listener says who is verified; trust_authenticated_senders spares those who log in',
  macrolist: 'smtpd_milters of the listener says who is verified',
  reject_not_pass_domains:
    'results are refused for all senders alike; quarantine_results or mark_results mark softfail',
  no_mail: 'a record of v=spf1 -all is one that fails, as any',
  hide_receiver: 'the receiver in Received-SPF is this host; no recipient stands in it',
  helo_pass_restriction: 'a milter gives Postfix no restriction; smtpd_restriction_classes with another test does',
  mail_from_pass_restriction: 'a milter gives Postfix no restriction; smtpd_restriction_classes with another test does',
  whitelist_lookup_time: 'timeout_secs holds for all look-ups of a message together',
  reason_message: 'fail_reply_text, permerror_reply_text and their like are what the client is told',
  mock: 'the field is a milter’s, and other milters see it',
  syslog_facility: 'syslog_facility has the same names; it was not taken, for the log goes to the journal',
  defaultseedonly: 'testonly has its meaning',
};

function differences(options: Options, plan: PlanDraft): void {
  if (/^null$/i.test(options.get('helo_reject') ?? ''))
    plan.note('differs', 'HELO_reject', 'Null refuses for a null sender alone; here HELO is refused for none');
  if (options.has('domain_whitelist_ptr'))
    plan.note('differs', 'Domain_Whitelist_PTR', 'the name must be forward-confirmed');
  if (options.has('helo_whitelist'))
    plan.note('differs', 'HELO_Whitelist', 'SPF or the confirmed host name must bear the name out');
  plan.note('differs', 'HELO_reject', 'a bad HELO name is refused at MAIL, and not where the client has authenticated');
  plan.note(
    'differs',
    'SPF',
    'test/spf/differences.md says where pyspf judges a record otherwise, and by which section of RFC 7208',
  );
}
