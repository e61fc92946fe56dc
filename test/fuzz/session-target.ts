/** A whole SMTP session, from the listener's socket to the local MTA. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Mx } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';
import { until } from '../support/until.js';
import { cutUp, type Target } from './target.js';

let mx: Mx | undefined;

const mail = 'MAIL FROM:<a@sender.example>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\n';

export const smtpSession: Target = {
  seeds: [
    `EHLO client.example\r\n${mail}Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n`,
    `HELO c\r\n${mail}From: a@b\r\n\r\n..\r\n.\n\r\n.\r\r\n\r\n.\r\nRSET\r\nNOOP\r\n`,
    'EHLO a\r\nXCLIENT ADDR=192.0.2.7\r\nEHLO b\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@example.com>\r\nDATA\r\nVRFY x\r\nHELP\r\n',
    'EHLO [192.0.2.1]\r\nMAIL FROM:<b\xc3\xbc@b.example> SMTPUTF8 SIZE=10\r\nRCPT TO:<w%x@wild.example>\r\nRCPT TO:<"a b"@wild.example>\r\n',
  ],
  async open() {
    mx = await Mx.start({
      markers: ['example.com/users/valid/alice', 'example.com/checks/helo', 'wild.example/users/valid/*'],
      settings: [
        'max_errors=12',
        'max_size=20000',
        'max_recipients=3',
        'xclient_networks=127.0.0.1',
        'log_level=error',
      ],
    });
  },
  async close() {
    await mx?.close();
  },
  async check(octets, random) {
    if (!mx) throw new Error('not open');
    const whole = await played(mx, [octets]);
    assert.deepEqual(await played(mx, cutUp(octets, random)), whole, 'the same, however the stream is cut');
    const broken = mx.log.filter(({ level }) => level === 'error' || level === 50);
    assert.deepEqual(broken, []);
  },
};

interface Played {
  readonly replies: readonly string[];
  readonly delivered: number;
}

/** The replies to the end of the connection, ids left out, and how many mails came through. */
async function played({ port, root, listener }: Mx, pieces: readonly Buffer[]): Promise<Played> {
  const client = await RawClient.open({ port });
  for (const piece of pieces) {
    client.write(piece.toString('latin1'));
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.finish();
  const heard = await client.rest();
  client.end();
  await until(() => listener.connections.size === 0);
  for (const reply of heard) assert.match(reply, /^(?:[2345]\d\d[ -][\x20-\x7e]*(?:\r\n)?)+$/);
  const folder = join(root, 'sink', 'new');
  const mails = readdirSync(folder);
  for (const name of mails) rmSync(join(folder, name));
  const taken = heard.filter((reply) => /queued as/.test(reply)).length;
  assert.ok(mails.length >= taken, 'what was taken has come through');
  const replies = heard.map((reply) =>
    reply.replace(/[0-9A-HJKMNP-TV-Z]{14}/g, 'ID').replace(/queued as .*/, 'queued'),
  );
  return { replies, delivered: mails.length };
}
