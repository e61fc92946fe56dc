/** An MTA that answers before it has been told all: its yes is worth nothing, and its no ends the connection. */
import assert from 'node:assert/strict';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { replyText } from '../../src/mail/reply.js';
import { openRelay, type RelayResult } from '../../src/relay/relay.js';
import { quietTurns } from '../support/quiet-turns.js';
import { inMemory, request } from './support/requests.js';
import { destinations } from './support/with-relay.js';

/** How the MTA goes on behind the envelope, whose replies it has not sent yet. */
type Behind = (say: (text: string) => void, socket: net.Socket) => void;

const envelopeReplies = '250 ok\r\n250 ok\r\n354 go\r\n';

/** Sends one mail of so many octets to an MTA that pipelines. */
async function sent(octets: number, behind: Behind): Promise<RelayResult> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    const say = (text: string): void => void socket.write(text, 'latin1');
    socket
      .on('error', () => undefined)
      .on('data', (heard: Buffer) => {
        const text = heard.toString('latin1');
        if (text.startsWith('EHLO')) say('250-mta\r\n250 PIPELINING\r\n');
        else if (text.startsWith('MAIL')) behind(say, socket);
      });
    say('220 mta ESMTP\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const to = destinations(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  const relay = openRelay({ destinations: to, hostname: 'postern.example', connections: 1, timeoutMs: 20_000 });
  try {
    return await relay.send(request({ message: inMemory(Buffer.alloc(octets, 'x\r\n')) }));
  } finally {
    for (const socket of sockets) socket.destroy();
    await relay.close();
    server.close();
  }
}

/** More than the kernel holds for a reader who does not read. */
const large = 24_000_000;

/** The MTA reads nothing of the message, and answers it. */
const unread =
  (answer: string): Behind =>
  (say, socket) => {
    socket.pause();
    say(envelopeReplies);
    setTimeout(say, 100, answer);
  };

test('a yes to a message that has not left yet is none', async () => {
  const result = await sent(large, unread('250 2.0.0 Ok: queued\r\n'));
  assert.equal(result.kind, 'unreachable');
  assert.match('problem' in result ? result.problem : '', /before the end of data/);
});

test('a no to a message that has not left yet counts', async () => {
  const result = await sent(large, unread('552 5.3.4 too large\r\n'));
  assert.equal(result.kind, 'message refused');
  assert.equal('reply' in result ? replyText(result.reply) : '', '552 5.3.4 too large');
});

test('a yes to a message of which no octet was written is none, though it comes behind the 354', async () => {
  // The relay reads 8,192 octets at a time, so that the yes is read by itself, in the same turn.
  const octets = 8_192;
  const padding = (missing: number): string => `354-${'x'.repeat(missing - 6)}\r\n`;
  const replies = envelopeReplies.replace('354', padding(octets - envelopeReplies.length) + '354');
  assert.equal(replies.length, octets);
  await quietTurns();
  const result = await sent(100, (say) => say(`${replies}250 2.0.0 Ok: queued\r\n`));
  assert.equal(result.kind, 'unreachable');
});
