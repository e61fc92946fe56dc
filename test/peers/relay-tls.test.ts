/**
 * Postfix behind postern over TLS: `must` asks for a certificate that bears the name, comes from whom `relay_ca`
 * trusts, and is good today; `may` takes any.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Certificate } from '../../src/smtp/server.js';
import { makeCertificate } from '../support/certificate.js';
import { Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { Postfix } from '../support/postfix.js';

const name = 'mail.example.net';
const dayMs = 86_400_000;

async function postfixWith(t: TestContext, { cert, key }: Certificate): Promise<Postfix> {
  const folder = mkdtempSync(join(tmpdir(), 'relay-tls-'));
  writeFileSync(join(folder, 'cert'), cert);
  writeFileSync(join(folder, 'key'), key);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const postfix = await Postfix.start({
    domains: ['example.com'],
    settings: [
      `smtpd_tls_cert_file = ${folder}/cert`,
      `smtpd_tls_key_file = ${folder}/key`,
      'smtpd_tls_security_level = may',
      'smtpd_tls_received_header = yes',
    ],
  });
  t.after(() => postfix.close());
  return postfix;
}

/** `trusted`: what relay_ca holds. The zone has the name at 127.0.0.1. */
async function mxFor(t: TestContext, relay: string, trusted: readonly Certificate[]): Promise<Mx> {
  const folder = mkdtempSync(join(tmpdir(), 'relay-ca-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'ca'), trusted.map(({ cert }) => cert.toString()).join(''));
  const mx = await Mx.start({
    settings: [`relay=${relay}`, ...(trusted.length > 0 ? [`relay_ca=${folder}/ca`] : [])],
    markers: ['example.com/users/valid/*'],
    plugins: ['valid_users'],
    zone: { [name]: { A: ['127.0.0.1'] }, 'other.example.net': { A: ['127.0.0.1'] } },
  });
  t.after(() => mx.close());
  return mx;
}

test('tls=must gives the mail to the right name alone, tls=may to any, both encrypted', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const right = makeCertificate(name, { alsoFor: ['mx.example.net'] });
  const postfix = await postfixWith(t, right);
  const mx = await mxFor(t, `${name}:${postfix.port} tls=must`, [right]);
  assert.match(await mx.send(), /^250 2\.0\.0 Ok: queued as /);
  await postfix.until(() => postfix.delivered.length === 1);
  assert.match(postfix.delivered[0]?.text ?? '', /\(using TLSv1\.3 with cipher/);

  mx.touch(`example.com/relay=other.example.net:${postfix.port} tls=must`);
  assert.match(await mx.send(), /^451 4\.4\.1 /);
  assert.match(reason(mx), /tls=must: Hostname\/IP does not match certificate's altnames: Host: other\.example\.net\./);
  mx.touch(`example.com/relay=127.0.0.1:${postfix.port} tls=must`);
  assert.match(await mx.send(), /^451 4\.4\.1 /);
  assert.match(reason(mx), /tls=must: .*IP: 127\.0\.0\.1 is not in the cert's list/);

  mx.touch(`example.com/relay=other.example.net:${postfix.port}`);
  assert.match(await mx.send(), /^250 2\.0\.0 Ok: queued as /);
  await postfix.until(() => postfix.delivered.length === 2);
  for (const { text } of postfix.delivered) assert.match(text, /\(using TLSv1\.3 with cipher/);
});

const reason = (mx: Mx): string => String(mx.fates().at(-1)?.['reason']);

/** [what, the certificate, is it trusted?, the reason] */
const bad: readonly (readonly [string, () => Certificate, boolean, RegExp])[] = [
  ['has expired', () => makeCertificate(name, { alsoFor: [], endsIn: -dayMs }), true, /certificate has expired/],
  ['bears another name', () => makeCertificate('www.example.net', { alsoFor: [] }), true, /does not match certificate/],
  ['comes from nobody that is trusted', () => makeCertificate(name, { alsoFor: [] }), false, /self.signed certificate/],
];
for (const [what, make, isTrusted, expected] of bad) {
  test(`tls=must: no mail for a server whose certificate ${what}; the next one gets it`, async (t) => {
    if (!needPeer(t, 'postfix')) return;
    const certificate = make();
    const postfix = await postfixWith(t, certificate);
    const must = `${name}:${postfix.port} tls=must`;
    const mx = await mxFor(t, must, isTrusted ? [certificate] : []);
    assert.match(await mx.send(), /^451 4\.4\.1 /);
    assert.match(reason(mx), expected);
    const right = makeCertificate(name, { alsoFor: [] });
    const second = await mxFor(t, `${must}; 127.0.0.1:${postfix.port} tls=may`, [right]);
    assert.match(await second.send(), /^250 2\.0\.0 Ok: queued as /);
    await postfix.until(() => postfix.delivered.length === 1);
  });
}
