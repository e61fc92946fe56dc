/** The settings of a directory: servers, and what is said of what is wrong; never a password. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServerUri } from '../../src/directory/server-uri.js';
import { readDirectoryFile, type ReadDirectory } from '../../src/directory/settings.js';

const uris: readonly [text: string, expected: string][] = [
  ['ldap://ldap.example.org', 'ldap.example.org:389'],
  ['LDAP://127.0.0.1:1389/', '127.0.0.1:1389'],
  ['ldaps://ldap.example.org', 'ldap.example.org:636 tls'],
  ['ldaps://[2001:db8::1]:1636', '2001:db8::1:1636 tls'],
  ['ldapi://%2Frun%2Fslapd%2Fldapi', '/run/slapd/ldapi'],
  ['ldapi:///run/slapd/ldapi', '/run/slapd/ldapi'],
  ['ldapi:///', '/var/run/slapd/ldapi'],
  ['ldapi://', '/var/run/slapd/ldapi'],
  ['http://ldap.example.org', 'none'],
  ['ldap.example.org', 'none'],
  ['ldap://', 'none'],
  ['ldap://host:0', 'none'],
  ['ldap://host:65536', 'none'],
  ['ldap://user@host', 'none'],
  ['ldap://host/dc=example', 'none'],
  ['ldapi://%', 'none'],
  ['ldapi://run/slapd', 'none'],
];
for (const [text, expected] of uris)
  test(`server ${text}`, () => {
    const server = parseServerUri(text);
    const shown = server?.kind === 'tcp' ? `${server.host}:${server.port}${server.tls ? ' tls' : ''}` : server?.path;
    assert.equal(shown ?? 'none', expected);
  });

const pem = '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n';

function read(...lines: readonly string[]): ReadDirectory {
  const files: Record<string, string> = { '/d.conf': lines.join('\n'), '/ca.pem': pem, '/none.pem': 'hello' };
  const readFile = (path: string): string => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' });
    return text;
  };
  return readDirectoryFile('/d.conf', { places: ['s', 'u', 'd'], readFile });
}

const enough = ['uri = ldap://a ldaps://b', 'base = dc=example, dc=org', 'filter = (mail=%s)'];

test('a file with all that is needed', () => {
  const got = read(
    '# users',
    ...enough,
    '',
    'bind_dn = cn=x',
    'bind_password = a = b # c',
    'ca_file = /ca.pem',
    'cache = 1h',
  );
  assert.ok(got.ok);
  const { servers, base, bind, ca, foundMs, absentMs, timeoutMs, startTls } = got.value;
  assert.deepEqual(
    servers.map(({ text }) => text),
    ['ldap://a', 'ldaps://b'],
  );
  assert.deepEqual([base, bind, ca], ['dc=example, dc=org', { dn: 'cn=x', password: 'a = b # c' }, pem]);
  assert.deepEqual([foundMs, absentMs, timeoutMs, startTls], [3_600_000, 60_000, 5000, false]);
});

const wrong: readonly [what: string, lines: readonly string[], expected: RegExp][] = [
  ['nothing at all', [], /^\/d\.conf: uri: is missing.*\n\/d\.conf: base: is missing.*\n\/d\.conf: filter: is missing/],
  ['a bad server', ['uri = http://x', 'base = x', 'filter = (a=%s)'], /^\/d\.conf: uri: "http:\/\/x" must be ldap:/],
  [
    'a filter without a place',
    ['uri = ldap://x', 'base = x', 'filter = (a=b)'],
    /^\/d\.conf: filter: "\(a=b\)" must hold %s or %u or %d/,
  ],
  ['a name without a password', [...enough, 'bind_dn = cn=x'], /^\/d\.conf: bind_password: is missing/],
  ['a password without a name', [...enough, 'bind_password = geheim'], /^\/d\.conf: bind_dn: is missing/],
  ['a CA that is not there', [...enough, 'ca_file = /gone'], /^\/d\.conf: ca_file: \/gone cannot be read \(ENOENT\)/],
  ['a CA that is none', [...enough, 'ca_file = /none.pem'], /^\/d\.conf: ca_file: .* holds no certificate/],
  ['a bad duration', [...enough, 'timeout = soon'], /^\/d\.conf: timeout: must be a duration/],
  [
    'an unknown setting',
    [...enough, 'bind_pasword = geheim'],
    /^\/d\.conf:4: bind_pasword is no setting.*did you mean bind_password/,
  ],
  ['a line that is none', [...enough, 'geheim'], /^\/d\.conf:4: must be KEY = VALUE/],
  ['twice', [...enough, 'base = geheim'], /^\/d\.conf:4: base is given twice/],
];
for (const [what, lines, expected] of wrong)
  test(`said of ${what}`, () => {
    const got = read(...lines);
    const said = got.ok ? 'nothing' : got.problem.join('\n');
    assert.match(said, expected);
    assert.doesNotMatch(said, /geheim/);
  });
