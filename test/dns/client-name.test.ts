import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { clientName, type ClientName } from '../../src/dns/client-name.js';
import type { Resolver } from '../../src/dns/resolver.js';
import { zoneResolver } from '../../src/dns/zone.js';
import { parseIp, type Ip } from '../../src/mail/ip.js';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  assert.ok(parsed);
  return parsed;
}

const four = '1.2.0.192.in-addr.arpa';
const six = '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa';
const here = { A: ['192.0.2.9', '192.0.2.1'] };
const away = { A: ['192.0.2.2'] };
const eleven = Array.from({ length: 11 }, (_, i) => `n${i}.test`);
const confirmed = (name: string): ClientName => ({ kind: 'confirmed', name });
const unconfirmed = (name: string): ClientName => ({ kind: 'unconfirmed', name });
const none: ClientName = { kind: 'none' };
const maxName = `${'a.'.repeat(124)}test`;

const table: readonly (readonly [what: string, address: string, zone: object, expected: ClientName])[] = [
  ['its name has the address', '192.0.2.1', { [four]: { PTR: ['h.test'] }, 'h.test': here }, confirmed('h.test')],
  [
    'names are lower-cased, without a final dot',
    '192.0.2.1',
    { [four]: { PTR: ['H.Test.'] }, 'h.test': here },
    confirmed('h.test'),
  ],
  ['IPv6', '2001:db8::1', { [six]: { PTR: ['h.test'] }, 'h.test': { AAAA: ['2001:db8:0::1'] } }, confirmed('h.test')],
  ['IPv6 is not confirmed by A', '2001:db8::1', { [six]: { PTR: ['h.test'] }, 'h.test': here }, unconfirmed('h.test')],
  [
    'a mapped address is IPv4',
    '::ffff:192.0.2.1',
    { [four]: { PTR: ['h.test'] }, 'h.test': here },
    confirmed('h.test'),
  ],
  [
    'a CNAME on the way',
    '192.0.2.1',
    { [four]: { PTR: ['c.test'] }, 'c.test': { CNAME: 'h.test' }, 'h.test': here },
    confirmed('c.test'),
  ],
  ['its name has another address', '192.0.2.1', { [four]: { PTR: ['h.test'] }, 'h.test': away }, unconfirmed('h.test')],
  ['its name does not exist', '192.0.2.1', { [four]: { PTR: ['h.test'] } }, unconfirmed('h.test')],
  [
    'the first confirmed name wins',
    '192.0.2.1',
    { [four]: { PTR: ['a.test', 'b.test', 'c.test'] }, 'a.test': away, 'b.test': here, 'c.test': here },
    confirmed('b.test'),
  ],
  [
    'none confirmed: the first name',
    '192.0.2.1',
    { [four]: { PTR: ['a.test', 'b.test'] }, 'a.test': away },
    unconfirmed('a.test'),
  ],
  [
    'a look-up of one name fails, another is confirmed',
    '192.0.2.1',
    { [four]: { PTR: ['a.test', 'b.test'] }, 'a.test': { timeout: true }, 'b.test': here },
    confirmed('b.test'),
  ],
  [
    'a look-up of its only name fails',
    '192.0.2.1',
    { [four]: { PTR: ['a.test'] }, 'a.test': { timeout: true } },
    unconfirmed('a.test'),
  ],
  ['no PTR', '192.0.2.1', {}, none],
  ['the PTR look-up fails', '192.0.2.1', { [four]: { timeout: true } }, { kind: 'failed', problem: 'timed out' }],
  ['the tenth name counts', '192.0.2.1', { [four]: { PTR: eleven }, 'n9.test': here }, confirmed('n9.test')],
  ['the eleventh does not', '192.0.2.1', { [four]: { PTR: eleven }, 'n10.test': here }, unconfirmed('n0.test')],
  ['underscores are used', '192.0.2.1', { [four]: { PTR: ['_a_b.test'] } }, unconfirmed('_a_b.test')],
  ['253 octets', '192.0.2.1', { [four]: { PTR: [`a${maxName}`] } }, unconfirmed(`a${maxName}`)],
  ['254 octets', '192.0.2.1', { [four]: { PTR: [`ab${maxName}`] } }, none],
  ...[
    '',
    '.',
    '*',
    '*.test',
    '-a.test',
    'a-.test',
    'a..test',
    'a b.test',
    'a/b.test',
    '../a.test',
    'a\\046b.test',
    'a\r\nb.test',
    'a\0.test',
    '\xe9.test',
    'a@b.test',
    '192.0.2.1',
    'a.123',
    `${'a'.repeat(64)}.test`,
  ].map(
    (name) =>
      [`no host name: ${JSON.stringify(name)}`, '192.0.2.1', { [four]: { PTR: [name] }, [name]: here }, none] as const,
  ),
  [
    'names that are no host names are passed over',
    '192.0.2.1',
    { [four]: { PTR: ['*', 'h.test'] }, 'h.test': here },
    confirmed('h.test'),
  ],
];

for (const [what, address, zone, expected] of table) {
  test(what, async () => assert.deepEqual(await clientName(zoneResolver(zone), ip(address)), expected));
}

/** Knows one PTR, and then waits until it is told to stop. */
function waiting(stopped: () => void): Resolver {
  const lookup = (name: string, _type: string, options?: { signal?: AbortSignal }): unknown => {
    if (name.endsWith('arpa')) return { kind: 'found', records: ['a.test', 'b.test'] };
    if (name === 'b.test') return { kind: 'found', records: [ip('192.0.2.1')] };
    if (options?.signal?.aborted) return { kind: 'failed', problem: 'aborted' };
    return new Promise((resolve) => {
      options?.signal?.addEventListener('abort', () => {
        stopped();
        resolve({ kind: 'failed', problem: 'aborted' });
      });
    });
  };
  return { lookup } as Resolver;
}

test('time is limited, and a slow name does not use up the time of the others', async () => {
  let stops = 0;
  const resolver = waiting(() => stops++);
  const keepAlive = setTimeout(() => {}, 5000);
  assert.deepEqual(await clientName(resolver, ip('192.0.2.1'), { timeoutMs: 20 }), confirmed('b.test'));
  clearTimeout(keepAlive);
  assert.equal(stops, 1);
});

test('an abort ends the waiting', async () => {
  const abort = new AbortController();
  const name = clientName(
    waiting(() => {}),
    ip('192.0.2.3'),
    { signal: abort.signal },
  );
  abort.abort();
  assert.deepEqual(await name, unconfirmed('a.test'));
});

test('answers that are there at once cost no timer', async (t) => {
  const timers = t.mock.method(globalThis, 'setTimeout');
  const resolver = zoneResolver({ [four]: { PTR: ['h.test'] }, 'h.test': here });
  assert.deepEqual(await clientName(resolver, ip('192.0.2.1')), confirmed('h.test'));
  assert.equal(timers.mock.callCount(), 0);
});

test('any PTR: the name is a host name or there is none', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'binary-ascii', maxLength: 12 }), { maxLength: 12 }), async (names) => {
      const got = await clientName(zoneResolver({ [four]: { PTR: names } }), ip('192.0.2.1'));
      if (got.kind !== 'none')
        assert.match(got.kind === 'failed' ? '' : got.name, /^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$/);
    }),
  );
});
