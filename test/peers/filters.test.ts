/** The plugin milter and real filters of others, and our own: what they write and refuse, one after the other. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { encoded, multipart } from '../mime/mails.js';
import { DkimSigner } from '../support/dkim-signer.js';
import { message, Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { RealFilter, type FilterGiven, type RealFilterName } from '../support/real-filters.js';
import { eicar, RealScanner, words } from '../support/scanners.js';

type Filters = readonly (readonly [name: RealFilterName, given?: FilterGiven])[];

/** An MX that asks these filters in this order; the words stand behind each of their places. */
async function mxWith(t: TestContext, filters: Filters, before: readonly string[] = []): Promise<Mx> {
  const started: RealFilter[] = [];
  t.after(async () => {
    for (const filter of started) await filter.close();
  });
  const lines: string[] = [];
  for (const [name, given] of filters) {
    const filter = await RealFilter.start(name, given);
    started.push(filter);
    lines.push(`milter ${filter.place} name=${name}`);
  }
  const mx = await Mx.start({
    settings: ['xclient_networks=loopback'],
    markers: ['example.com/users/valid/alice', 'example.com/checks/spf'],
    zone: { 'sender.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] } },
    plugins: ['valid_users', ...before, ...lines],
  });
  t.after(() => mx.close());
  return mx;
}

const xclient = 'ADDR=192.0.2.9 NAME=mail.sender.example';
const holding = (word: string): string => message({ body: `Look: ${word}.` });

/** The names of the fields above the mail's own first one. */
function fieldsAbove(mail: string, first: string): string[] {
  const fields = mail.split('\r\n\r\n')[0]?.split(/\r\n(?![ \t])/) ?? [];
  const names = fields.map((field) => field.slice(0, field.indexOf(':')).toLowerCase());
  return names.slice(0, names.indexOf(first));
}

test('OpenDKIM verifies what postern shows it, and writes above our fields', { timeout: 120_000 }, async (t) => {
  if (!needPeer(t, 'opendkim')) return;
  const signer = new DkimSigner('sender.example');
  const mx = await mxWith(t, [['opendkim', { dns: `s1._domainkey.sender.example ${signer.record}\n` }]]);
  const signed = signer.sign(message({ body: `${'A line of the mail, .\r\n..\r\n'.repeat(20_000)}end` }));
  const stuffed = signed.replace(/\r\n\./g, '\r\n..');
  for (const [what, mail, result] of [
    ['signed', stuffed, 'pass'],
    ['changed behind its signature', stuffed.replace('end', 'END'), 'fail'],
    ['not signed', message(), 'none'],
  ] as const) {
    mx.forget();
    assert.match(await mx.send({ message: mail, xclient }), /^250 /, what);
    const [relayed = ''] = mx.delivered();
    assert.match(relayed, new RegExp(`^Authentication-Results: mx\\.test\\.example;\\s+dkim=${result}`, 'm'), what);
    assert.equal(fieldsAbove(relayed, 'received').at(-1), 'authentication-results', what);
  }
});

test('OpenDMARC reads what our SPF has found', { timeout: 120_000 }, async (t) => {
  if (!needPeer(t, 'opendmarc')) return;
  const mx = await mxWith(t, [['opendmarc']], ['spf']);
  assert.match(await mx.send({ xclient }), /^250 /);
  const [relayed = ''] = mx.delivered();
  assert.match(relayed, /^Authentication-Results: mx\.test\.example; spf=pass /m);
  assert.match(relayed, /^Authentication-Results: mx\.test\.example; dmarc=/m);
});

test('clamav-milter refuses what clamd finds, and marks the rest', { timeout: 180_000 }, async (t) => {
  if (!needPeer(t, 'clamav-milter', 'clamd')) return;
  const scanner = await RealScanner.start('clamd');
  t.after(() => scanner.close());
  const mx = await mxWith(t, [['clamav-milter', { scanner: scanner.socket }]]);
  assert.match(await mx.send({ message: message(), xclient }), /^250 /);
  assert.match(mx.delivered()[0] ?? '', /^X-Virus-Status: Clean\r$/m);
  const infected = `From: <a@b.example>\r\n${multipart([encoded('a.com', Buffer.from(eicar))])}`;
  assert.match(
    await mx.send({ message: infected, xclient }),
    /^550 5\.7\.1 Infected: Eicar-Test\.UNOFFICIAL \([0-9A-Z]{14}\)$/,
  );
  const [kept] = mx.archived();
  assert.match(kept?.text ?? '', /^X-Virus-Status: Infected/m);
  assert.match(kept?.text ?? '', /^X-REJECT-PLUGIN: milter-clamav-milter\r$/m);
});

test('spamass-milter refuses spam and marks the rest', { timeout: 180_000 }, async (t) => {
  if (!needPeer(t, 'spamass-milter', 'spamd')) return;
  const scanner = await RealScanner.start('spamd');
  t.after(() => scanner.close());
  const mx = await mxWith(t, [['spamass-milter', { scanner: scanner.socket }]]);
  assert.match(await mx.send({ message: holding(words.odd), xclient }), /^250 /);
  assert.match(mx.delivered()[0] ?? '', /^X-Spam-Status: Yes, score=6/m);
  assert.match(await mx.send({ message: holding(words.spam), xclient }), /^550 5\.7\.1 Blocked by SpamAssassin \(/);
  assert.match(mx.archived()[0]?.text ?? '', new RegExp(words.spam));
});

test('rspamd refuses spam and marks the rest', { timeout: 180_000 }, async (t) => {
  if (!needPeer(t, 'rspamd')) return;
  const mx = await mxWith(t, [['rspamd']]);
  assert.match(await mx.send({ message: message(), xclient }), /^250 /);
  assert.match(await mx.send({ message: holding(words.odd), xclient }), /^250 /);
  assert.match(mx.delivered().join(''), /^X-Spam: Yes\r$/m);
  assert.match(await mx.send({ message: holding(words.spam), xclient }), /^55[04] 5\.7\.1 Spam message rejected \(/);
});

test('postern milter refuses what its SPF does not permit, in its own words', { timeout: 120_000 }, async (t) => {
  const zone = { 'sender.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] } };
  const mx = await mxWith(t, [['postern', { zone }]]);
  assert.match(await mx.send({ xclient }), /^250 /);
  const [relayed = ''] = mx.delivered();
  assert.match(relayed, /^Authentication-Results: mx\.test\.example; spf=pass /m);
  // It is ours alone to write.
  assert.doesNotMatch(relayed, /^Received-SPF/m);
  const why = mx.log.find(({ plugin, msg }) => plugin === 'milter-postern' && msg === 'note')?.['why'];
  assert.equal(why, 'not changed: Received-SPF is a field that only postern may write');
  const refused = await mx.send({ xclient: 'ADDR=203.0.113.9 NAME=mail.other.example' });
  assert.match(refused, /^550 5\.7\.23 .* \([0-9A-Z]{14}\)$/);
  assert.equal(mx.archived().length, 1);
});

test('five filters one after the other, ten mails at once', { timeout: 240_000 }, async (t) => {
  if (!needPeer(t, 'opendkim', 'opendmarc', 'clamav-milter', 'clamd', 'rspamd')) return;
  const scanner = await RealScanner.start('clamd');
  t.after(() => scanner.close());
  const signer = new DkimSigner('sender.example');
  const mx = await mxWith(
    t,
    [
      ['postern', { zone: {} }], // takes out what others have written under our name: it goes first
      ['opendkim', { dns: `s1._domainkey.sender.example ${signer.record}\n` }],
      ['opendmarc'],
      ['clamav-milter', { scanner: scanner.socket }],
      ['rspamd'],
    ],
    ['spf'],
  );
  const signed = signer.sign(message());
  const replies = await Promise.all(Array.from({ length: 10 }, () => mx.send({ message: signed, xclient })));
  assert.deepEqual(
    replies.filter((reply) => !reply.startsWith('250 ')),
    [],
  );
  for (const relayed of mx.delivered()) {
    assert.match(relayed, /dkim=pass/);
    assert.match(relayed, /^X-Virus-Status: Clean\r$/m);
    const [header = '', body = ''] = signed.split('\r\n\r\n');
    assert.ok(relayed.includes(header), relayed);
    assert.ok(relayed.endsWith(`\r\n\r\n${body}\r\n`), relayed);
  }
});
