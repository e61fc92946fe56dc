import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contains, type Ip, parseIp, parseNetwork } from '../../src/mail/ip.js';
import { networkNames } from '../../src/srv/network-names.js';

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);

test('IPv4: from /32 to /0, without host bits', () => {
  const names = networkNames(ip('192.0.2.130'));
  assert.equal(names.length, 33);
  assert.deepEqual(
    [names[0], names[7], names[8], names[31], names[32]],
    ['192.0.2.130_32', '192.0.2.128_25', '192.0.2.0_24', '128.0.0.0_1', '0.0.0.0_0'],
  );
});

test('IPv6: from /128 to /0, in the form of RFC 5952', () => {
  const names = networkNames(ip('2001:db8:0:7fff::1'));
  assert.equal(names.length, 129);
  for (const name of [
    '2001:db8:0:7fff::1_128',
    '2001:db8:0:7fff::_64',
    '2001:db8:0:4000::_50',
    '2001:db8::_32',
    '2000::_3',
    '::_0',
  ])
    assert.ok(names.includes(name), name);
});

test('an IPv4-mapped address has the names of its IPv4 address', () => {
  assert.deepEqual(networkNames(ip('::ffff:192.0.2.1')), networkNames(ip('192.0.2.1')));
});

test('each name is a network that contains the address, in canonical form', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const address = ip(text);
      for (const name of networkNames(address)) {
        const network = parseNetwork(name.replace('_', '/')) ?? assert.fail(name);
        assert.ok(contains(network, address), name);
        assert.equal(`${network.base.text}_${network.prefix}`, name);
      }
    }),
    { numRuns: 200 },
  );
});
