/** TLS sessions are resumed: at any worker, and no longer than the keys of their tickets are kept. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { makeCertificate } from '../support/certificate.js';
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
    const others = await Promise.all(Array.from({ length: 40 }, () => handshake(postern.port, first.session)));
    const full = others.filter(({ isResumed }) => !isResumed).length;
    assert.equal(full, 0, `${full} of ${others.length} handshakes were full ones`);
  } finally {
    await postern.close();
    rmSync(folder, { recursive: true });
  }
});

test('a ticket made with keys that were replaced is of no use', async (t) => {
  const mx = await Mx.start({ certificate: makeCertificate('mx.test.example') });
  t.after(() => mx.close());
  mx.listener.useTicketKeys(randomBytes(48));
  const first = await handshake(mx.port);
  assert.equal((await handshake(mx.port, first.session)).isResumed, true);
  mx.listener.useTicketKeys(randomBytes(48));
  assert.equal((await handshake(mx.port, first.session)).isResumed, false);
});
