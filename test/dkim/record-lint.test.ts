/** What is said of DMARC records and DKIM keys, and that no octets of a record make reading it throw. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { dkimKeyProblems, dmarcProblems, isDmarcRecord } from '../../src/dkim/record-lint.js';

/** [record, what is said; none where it is good] */
const dmarc: readonly (readonly [record: string, ...said: RegExp[]])[] = [
  ['v=DMARC1; p=reject'],
  ['v=DMARC1;p=quarantine;sp=none;adkim=s;aspf=r;pct=100;fo=1:d:s;rua=mailto:a@example.com,mailto:b@example.net!10m;'],
  ['v = DMARC1 ; p = REJECT'],
  ['v=DMARC1', /^error: p= is missing/],
  ['v=DMARC1; p=none', /^warning: p=none without rua=/],
  ['v=DMARC1; p=rejct', /^error: p="rejct" is no policy/],
  ['v=DMARC1; p=reject; sp=x', /^error: sp="x" is no policy/],
  ['v=DMARC1; p=reject; adkim=strict', /^error: adkim="strict" must be r or s/],
  ['v=DMARC1; p=reject; pct=110', /^error: pct="110" must be a number/],
  ['v=DMARC1; p=reject; pct=20', /^warning: pct=20/],
  ['v=DMARC1; p=reject; rua=dmarc@example.com', /^error: rua: "dmarc@example\.com" is no address to report to/],
  ['v=DMARC1; p=reject; policy=none', /^warning: "policy" is no tag of DMARC/],
  ['v=DMARC1; p=reject; p=none', /^error: p= stands there twice/],
  ['v=DMARC1; p=reject rua=mailto:a@example.com', /^error: p="reject rua=/],
  ['v=DMARC1; reject', /^error: "reject" is no tag/, /^error: p= is missing/],
];
for (const [record, ...said] of dmarc) {
  test(`DMARC: ${record}`, () => {
    const found = dmarcProblems([record]).map(({ severity, problem }) => `${severity}: ${problem}`);
    assert.equal(found.length, said.length, found.join('\n'));
    for (const [i, pattern] of said.entries()) assert.match(found[i] ?? '', pattern);
    assert.ok(isDmarcRecord(record));
  });
}

test('what is no DMARC record, and two that are', () => {
  for (const text of ['', 'v=DMARC2; p=none', 'p=none; v=DMARC1', 'v=DMARC11', 'v=dmarc1; p=none'])
    assert.ok(!isDmarcRecord(text), text);
  assert.match(dmarcProblems(['v=DMARC1; p=none', 'v=DMARC1; p=none'])[0]?.problem ?? '', /^there are 2 DMARC records/);
});

const rsa = (bits: number, type: 'spki' | 'pkcs1' = 'spki'): string =>
  generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'der', type }).toString('base64');
const good = rsa(2048);

/** [what, record, what is said] */
const keys: readonly (readonly [what: string, record: string, said: RegExp | undefined])[] = [
  ['a good one', `v=DKIM1; k=rsa; p=${good}`, undefined],
  ['nothing but the key', `p=${good}`, undefined],
  ['white space in the key', `v=DKIM1; p=${good.slice(0, 80)} ${good.slice(80)}`, undefined],
  ['an RSAPublicKey', `v=DKIM1; p=${rsa(2048, 'pkcs1')}`, undefined],
  ['Ed25519', `v=DKIM1; k=ed25519; p=${Buffer.alloc(32, 7).toString('base64')}`, undefined],
  [
    'Ed25519 with its envelope',
    `v=DKIM1; k=ed25519; p=${Buffer.alloc(44, 7).toString('base64')}`,
    /^error: p= holds 44 octets/,
  ],
  ['512 bits', `p=${rsa(512)}`, /^error: the key has 512 bits/],
  ['1024 bits', `p=${rsa(1024)}`, /^warning: the key has 1024 bits/],
  ['a key that was cut', `p=${good.slice(0, 200)}`, /^error: p= is no RSA key/],
  ['no base64', 'p=-----BEGIN PUBLIC KEY-----', /^error: p= is no base64/],
  ['none', 'v=DKIM1; k=rsa', /^error: p= is missing/],
  ['revoked', 'v=DKIM1; p=', /^warning: p= is empty: the key is revoked/],
  ['testing', `v=DKIM1; t=s:y; p=${good}`, /^warning: t=y/],
  ['sha1 alone', `v=DKIM1; h=sha1; p=${good}`, /^error: h= leaves out sha256/],
  ['another version', `v=DKIM2; p=${good}`, /^error: v="DKIM2" must be DKIM1/],
  ['another kind', `k=dsa; p=${good}`, /^error: k="dsa" is no kind of key/],
];
for (const [what, record, said] of keys) {
  test(`a DKIM key: ${what}`, () => {
    const found = dkimKeyProblems(record).map(({ severity, problem }) => `${severity}: ${problem}`);
    assert.equal(found.length, said ? 1 : 0, found.join('\n'));
    if (said) assert.match(found[0] ?? '', said);
  });
}

test('whatever a record holds, reading it never throws, and what is said of it is one harmless line', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^(?:[a-z]{1,3}=[^;]{0,9};){0,6}$/));
  fc.assert(
    fc.property(text, (record) => {
      for (const { problem } of [...dmarcProblems([record]), ...dkimKeyProblems(record)])
        assert.doesNotMatch(problem, /[\p{Cc}\p{Cf}\p{Cs}]/u);
    }),
  );
});
