/** The directory against a real slapd: every way in, what does not count as a hit, and the server going away. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Directory, type DirectoryOptions } from '../../src/directory/directory.js';
import { readDirectory, type DirectoryKey } from '../../src/directory/settings.js';
import { readFileSync } from 'node:fs';
import { hasPeer, needPeer } from '../support/peers.js';
import { base, reader, Slapd } from '../support/slapd.js';

let slapd: Slapd;
const directories: Directory[] = [];
before(async () => {
  if (hasPeer('slapd')) slapd = await Slapd.start({ domains: ['own.test', 'other.test'], closed: true });
});
after(async () => {
  for (const one of directories) one.close();
  await slapd?.close();
});

type Values = { readonly [K in DirectoryKey]?: string };
const domainFilter = '(&(objectClass=domainRelatedObject)(associatedDomain=%d))';

function options(values: Values): DirectoryOptions {
  const bound = { bind_dn: reader.dn, bind_password: reader.password };
  const given = { uri: slapd.uri, base, filter: domainFilter, timeout: '5s', ...bound, ...values };
  const read = readDirectory({
    values: given,
    nameOf: (key) => key,
    places: ['d'],
    readFile: (path) => readFileSync(path, 'utf8'),
  });
  if (!read.ok) throw new Error(read.problem.join('\n'));
  return read.value;
}

function directory(values: Values = {}): Directory {
  const made = new Directory(options(values));
  directories.push(made);
  return made;
}

async function says(asked: Directory, domain: string): Promise<string> {
  const answer = await asked.has({ d: domain });
  return answer.kind === 'failed' ? `failed: ${answer.problem}` : answer.kind;
}

const ways: readonly [what: string, values: () => Values, expected: RegExp][] = [
  ['ldap', () => ({}), /^found$/],
  ['ldaps, its certificate of our own CA', () => ({ uri: slapd.secureUri, ca_file: slapd.caFile }), /^found$/],
  ['StartTLS', () => ({ start_tls: 'yes', ca_file: slapd.caFile }), /^found$/],
  ['ldapi', () => ({ uri: slapd.socketUri }), /^found$/],
  ['the second server, where the first is not there', () => ({ uri: `ldap://127.0.0.1:9 ${slapd.uri}` }), /^found$/],
  ['ldaps with a CA nobody knows', () => ({ uri: slapd.secureUri }), /^failed: ldaps:.*(?:unable to|self.signed)/],
  ['StartTLS with a CA nobody knows', () => ({ start_tls: 'yes' }), /^failed: ldap:.*(?:unable to|self.signed)/],
  [
    'ldaps with a certificate for another name',
    () => ({ uri: slapd.secureUri.replace('localhost', '127.0.0.1'), ca_file: slapd.caFile }),
    /^failed: .*altnames/,
  ],
  [
    'anonymous, where that is nobody’s right',
    () => ({ bind_dn: '', bind_password: '' }),
    /^failed: .*(?:0x20|not found|No such|exist)/i,
  ],
  ['a wrong password', () => ({ bind_password: 'geheim' }), /^failed: (?!.*geheim)/],
  ['a base that is not there', () => ({ base: `ou=nowhere,${base}` }), /^failed: /],
  ['a base that is no name', () => ({ base: 'nowhere' }), /^failed: /],
  ['nobody listens', () => ({ uri: 'ldap://127.0.0.1:9' }), /^failed: ldap:\/\/127\.0\.0\.1:9: .*ECONNREFUSED/],
];
for (const [what, values, expected] of ways)
  test(what, async (t) => {
    if (!needPeer(t, 'slapd', 'openssl')) return;
    assert.match(await says(directory(values()), 'own.test'), expected);
  });

const parts: readonly [values: Values, part: string][] = [
  [{ uri: 'ldap://127.0.0.1:9' }, 'server'],
  [{ start_tls: 'yes' }, 'tls'],
  [{ bind_password: 'geheim' }, 'bind'],
  [{ base: `ou=nowhere,${base}` }, 'base'],
  [{ base: 'nowhere' }, 'base'],
];
for (const [values, part] of parts)
  test(`a probe tells ${part} of ${JSON.stringify(values)}`, async (t) => {
    if (!needPeer(t, 'slapd')) return;
    assert.equal((await directory(values).probe())?.part, part);
  });

test('a probe of a directory that is in order says nothing', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  assert.equal(await directory().probe(), undefined);
});

const domains: readonly [what: string, domain: string, expected: string][] = [
  ['a domain that is there', 'own.test', 'found'],
  ['in other letters', 'OWN.test', 'found'],
  ['one that is not', 'foreign.test', 'absent'],
  ['a wildcard', '*', 'absent'],
  ['half a wildcard', 'own.*', 'absent'],
  ['another condition', 'x)(objectClass=*', 'absent'],
  ['a condition that is always true', 'x))(|(objectClass=*', 'absent'],
  ['an escaped wildcard', String.raw`\2a`, 'absent'],
  ['NUL', 'own.test\0', 'absent'],
  ['a soft hyphen', 'own\u00ad.test', 'absent'],
  ['a space', ' own.test', 'absent'],
  ['longer than any domain', 'a'.repeat(2000), 'absent'],
];
for (const [what, domain, expected] of domains)
  test(`asked for ${what}`, async (t) => {
    if (!needPeer(t, 'slapd')) return;
    assert.equal(await says(directory(), domain), expected);
  });

test('a reference to another server is no entry', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  // Without a condition on the class, a search finds the reference as well.
  const asked = directory({ filter: '(ou=%d)' });
  assert.equal(await says(asked, 'elsewhere'), 'absent');
  assert.equal(await says(asked, 'domains'), 'found');
});

test('several entries are one hit', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  assert.equal(await says(directory({ filter: '(|(objectClass=domainRelatedObject)(ou=%d))' }), 'x'), 'found');
});

test('answers are remembered, both kinds, as values', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  const asked = directory();
  await says(asked, 'own.test');
  await says(asked, 'foreign.test');
  assert.deepEqual(asked.has({ d: 'own.test' }), { kind: 'found' });
  assert.deepEqual(asked.has({ d: 'foreign.test' }), { kind: 'absent' });
});

test('as long as they hold', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  const asked = directory({ cache: '100ms', cache_negative: '0' });
  await says(asked, 'own.test');
  await says(asked, 'foreign.test');
  assert.ok(asked.has({ d: 'foreign.test' }) instanceof Promise);
  await sleep(150);
  assert.ok(asked.has({ d: 'own.test' }) instanceof Promise);
});

test('killed, it fails at once; started again, the next question is answered', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  const own = await Slapd.start({ domains: ['own.test'] });
  const made = new Directory({ ...options({ uri: own.uri, bind_dn: '', bind_password: '' }), foundMs: 0 });
  try {
    assert.equal(await says(made, 'own.test'), 'found');
    await own.kill();
    assert.match(await says(made, 'own.test'), /^failed: .*ECONNREFUSED/);
    await own.restart();
    await sleep(1100); // it is left alone for a second
    assert.equal(await says(made, 'own.test'), 'found');
    // Killed and started between two questions: nobody notices.
    await own.kill();
    await own.restart();
    assert.equal(await says(made, 'own.test'), 'found');
  } finally {
    made.close();
    await own.close();
  }
});

test('a server that stops answering is waited for no longer than the limit, and is asked again when it goes on', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  const own = await Slapd.start({ domains: ['own.test'] });
  const made = new Directory({
    ...options({ uri: own.uri, bind_dn: '', bind_password: '', timeout: '300ms' }),
    foundMs: 0,
  });
  try {
    assert.equal(await says(made, 'own.test'), 'found');
    own.signal('SIGSTOP');
    await sleep(200); // it may answer until the signal has reached it
    assert.match(await says(made, 'own.test'), /^failed: .*(?:no answer in time|Connection closed)/);
    own.signal('SIGCONT');
    let answer = '';
    for (let i = 0; i < 50 && answer !== 'found'; i++, await sleep(100)) answer = await says(made, 'own.test');
    assert.equal(answer, 'found');
  } finally {
    own.signal('SIGCONT');
    made.close();
    await own.close();
  }
});

test('many questions at once share few connections, and all are answered', async (t) => {
  if (!needPeer(t, 'slapd')) return;
  const asked = directory({ connections: '2' });
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, i) => says(asked, i % 3 === 0 ? 'own.test' : `n${i}.test`)),
  );
  assert.equal(answers.filter((answer) => answer === 'found').length, 100);
  assert.equal(answers.filter((answer) => answer === 'absent').length, 200);
});
