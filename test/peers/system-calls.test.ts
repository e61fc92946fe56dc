/**
 * How much a relayed mail asks of the system. Calls can be counted on a busy machine as well, times cannot: what is
 * looked up twice, or said in two writes, shows here.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startSink } from '../../src/trial/sink.js';
import { PosternProcess } from '../support/child.js';
import { message } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { traced } from '../support/strace.js';

const bare = ['h2.test/users/valid/good'];
/** Five checks, and lists with an entry each. */
const typical = [
  ...bare,
  ...['sender', 'date', 'helo', 'address', 'spf'].map((check) => `h2.test/checks/${check}`),
  'h2.test/blacklisted/ips/192.0.2.1',
  'h2.test/blacklisted/domains/spam.example',
  'h2.test/blacklisted/senders/spam@sender.example',
  'h2.test/whitelisted/ips/192.0.2.2',
  'h2.test/whitelisted/domains/friends.example',
  'h2.test/whitelisted/senders/friend@friends.example',
  'h2.test/whitelisted/recipients/sales',
  '_global_/blacklisted/ips/198.51.100.0_24',
  '_global_/blacklisted/senders/bad@spam.example',
  '_global_/blacklisted/domains/bad.example',
];

const mails = 40;
const envelope = ['MAIL FROM:<sender@sender.example>', 'RCPT TO:<good@h2.test>', 'DATA'];

/** [what, markers, does the client pipeline, calls a mail at most by their names] */
const cases: readonly (readonly [string, readonly string[], boolean, Readonly<Record<string, number>>])[] = [
  // Four replies, the envelope and the message for the MTA, the line of the log; and a word to the primary at times.
  ['a bare domain', bare, false, { stat: 10, write: 7.5 }],
  ['typical checks and lists', typical, false, { stat: 27, write: 7.5 }],
  // All replies to the envelope are one write.
  ['a client that pipelines', typical, true, { stat: 27, write: 5.5 }],
];

for (const [what, markers, pipelines, most] of cases) {
  test(`${what}: a relayed mail takes no more than ${JSON.stringify(most)} system calls`, async (t) => {
    if (!needPeer(t, 'strace')) return;
    const { postern, client } = await readyFor(t, markers);
    const send = async (): Promise<void> => {
      if (pipelines) {
        client.write(`${envelope.join('\r\n')}\r\n`);
        await client.hear(envelope.length);
      } else await client.sayAll(...envelope);
      assert.match(await client.say(`${message()}\r\n.`), /^250 /);
    };
    for (let i = 0; i < 5; i++) await send();
    const calls = await traced(postern.worker, 'stat,lstat,statx,newfstatat,write,writev,sendto', async () => {
      for (let i = 0; i < mails; i++) await send();
    });
    const lines = calls.filter((line) => /^(?:\w*stat\w*|write|writev|sendto)\(/.test(line) && !/eventfd/.test(line));
    for (const [name, max] of Object.entries(most)) {
      const isOne = name === 'stat' ? /^\w*stat\w*\(/ : /^(?:write|writev|sendto)\(/;
      const count = lines.filter((line) => isOne.test(line)).length / mails;
      assert.ok(count <= max, `${name}: ${count} a mail\n${lines.slice(-60).join('\n')}`);
    }
  });
}

async function readyFor(
  t: TestContext,
  markers: readonly string[],
): Promise<{ readonly postern: PosternProcess; readonly client: RawClient }> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-calls-'));
  const sink = await startSink({ host: '127.0.0.1', port: 0, dir, log: () => {} });
  const postern = await PosternProcess.start({ markers, relayPort: sink.port });
  const client = await RawClient.open(postern);
  t.after(async () => {
    client.end();
    await postern.close();
    await sink.close();
    rmSync(dir, { recursive: true, force: true });
  });
  await client.say('EHLO client.example');
  return { postern, client };
}
