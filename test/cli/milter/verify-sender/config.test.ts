import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  changedForRestart,
  type LoadedConfig,
  loadMilterConfig,
  type MilterConfig,
} from '../../../../src/cli/milter/verify-sender/config.js';
import { milterHelp, readMilterOptions } from '../../../../src/cli/milter/options.js';
import { entries } from '../../../../src/cli/milter/verify-sender/schema.js';

const file = '/etc/spf-milter.conf';

function missing(path: string): never {
  throw Object.assign(new Error(path), { code: 'ENOENT' });
}

function load(text: string, files: Readonly<Record<string, string>> = {}): LoadedConfig {
  const all: Readonly<Record<string, string>> = { [file]: text, ...files };
  return loadMilterConfig({ file, options: [], readFile: (path) => all[path] ?? missing(path) });
}

function configOf(text: string, files: Readonly<Record<string, string>> = {}): MilterConfig {
  const loaded = load(`socket = inet:localhost:3000\n${text}`, files);
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.problem.join('\n'));
  return loaded.value.config;
}

test('a file with a socket alone has the defaults of spf-milter.conf(5)', () => {
  const config = configOf('');
  assert.deepEqual(config.socket, { kind: 'tcp', host: 'localhost', port: 3000 });
  assert.equal(config.verify_helo, true);
  assert.deepEqual([...config.definitive_helo_results], []);
  assert.deepEqual([...config.reject_results], ['fail', 'temperror', 'permerror']);
  assert.deepEqual([...config.reject_helo_results], ['fail', 'temperror', 'permerror']);
  assert.deepEqual(config.header, ['Received-SPF']);
  assert.equal(config.delete_incoming_authentication_results, false);
  assert.equal(config.hostname, undefined);
  assert.equal(config.authserv_id, undefined);
  assert.deepEqual([config.max_lookups, config.max_void_lookups, config.timeout_secs], [10, 2, 20]);
  assert.equal(config.trust_authenticated_senders, true);
  assert.deepEqual(
    config.trusted_networks.map(({ base, prefix }) => `${base.text}/${prefix}`),
    ['127.0.0.0/8', '::1/128'],
  );
  assert.equal(config.dry_run, false);
  assert.deepEqual([config.log_destination, config.log_level, config.syslog_facility], ['syslog', 'info', 'mail']);
  const { fail, softfail, temperror, permerror } = config.replies;
  assert.deepEqual([fail.code, fail.enhanced, fail.text.before.text], [550, '5.7.23', 'SPF validation failed']);
  assert.deepEqual([softfail.code, softfail.enhanced], [550, '5.7.23']);
  assert.deepEqual([temperror.code, temperror.enhanced], [451, '4.7.24']);
  assert.deepEqual([permerror.code, permerror.enhanced], [550, '5.7.24']);
  assert.equal(permerror.text.before.text, 'SPF validation error: ');
  assert.equal(config.fail_reply_text_exp.before.text, 'SPF validation failed: %{o} explains: ');
});

const good: readonly [what: string, text: string, read: (config: MilterConfig) => unknown, expected: unknown][] = [
  ['spaces around key and value are free', '  verify_helo=no  ', (c) => c.verify_helo, false],
  ['true and false are yes and no', 'verify_helo = false', (c) => c.verify_helo, false],
  ['comments and blank lines are ignored', '\n# a\n   # b\ndry_run = true', (c) => c.dry_run, true],
  ['CRLF ends a line as well', 'dry_run = yes\r\nverify_helo = no\r\n', (c) => c.verify_helo, false],
  ['a number sign further right is part of the value', 'hostname = a#b', (c) => c.hostname, 'a#b'],
  ['an equals sign further right is too', 'fail_reply_text = a=b', (c) => c.replies.fail.text.before.text, 'a=b'],
  ['an empty set', 'reject_results =', (c) => [...c.reject_results], []],
  [
    'reject_helo_results follows reject_results',
    'reject_results = softfail',
    (c) => [...c.reject_helo_results],
    ['softfail'],
  ],
  ['or has its own', 'reject_helo_results = fail', (c) => [...c.reject_helo_results], ['fail']],
  [
    'definitive results',
    'definitive_helo_results = pass, fail',
    (c) => [...c.definitive_helo_results],
    ['pass', 'fail'],
  ],
  [
    'neutral and none can be refused, beyond spf-milter',
    'reject_results = none,neutral',
    (c) => c.reject_results.size,
    2,
  ],
  ['no field at all', 'header =', (c) => c.header, []],
  [
    'both fields, in any case, in order',
    'header = authentication-results , RECEIVED-SPF',
    (c) => c.header,
    ['Authentication-Results', 'Received-SPF'],
  ],
  [
    'forgeries go where we write that field',
    'header = Authentication-Results',
    (c) => c.delete_incoming_authentication_results,
    true,
  ],
  [
    'or where it is said',
    'delete_incoming_authentication_results = yes',
    (c) => c.delete_incoming_authentication_results,
    true,
  ],
  ['no trusted network', 'trusted_networks =', (c) => c.trusted_networks, []],
  ['a network with host bits set', 'trusted_networks = 132.4.5.67/25', (c) => c.trusted_networks[0]?.prefix, 25],
  ['a name in U-labels', 'hostname = mx.bücher.example', (c) => c.hostname, 'mx.xn--bcher-kva.example'],
  [
    'senders',
    'skip_senders = Example.COM, .example.net, User@Example.org',
    (c) => c.skip_senders,
    [
      { localPart: undefined, domain: 'example.com', below: false },
      { localPart: undefined, domain: 'example.net', below: true },
      { localPart: 'user', domain: 'example.org', below: false },
    ],
  ],
  ['codes that agree', 'fail_reply_code = 451\nfail_status_code = 4.7.1', (c) => c.replies.fail.code, 451],
  ['the token of an explanation', 'fail_reply_text_exp = <%{exp}>', (c) => c.fail_reply_text_exp.after?.text, '>'],
  [
    'a doubled percent sign before it makes it none',
    'fail_reply_text_exp = %%{exp}',
    (c) => c.fail_reply_text_exp.after,
    undefined,
  ],
  ['a mode', 'socket_mode = 0660', (c) => c.socket_mode, 0o660],
  ['a duration', 'answer_within = 25', (c) => c.answer_within, 25_000],
];
for (const [what, text, read, expected] of good) {
  test(`read: ${what}`, () => assert.deepEqual(read(configOf(text)), expected));
}

test('skip_senders_file joins skip_senders', () => {
  const { skip_senders } = configOf('skip_senders = a.example\nskip_senders_file = /skip', {
    '/skip': '# friends\n\n  .b.example\nc@d.example\r\n',
  });
  assert.deepEqual(
    skip_senders.map(({ domain }) => domain),
    ['a.example', 'b.example', 'd.example'],
  );
});

const bad: readonly [what: string, text: string, expected: RegExp][] = [
  ['an unknown key', 'verifyhelo = yes', /conf:2: verifyhelo is no parameter; did you mean verify_helo\?/],
  ['a line without =', 'verify_helo', /conf:2: verify_helo: must be KEY = VALUE/],
  ['a key twice', 'dry_run = no\ndry_run = yes', /conf:3: dry_run is given twice, first at .*conf:2/],
  ['not yes or no', 'dry_run = maybe', /conf:2: dry_run = maybe: must be yes or no/],
  ['capitals', 'dry_run = Yes', /must be yes or no/],
  ['an empty flag', 'dry_run =', /dry_run = : must be yes or no/],
  ['an unknown result', 'reject_results = fial', /"fial" must be fail or softfail/],
  ['pass cannot be refused', 'reject_results = pass', /"pass" must be/],
  ['an empty item', 'reject_results = fail,,softfail', /must not hold an empty item/],
  ['a field twice', 'header = Received-SPF, received-spf', /must not name a field twice/],
  ['an unknown field', 'header = X-SPF', /"X-SPF" must be Received-SPF or Authentication-Results/],
  ['a bad network', 'trusted_networks = loopback, 10.0.0.0/33', /"10\.0\.0\.0\/33" must be an address or a network/],
  ['a bad sender', 'skip_senders = a@b@', /"a@b@" must be a domain/],
  ['a bad macro', 'fail_reply_text = %{y}', /fail_reply_text = %\{y\}: not a macro; .*percent sign written %%/],
  ['a single percent sign', 'softfail_reply_text = 100% sure', /not a macro/],
  ['a token where none is', 'fail_reply_text = %{exp}', /not a macro/],
  ['a token twice', 'permerror_reply_text = %{reason}%{reason}', /%\{reason\} may stand in it once/],
  ['8-bit text', 'fail_reply_text = grüße', /the character 0xFC may not stand here/],
  ['a reply code of success', 'fail_reply_code = 250', /must be a reply code from 400 to 559/],
  ['a status of success', 'fail_status_code = 2.0.0', /of class 4 or 5/],
  [
    'codes of two classes',
    'fail_reply_code = 451',
    /fail_reply_code = 451: must begin with the same digit as fail_status_code, which is 5\.7\.23/,
  ],
  ['a number that is none', 'max_lookups = ten', /must be a whole number/],
  ['a number that is too large', 'timeout_secs = 4294967296', /up to 4294967295/],
  ['a file that is not there', 'skip_senders_file = /proc/nowhere', /must be a file that can be read \(ENOENT\)/],
  ['what is held and refused at once', 'quarantine_results = fail', /must not hold fail, refused by reject_results/],
  ['a log level of another program', 'log_level = trace', /must be error or warn or info or debug/],
  ['a facility', 'syslog_facility = LOG_MAIL', /must be kern or user or mail/],
  ['a metrics address', 'metrics = 9100', /must be host:port/],
  ['a mode', 'socket_mode = rw', /an octal mode, such as 0660/],
  ['control characters in a value', 'hostname = a\u001b[31mb', /hostname = a\?\[31mb: must be a name/],
];
for (const [what, text, expected] of bad) {
  test(`refused: ${what}`, () => {
    const loaded = load(`socket = unix:/run/x\n${text}`);
    assert.ok(!loaded.ok);
    assert.equal(loaded.problem.length, 1, loaded.problem.join('\n'));
    assert.match(loaded.problem[0] ?? '', expected);
    assert.match(loaded.problem[0] ?? '', /^[\x20-\x7e\xa0-\u2027]+$/);
  });
}

test('all problems are told at once, each at its place', () => {
  const loaded = load('verify = no\ndry_run = 1\nskip_senders_file = /skip\n', { '/skip': 'a b\n' });
  assert.ok(!loaded.ok);
  assert.deepEqual(
    loaded.problem.map((problem) => problem.split(': ')[0]),
    [`${file}:1`, `${file}:2`, file, '/skip:1'],
  );
  assert.match(loaded.problem[2] ?? '', /socket is missing/);
});

test('a file that cannot be read is one problem, with its reason', () => {
  const loaded = loadMilterConfig({ file, options: [], readFile: missing });
  assert.ok(!loaded.ok);
  assert.match(loaded.problem[0] ?? '', /^\/etc\/spf-milter\.conf: must be a file that can be read \(ENOENT\)/);
});

test('options win over the file, and are named in problems', () => {
  const readFile = (): string => 'socket = unix:/run/a\nlog_level = warn';
  const given = (name: string, text: string, place: string) => ({ name, text, place });
  const loaded = loadMilterConfig({ file, options: [given('log_level', 'debug', '-L')], readFile });
  assert.equal(loaded.ok && loaded.value.config.log_level, 'debug');
  const wrong = loadMilterConfig({ file, options: [given('socket', 'tcp:1', '-p')], readFile });
  assert.match(
    wrong.ok ? '' : (wrong.problem[0] ?? ''),
    /^-p: socket = tcp:1: is none of .*it is inet:, not tcp:; must be inet:HOST:PORT/,
  );
});

test('a socket handed over needs no parameter, and beats one', () => {
  const loaded = loadMilterConfig({ file, options: [], readFile: () => 'socket = unix:/a', inherited: 'fd:3' });
  assert.deepEqual(loaded.ok && loaded.value.config.socket, { kind: 'fd', fd: 3 });
});

test('what --print-config prints reads back to the same', () => {
  const text = [
    'socket = inet:[::1]:3000',
    'fail_reply_text_exp = 100%% of %{o}: %{exp} (%{c})',
    'header = Received-SPF, Authentication-Results',
    'trusted_networks = loopback, 192.0.2.0/24',
    'metrics = 127.0.0.1:9100',
    'answer_within = 1500ms',
  ].join('\n');
  const loaded = load(text);
  assert.ok(loaded.ok);
  const again = load(loaded.value.text);
  assert.ok(again.ok, again.ok ? '' : again.problem.join('\n'));
  assert.deepEqual(again.value.config, loaded.value.config);
});

test('a reload tells what needs a restart', () => {
  assert.deepEqual(changedForRestart(configOf('dry_run = yes'), configOf('log_level = debug\nheader =')), [
    'log_level',
  ]);
});

const commandLines: readonly [what: string, argv: string, expected: string][] = [
  [
    'short options',
    '-c /f -n -l stderr -L debug -p unix:/s -s local0',
    'run /f dry_run=yes log_destination=stderr log_level=debug socket=unix:/s syslog_facility=local0',
  ],
  ['long options', '--config-file /f --dry-run --socket=unix:/s', 'run /f dry_run=yes socket=unix:/s'],
  ['the file is nobody’s', '', 'run undefined'],
  ['version', '-V', 'version undefined'],
  ['help', '--help -c /f', 'help /f'],
  ['check', '--check-config', 'check undefined'],
  ['an option that is none', '--dryrun', 'milter has no option "--dryrun"; did you mean --dry-run?'],
  ['a word', 'start', 'milter has no option "start"; postern milter --help lists those there are'],
  ['a value that is missing', '-c', '-c needs a value: --config-file PATH'],
  ['a value too many', '--dry-run=no', '--dry-run takes no value'],
];
for (const [what, argv, expected] of commandLines) {
  test(`command line: ${what}`, () => {
    const read = readMilterOptions(argv.split(' ').filter((word) => word !== ''));
    const { action, file: named, given } = read.ok ? read.value : { action: '', file: '', given: [] };
    const words = [action, String(named), ...given.map(({ name, text }) => `${name}=${text}`)];
    assert.equal(read.ok ? words.join(' ') : read.problem.join(), expected);
  });
}

test('help has all options of spf-milter(8), and every parameter has a row', () => {
  for (const option of ['-c', '-n', '-h', '-l', '-L', '-p', '-s', '-V'])
    assert.match(milterHelp, new RegExp(`^ +${option},`, 'm'));
  assert.equal([...entries.values()].filter(({ beyond }) => !beyond).length, 35);
});
