/** TLS sessions are resumed: at any worker, and no longer than the keys of their tickets are kept. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { hearTicketKeys, replaceEveryMs, TicketKeys } from '../../src/cli/serve/ticket-keys.js';
import { Channel } from '../../src/cli/service/channel.js';
import { makeCertificate } from '../support/certificate.js';
import { pair } from '../support/channel-pair.js';
import { PosternProcess } from '../support/child.js';
import { Mx } from '../support/mx.js';

interface Handshake {
  readonly isResumed: boolean;
  /** Its ticket, for another one; one that is resumed need not have one. */
  readonly session: Buffer | undefined;
}

/** A client that says STARTTLS, with a ticket from before where it has one. */
async function handshake(port: number, session?: Buffer): Promise<Handshake> {
  const socket = net.connect(port, '127.0.0.1');
  await heard(socket); // the greeting
  socket.write('EHLO client.example\r\n');
  await heard(socket);
  socket.write('STARTTLS\r\n');
  await heard(socket);
  const secured = tls.connect({ socket, rejectUnauthorized: false, ...(session && { session }) });
  const ticket = new Promise<Buffer>((resolve) => secured.once('session', resolve));
  secured.resume(); // tickets come behind the handshake (RFC 8446 §4.6.1)
  await new Promise((resolve, reject) => secured.once('secureConnect', resolve).once('error', reject));
  const isResumed = secured.isSessionReused();
  const shaken = { isResumed, session: isResumed ? undefined : await ticket };
  secured.destroy();
  return shaken;
}

const heard = (socket: net.Socket): Promise<unknown> =>
  new Promise((resolve, reject) => socket.once('data', resolve).once('error', reject));

test('a session is resumed at whichever worker the client comes to', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-tls-'));
  const { cert, key } = makeCertificate('mx.test.example');
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  const postern = await PosternProcess.start({
    markers: ['example.com/users/valid/alice'],
    settings: ['workers=4', `tls_cert=${folder}/cert.pem`, `tls_key=${folder}/key.pem`],
    relayPort: 9,
  });
  try {
    const first = await handshake(postern.port);
    assert.equal(first.isResumed, false);
    // Many at once, so that each worker has some.
    const others: Handshake[] = [];
    while (others.length < 400)
      others.push(...(await Promise.all(Array.from({ length: 20 }, () => handshake(postern.port, first.session)))));
    const full = others.filter(({ isResumed }) => !isResumed).length;
    assert.equal(full, 0, `${full} of ${others.length} handshakes were full ones`);
  } finally {
    await postern.close();
    rmSync(folder, { recursive: true });
  }
});

test('the primary replaces the keys every few hours: tickets from before are of no use at any worker', async (t) => {
  const certificate = makeCertificate('mx.test.example');
  const workers = await Promise.all([Mx.start({ certificate }), Mx.start({ certificate })]);
  const ends = workers.map(() => pair());
  t.mock.timers.enable({ apis: ['setInterval'] });
  const keys = new TicketKeys(() => ends.map(([end]) => ({ channel: new Channel(end) })));
  t.after(async () => {
    keys.close();
    for (const mx of workers) await mx.close();
  });
  const renewed = workers.map(({ listener }, i) => {
    listener.useTicketKeys(Buffer.from(keys.current, 'base64'));
    return new Promise<void>((resolve) =>
      hearTicketKeys(new Channel(ends[i]?.[1] ?? assert.fail()), (fresh) => {
        listener.useTicketKeys(fresh);
        resolve();
      }),
    );
  });
  const [here = 0, there = 0] = workers.map(({ port }) => port);
  const before = await handshake(here);
  assert.equal((await handshake(there, before.session)).isResumed, true);
  t.mock.timers.tick(replaceEveryMs);
  await Promise.all(renewed);
  for (const port of [here, there]) assert.equal((await handshake(port, before.session)).isResumed, false);
  const now = await handshake(here);
  assert.equal((await handshake(there, now.session)).isResumed, true);
});
