/**
 * clamav, rspamd and spamassassin against servers that say what a test tells them to: answers that lie, break off,
 * never come.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import clamav from '../../plugins/clamav.js';
import rspamd from '../../plugins/rspamd.js';
import spamassassin from '../../plugins/spamassassin.js';
import { message, Mx } from '../support/mx.js';

const folder = mkdtempSync(join(tmpdir(), 'postern-scanner-'));
let place = '';
let server: net.Server;
/** What the server does with a connection, once it has heard something. */
let act: (socket: net.Socket) => void = () => {};
let heard = Buffer.alloc(0);
const mxs = new Map<string, Mx>();

const places = ['clamav', 'rspamd', 'spamassassin'] as const;

before(async () => {
  server = net.createServer((socket) => {
    heard = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (octets) => (heard = Buffer.concat([heard, octets])));
    socket.once('data', () => act(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  place = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  for (const down of ['defer', 'pass'])
    mxs.set(
      down,
      await Mx.start({
        settings: ['max_size=4m'],
        markers: places.flatMap((name) => [`${name}.example/users/valid/alice`, `${name}.example/checks/${name}`]),
        plugins: ['valid_users', ...places.map((name) => `${name} ${place} timeout=1 size=2m down=${down}`)],
      }),
    );
});
after(async () => {
  for (const mx of mxs.values()) await mx.close();
  server.close();
  rmSync(folder, { recursive: true });
});

const say =
  (text: string): typeof act =>
  (socket) =>
    socket.end(Buffer.from(text, 'latin1'));

const spamd = (spam: string, rules = 'A,B'): string =>
  `SPAMD/1.1 0 EX_OK\r\nContent-length: ${rules.length}\r\nSpam: ${spam}\r\n\r\n${rules}`;
const http = (body: string, status = '200 OK', length = body.length): string =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`;
const scored = (score: unknown, action = 'no action'): string =>
  http(JSON.stringify({ score, action, symbols: { OWN: {} } }));

type Name = (typeof places)[number];
const answers: readonly (readonly [name: Name, what: string, answer: string, reply: RegExp])[] = [
  ['clamav', 'nothing found', 'stream: OK\0', /^250 /],
  ['clamav', 'something found', 'stream: Win.Test FOUND\0', /^550 5\.7\.1 Infected: Win\.Test \([0-9A-Z]{14}\)$/],
  [
    'clamav',
    'a name that breaks the line',
    'stream: x\r250 y\x1b[31m FOUND\0',
    /^550 5\.7\.1 Infected: x\?250 y\?\[31m \(/,
  ],
  ['spamassassin', 'no spam', spamd('False ; -1.2 / 5.0'), /^250 /],
  ['spamassassin', 'spam', spamd('True ; 10.0 / 5.0'), /^550 5\.7\.1 This looks like spam \(/],
  ['spamassassin', 'no rules', spamd('False ; 0 / 5.0', ''), /^250 /],
  ['rspamd', 'no spam', scored(-1.5), /^250 /],
  ['rspamd', 'spam', scored(15), /^550 5\.7\.1 This looks like spam \(/],
  ['rspamd', 'its action does not count', scored(1, 'reject'), /^250 /],
  ['rspamd', 'but soft reject', scored(1, 'soft reject'), /^451 4\.7\.1 Try again later$/],
];
for (const [name, what, answer, reply] of answers) {
  test(`${name}: ${what}`, async () => {
    act = say(answer);
    for (const mx of mxs.values()) assert.match(await mx.send({ to: `alice@${name}.example` }), reply);
  });
}

/** No answer at all, or none that may be believed: deferred, or taken and logged, as the operator says. */
const useless: readonly (readonly [name: Name, what: string, act: typeof act])[] = [
  ...places.flatMap((name): (readonly [Name, string, typeof act])[] => [
    [name, 'hangs up', (socket) => socket.destroy()],
    [name, 'resets', (socket) => socket.resetAndDestroy()],
    [name, 'says nothing and closes', say('')],
    [name, 'is silent', () => {}],
    [name, 'says noise', say('\xff\0\r\n250 OK\r\n')],
    [name, 'never ends', (socket) => void endless(socket)],
  ]),
  ['clamav', 'an error', say('INSTREAM size limit exceeded. ERROR\0')],
  ['clamav', 'half an answer', say('stream: OK')],
  ['clamav', 'an answer with more behind it', say('stream: OK\0stream: x FOUND\0')],
  ['clamav', 'OK in a name', say('stream: x\nstream: OK\0')],
  ['spamassassin', 'an error', say('SPAMD/1.1 76 Bad header line\r\n\r\n')],
  ['spamassassin', 'no score', say(spamd('False ; nan / 5.0'))],
  ['spamassassin', 'rules that are cut off', say(spamd('False ; 0 / 5.0', 'A,B,C').slice(0, -1))],
  [
    'spamassassin',
    'a score among the rules',
    say('SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\nSpam: False ; 0 / 5\r\n'),
  ],
  ['rspamd', 'an error', say(http('{"score":0,"action":"no action"}', '500 Error'))],
  ['rspamd', 'a redirection', say(http('{"score":0,"action":"no action"}', '302 Found'))],
  ['rspamd', 'a body that is cut off', say(http('{"score":0,"action":"no action"}', '200 OK', 1000))],
  ['rspamd', 'no JSON', say(http('{'))],
  ['rspamd', 'null', say(http('null'))],
  ['rspamd', 'a score that is a word', say(scored('0'))],
  ['rspamd', 'no score', say(scored(undefined))],
  ['rspamd', 'a score beyond all numbers', say(http('{"score":1e999,"action":"no action"}'))],
];
for (const [name, what, does] of useless) {
  test(`${name} ${what}`, async () => {
    act = does;
    const to = `alice@${name}.example`;
    const [strict, lenient] = [mxs.get('defer'), mxs.get('pass')];
    assert.equal(await strict?.send({ to }), '451 4.3.0 Your mail cannot be scanned now, try again later');
    assert.match((await lenient?.send({ to })) ?? '', /^250 /);
    const noted = lenient?.log.findLast(({ msg }) => msg === 'note');
    assert.match(String(noted?.['why']), /^not scanned: /);
    assert.equal(noted?.['plugin'], name);
  });
}

async function endless(socket: net.Socket): Promise<void> {
  const head = 'HTTP/1.1 200 OK\r\n\r\n';
  socket.write(head);
  while (!socket.destroyed) {
    socket.write(Buffer.alloc(1 << 16, 'x'));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('a scanner that is not there', async () => {
  const mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/checks/clamav'],
    plugins: ['valid_users', `clamav ${join(folder, 'gone')}`],
  });
  assert.match(await mx.send(), /^451 4\.3\.0 /);
  await mx.close();
});

test('a scanner that no place is given for is off, and says so once', async () => {
  const mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/checks/all'],
    plugins: ['valid_users', 'clamav'],
  });
  for (let i = 0; i < 3; i++) assert.match(await mx.send(), /^250 /);
  const said = mx.log.filter(({ plugin, msg }) => plugin === 'clamav' && msg === 'note');
  assert.equal(said.length, 1);
  assert.match(String(said[0]?.['why']), /^off: the list of plugins does not say where clamav is/);
  await mx.close();
});

test('checks/all asks clamd, and no scorer', async () => {
  const asked: string[] = [];
  act = (socket) => {
    asked.push(heard.subarray(0, 9).toString('latin1'));
    socket.end('stream: OK\0');
  };
  const mx = mxs.get('defer');
  mx?.touch('all.example/users/valid/alice');
  mx?.touch('all.example/checks/all');
  assert.match((await mx?.send({ to: 'alice@all.example' })) ?? '', /^250 /);
  assert.deepEqual(asked, ['zINSTREAM']);
});

test('what is larger than size= is not scanned, and that is logged', async () => {
  act = say('stream: x FOUND\0');
  const mx = mxs.get('defer');
  const large = message({ body: 'x\r\n'.repeat(1_000_000) });
  assert.match((await mx?.send({ to: 'alice@clamav.example', message: large })) ?? '', /^250 /);
  assert.match(
    String(mx?.log.findLast(({ msg }) => msg === 'note')?.['why']),
    /^not scanned: larger than 2097152 octets$/,
  );
});

test('clamd gets all octets of a mail that waits on disk, in pieces behind their lengths', async () => {
  const body = Array.from({ length: 100_000 }, (_, i) => `line ${i}`).join('\r\n');
  act = (socket) => {
    socket.on('data', () => {
      if (heard.subarray(-4).equals(Buffer.alloc(4))) socket.end('stream: OK\0');
    });
  };
  assert.match(
    (await mxs.get('defer')?.send({ to: 'alice@clamav.example', message: message({ body }) })) ?? '',
    /^250 /,
  );
  assert.equal(heard.subarray(0, 10).toString('latin1'), 'zINSTREAM\0');
  const pieces: Buffer[] = [];
  for (let at = 10, length = -1; length !== 0; at += 4 + length) {
    length = heard.readUInt32BE(at);
    pieces.push(heard.subarray(at + 4, at + 4 + length));
  }
  assert.ok(Buffer.concat(pieces).toString('latin1').endsWith(`\r\n\r\n${body}\r\n`));
});

test('rspamd and spamd are told of client and envelope, and no octet of theirs breaks out', async () => {
  const mx = mxs.get('defer');
  act = say(scored(7));
  const from = '"a:b"@sender.example';
  await mx?.send({ to: 'alice@rspamd.example', helo: 'x.example', from });
  const request = heard.toString('latin1');
  assert.match(request, /^POST \/checkv2 HTTP\/1\.1\r\n/);
  for (const field of ['IP: 127.0.0.1', 'Helo: x.example', `From: ${from}`, 'Rcpt: alice@rspamd.example'])
    assert.ok(request.includes(`\r\n${field}\r\n`), field);
  const mail = mx?.delivered().at(-1) ?? '';
  assert.match(mail, /^X-SPAM-RESULT: 7 rspamd\r$/m);
  act = say(spamd('True ; 6.5 / 5.0'));
  const forged = message({ fields: ['X-SPAM-RESULT: 0 forged'] });
  await mx?.send({ to: 'alice@spamassassin.example', helo: 'x(.example', from, message: forged });
  const [, head = '', rest = ''] = /^(.*?)\r\n\r\n(.*)$/s.exec(heard.toString('latin1')) ?? [];
  assert.equal(head, `SYMBOLS SPAMC/1.5\r\nContent-length: ${rest.length}`);
  assert.match(
    rest,
    /^Return-Path: <"a:b"@sender\.example>\r\nReceived: from x\?\.example \(unknown \[127\.0\.0\.1\]\)\r\n/,
  );
  const marked = mx?.delivered().find((text) => text.includes('X-SPAM-RESULT: 6.5 spamassassin')) ?? '';
  assert.notEqual(marked, '');
  assert.doesNotMatch(marked, /forged/);
});

const bad: readonly (readonly [
  make: (args: readonly string[]) => unknown,
  args: readonly string[],
  problem: RegExp,
])[] = [
  [clamav, ['clamd'], /"clamd" is neither \/path nor host:port/],
  [clamav, ['localhost:99999'], /neither/],
  [clamav, ['/s', 'down=maybe'], /down is defer or pass/],
  [clamav, ['/s', 'timeout=0'], /number of seconds/],
  [clamav, ['/s', 'size=x'], /number of octets/],
  [clamav, ['/s', 'reject=5'], /"reject=5" is none of down=, timeout=, size=/],
  [rspamd, ['/s', 'reject=x'], /reject is a score, or never/],
  [rspamd, ['/s', 'reject=5', 'mark=6'], /mark is above reject/],
  [rspamd, ['/s', 'join=0'], /join is a number above 0, such as 1 or 0\.5/],
  [spamassassin, ['/s', 'join=-1'], /join is a number above 0/],
  [spamassassin, ['/s', 'mark'], /"mark" is none of/],
];
for (const [make, args, problem] of bad)
  test(`bad arguments: ${args.join(' ')}`, () => assert.throws(() => make(args), problem));
for (const one of ['/s', '127.0.0.1:3310', '[::1]:3310', 'clamd.example:3310'])
  test(`a place: ${one}`, () => assert.doesNotThrow(() => clamav([one])));
