/**
 * Clients that hang up: nothing of a mail without its end is kept or sent on, and what was whole is dealt with once.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { Mx, message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';
import { until } from '../support/until.js';

const ehlo = 'EHLO client.example';
const mail = 'MAIL FROM:<sender@sender.example>';
const rcpt = 'RCPT TO:<alice@example.com>';
const opening = [ehlo, mail, rcpt, 'DATA'];

let mta: ScriptedMta;
let mx: Mx;
before(async () => {
  mta = await ScriptedMta.start({ extensions: ['PIPELINING', '8BITMIME'] });
  mx = await Mx.start({
    markers: ['example.com/users/valid/alice'],
    relayPort: mta.port,
    settings: ['memory_limit=2000', 'memory_total=0'],
  });
});
beforeEach(() => void mta.messages.splice(0));
after(() => Promise.all([mx?.close(), mta?.stop()]));

const gone = async (): Promise<void> => {
  const end = Date.now() + 5000;
  while (mx.listener.connections.size > 0 && Date.now() < end) await sleep(5);
  assert.equal(mx.listener.connections.size, 0, 'the connection is kept');
};

const spooled = (): string[] => readdirSync(join(mx.root, 'state', 'spool'));

/** [how far the dialog goes, what is said last and not answered any more] */
const moments: readonly [when: string, lines: readonly string[], last: string][] = [
  ['before the greeting', [], ''],
  ['behind EHLO', [ehlo], ''],
  ['behind MAIL', [ehlo, mail], ''],
  ['behind RCPT', [ehlo, mail, rcpt], ''],
  ['with DATA', [ehlo, mail, rcpt], 'DATA\r\n'],
  ['in the header', opening, 'Subject: half'],
  ['in the text', opening, `${message()}half`],
  ['in a text that is spooled already', opening, message({ body: 'x'.repeat(200_000) })],
  ['behind CRLF', opening, `${message()}\r\n`],
  ['behind CRLF .', opening, `${message()}\r\n.`],
  ['behind CRLF . CR', opening, `${message()}\r\n.\r`],
];
/** [how, what the client does] */
const ways: readonly [how: string, leave: (client: RawClient) => void][] = [
  ['FIN', (client) => client.end()],
  ['half-close', (client) => client.finish()],
  ['RST', (client) => client.reset()],
];

for (const [when, lines, last] of moments) {
  for (const [how, leave] of ways) {
    test(`${how} ${when}: nothing is kept, sent on, or left open`, async () => {
      const client =
        when === 'before the greeting' ? RawClient.connect({ port: mx.port }) : await RawClient.open({ port: mx.port });
      for (const line of lines) await client.say(line);
      client.write(last);
      await sleep(10);
      leave(client);
      await gone();
      client.end();
      assert.equal(mta.messages.length, 0);
      assert.deepEqual([mx.archived().length, mx.index().length], [0, 0]);
      await until(() => spooled().length === 0);
    });
  }
}

test('200 clients that reset in the middle of their mails hold nothing', async () => {
  const clients = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const client = await RawClient.open({ port: mx.port, from: `127.0.0.${2 + (i % 40)}` });
      await client.sayAll(...opening);
      client.write(`${message()}half`);
      return client;
    }),
  );
  for (const client of clients) client.reset();
  await gone();
  assert.equal(mta.messages.length, 0);
  assert.equal(mx.listener.inFlight, 0);
});

test('half-close behind the final dot still gets the reply', async () => {
  const client = await RawClient.open({ port: mx.port });
  await client.sayAll(...opening);
  client.write(`${message()}\r\n.\r\n`);
  client.finish();
  assert.match(await client.reply(), /^250 2\.0\.0 /);
  assert.ok(await client.hungUp());
  await gone();
  assert.equal(mta.messages.length, 1);
});

test('half-close behind a whole pipelined session gets every reply', async () => {
  const client = await RawClient.open({ port: mx.port });
  client.write([...opening, message(), '.', 'QUIT', ''].join('\r\n'));
  client.finish();
  assert.deepEqual(
    (await client.hear(6)).map((reply) => reply.slice(0, 3)),
    ['250', '250', '250', '354', '250', '221'],
  );
  await gone();
  assert.equal(mta.messages.length, 1);
});

for (const [how, leave] of ways) {
  test(`${how} right behind the final dot: the mail is whole, and sent on once`, async () => {
    const client = await RawClient.open({ port: mx.port });
    await client.sayAll(...opening);
    client.write(`${message()}\r\n.\r\n`);
    if (how === 'RST') await sleep(20);
    leave(client);
    await gone();
    const end = Date.now() + 3000;
    while (mta.messages.length === 0 && Date.now() < end) await sleep(5);
    assert.equal(mta.messages.length, 1);
    client.end();
  });
}
