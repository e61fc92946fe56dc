import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { replyText } from '../../src/mail/reply.js';
import { destinations } from '../relay/support/with-relay.js';
import { openRelay, type Relay, type RelayResult } from '../../src/relay/relay.js';
import { startSink } from '../../src/trial/sink.js';
import { inMemory, request, spooled, text } from '../relay/support/requests.js';

interface Trial {
  readonly dir: string;
  readonly port: number;
  readonly relay: Relay;
  readonly log: string[];
}

async function withSink(run: (trial: Trial) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(path.join(tmpdir(), 'sink-'));
  const log: string[] = [];
  const sink = await startSink({ host: '127.0.0.1', port: 0, dir, log: (line) => log.push(line) });
  const relay = openRelay({
    destinations: destinations(`127.0.0.1:${sink.port}`),
    hostname: 'postern.example',
    connections: 4,
    timeoutMs: 5_000,
  });
  try {
    await run({ dir, port: sink.port, relay, log });
  } finally {
    await relay.close();
    await sink.close();
    await rm(dir, { recursive: true });
  }
}

const told = (result: RelayResult): string => ('reply' in result ? replyText(result.reply) : result.kind);

async function kept(dir: string): Promise<readonly string[]> {
  const names = await readdir(path.join(dir, 'new'));
  return Promise.all(names.map((name) => readFile(path.join(dir, 'new', name), 'latin1')));
}

test('a mail is kept as delivered, and its reply names it', async () => {
  await withSink(async ({ dir, relay }) => {
    const result = await relay.send(request());
    assert.match(result.kind === 'accepted' ? result.text : '', /^Ok: queued as [0-9A-F]{12}$/);
    const id = result.kind === 'accepted' ? result.text.split(' ').at(-1) : '';
    const [name = ''] = await readdir(path.join(dir, 'new'));
    assert.ok(name.includes(`.${id}-0.`));
    assert.deepEqual(await kept(dir), [
      `Return-Path: <sender@example.net>\r\nX-Original-To: foo@example.com\r\nDelivered-To: foo@example.com\r\nX-Postern: yes\r\n${text}`,
    ]);
    assert.deepEqual(await readdir(path.join(dir, 'tmp')), []);
  });
});

test('each recipient has a copy, the null reverse-path stays null', async () => {
  await withSink(async ({ dir, relay }) => {
    const recipients = ['a@example.com', '"a b"@example.com', 'postmaster', 'x@xn--bcher-kva.example'];
    assert.equal(told(await relay.send(request({ reversePath: '', recipients }))), 'accepted');
    const copies = await kept(dir);
    const originals = copies.map((copy) => /^X-Original-To: (.*)\r$/m.exec(copy)?.[1]);
    assert.deepEqual(new Set(originals), new Set(recipients));
    assert.equal(originals.length, 4);
    assert.ok(copies.every((copy) => copy.startsWith('Return-Path: <>\r\n')));
  });
});

test('octets are kept as they came: 8-bit, dots, a long line, 3 MB', async () => {
  await withSink(async ({ dir, relay }) => {
    const body = Buffer.concat([
      Buffer.from('A: b\r\n\r\n.\r\n..x\r\n'),
      Buffer.from([0x80, 0xff, 13, 10]),
      Buffer.alloc(3_000_000, 'x'),
      Buffer.from('\r\n'),
    ]);
    for (const message of [inMemory(body), spooled(body.subarray(0, 9), body.subarray(9))]) {
      assert.equal(told(await relay.send(request({ head: Buffer.alloc(0), message, eightBit: true }))), 'accepted');
    }
    for (const copy of await kept(dir)) assert.ok(copy.endsWith(body.toString('latin1')));
  });
});

test('UTF-8 addresses are taken', async () => {
  await withSink(async ({ dir, relay }) => {
    assert.equal(told(await relay.send(request({ recipients: ['ünï@example.com'], smtputf8: true }))), 'accepted');
    assert.match(
      Buffer.from((await kept(dir))[0] ?? '', 'latin1').toString('utf8'),
      /^X-Original-To: ünï@example\.com\r$/m,
    );
  });
});

const answers: readonly (readonly [string, string, string])[] = [
  ['451 4.3.0 Try later\n', 'a temporary answer at the end of DATA', '451 4.3.0 Try later'],
  ['554 5.7.1 Never', 'a permanent one', '554 5.7.1 Never'],
  ['rcpt 550 5.1.1 No such user\n', 'an answer to RCPT', '550 5.1.1 No such user'],
  ['RCPT 450 4.2.0 Later\r\n554 5.7.1 Never\n', 'one a line', '450 4.2.0 Later'],
  ['', 'an empty file', 'accepted'],
  ['250 nonsense\nhello\n', 'what is no refusal', 'accepted'],
];

for (const [file, what, expected] of answers) {
  test(`the file "answer": ${what}`, async () => {
    await withSink(async ({ dir, relay }) => {
      await writeFile(path.join(dir, 'answer'), file);
      assert.equal(told(await relay.send(request())), expected);
      assert.equal((await kept(dir)).length, expected === 'accepted' ? 1 : 0);
      await rm(path.join(dir, 'answer'));
      assert.equal(told(await relay.send(request())), 'accepted', 'and removed again, at once');
    });
  });
}

async function greeted(port: number): Promise<string> {
  let heard = '';
  const socket = net.connect(port, '127.0.0.1');
  for await (const octets of socket) {
    if (heard === '') socket.write('EHLO client.example\r\n');
    heard += String(octets);
    if (/^250 /m.test(heard)) break;
  }
  return heard;
}

test('EHLO offers neither passwords nor TLS', async () => {
  await withSink(async ({ port }) => {
    const offered = [...(await greeted(port)).matchAll(/^250[ -](\S+)/gm)].map((found) => found[1]).slice(1);
    assert.deepEqual(new Set(offered), new Set(['8BITMIME', 'PIPELINING', 'SIZE', 'SMTPUTF8', 'XFORWARD']));
  });
});

test('the greeting waits for no timer', async (t) => {
  await withSink(async ({ port }) => {
    t.mock.timers.enable({ apis: ['setTimeout'] }); // npm smtp-server greets after 100 ms, which never pass now
    assert.match(await greeted(port), /^220 /);
    t.mock.timers.reset();
  });
});

test('many mails over few connections', async () => {
  await withSink(async ({ dir, relay }) => {
    const results = await Promise.all(Array.from({ length: 200 }, () => relay.send(request())));
    assert.ok(results.every(({ kind }) => kind === 'accepted'));
    assert.equal((await kept(dir)).length, 200);
  });
});

test('where the maildir cannot be written the mail is deferred', async () => {
  await withSink(async ({ dir, relay, log }) => {
    await rm(path.join(dir, 'tmp'), { recursive: true });
    assert.equal(told(await relay.send(request())), '451 4.3.0 Cannot keep the mail');
    assert.match(log.at(-1) ?? '', /ENOENT/);
  });
});

test('a port that is taken is an error at start', async () => {
  await withSink(async ({ dir, port }) => {
    await assert.rejects(startSink({ host: '127.0.0.1', port, dir, log: () => undefined }), /EADDRINUSE/);
  });
});

test('a client that leaves in the middle of a message leaves nothing behind', async () => {
  await withSink(async ({ dir, port, relay }) => {
    const socket = net.connect(port, '127.0.0.1').resume();
    socket.write('EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<foo@example.com>\r\nDATA\r\nhalf a mess');
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(told(await relay.send(request())), 'accepted');
    assert.equal((await kept(dir)).length, 1);
  });
});
