import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { contains, inAny, ip4FromWord, type Network, parseIp, parseNetwork, reverseName } from '../../src/mail/ip.js';
import { anyText, nasty } from './nasty.js';

/** [input, canonical text; undefined where it is no address] */
const addresses: readonly (readonly [input: string, text: string | undefined])[] = [
  ['192.0.2.1', '192.0.2.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['192.0.2.256', undefined],
  ['192.0.2.1000', undefined],
  ['1.2.3.4.5', undefined],
  ['1..2.3', undefined],
  ['.1.2.3.4', undefined],
  ['00.0.0.0', undefined],
  ['192.0.2.-1', undefined],
  ['192.0.2.01', undefined],
  ['192.0.2', undefined],
  ['192.0.2.1.', undefined],
  ['192.0.2.1 ', undefined],
  ['0x7f.0.0.1', undefined],
  ['2130706433', undefined],
  ['١٩٢.0.2.1', undefined],
  ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:db8::1', '2001:db8::1'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:201', '192.0.2.1'],
  ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
  ['::192.0.2.1', '::c000:201'],
  ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7:8:9', undefined],
  ['1::2::3', undefined],
  ['1:2:3:4:5:6:7::8', undefined],
  [':1', undefined],
  ['1:', undefined],
  [':::', undefined],
  ['12345::', undefined],
  ['g::', undefined],
  ['fe80::1%eth0', undefined],
  ['[::1]', undefined],
  ['1.2.3.4::', undefined],
  ['::1.2.3', undefined],
  ['::1.2.3.4:5', undefined],
  ['', undefined],
];
for (const [input, text] of addresses) {
  test(`${JSON.stringify(input)} is ${text ?? 'no address'}`, () => {
    assert.equal(parseIp(input)?.text, text);
  });
}

const networks: readonly (readonly [network: string, inside: readonly string[], outside: readonly string[]])[] = [
  ['192.0.2.0/24', ['192.0.2.0', '192.0.2.255', '::ffff:192.0.2.7'], ['192.0.3.0', '192.0.1.255', '2001:db8::']],
  ['192.0.2.99/24', ['192.0.2.1'], ['192.0.3.1']],
  ['192.0.2.1', ['192.0.2.1'], ['192.0.2.2']],
  ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['::']],
  ['128.0.0.0/1', ['255.0.0.1'], ['127.255.255.255']],
  ['2001:db8::/32', ['2001:db8:ffff::1'], ['2001:db9::', '192.0.2.1']],
  ['2001:db8::/33', ['2001:db8:7fff::'], ['2001:db8:8000::']],
  ['::/0', ['::', 'ffff::'], ['192.0.2.1']],
  ['2001:db8::1/128', ['2001:db8::1'], ['2001:db8::2']],
];
for (const [text, inside, outside] of networks) {
  test(`${text} contains ${inside.join(', ')}, not ${outside.join(', ')}`, () => {
    const network = parseNetwork(text) as Network;
    for (const [list, expected] of [
      [inside, true],
      [outside, false],
    ] as const)
      for (const one of list) {
        const ip = parseIp(one);
        assert.ok(ip);
        assert.equal(contains(network, ip), expected, one);
        assert.equal(inAny([network], ip), expected, one);
      }
  });
}

for (const text of [
  '192.0.2.0/33',
  '2001:db8::/129',
  '192.0.2.0/',
  '192.0.2.0/-1',
  '192.0.2.0/1e1',
  '192.0.2.0/24/8',
  '/24',
  'x/24',
  '192.0.2.0/ 8',
])
  test(`${text} is no network`, () => assert.equal(parseNetwork(text), undefined));

test('reverse names', () => {
  assert.equal(reverseName(ip4FromWord(0xc0000201)), '1.2.0.192.in-addr.arpa');
  const six = parseIp('2001:db8::ab');
  assert.ok(six);
  assert.equal(reverseName(six), 'b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa');
});

test('agrees with node:net on what is an address, zones aside', () => {
  const part = fc.constantFrom('0', '1', 'ffff', '192.0.2.1', '::', ':', '.', 'g', '00000', '256', '');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.ipV4(),
        fc.ipV6(),
        fc.array(part, { maxLength: 10 }).map((parts) => parts.join(':')),
      ),
      (text) => {
        assert.equal(parseIp(text) !== undefined, isIP(text) !== 0, text);
      },
    ),
    { numRuns: 3000 },
  );
});

test('canonical text reads as itself', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const ip = parseIp(text);
      assert.ok(ip);
      assert.deepEqual(parseIp(ip.text), ip);
      assert.equal(ip.text, ip.family === 4 ? ip.text : ip.text.toLowerCase());
    }),
    { numRuns: 2000 },
  );
});

test('never throws', () => {
  fc.assert(fc.property(anyText, (text) => void [parseIp(text), parseNetwork(text)]));
});

test('is linear', { timeout: 5000 }, () => {
  for (const [, text] of [...nasty, ['', '::'.repeat(500_000)], ['', '1:'.repeat(500_000)]] as const) {
    parseIp(text);
    parseNetwork(`${text}/24`);
  }
});
