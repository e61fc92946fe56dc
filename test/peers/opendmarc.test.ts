/**
 * Postfix with `postern milter`, and OpenDMARC behind it, which judges by the fields that stand in the mail then: those
 * are ours, and what a sender has forged does not count.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-port.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { patience, until } from '../support/until.js';
import { zoneServer } from '../support/zone-server.js';
import { hostname, type MilterPeer, postfixWithMilter } from './milter-peer.js';

const strict = { TXT: ['v=DMARC1; p=reject'] };
const zone = { '_dmarc.softfail.test': strict, '_dmarc.pass.test': strict };

/** It asks the name servers of /etc/resolv.conf alone, at port 53: it has a file of its own in its mount namespace. */
async function openDmarc(t: TestContext): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-opendmarc-'));
  const host = `127.54.${process.pid % 250}.53`;
  const dns = await zoneServer(zone, { host, port: 53 });
  const port = await freePort();
  const path = (name: string): string => join(folder, name);
  writeFileSync(path('resolv.conf'), `nameserver ${host}\n`);
  const settings = [
    `AuthservID ${hostname}`,
    `TrustedAuthservIDs ${hostname}`,
    `Socket inet:${port}@127.0.0.1`,
    'IgnoreAuthenticatedClients false',
    'RejectFailures false',
    'SPFIgnoreResults false',
    'SPFSelfValidate false',
    'Syslog false',
  ];
  writeFileSync(path('opendmarc.conf'), `${settings.join('\n')}\n`);
  const script = 'mount --bind "$0" /etc/resolv.conf && exec opendmarc -f -c "$1"';
  const words = ['-m', 'sh', '-c', script, path('resolv.conf'), path('opendmarc.conf')];
  const child = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (octets: Buffer) => (said += String(octets)));
  const gone = once(child, 'close');
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
    await dns.close();
    rmSync(folder, { recursive: true, force: true });
  });
  for (const late = Date.now() + patience; !(await answers(port)); await sleep(50))
    if (Date.now() > late || child.exitCode !== null) assert.fail(`OpenDMARC does not start: ${said}`);
  return port;
}

async function answers(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  const isThere = await new Promise<boolean>((settle) => {
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
  socket.destroy();
  return isThere;
}

let count = 0;

/** What OpenDMARC finds of a mail whose From: field is its sender. */
async function dmarcOf(peer: MilterPeer, sender: string, forged: readonly string[] = []): Promise<string | undefined> {
  const id = `<${process.pid}.${++count}@client.test>`;
  const client = await RawClient.open({ port: peer.port, from: '127.1.2.3' });
  const fields = [...forged, `From: <${sender}>`, `Message-ID: ${id}`, 'Date: Thu, 1 Jan 2026 00:00:00 +0000'];
  const lines = ['EHLO client.test', `MAIL FROM:<${sender}>`, 'RCPT TO:<u@rcpt.test>', 'DATA'];
  assert.match(await client.sayAll(...lines, [...fields, '', 'text', '.'].join('\r\n')), /^250 /);
  client.end();
  const find = (): string | undefined => peer.delivered().find((text) => text.includes(id));
  await until(() => find() !== undefined, `${id} is delivered`);
  return /^Authentication-Results:[^;]*;\s+dmarc=(\w+)/m.exec(find() ?? '')?.[1];
}

const forgedSpf =
  'Received-SPF: pass (x) identity=mailfrom; envelope-from="a@softfail.test"; client-ip=127.1.2.3; helo=client.test';
const forgedResult = `Authentication-Results: ${hostname}; spf=pass smtp.mailfrom=a@softfail.test`;

for (const header of ['Authentication-Results', 'Received-SPF', 'Received-SPF, Authentication-Results'])
  test(`OpenDMARC reads our ${header}, and no forged one`, async (t) => {
    if (!needPeer(t, 'postfix', 'opendmarc', 'unshare')) return;
    const port = await openDmarc(t);
    const peer = await postfixWithMilter(`header = ${header}`, [], `inet:127.0.0.1:${port}`);
    t.after(() => peer.close());
    assert.equal(await dmarcOf(peer, 'a@pass.test'), 'pass');
    assert.equal(await dmarcOf(peer, 'a@softfail.test'), 'fail');
    assert.equal(await dmarcOf(peer, 'a@softfail.test', [forgedSpf]), 'fail');
    assert.equal(await dmarcOf(peer, 'a@softfail.test', [forgedSpf.replace(':', ' :'), forgedSpf]), 'fail');
    if (header !== 'Received-SPF')
      assert.equal(await dmarcOf(peer, 'a@softfail.test', [forgedResult, forgedSpf]), 'fail');
    if (header !== 'Authentication-Results') return; // else ours stands above the forged one
    const both = 'delete_incoming_received_spf = no\ndelete_incoming_authentication_results = no';
    await peer.reload(`header = ${header}\n${both}`);
    assert.equal(await dmarcOf(peer, 'a@softfail.test', [forgedSpf]), 'pass', 'so it is we who take it out');
  });
