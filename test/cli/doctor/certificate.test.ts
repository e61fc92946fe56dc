/** What `postern doctor` says of certificates: their end, their names, their chain. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeCertificate } from '../../support/certificate.js';
import { goodZone, installation, linesOf } from './support.js';

const dayMs = 86_400_000;
const endsIn = 90 * dayMs;
const root = makeCertificate('Test Root', { endsIn });
const between = makeCertificate('Test Between', { endsIn, by: { name: 'Test Root', key: root.key } });
const byBetween = { name: 'Test Between', key: between.key };
const leaf = makeCertificate('mx.test.example', { endsIn, by: byBetween });
const expired = makeCertificate('mx.test.example', { endsIn: -dayMs, by: byBetween });
const ending = makeCertificate('mx.test.example', { endsIn: 5 * dayMs, by: byBetween });
const other = makeCertificate('other.example', { endsIn, by: byBetween });

const file = (...all: readonly { readonly cert: Buffer }[]): Buffer => Buffer.concat(all.map(({ cert }) => cert));

/** [what, the certificates of the file, the key, what is said] */
const table: readonly (readonly [what: string, chain: Buffer, key: Buffer, said: readonly RegExp[]])[] = [
  ['a good chain', file(leaf, between), leaf.key, [/^good: \S+\/cert\.pem is good for mx\.test\.example until \d{4}-/]],
  ['with its root', file(leaf, between, root), leaf.key, [/^good: /]],
  ['expired', file(expired, between), expired.key, [/^error: it has ended on \d{4}-/]],
  ['ends soon', file(ending, between), ending.key, [/^warning: it ends on \d{4}-/]],
  [
    'of another name',
    file(other, between),
    other.key,
    [/^error: mx\.test\.example is none of its names \(CN=other\.example\)$/],
  ],
  [
    'without what is between',
    file(leaf),
    leaf.key,
    [/^warning: its chain ends with CN=mx\.test\.example, whose issuer \(CN=Test Between\) is in no usual list$/],
  ],
  ...[makeCertificate('mx.test.example', { endsIn })].map(
    (self) => ['self-signed', self.cert, self.key, [/^warning: it is signed by itself/]] as const,
  ),
];

for (const [what, chain, key, said] of table) {
  test(`a certificate: ${what}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-certificates-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const { doctor } = await installation(t, { env: { NODE_EXTRA_CA_CERTS: join(folder, 'roots.pem') } });
    writeFileSync(join(folder, 'roots.pem'), root.cert);
    writeFileSync(join(folder, 'cert.pem'), chain);
    writeFileSync(join(folder, 'key.pem'), key);
    const found = await doctor(`--tls_cert=${folder}/cert.pem`, `--tls_key=${folder}/key.pem`);
    const lines = linesOf(found, 'certificate');
    assert.equal(lines.length, said.length, lines.join('\n'));
    for (const [i, pattern] of said.entries()) assert.match(lines[i] ?? '', pattern);
  });
}

test('a name by which an MX record points at us must be one of its names, too', async (t) => {
  const zone = {
    ...goodZone,
    'example.com': { MX: [[10, 'mail.example.com'] as const] },
    'mail.example.com': { A: ['127.0.0.99'] },
  };
  const { root: folder, doctor } = await installation(t, { zone });
  writeFileSync(join(folder, 'cert.pem'), file(leaf, between));
  writeFileSync(join(folder, 'key.pem'), leaf.key);
  const found = await doctor(`--tls_cert=${folder}/cert.pem`, `--tls_key=${folder}/key.pem`);
  assert.match(linesOf(found, 'certificate')[0] ?? '', /^error: mail\.example\.com is none of its names/);
});

test('of a folder of certificates each is looked at, and one must have each name', async (t) => {
  const zone = {
    ...goodZone,
    'example.com': { MX: [[10, 'mail.example.com'] as const] },
    'mail.example.com': { A: ['127.0.0.99'] },
  };
  const folder = mkdtempSync(join(tmpdir(), 'postern-certificates-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { doctor } = await installation(t, { zone, env: { NODE_EXTRA_CA_CERTS: join(folder, 'roots.pem') } });
  writeFileSync(join(folder, 'roots.pem'), root.cert);
  const put = (name: string, cert: Buffer, key: Buffer): void => {
    mkdirSync(join(folder, 'live', name), { recursive: true });
    writeFileSync(join(folder, 'live', name, 'fullchain.pem'), cert);
    writeFileSync(join(folder, 'live', name, 'privkey.pem'), key);
  };
  put('mx.test.example', file(leaf, between), leaf.key);
  put('other.example', file(ending, between), ending.key);
  put('broken.example', Buffer.from('no certificate'), leaf.key);
  const ofAll = linesOf(await doctor(`--tls_cert=${folder}/live`), 'certificate');
  assert.match(ofAll[1] ?? '', /^warning: other\.example: it ends on \d{4}-/);
  assert.match(ofAll[0] ?? '', /^error: mail\.example\.com is none of the names of 2 certificates$/);
  assert.equal(ofAll.length, 2, ofAll.join('\n'));

  const mail = makeCertificate('mail.example.com', { endsIn, by: byBetween });
  put('other.example', file(mail, between), mail.key);
  const found = await doctor(`--tls_cert=${folder}/live`);
  assert.match(linesOf(found, 'settings')[0] ?? '', /^warning: tls_cert: \S+broken\.example\/fullchain\.pem: /);
  assert.deepEqual(
    linesOf(found, 'certificate').map((line) => line.slice(0, line.lastIndexOf(' '))),
    [
      'good: mx.test.example is good for mx.test.example until',
      'good: other.example is good for CN=mail.example.com until',
    ],
  );
});
