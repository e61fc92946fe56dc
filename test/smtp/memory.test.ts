/** What a hostile client can make a process hold: measured in a process of its own, with generous bounds. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { PosternProcess } from '../support/child.js';
import { message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

const MB = 1 << 20;
const opening = ['EHLO client.example', 'MAIL FROM:<sender@sender.example>', 'RCPT TO:<alice@example.com>', 'DATA'];

let mta: ScriptedMta;
let child: PosternProcess;
before(async () => {
  mta = await ScriptedMta.start({ extensions: ['PIPELINING', '8BITMIME'] });
  child = await PosternProcess.start({
    markers: ['example.com/users/valid/alice'],
    settings: ['max_size=40m'],
    relayPort: mta.port,
  });
  // What the first mails cost, just-in-time compilation among it, is nobody's attack.
  for (let i = 0; i < 50; i++) {
    const client = await RawClient.open({ port: child.port });
    assert.match(await client.sayAll(...opening, `${message()}\r\n.`), /^250 /);
    client.end();
  }
  mta.messages.splice(0);
});
after(async () => {
  await child?.close();
  await mta?.stop();
});

async function flood(client: RawClient, part: Buffer, octets: number): Promise<void> {
  for (let sent = 0; sent < octets && !client.ended; sent += part.length) {
    if (!client.write(part)) await client.drained();
  }
}

/** How much the process grew at most while `attack` ran, in MB. */
async function growth(attack: () => Promise<void>): Promise<number> {
  const atFirst = child.memory();
  let peak = atFirst;
  const watch = setInterval(() => (peak = Math.max(peak, child.memory())), 20);
  await attack();
  clearInterval(watch);
  return (Math.max(peak, child.memory()) - atFirst) / MB;
}

const below = (megabytes: number, limit: number): void =>
  assert.ok(megabytes < limit, `grew by ${megabytes.toFixed(0)} MB, limit ${limit}`);

test('16 MB without a newline in place of a command: 421, and less than 16 MB', async () => {
  below(
    await growth(async () => {
      const client = await RawClient.open({ port: child.port });
      await flood(client, Buffer.alloc(65_536, 'A'), 16 * MB);
      await client.hungUp();
      assert.match(client.replies.at(-1) ?? '', /^421 |^220 /);
      client.end();
    }),
    16,
  );
});

test('a mail of 100 MB where 40 are allowed: 552, and less than 64 MB', async () => {
  below(
    await growth(async () => {
      const client = await RawClient.open({ port: child.port });
      await client.sayAll(...opening);
      await flood(client, Buffer.from(`${'y'.repeat(76)}\r\n`.repeat(840)), 100 * MB);
      client.write('\r\n.\r\n');
      assert.match(await client.reply(60_000), /^552 5\.3\.4 /);
      client.end();
    }),
    64,
  );
});

test('a header that never ends: 552, and less than 64 MB', async () => {
  below(
    await growth(async () => {
      const client = await RawClient.open({ port: child.port });
      await client.sayAll(...opening);
      await flood(client, Buffer.from('X: y\r\n'.repeat(10_000)), 30 * MB);
      client.write('\r\n.\r\n');
      assert.match(await client.reply(60_000), /^552 5\.3\.4 Message header too large/);
      client.end();
    }),
    64,
  );
});

test('ten mails of 30 MB at once wait on disk, and arrive: less than 100 MB', async () => {
  const part = Buffer.from(`${'z'.repeat(76)}\r\n`.repeat(840));
  below(
    await growth(async () => {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const client = await RawClient.open({ port: child.port });
          await client.sayAll(...opening);
          client.write(`${message()}\r\n`);
          await flood(client, part, 30 * MB);
          client.write('.\r\n');
          assert.match(await client.reply(60_000), /^250 /);
          client.end();
        }),
      );
    }),
    100,
  );
  assert.equal(mta.messages.splice(0).length, 10);
});

test('a client that floods NOOP and reads no reply: less than 64 MB', async () => {
  const client = await RawClient.open({ port: child.port });
  client.pause();
  below(
    await growth(async () => {
      const part = Buffer.from('NOOP\r\n'.repeat(10_000));
      // Once postern does not read any more, the kernel takes nothing more either.
      let isTaken = true;
      for (let sent = 0; isTaken && sent < 60 * MB; sent += part.length) {
        if (!client.write(part)) isTaken = await client.drained(1000);
      }
      assert.ok(!isTaken);
    }),
    64,
  );
  client.reset();
});

test('while 20 MB of lines that begin with a dot come in, other clients are served', async () => {
  const client = await RawClient.open({ port: child.port });
  await client.sayAll(...opening);
  client.write(`${message()}\r\n`);
  const flooding = { over: false };
  const others = (async () => {
    while (!flooding.over) {
      const other = await RawClient.open({ port: child.port });
      assert.match(await other.say('EHLO other.example'), /^250-/);
      other.end();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  await flood(client, Buffer.from('..\r\n'.repeat(16_384)), 20 * MB);
  client.write('.\r\n');
  assert.match(await client.reply(30_000), /^250 /);
  flooding.over = true;
  await others;
  client.end();
});
