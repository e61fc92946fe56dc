import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServer, serverList, type Server } from '../../../src/dns/stub/servers.js';

const parsed: readonly (readonly [text: string, expected: Server | undefined])[] = [
  ['192.0.2.1', { family: 4, address: '192.0.2.1', port: 53 }],
  ['192.0.2.1:5353', { family: 4, address: '192.0.2.1', port: 5353 }],
  ['2001:DB8:0::1', { family: 6, address: '2001:db8::1', port: 53 }],
  ['[2001:db8::1]', { family: 6, address: '2001:db8::1', port: 53 }],
  ['[2001:db8::1]:5353', { family: 6, address: '2001:db8::1', port: 5353 }],
  ['[fe80::1%eth0]:53', { family: 6, address: 'fe80::1%eth0', port: 53 }],
  ['::ffff:192.0.2.1', { family: 4, address: '192.0.2.1', port: 53 }],
  ['192.0.2.1:0', undefined],
  ['192.0.2.1:65536', undefined],
  ['192.0.2.1:', undefined],
  ['192.0.2', undefined],
  ['[192.0.2.1]:53', undefined],
  ['localhost', undefined],
  ['', undefined],
];

for (const [text, expected] of parsed) {
  test(`server "${text}"`, () => assert.deepEqual(parseServer(text), expected));
}

test('silent servers go last, until their time is over', () => {
  let now = 0;
  const [a, b] = [parseServer('192.0.2.1'), parseServer('192.0.2.2')];
  assert.ok(a && b);
  const list = serverList([a, b], { now: () => now });
  list.note(a, 'silent');
  assert.deepEqual(list.inOrder(), [b, a]);
  now = 30_000;
  assert.deepEqual(list.inOrder(), [a, b]);
  list.note(b, 'silent');
  list.note(b, 'answered');
  assert.deepEqual(list.inOrder(), [a, b]);
});

test('with rotation each look-up begins with another server, silent ones still last', () => {
  const [a, b, c] = [parseServer('192.0.2.1'), parseServer('192.0.2.2'), parseServer('192.0.2.3')];
  assert.ok(a && b && c);
  const list = serverList([a, b, c], { rotate: true });
  assert.deepEqual(
    [list.inOrder(), list.inOrder(), list.inOrder()],
    [
      [a, b, c],
      [b, c, a],
      [c, a, b],
    ],
  );
  list.note(a, 'silent');
  assert.deepEqual(list.inOrder(), [b, c, a]);
});

test('a server that answered without EDNS is asked without it for a while', () => {
  let now = 0;
  const [a, b] = [parseServer('192.0.2.1'), parseServer('192.0.2.2')];
  assert.ok(a && b);
  const list = serverList([a, b], { now: () => now });
  list.note(a, 'answered without EDNS');
  assert.deepEqual([list.knowsEdns(a), list.knowsEdns(b)], [false, true]);
  now = 15 * 60_000;
  assert.equal(list.knowsEdns(a), true);
});
