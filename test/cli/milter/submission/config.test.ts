/**
 * The environment of the submission policy: sos-milter's works unchanged, and what is wrong is named by its variable.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSubmission, type SubmissionConfig } from '../../../../src/cli/milter/submission/config.js';
import { endpointText } from '../../../../src/milter/endpoint.js';

type Env = Readonly<Record<string, string>>;
const files: Record<string, string> = { '/pw': 'from a file\n', '/zone': '{}', '/badzone': '[' };

const load = (env: Env, inherited?: string) =>
  loadSubmission({
    env,
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' });
      return text;
    },
    ...(inherited !== undefined && { inherited }),
  });

function config(env: Env, inherited?: string): SubmissionConfig {
  const loaded = load(env, inherited);
  if (!loaded.ok) throw new Error(loaded.problem.join('\n'));
  return loaded.value.config;
}

const ldap = {
  LDAP_ENABLED: 'true',
  LDAP_SERVER_URI: 'ldaps://ldap.example.org',
  LDAP_SEARCH_BASE: 'dc=example,dc=org',
  LDAP_QUERY_FILTER: '(&(objectClass=dNSDomain)(dc=%d))',
};

test('nothing set: sos-milter’s defaults, and a warning that nothing will be found', () => {
  const loaded = load({});
  assert.ok(loaded.ok);
  const {
    mode,
    name,
    rejectMessage,
    tmpfailMessage,
    pattern,
    directory,
    socket,
    log_level: level,
  } = loaded.value.config;
  assert.deepEqual(
    [mode, name, rejectMessage, tmpfailMessage, pattern?.text, directory, endpointText(socket), level],
    [
      'test',
      'sos-milter',
      'Security policy violation!',
      'Service temporarily not available! Please try again later.',
      '.*',
      undefined,
      'unix:/socket/sos-milter',
      'info',
    ],
  );
  assert.match(loaded.value.warnings.join(), /neither SPF_REGEX nor OUTGOING_IPS/);
});

test('as in its own compose file', () => {
  const { mode, pattern, ignoredNextHops } = config({
    LOG_LEVEL: 'debug',
    MILTER_MODE: 'reject',
    SPF_REGEX: '^.*include:secure-mailgate\\.com.*$',
    IGNORED_NEXT_HOPS: 'some-mailrelay.xyz:123, another.relay, and.so.on:125',
  });
  assert.equal(mode, 'reject');
  assert.ok(pattern?.matches('v=spf1 include:secure-mailgate.com -all'));
  assert.deepEqual([...ignoredNextHops], ['some-mailrelay.xyz:123', 'another.relay', 'and.so.on:125']);
});

const sockets: readonly [text: string, expected: string][] = [
  ['/socket/x', 'unix:/socket/x'],
  ['unix:/socket/x', 'unix:/socket/x'],
  ['local:/socket/x', 'unix:/socket/x'],
  ['inet:8020@127.0.0.1', 'inet:127.0.0.1:8020'],
  ['inet:8020', 'inet:0.0.0.0:8020'],
  ['inet6:8020', 'inet:[::]:8020'],
];
for (const [text, expected] of sockets)
  test(`MILTER_SOCKET=${text}`, () => assert.equal(endpointText(config({ MILTER_SOCKET: text }).socket), expected));

test('the socket’s name is the milter’s', () =>
  assert.equal(endpointText(config({ MILTER_NAME: 'gate' }).socket), 'unix:/socket/gate'));
test('a socket that is handed over is taken', () =>
  assert.equal(endpointText(config({ MILTER_SOCKET: '/x' }, 'fd:3').socket), 'fd:3'));

const words: readonly [env: Env, read: (made: SubmissionConfig) => unknown, expected: unknown][] = [
  [{ MILTER_MODE: 'REJECT' }, ({ mode }) => mode, 'reject'],
  [{ LOG_LEVEL: 'WARNING' }, ({ log_level: level }) => level, 'warn'],
  [{ LOG_LEVEL: 'warn' }, ({ log_level: level }) => level, 'warn'],
  [{ LDAP_ENABLED: 'false' }, ({ directory }) => directory, undefined],
  [{ LDAP_ENABLED: 'No' }, ({ directory }) => directory, undefined],
  [{ LDAP_ENABLED: '0' }, ({ directory }) => directory, undefined],
  [{ LDAP_ENABLED: '' }, ({ directory }) => directory, undefined],
  [ldap, ({ directory }) => directory?.servers[0]?.text, 'ldaps://ldap.example.org'],
  [ldap, ({ directory }) => directory?.bind, undefined],
  [{ ...ldap, LDAP_STARTTLS: 'true' }, ({ directory }) => directory?.startTls, true],
  [{ ...ldap, LDAP_BINDDN: 'cn=x', LDAP_BINDPW: ' a b ' }, ({ directory }) => directory?.bind?.password, ' a b '],
  [
    { ...ldap, LDAP_BINDDN: 'cn=x', LDAP_BINDPW_FILE: '/pw' },
    ({ directory }) => directory?.bind?.password,
    'from a file',
  ],
  [{ OUTGOING_IPS: '192.0.2.1' }, ({ pattern }) => pattern, undefined],
  [{ OUTGOING_IPS: '192.0.2.1, ::1' }, ({ outgoing }) => outgoing.map(({ text }) => text).join(), '192.0.2.1,::1'],
  [{ MILTER_SOCKET_MODE: '0666' }, ({ socketMode }) => socketMode, 0o666],
];
for (const [env, read, expected] of words)
  test(`${JSON.stringify(env)} is read`, () => assert.deepEqual(read(config(env)), expected));

const wrong: readonly [what: string, env: Env, expected: RegExp][] = [
  ['a mode that is none', { MILTER_MODE: 'rejecting' }, /^MILTER_MODE: "rejecting" must be test or reject$/],
  ['a flag that sounds like no', { LDAP_ENABLED: 'disabled' }, /^LDAP_ENABLED: "disabled" must be true or false/],
  [
    'an expression with look-ahead',
    { SPF_REGEX: '^(?=.*include:a).*$' },
    /^SPF_REGEX: .*; look-around and back-references are not to be had$/,
  ],
  ['a bad expression', { SPF_REGEX: '(' }, /^SPF_REGEX: "\(" is no regular expression/],
  ['a bad socket', { MILTER_SOCKET: 'tcp:8020' }, /^MILTER_SOCKET: "tcp:8020" /],
  ['a bad name', { MILTER_NAME: '../x' }, /^MILTER_NAME: "\.\.\/x" must be letters/],
  [
    'a message of two lines',
    { MILTER_REJECT_MESSAGE: 'a\r\n250 b' },
    /^MILTER_REJECT_MESSAGE: "a\?+250 b" must be one line/,
  ],
  ['a bad address', { OUTGOING_IPS: '192.0.2.1/24' }, /^OUTGOING_IPS: /],
  [
    'a zone that is not there',
    { DNS_ZONE: '/gone' },
    /^DNS_ZONE: "\/gone" must be a file that can be read \(ENOENT\)$/,
  ],
  ['a zone that is none', { DNS_ZONE: '/badzone' }, /^DNS_ZONE: "\/badzone": /],
  [
    'LDAP without anything',
    { LDAP_ENABLED: 'yes' },
    /^LDAP_SERVER_URI: is missing.*\nLDAP_SEARCH_BASE: is missing.*\nLDAP_QUERY_FILTER: is missing/,
  ],
  [
    'a filter out of balance',
    { ...ldap, LDAP_QUERY_FILTER: '(&(a=b)(dc=%d)' },
    /^LDAP_QUERY_FILTER: .* unbalanced parentheses$/,
  ],
  ['a password without a name', { ...ldap, LDAP_BINDPW: 'geheim' }, /^LDAP_BINDDN: is missing/],
  ['a name without a password', { ...ldap, LDAP_BINDDN: 'cn=x' }, /^LDAP_BINDPW: is missing/],
  [
    'a password file that is not there',
    { ...ldap, LDAP_BINDPW_FILE: '/gone' },
    /^LDAP_BINDPW_FILE: "\/gone" cannot be read \(ENOENT\)$/,
  ],
  ['a CA that is not there', { ...ldap, LDAP_CA_FILE: '/gone' }, /^LDAP_CA_FILE: \/gone cannot be read/],
];
for (const [what, env, expected] of wrong)
  test(`said of ${what}`, () => {
    const loaded = load(env);
    const said = loaded.ok ? 'nothing' : loaded.problem.join('\n');
    assert.match(said, expected);
    assert.doesNotMatch(said, /geheim/);
  });

const taken: readonly [env: Env, read: (made: SubmissionConfig) => unknown, expected: unknown, warning: RegExp][] = [
  [
    { ...ldap, LDAP_ENABLED: 'some_value' },
    ({ directory }) => directory?.base,
    'dc=example,dc=org',
    /^LDAP_ENABLED: "some_value" is understood as true$/,
  ],
  [
    { ...ldap, LDAP_SERVER_URI: 'ldap.example.org:3389, ldaps://two.example.org' },
    ({ directory }) => directory?.servers.map(({ text }) => text),
    ['ldap://ldap.example.org:3389', 'ldaps://two.example.org'],
    /^LDAP_SERVER_URI: ".*" is understood as ldap:\/\/ldap\.example\.org:3389 ldaps:\/\/two\.example\.org: without TLS$/,
  ],
  [
    { ...ldap, LDAP_QUERY_FILTER: '(objectClass=dNSDomain)' },
    ({ directory }) => directory?.filter.text,
    '(objectClass=dNSDomain)',
    /^LDAP_QUERY_FILTER: "\(objectClass=dNSDomain\)" holds no %d: all domains are own ones, or none is$/,
  ],
  [
    { LOG_LEVEL: 'trace' },
    ({ log_level: level }) => level,
    'info',
    /^LOG_LEVEL: "trace" is no level, and is understood as info$/,
  ],
  [{ MILTER_MODE: 'testing' }, ({ mode }) => mode, 'test', /^MILTER_MODE: "testing" is understood as test$/],
  [
    { MILTER_NAME: 'SOS Milter' },
    ({ name, socket }) => [name, endpointText(socket)],
    ['SOS Milter', 'unix:/socket/SOS Milter'],
    /^MILTER_NAME: "SOS Milter" holds a space, and so does the socket, \/socket\/SOS Milter$/,
  ],
  [
    { MILTER_REJECT_MESSAGE: 'x'.repeat(500) },
    ({ rejectMessage }) => rejectMessage.length,
    500,
    /^MILTER_REJECT_MESSAGE: "x+…" is long: clients are told it in 2 lines or more$/,
  ],
];
for (const [env, read, expected, warning] of taken)
  test(`taken as sos-milter took it, with a warning: ${JSON.stringify(env).slice(0, 120)}`, () => {
    const loaded = load({ OUTGOING_IPS: '192.0.2.1', ...env });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    assert.deepEqual(read(loaded.value.config), expected);
    assert.equal(loaded.value.warnings.length, 1);
    assert.match(loaded.value.warnings.join(), warning);
  });

test('--print-config reads back to the same, and shows no password', () => {
  const loaded = load({ ...ldap, LDAP_BINDDN: 'cn=x', LDAP_BINDPW: 'geheim', MILTER_MODE: 'Reject' });
  assert.ok(loaded.ok);
  assert.doesNotMatch(loaded.value.text, /geheim/);
  assert.match(loaded.value.text, /^LDAP_BINDPW=\*\*\*$/m);
  const printed = loaded.value.text.trimEnd();
  const masked = load(Object.fromEntries(pairsOf(printed.split('\n'))));
  assert.match(masked.ok ? '' : masked.problem.join(), /^LDAP_BINDPW: must be the password itself/);
  const lines = printed.replace('***', 'geheim').split('\n');
  const again = load(Object.fromEntries(pairsOf(lines)));
  assert.ok(again.ok);
  assert.equal(again.value.text, loaded.value.text);
});

const pairsOf = (lines: readonly string[]): [name: string, text: string][] =>
  lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
