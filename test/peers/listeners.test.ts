/**
 * Exim, OpenSMTPD and Sendmail as local MTA, by the recipes of docs/in-front-of.md: what is sent through postern
 * arrives octet by octet but for what the page says, and a listener takes nothing that is not ours. Postfix is in
 * postfix.test.ts.
 */
import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { startExim } from '../support/exim.js';
import { Mx, message } from '../support/mx.js';
import { startOpensmtpd } from '../support/opensmtpd.js';
import type { LocalMta } from '../support/own-system.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { startSendmailListener } from '../support/sendmail-listener.js';
import { until } from '../support/until.js';

/** What becomes of a mail's text where it does not arrive as it is; a pattern: it is refused with this reply. */
type Change = ((text: string) => string) | RegExp;

interface Peer {
  readonly name: string;
  /** Its name for `needPeer`. */
  readonly peer: string;
  readonly start: (people: readonly string[]) => Promise<LocalMta>;
  /** The fields that it puts above ours. */
  readonly above: RegExp;
  /** By the mail's name below. */
  readonly changes: Readonly<Record<string, Change>>;
  readonly unknownUser: RegExp;
}

const received = String.raw`Received: [^\n]*\n(?:\t[^\n]*\n)+`;
const without = (fields: RegExp) => (text: string) => text.replace(fields, '');
const endHeader = (text: string): string => `${text}\n`;

const peers: readonly Peer[] = [
  {
    name: 'Exim',
    peer: 'exim',
    start: startExim,
    above: new RegExp(String.raw`^Return-path: [^\n]*\nEnvelope-to: [^\n]*\nDelivery-date: [^\n]*\n${received}`),
    changes: {
      'a header alone': endHeader,
      'a line that is no field': (text) => text.replace('this is no field', '\n$&'),
      'NUL in the header': (text) => text.replace('\0', '?'),
      'fields that a delivery adds': without(/^(?:Return-Path|Envelope-To|Delivery-Date): .*\n/gm),
    },
    unknownUser: /^550 5\.1\.1 Unrouteable address$/,
  },
  {
    name: 'OpenSMTPD',
    peer: 'opensmtpd',
    start: startOpensmtpd,
    above: new RegExp(String.raw`^Return-Path: [^\n]*\nDelivered-To: [^\n]*\n${received}`),
    changes: {
      'a line that is no field': /^550 5\.7\.1 .*not RFC 2822 compliant \([0-9A-Z]{14}\)$/,
      'NUL in the header': without(/\0.*$/gm),
      'NUL in the body': without(/\0.*$/gm),
      'addresses without a domain': (text) =>
        text.replace('bob, <carol>', 'bob@local-mta.test, <carol@local-mta.test>'),
      'Bcc:': without(/^Bcc: .*\n/m),
      'no Date: and no Message-ID:': (text) => text.replace('\n\n', '\nDate: its own\nMessage-ID: its own\n\n'),
    },
    unknownUser: /^550 5\.1\.1 Invalid recipient: <unknown@example\.com>$/,
  },
  {
    name: 'Sendmail',
    peer: 'real-sendmail',
    start: startSendmailListener,
    above: new RegExp(
      String.raw`^Return-Path: [^\n]*\n${received}(?:(?:Date|From|Message-Id): [^\n]*\n)*(?=Received: )`,
    ),
    changes: {
      'a header alone': endHeader,
      'a line that is no field': (text) => text.replace('this is no field', '\n$&'),
      'NUL in the header': without(/\0/),
      'a space before the colon': (text) => text.replaceAll(' :', ':'),
      'Bcc:': without(/^(?:Resent-)?Bcc: .*\n/gm),
      'fields that a delivery adds': without(/^Return-Path: .*\n/m),
      'Content-Length:': without(/^Content-Length: .*\n/m),
    },
    unknownUser: /^550 5\.1\.1 <unknown@example\.com>\.\.\. User unknown$/,
  },
];

const mail = (body: string, ...fields: readonly string[]): string => message({ fields, body });
const separator = 'From sender@sender.example Sat Nov 28 12:00:00 2026';
const encoded = [
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
];
const numbered = (count: number, line: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => line(i));

/** [what, its octets up to the end of data, what postern makes of it where that is something else] */
const mails: readonly [what: string, text: string, handedOn?: (text: string) => string][] = [
  ['plain', mail('Hello.')],
  ['dots', mail('.\r\n..\r\n.dot\r\n...\r\n. ')],
  ['lines of 998 octets', mail(`${'z'.repeat(998)}\r\n${'\xe9'.repeat(998)}\r\n`)],
  ['8-bit octets and control characters', mail('gr\xc3\xbc\xc3\x9fe \xff\xfe\x80\xc3\x28\x0b\x0c\x1b\x7f\r\n')],
  ['8-bit octets in the header', mail('x', 'X-Raw: gr\xc3\xbc\xc3\x9fe \xff\xfe')],
  ['spaces at line ends, tabs, empty lines', mail('x  \r\n\t \r\n\r\n\r\n  y\t\r\n\r\n')],
  ['an empty body', mail('')],
  ['a header alone', mail('').replace(/\r\n\r\n$/, '')],
  ['an empty last line', mail('x\r\n')],
  ['a mailbox separator in front', `${separator}\r\n${mail('x')}`, (text) => `X-Mailbox-Line: ${text}`],
  ['mailbox separators in the body', mail(`${separator}\r\n>From me\r\n\r\n${separator}\r\n`)],
  [
    'CR CR LF, bare CR, bare LF',
    mail('one\r\r\ntwo\r\r\r\nthree\r\r\n\r\nfour\rfive\nsix'),
    (text) => text.replace(/\r+\n/g, '\r\n').replace(/\r(?!\n)/g, ' '),
  ],
  ['NUL in the body', mail('a\0b\r\n\0\r\nc\0')],
  ['NUL in the header', mail('x', 'X-Nul: a\0b')],
  ['2 MB', mail(`${'0123456789abcdef'.repeat(4)}\r\n`.repeat(32_000))],
  ['long fields', mail('x', `X-Long: ${'y'.repeat(980)}`, `X-Folded: ${'a\r\n\tb '.repeat(300)}`)],
  ['a header of 100 KB', mail('x', ...numbered(1200, (i) => `X-Field-${i}: ${'v'.repeat(70)}`))],
  ['forty hops', mail('x', ...numbered(40, (i) => `Received: from a by b${i}; Sun, 29 Nov 2026 09:23:45 +0000`))],
  ['quoted-printable text', mail('gr=C3=BC=C3=9Fe =\r\njoined', ...encoded)],
  ['fields as they are written', mail('x', 'X-Empty:', 'X-Tab:\tx', 'X-Trail: y  ', 'x-CASE:close', 'X-Ws: a\r\n b')],
  ['a space before the colon', mail('x', 'X-Space : 1')],
  ['a line that is no field', mail('x', 'X-Before: 1', 'this is no field', 'X-After: 1')],
  ['no Date: and no Message-ID:', message({ without: ['Date', 'Message-ID'] })],
  ['no From: and no To:', message({ without: ['From', 'To'] })],
  ['addresses without a domain', mail('x', 'Cc: bob, <carol>')],
  ['Bcc:', mail('x', 'Bcc: <x@y.example>')],
  ['fields that a delivery adds', mail('x', 'Return-Path: <r@y.example>', 'Envelope-To: e', 'Delivery-Date: d')],
  ['Content-Length:', mail('x', 'Content-Length: 5', 'Lines: 5', 'Status: RO')],
];
/** What nearly every MTA takes from 127.0.0.1, or looks for a route in. */
const elsewhere = [
  'victim@elsewhere.example',
  '@example.com:victim@elsewhere.example',
  'victim%elsewhere.example@example.com',
  'victim%elsewhere.example@local-mta.test',
  'elsewhere.example!victim@example.com',
  '"victim%elsewhere.example"@example.com',
  '"victim@elsewhere.example"@example.com',
];

const people = ['alice', 'bob', ...numbered(20, (i) => `person${i}`)];

interface Pair {
  readonly mta: LocalMta;
  readonly mx: Mx;
}

const pairs = new Map<string, Promise<Pair>>();

/** All mails of a pair go over one connection to the MTA. */
const settings = ['relay_connections=1', 'relay_mails_per_connection=1000', 'xclient_networks=loopback'];
const markers = ['example.com/users/valid/*'];

async function pairOf(mta: LocalMta, plugins = ['valid_users']): Promise<Pair> {
  try {
    return { mta, mx: await Mx.start({ relayPort: mta.port, markers, plugins, settings }) };
  } catch (error) {
    await mta.close();
    throw error;
  }
}

/** The MTA and a postern in front of it, started once for all tests of this file; undefined where it is missing. */
async function pair(t: TestContext, { name, peer, start }: Peer): Promise<Pair | undefined> {
  if (!needPeer(t, peer)) return undefined;
  const made = pairs.get(name) ?? start(people).then((mta) => pairOf(mta));
  pairs.set(name, made);
  return made;
}

after(async () => {
  for (const made of pairs.values()) {
    const { mx, mta } = await made;
    await mx.close();
    await mta.close();
  }
});

const marked = (): string => `X-Mark: ${process.pid}-${++sent}`;
let sent = 0;

/** The reply to the mail; its octets go as they are. */
async function send(port: number, text: string, to: readonly string[] = ['alice']): Promise<string> {
  const client = await RawClient.open({ port });
  const recipients = to.map((name) => `RCPT TO:<${name}@example.com>`);
  await client.sayAll('EHLO client.example', 'MAIL FROM:<sender@sender.example> BODY=8BITMIME', ...recipients, 'DATA');
  client.write(`${text.replace(/(^|\n)\./g, '$1..')}\r\n.\r\n`);
  const reply = await client.reply();
  client.end();
  return reply;
}

const ours =
  /^Received: from client\.example [^\n]*\n\tby mx\.test\.example \(postern\)[^\n]*\n(?:\t[^\n]*\n)*(?:X-(?:HELO|REMOTE-IP|REMOTE-HOST|MAIL-FROM|RCPT-TO|DOMAIN|LOCALPART): [^\n]*\n)+/;

/** The copies of a marked mail: whose they are, and their text below our fields. */
function copies({ above }: Peer, mta: LocalMta, mark: string): [mailbox: string, text: string][] {
  const found = mta.delivered.filter(({ text }) => text.includes(`${mark}\n`));
  return found.map(({ mailbox, text }) => {
    assert.match(text, above);
    const below = text.replace(above, '');
    assert.match(below, ours);
    return [mailbox, below.replace(ours, '')];
  });
}

async function arrived(peer: Peer, mta: LocalMta, mark: string, count = 1): Promise<[mailbox: string, text: string][]> {
  await until(() => copies(peer, mta, mark).length >= count, `${peer.name} delivers`);
  return copies(peer, mta, mark);
}

/** What it writes in the place of Date: and Message-ID: is its own. */
const anonymous = (text: string): string =>
  text.replace(/^Date: .*\nMessage-ID: <\w+@local-mta\.test>\n/m, 'Date: its own\nMessage-ID: its own\n');

for (const peer of peers) {
  for (const [what, text, handedOn = (same: string) => same] of mails) {
    const change = peer.changes[what];
    test(`${peer.name}: ${what}${change ? ' – changed as the page says' : ''}`, async (t) => {
      const { mta, mx } = (await pair(t, peer)) ?? {};
      if (!mta || !mx) return;
      const mark = marked();
      const withMark = text.startsWith(separator) ? text.replace('\r\n', `\r\n${mark}\r\n`) : `${mark}\r\n${text}`;
      const reply = await send(mx.port, withMark);
      if (change instanceof RegExp) return assert.match(reply, change);
      assert.match(reply, /^250 2\.0\.0 /);
      const [[, arrivedText] = ['', '']] = await arrived(peer, mta, mark);
      const expected = `${handedOn(withMark)}\r\n`.replaceAll('\r\n', '\n');
      assert.deepEqual(anonymous(arrivedText), change ? change(expected) : expected);
    });
  }

  test(`${peer.name}: each of 22 recipients has the same mail`, async (t) => {
    const { mta, mx } = (await pair(t, peer)) ?? {};
    if (!mta || !mx) return;
    const mark = marked();
    const text = mail('to all', mark);
    assert.match(await send(mx.port, text, people), /^250 2\.0\.0 /);
    const all = await arrived(peer, mta, mark, people.length);
    assert.deepEqual(all.map(([mailbox]) => mailbox).toSorted(), people.toSorted());
    assert.deepEqual(new Set(all.map(([, one]) => one)), new Set([`${text}\r\n`.replaceAll('\r\n', '\n')]));
  });

  test(`${peer.name}: forty mails on one connection are delivered at once`, async (t) => {
    const { mta, mx } = (await pair(t, peer)) ?? {};
    if (!mta || !mx) return;
    const mark = marked();
    for (const text of numbered(40, (i) => mail(`number ${i}`, mark))) assert.match(await send(mx.port, text), /^250 /);
    assert.equal(new Set((await arrived(peer, mta, mark, 40)).map(([, text]) => text)).size, 40);
  });

  test(`${peer.name} refuses an unknown user: the client hears what it says`, async (t) => {
    const { mx } = (await pair(t, peer)) ?? {};
    if (mx) assert.match(await send(mx.port, mail('x'), ['unknown']), peer.unknownUser);
  });

  test(`${peer.name} is asked ahead for twenty users: those that it does not know are refused, and kept`, async (t) => {
    const { mta } = (await pair(t, peer)) ?? {};
    if (!mta) return;
    const mx = await Mx.start({ relayPort: mta.port, markers, plugins: ['valid_users ahead'], settings });
    try {
      for (const name of numbered(20, (i) => `unknown${i}`))
        assert.match(await send(mx.port, mail('x'), [name]), /^550 5\.1\.1 No such user \([0-9A-Z]{14}\)$/);
      assert.match(await send(mx.port, mail('x')), /^250 /);
      assert.equal(mx.archived().length, 20);
    } finally {
      await mx.close();
    }
  });

  test(`${peer.name}’s listener takes nothing that leads elsewhere, though it comes from 127.0.0.1`, async (t) => {
    const { mta } = (await pair(t, peer)) ?? {};
    if (!mta) return;
    const client = await RawClient.open({ port: mta.port });
    t.after(() => client.end());
    await client.sayAll('EHLO client.example', 'MAIL FROM:<sender@sender.example>');
    for (const address of elsewhere) assert.match(await client.say(`RCPT TO:<${address}>`), /^5\d\d /, address);
    assert.match(await client.say('RCPT TO:<alice@example.com>'), /^250 /);
  });

  test(`${peer.name} has the client’s address where the page says`, async (t) => {
    const { mta, mx } = (await pair(t, peer)) ?? {};
    if (!mta || !mx) return;
    const mark = marked();
    const xclient = 'ADDR=192.0.2.25 NAME=mail.sender.example';
    assert.match(await mx.send({ message: mail('x', mark), xclient }), /^250 /);
    await until(() => mta.delivered.some(({ text }) => text.includes(mark)));
    const { text = '' } = mta.delivered.find((one) => one.text.includes(mark)) ?? {};
    assert.match(text, /^Received: from client\.example \(mail\.sender\.example \[192\.0\.2\.25\]\)$/m);
    assert.match(text, /^X-REMOTE-IP: 192\.0\.2\.25$/m);
    if (peer.name === 'Exim')
      assert.match(mta.log, / from postern: H=mail\.sender\.example \[192\.0\.2\.25\] helo=client\.example$/m);
  });
}

test('OpenSMTPD takes a hundred mails a session, and postern goes on: of 400 mails none is deferred', async (t) => {
  if (!needPeer(t, 'opensmtpd')) return;
  const limit = /^smtp limit max-mails .*\n/m;
  const mta = await startOpensmtpd(people, (conf) => {
    assert.match(conf, limit);
    return conf.replace(limit, '');
  });
  const { mx } = await pairOf(mta);
  try {
    const client = await RawClient.open({ port: mx.port });
    await client.say('EHLO client.example');
    for (let i = 0; i < 400; i++) {
      const lines = [
        'MAIL FROM:<sender@sender.example>',
        'RCPT TO:<alice@example.com>',
        'DATA',
        `${mail(`${i}`)}\r\n.`,
      ];
      assert.match(await client.sayAll(...lines), /^250 2\.0\.0 /, `mail ${i}`);
    }
    client.end();
    assert.match(mta.log, /result="452 [^"]*Too many messages sent"/);
    await until(() => mta.delivered.length >= 400);
    assert.equal(new Set(mta.delivered.map(({ text }) => text.split('\n\n')[1])).size, 400);
  } finally {
    await mx.close();
    await mta.close();
  }
});

test('OpenSMTPD takes a mail with Delivered-To: of the mailbox for a loop, and does not deliver it', async (t) => {
  const [, opensmtpd] = peers;
  const { mta, mx } = (opensmtpd && (await pair(t, opensmtpd))) ?? {};
  if (!mta || !mx) return;
  const mark = marked();
  assert.match(await send(mx.port, mail('x', mark, 'Delivered-To: alice@example.com')), /^250 /);
  await until(() => mta.log.includes('failure report on message'));
  assert.ok(!mta.delivered.some(({ text }) => text.includes(mark)));
});
