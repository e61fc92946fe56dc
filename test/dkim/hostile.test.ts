/** Whatever stands in the fields of DKIM and ARC, the outcome is a value, and nothing that was changed passes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { verifySignatures, type Signatures } from '../../src/dkim/verify.js';
import type { Resolver } from '../../src/dns/resolver.js';
import { parseHeader } from '../../src/mail/header.js';
import { DkimSigner } from '../support/dkim-signer.js';

const signer = new DkimSigner('signed.example');
const text = 'From: <a@signed.example>\r\nSubject: x\r\nDate: y\r\n\r\nHello.\r\n';
const signed = signer.sign(text);
const records: Readonly<Record<string, string>> = { 's1._domainkey.signed.example': signer.record };

const dnsOf = (record: (name: string) => string | undefined): Resolver =>
  ({
    lookup: (name: string) => {
      const found = record(name);
      return found === undefined ? { kind: 'void', why: 'nxdomain' } : { kind: 'found', records: [[found]] };
    },
  }) as unknown as Resolver;

function verify(message: string, dns = dnsOf((name) => records[name])): Promise<Signatures> {
  const octets = Buffer.from(message, 'latin1');
  const end = octets.indexOf('\r\n\r\n');
  const header = parseHeader(end < 0 ? octets : octets.subarray(0, end + 4));
  return verifySignatures({ message: { size: octets.length, parts: () => [octets] }, header, dns, dnsMs: 5000 });
}

const results = new Set(['pass', 'fail', 'policy', 'neutral', 'temperror', 'permerror']);
const assertKnown = ({ dkim, arc }: Signatures): void => {
  assert.ok(dkim.every(({ result, domain }) => results.has(result) && /^[a-z0-9._-]*$/.test(domain)));
  assert.ok(arc === undefined || arc.result === 'pass' || arc.result === 'fail');
};

test('as it is, it passes', async () => assert.equal((await verify(signed)).dkim[0]?.result, 'pass'));

const octet = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));

test('with octets changed, taken out or put in anywhere, the outcome is a value', async () => {
  const change = fc.record({
    place: fc.nat(signed.length - 1),
    drop: fc.nat(3),
    put: fc.string({ unit: octet, maxLength: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      let message = signed;
      for (const { place, drop, put } of changes) message = message.slice(0, place) + put + message.slice(place + drop);
      assertKnown(await verify(message));
    }),
    { numRuns: 500 },
  );
});

test('with tags of any kind, the outcome is a value', async () => {
  const tag = fc.tuple(
    fc.constantFrom('v', 'a', 'c', 'd', 's', 'h', 'bh', 'b', 'l', 't', 'x', 'i', 'q', 'z', 'cv'),
    fc.string({ unit: octet, maxLength: 20 }),
  );
  const field = fc.tuple(
    fc.constantFrom('DKIM-Signature', 'ARC-Seal', 'ARC-Message-Signature', 'ARC-Authentication-Results'),
    fc.array(tag, { maxLength: 10 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(field, { minLength: 1, maxLength: 6 }), async (fields) => {
      const lines = fields.map(
        ([name, tags]) =>
          `${name}: ${tags.map(([key, value]) => `${key}=${value.replace(/[\r\n]/g, '')}`).join('; ')}\r\n`,
      );
      assertKnown(await verify(`${lines.join('')}${signed}`));
    }),
    { numRuns: 500 },
  );
});

test('with a key record of any kind, the outcome is a value, and none but the key’s own lets it pass', async () => {
  const record = fc.oneof(
    fc.string({ unit: octet, maxLength: 60 }),
    fc.string({ unit: octet, maxLength: 40 }).map((key) => `v=DKIM1; p=${key}`),
    fc.base64String({ maxLength: 400 }).map((key) => `v=DKIM1; k=rsa; p=${key}`),
  );
  await fc.assert(
    fc.asyncProperty(record, async (one) => {
      const outcome = await verify(
        signed,
        dnsOf(() => one),
      );
      assertKnown(outcome);
      assert.notEqual(outcome.dkim[0]?.result, 'pass');
    }),
    { numRuns: 500 },
  );
});

test('a complete chain of nonsense fails, and throws nothing', async () => {
  const seal = `ARC-Seal: i=1; a=rsa-sha256; cv=none; d=signed.example; s=s1; b=AAAA\r\n`;
  const signature = `ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=signed.example; s=s1; h=from; bh=AAAA; b=AAAA\r\n`;
  const given = 'ARC-Authentication-Results: i=1; x.example; spf=pass\r\n';
  for (const selector of ['s1', 'gone']) {
    const { dkim, arc } = await verify(`${(seal + signature).replaceAll('s=s1', `s=${selector}`)}${given}${signed}`);
    assert.deepEqual([dkim[0]?.result, arc?.result], ['pass', 'fail'], selector);
  }
});
