/** Replies leave when the turn ends, late or early, and a marker set behind a reply counts for the next command. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { parseIp } from '../../src/mail/ip.js';
import { Connection } from '../../src/smtp/connection.js';
import { Mx } from '../support/mx.js';

/** A socket whose octets come when the test says so. */
class ToldSocket extends Duplex {
  heard = '';

  override _read(): void {}

  override _write(octets: Buffer, _: string, done: () => void): void {
    this.heard += octets.toString('latin1');
    done();
  }

  setNoDelay(): this {
    return this;
  }

  /** What is heard by the time that the line was dealt with. */
  sayNow(line: string): string {
    this.heard = '';
    this.emit('data', Buffer.from(`${line}\r\n`));
    return this.heard;
  }

  /** The reply to the line. */
  async say(line: string): Promise<string> {
    this.sayNow(line);
    await endOfTurn();
    return this.heard;
  }
}

const client = parseIp('192.0.2.1') ?? assert.fail();

async function connected(t: TestContext, mx: Mx): Promise<ToldSocket> {
  const socket = new ToldSocket();
  const connection = new Connection(mx.listener, socket as unknown as net.Socket, client);
  connection.open();
  t.after(() => connection.destroy());
  await socket.say('EHLO client.example');
  return socket;
}

test('a client alone is replied to at once; of several in one turn all but the first wait for its end', async (t) => {
  const mx = await Mx.start({ settings: ['log_level=error'] });
  t.after(() => mx.close());
  const one = await connected(t, mx);
  const other = await connected(t, mx);
  for (let i = 0; i < 20; i++) assert.match(await one.say('NOOP'), /^250 /);
  assert.match(one.sayNow('NOOP'), /^250 /);
  for (let i = 0; i < 3; i++) {
    assert.equal(other.sayNow('NOOP'), '', 'the second and what follows wait');
    await endOfTurn();
    assert.match(other.heard, /^250 /);
    assert.equal(one.sayNow('NOOP'), '', 'turns are not quiet any more');
  }
});

for (const when of ['at once', 'when the turn ended'])
  test(`a marker behind a reply counts though hundreds have spoken since in one turn; replied ${when}`, async (t) => {
    const mx = await Mx.start({ settings: ['log_level=error', 'max_errors=100'] });
    t.after(() => mx.close());
    const one = await connected(t, mx);
    const other = await connected(t, mx);
    for (const socket of [one, other]) await socket.say('MAIL FROM:<a@sender.example>');
    for (let i = 0; i < 20; i++) await one.say('NOOP');
    if (when === 'at once') assert.match(one.sayNow('RCPT TO:<dave@example.net>'), /^550 /);
    else {
      other.sayNow('NOOP');
      assert.match(await one.say('RCPT TO:<dave@example.net>'), /^550 /);
    }
    for (let i = 0; i < 300; i++) other.sayNow(i === 0 ? 'RCPT TO:<dave@example.net>' : 'NOOP');
    mkdirSync(join(mx.root, 'srv/example.net/users/valid'), { recursive: true });
    writeFileSync(join(mx.root, 'srv/example.net/users/valid/dave'), '');
    one.sayNow('NOOP');
    assert.match(await one.say('RCPT TO:<dave@example.net>'), /\r\n250 2\.1\.5 /);
  });

test('a reply that a plugin has waited for goes out at once as well', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-turns-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'waits.mjs'), "export default { name: 'waits', rcpt: async () => ({ kind: 'pass' }) };");
  const mx = await Mx.start({
    markers: ['example.com/users/valid/alice'],
    settings: ['log_level=error', `plugin_dirs=${folder}`],
    plugins: ['valid_users', 'waits'],
  });
  t.after(() => mx.close());
  const socket = await connected(t, mx);
  for (let i = 0; i < 20; i++) {
    await socket.say('MAIL FROM:<a@sender.example>');
    assert.match(await socket.say('RCPT TO:<alice@example.com>'), /^250 /);
    await socket.say('RSET');
  }
  await socket.say('MAIL FROM:<a@sender.example>');
  assert.equal(socket.sayNow('RCPT TO:<alice@example.com>'), '');
  await new Promise<void>((resolve) => process.nextTick(resolve)); // promises are kept before the loop goes on
  assert.match(socket.heard, /^250 /);
});

test('a marker that is set behind a reply counts for the next command, and one taken away as well', async (t) => {
  const mx = await Mx.start({
    markers: ['example.com/users/valid/alice'],
    settings: ['log_level=error', 'max_errors=100'],
  });
  t.after(() => mx.close());
  const socket = await connected(t, mx);
  await socket.say('MAIL FROM:<a@sender.example>');
  const folder = join(mx.root, 'srv/example.org/users/valid');
  for (let i = 0; i < 20; i++) {
    assert.match(await socket.say('RCPT TO:<bob@example.org>'), /^550 5\.7\.1 /);
    // Another client's mail is judged between the reply and what is said next.
    mx.listener.services.srv.recipient('example.org', 'bob', client);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'bob'), '');
    assert.match(await socket.say('RCPT TO:<bob@example.org>'), /^250 /);
    await socket.say('RSET');
    await socket.say('MAIL FROM:<a@sender.example>');
    rmSync(join(mx.root, 'srv/example.org'), { recursive: true });
  }
});
