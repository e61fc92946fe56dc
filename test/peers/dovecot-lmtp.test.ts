/**
 * Dovecot's LMTP behind postern, by the recipe of docs/in-front-of.md: a mail is stored as it was sent, each recipient
 * has its own reply, and Dovecot learns who the client was.
 */
import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { type DovecotLmtp, startDovecotLmtp } from '../support/dovecot-lmtp.js';
import { makeCertificate } from '../support/certificate.js';
import { message, Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { until } from '../support/until.js';

interface Pair {
  readonly dovecot: DovecotLmtp;
  readonly mx: Mx;
}

let made: Promise<Pair> | undefined;

const people = ['alice@example.com', 'bob@example.com', 'full@example.com'];
const quota = [
  'mail_plugins = quota',
  'plugin {\n  quota = count:User quota\n  quota_rule = *:bytes=100M\n  quota_vsizes = yes\n}',
];
/** Its name is wrong for 127.0.0.1, which tls=may does not look at. */
const certificate = makeCertificate('imap.example.com');

async function start(): Promise<Pair> {
  const dovecot = await startDovecotLmtp({ people, certificate, settings: quota });
  const mx = await Mx.start({
    settings: [`relay=lmtp:127.0.0.1:${dovecot.port}`, 'xclient_networks=loopback'],
    markers: ['example.com/users/valid/*'],
    plugins: ['valid_users ahead'],
  });
  return { dovecot, mx };
}

async function pair(t: TestContext): Promise<Pair | undefined> {
  if (!needPeer(t, 'dovecot-lmtp')) return undefined;
  return (made ??= start());
}

after(async () => {
  const { dovecot, mx } = (await made) ?? {};
  await mx?.close();
  await dovecot?.close();
});

let sent = 0;

/** The stored text below the fields that Dovecot adds, once it is there. */
async function stored({ dovecot }: Pair, mark: string): Promise<{ mailbox: string; text: string }> {
  const find = (): DovecotLmtp['delivered'][number] | undefined =>
    dovecot.delivered.find(({ text }) => text.includes(mark));
  await until(() => find() !== undefined);
  return find() ?? assert.fail(mark);
}

/** The reply to the mail; its octets go as they are. */
async function sendOctets(port: number, text: string): Promise<string> {
  const client = await RawClient.open({ port });
  const envelope = ['MAIL FROM:<sender@sender.example> BODY=8BITMIME', 'RCPT TO:<alice@example.com>'];
  await client.sayAll('EHLO client.example', ...envelope, 'DATA');
  client.write(`${text.replace(/(^|\n)\./g, '$1..')}\r\n.\r\n`);
  const reply = await client.reply();
  client.end();
  return reply;
}

/** The message, below the fields of Dovecot and ours. */
const below = (text: string): string => text.slice(text.indexOf('X-Mark:'));

const mail = (body: string, ...fields: readonly string[]): string => message({ fields, body });

/** [what, its octets up to the end of data, what is stored where that is something else] */
const mails: readonly (readonly [what: string, text: string, change?: (text: string) => string])[] = [
  ['plain', mail('Hello.')],
  ['dots', mail('.\r\n..\r\n.dot\r\n...\r\n. ')],
  ['lines of 998 octets', mail(`${'z'.repeat(998)}\r\n${'\xe9'.repeat(998)}\r\n`)],
  ['8-bit octets in header and body', mail('gr\xc3\xbc\xc3\x9fe \xff\xfe\x80\x0b\x1b\x7f\r\n', 'X-Raw: \xff\xfe')],
  ['an empty body', mail('')],
  ['NUL', mail('a\0b', 'X-Nul: a\0b')],
  ['2 MB', mail(`${'0123456789abcdef'.repeat(4)}\r\n`.repeat(32_000))],
  ['a line of 20,000 octets', mail('y'.repeat(20_000))],
  ['fields that a delivery adds', mail('x', 'Delivered-To: d@y.example', 'Bcc: <x@y.example>')],
];

for (const [what, text, change = (same: string) => same] of mails) {
  test(`a mail with ${what} is stored as it was sent`, async (t) => {
    const both = await pair(t);
    if (!both) return;
    const mark = `X-Mark: ${process.pid}-${++sent}`;
    assert.match(await sendOctets(both.mx.port, `${mark}\r\n${text}`), /^250 2\.0\.0 .*Saved/);
    const { mailbox, text: kept } = await stored(both, mark);
    assert.equal(mailbox, 'alice@example.com');
    assert.equal(below(kept), change(`${mark}\r\n${text}\r\n`).replaceAll('\r\n', '\n'));
  });
}

test('a second recipient is told 452, and gets the mail by a transaction of its own', async (t) => {
  const both = await pair(t);
  if (!both) return;
  const mark = `X-Mark: ${process.pid}-${++sent}`;
  const text = `${mark}\r\n${mail('for two')}`;
  const replies = await both.mx.say(
    'EHLO client.example',
    'MAIL FROM:<sender@sender.example>',
    'RCPT TO:<alice@example.com>',
    'RCPT TO:<bob@example.com>',
    'DATA',
    `${text}\r\n.`,
    'MAIL FROM:<sender@sender.example>',
    'RCPT TO:<bob@example.com>',
    'DATA',
    `${text}\r\n.`,
  );
  assert.match(replies[3] ?? '', /^452 4\.5\.3 /);
  assert.match(replies[5] ?? '', /^250 .*<alice@example\.com>/);
  assert.match(replies[9] ?? '', /^250 .*<bob@example\.com>/);
  await until(() => both.dovecot.delivered.filter(({ text: kept }) => kept.includes(mark)).length === 2);
  assert.deepEqual(
    both.dovecot.delivered
      .filter(({ text: kept }) => kept.includes(mark))
      .map(({ mailbox }) => mailbox)
      .toSorted((a, b) => a.localeCompare(b)),
    ['alice@example.com', 'bob@example.com'],
  );
});

test('Dovecot learns who the client was, mail by mail', async (t) => {
  const both = await pair(t);
  if (!both) return;
  for (const [i, address] of ['192.0.2.9', '2001:db8::7', '192.0.2.9'].entries()) {
    const mark = `X-Mark: ${process.pid}-${++sent}`;
    const xclient = `ADDR=${address.includes(':') ? 'IPV6:' : ''}${address}`;
    assert.match(await both.mx.send({ message: `${mark}\r\n${mail('x')}`, xclient, helo: `c${i}.example` }), /^250 /);
    const { text } = await stored(both, mark);
    assert.match(
      text.slice(0, text.indexOf('X-Mark:')),
      new RegExp(`^Received: from c${i}\\.example \\(\\[.*${address}\\]\\)`, 'm'),
    );
  }
});

test('an unknown user is asked for ahead, and the mail kept', async (t) => {
  const both = await pair(t);
  if (!both) return;
  const { relay } = both.mx.listener.services;
  assert.deepEqual((await relay.probe('alice@example.com')).kind, 'taken');
  const probe = await relay.probe('nobody@example.com');
  assert.match(probe.kind === 'refused' ? probe.text : probe.kind, /^550 5\.1\.1 .*User doesn't exist/);
  assert.match(await both.mx.send({ to: 'nobody@example.com' }), /^550 5\.1\.1 No such user \([0-9A-Z]{14}\)$/);
  assert.equal(both.mx.archived().length, 1);
});

test('a full mailbox is an answer behind the message: 4xx as it is, 5xx with what was kept', async (t) => {
  if (!needPeer(t, 'dovecot-lmtp')) return;
  for (const [tempfail, expected, kept] of [
    ['yes', /^452 4\.2\.2 /, 0],
    ['no', /^552 5\.2\.2 .* \([0-9A-Z]{14}\)$/, 1],
  ] as const) {
    const small = quota.map((line) => line.replace('100M', '1K'));
    const settings = [...small, `quota_full_tempfail = ${tempfail}`];
    const dovecot = await startDovecotLmtp({ people, settings });
    t.after(() => dovecot.close());
    const mx = await Mx.start({
      settings: [`relay=lmtp:127.0.0.1:${dovecot.port}`],
      markers: ['example.com/users/valid/*'],
      plugins: ['valid_users'],
    });
    t.after(() => mx.close());
    assert.match(await mx.send({ message: mail('x'.repeat(900)) }), expected);
    assert.equal(mx.archived().length, kept);
    assert.equal(dovecot.delivered.length, 0);
  }
});

test('the same by its socket, and over TLS', async (t) => {
  const both = await pair(t);
  if (!both) return;
  for (const relay of [`lmtp:unix:${both.dovecot.path}`, `lmtp:127.0.0.1:${both.dovecot.port} tls=may`]) {
    both.mx.touch(`example.com/relay=${relay}`);
    const mark = `X-Mark: ${process.pid}-${++sent}`;
    assert.match(await both.mx.send({ message: `${mark}\r\n${mail('x')}` }), /^250 2\.0\.0 .*Saved/, relay);
    const { text } = await stored(both, mark);
    if (relay.includes('tls')) assert.match(text, /^\s*\(using TLSv1\.[23]/m);
  }
  both.mx.remove('example.com/relay');
});
