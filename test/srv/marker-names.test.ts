/** Names under which a marker can match, and what is said of those that never can. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MarkerReading, exactMarker, readMarker } from '../../src/srv/markers.js';
import { type NamedKind, readName } from '../../src/srv/marker-names.js';

/** [kind, typed, the name; '?': refused] */
const good: readonly (readonly [kind: NamedKind, typed: string, name: string])[] = [
  ['blacklisted/ips', '192.0.2.1', '192.0.2.1'],
  ['blacklisted/ips', '192.0.2.0_24', '192.0.2.0_24'],
  ['whitelisted/ips', '2001:DB8::_32', '2001:db8::_32'],
  ['blacklisted/hosts', 'Mail.Example.NET', 'mail.example.net'],
  ['blacklisted/tld', 'PH', 'ph'],
  ['whitelisted/senders', 'Anna@Sender.Example', 'anna@sender.example'],
  ['whitelisted/senders', '"a b"@sender.example', '"a b"@sender.example'],
  ['whitelisted/domains', 'sender.example', 'sender.example'],
  ['whitelisted/recipients', 'Postmaster', 'postmaster'],
  ['users/valid', '*', '*'],
  ['users/valid', 'victim%elsewhere.example', 'victim%elsewhere.example'],
  ['users/invalid', 'JU\u0308RGEN', 'j\u00fcrgen'],
];
for (const [kind, typed, name] of good)
  test(`${kind}/${typed} can match`, () => assert.deepEqual(readName(kind, typed), { kind: 'good', name }));

/** [kind, typed, why it never matches, what would be right] */
const wrong: readonly (readonly [kind: NamedKind, typed: string, why: RegExp, right?: string])[] = [
  ['blacklisted/ips', '192.0.2.0/24', /call it 192\.0\.2\.0_24/, '192.0.2.0_24'],
  ['blacklisted/ips', '192.0.2.9/24', /call it/, '192.0.2.0_24'],
  ['blacklisted/ips', '192.0.2.9_24', /call it/, '192.0.2.0_24'],
  ['blacklisted/ips', '::ffff:192.0.2.1', /call it/, '192.0.2.1'],
  ['blacklisted/ips', '2001:db8:0::1', /call it/, '2001:db8::1'],
  ['blacklisted/ips', '192.0.2.0/33', /no address/],
  ['blacklisted/ips', '192.0.2', /no address/],
  ['blacklisted/ips', 'mail.example', /no address/],
  ['blacklisted/ips', '*', /wildcard/],
  ['blacklisted/hosts', 'b\u00fccher.example', /call it/, 'xn--bcher-kva.example'],
  ['blacklisted/hosts', 'mail.example.', /call it/, 'mail.example'],
  ['blacklisted/hosts', '*.example.net', /no domain name/],
  ['blacklisted/tld', '.ph', /call it/, 'ph'],
  ['blacklisted/tld', 'example.ph', /last label/],
  ['whitelisted/senders', 'sender.example', /goes to domains\//],
  ['whitelisted/senders', 'anna@b\u00fccher.example', /call it/, 'anna@xn--bcher-kva.example'],
  ['whitelisted/domains', 'anna@sender.example', /goes to senders\//],
  ['whitelisted/domains', '@sender.example', /no domain name/],
  ['whitelisted/recipients', 'victim%elsewhere', /might route it elsewhere/],
  ['whitelisted/recipients', 'foo@example.com', /leave out/, 'foo'],
  ['users/valid', 'Foo@example.com', /leave out/, 'foo'],
  ['users/valid', 'a/b', /can be no name/],
  ['users/valid', '..', /can be no name/],
  ['users/valid', '', /can be no name/],
  ['users/invalid', '*', /wildcard/],
];
for (const [kind, typed, why, right] of wrong) {
  test(`${kind}/${typed} never matches${right === undefined ? '' : `: ${right} would`}`, () => {
    const read = readName(kind, typed);
    assert.ok(read.kind === 'wrong');
    assert.match(read.why, why);
    assert.equal(read.right, right);
    if (right !== undefined) assert.equal(readName(kind, right).kind, 'good');
  });
}

const rules = {
  isHosted: (domain: string) => domain === 'example.com',
  checkProblem: (_: string, check: string) => (check === 'spf' ? undefined : 'there is no such check'),
};
const read = (text: string): MarkerReading => readMarker(text, rules);

test('a marker that was meant is told whole, and one of a check asks whether there is one', () => {
  const meant = read('_global_/blacklisted/ips/192.0.2.0/24');
  assert.ok(meant.kind === 'wrong');
  assert.deepEqual(meant.right, { scope: '_global_', kind: 'blacklisted/ips', key: '192.0.2.0_24' });
  assert.equal(read('example.com/checks/spf').kind, 'marker');
  assert.deepEqual(read('example.com/checks/spff'), { kind: 'wrong', problem: 'there is no such check' });
  for (const text of [
    '_global_/checks/spf',
    '_global_/users/valid/x',
    '_global_/whitelisted/recipients/x',
    'x.example/checks/spf',
  ])
    assert.equal(read(text).kind, 'wrong', text);
});

test('what is there is found by its exact name, also what can never match', () => {
  const exact = (text: string): string | undefined => exactMarker(text, rules.isHosted)?.key;
  assert.equal(exact('example.com/users/valid/Foo@example.com'), 'Foo@example.com');
  assert.equal(exact('example.com/blacklisted/ips/*'), '*');
  for (const text of [
    'example.com/users/valid/..',
    'example.com/users/valid/a/b',
    'example.com/users/valid/a\0',
    'example.com/users/valid/',
  ])
    assert.equal(exact(text), undefined, JSON.stringify(text));
});
