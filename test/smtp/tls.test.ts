/** STARTTLS: only with a certificate of ours, and nothing said in the clear lives on behind it (RFC 3207 §4.2, §6). */
import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type tls from 'node:tls';
import { makeCertificate } from '../support/certificate.js';
import { PosternProcess, makeRoot } from '../support/child.js';
import { Mx, message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

const mail = 'MAIL FROM:<sender@sender.example>';
const rcpt = 'RCPT TO:<alice@example.com>';
const ehlo = 'EHLO client.example';
const markers = ['example.com/users/valid/alice'];

let mx: Mx;
before(async () => {
  mx = await Mx.start({ markers, certificate: makeCertificate('one.test.example') });
});
after(() => mx?.close());

const nameShown = async (client: RawClient): Promise<string> => {
  const shown = await client.handshake();
  return shown instanceof Error ? shown.message : String(shown.subject.CN);
};

async function nameAt(port: number): Promise<string> {
  const client = await RawClient.open({ port });
  await client.sayAll(ehlo, 'STARTTLS');
  const name = await nameShown(client);
  client.end();
  return name;
}

test('a mail over TLS is taken, and its Received: says ESMTPS', async () => {
  const client = await RawClient.open({ port: mx.port });
  assert.match(await client.say(ehlo), /250[- ]STARTTLS/);
  assert.match(await client.say('STARTTLS'), /^220 /);
  assert.equal(await nameShown(client), 'one.test.example');
  const again = await client.say(ehlo);
  assert.match(again, /^250-mx/);
  assert.doesNotMatch(again, /STARTTLS/);
  assert.match(await client.sayAll(mail, rcpt, 'DATA', `${message()}\r\n.`), /^250 /);
  client.end();
  const tls =
    /^\t\(using TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 \(256\/256 bits\)\)\r\n\t\(No client certificate requested\)\r$/m;
  assert.match(mx.delivered().at(-1) ?? '', tls);
  assert.match(mx.delivered().at(-1) ?? '', /\tby mx\.test\.example \(postern\) with ESMTPS id /);
  assert.equal(mx.fates().at(-1)?.['tls'], '1.3 TLS_AES_256_GCM_SHA384');
});

test('XCLIENT inside of TLS changes the client, not the connection', async (t) => {
  const trusting = await Mx.start({
    markers,
    certificate: makeCertificate('one.test.example'),
    settings: ['xclient_networks=127.0.0.1'],
  });
  t.after(() => trusting.close());
  const client = await RawClient.open({ port: trusting.port });
  await client.sayAll(ehlo, 'STARTTLS');
  await nameShown(client);
  await client.say(ehlo);
  assert.match(await client.say('XCLIENT ADDR=192.0.2.7 NAME=other.example'), /^220 /);
  assert.doesNotMatch(await client.say(ehlo), /STARTTLS/);
  assert.match(await client.say('STARTTLS'), /^503 5\.5\.1 /);
  assert.match(await client.sayAll(mail, rcpt, 'DATA', `${message()}\r\n.`), /^250 /);
  client.end();
  assert.match(trusting.delivered().at(-1) ?? '', /\(other\.example \[192\.0\.2\.7\]\)[^]* with ESMTPS id /);
  assert.equal(trusting.fates().at(-1)?.['tls'], '1.3 TLS_AES_256_GCM_SHA384');
});

test('what was said in the clear is forgotten: HELO and transaction', async () => {
  const client = await RawClient.open({ port: mx.port });
  await client.sayAll(ehlo, mail, rcpt, 'STARTTLS');
  await nameShown(client);
  assert.match(await client.say(mail), /^503 5\.5\.1 Send HELO/);
  assert.match(await client.say('DATA'), /^503 /);
  await client.say(ehlo);
  assert.match(await client.say(rcpt), /^503 5\.5\.1 Need MAIL/);
  assert.match(await client.say('STARTTLS'), /^503 5\.5\.1 TLS is active already/);
  client.end();
});

/** [what, the octets behind STARTTLS, in its own segment] */
const injected: readonly [what: string, octets: string][] = [
  ['a whole transaction', `${ehlo}\r\n${mail}\r\n${rcpt}\r\n`],
  ['half a line', 'MAIL FROM:<inject@evil.example> X'],
  ['400 commands', 'NOOP\r\n'.repeat(400)],
];
for (const [what, octets] of injected) {
  test(`${what} in the clear behind STARTTLS never runs inside TLS`, async () => {
    const client = await RawClient.open({ port: mx.port });
    await client.say(ehlo);
    client.write(`STARTTLS\r\n${octets}`);
    assert.match(await client.reply(), /^220 /);
    const shown = await nameShown(client);
    if (shown === 'one.test.example') {
      assert.match(await client.say(ehlo), /^250-/);
      assert.match(await client.say(rcpt), /^503 5\.5\.1 Need MAIL/);
    }
    client.end();
    assert.match(await mx.send(), /^250 /);
  });
}

test('garbage in place of the handshake ends that connection and no other', async () => {
  for (const garbage of [
    'garbage\r\n'.repeat(50),
    '\x16\x03\x01\xff\xff',
    '\0'.repeat(1000),
    'GET / HTTP/1.1\r\n\r\n',
  ]) {
    const client = await RawClient.open({ port: mx.port });
    await client.sayAll(ehlo, 'STARTTLS');
    client.write(garbage);
    client.finish();
    await client.hungUp();
    client.end();
  }
  assert.match(await mx.send(), /^250 /);
});

test('a handshake that never comes is ended by the session’s time limit', async () => {
  const strict = await Mx.start({
    markers,
    certificate: makeCertificate('one.test.example'),
    settings: ['command_timeout=1s'],
  });
  const client = await RawClient.open({ port: strict.port });
  await client.sayAll(ehlo, 'STARTTLS');
  assert.ok(await client.hungUp(8000));
  client.end();
  await strict.close();
});

test('TLS 1.1 and older are refused', async () => {
  const client = await RawClient.open({ port: mx.port });
  await client.sayAll(ehlo, 'STARTTLS');
  const old: tls.ConnectionOptions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
  const shown = await client.handshake(old);
  assert.match(shown instanceof Error ? shown.message : 'connected', /alert protocol version|unsupported protocol/);
  client.end();
});

test('without a certificate STARTTLS is neither offered nor taken', async () => {
  const plain = await Mx.start({ markers });
  const [greeting = '', answer] = await plain.say(ehlo, 'STARTTLS');
  assert.doesNotMatch(greeting, /STARTTLS/);
  assert.match(answer ?? '', /^502 5\.5\.1 STARTTLS is not offered/);
  await plain.close();
});

test('a new certificate is shown from the next handshake on; a session under way keeps its own', async () => {
  const own = await Mx.start({ markers, certificate: makeCertificate('old.test.example') });
  const under = await RawClient.open({ port: own.port });
  await under.sayAll(ehlo, 'STARTTLS');
  assert.equal(await nameShown(under), 'old.test.example');
  const waiting = await RawClient.open({ port: own.port });
  await waiting.say(ehlo);
  own.listener.useCertificates([makeCertificate('new.test.example')]);
  assert.match(await under.say('NOOP'), /^250 /);
  await waiting.say('STARTTLS');
  assert.equal(await nameShown(waiting), 'new.test.example');
  assert.equal(await nameAt(own.port), 'new.test.example');
  under.end();
  waiting.end();
  await own.close();
});

test('a process reads its certificate again on HUP, and when the file changes; a bad one leaves the old', async () => {
  const root = makeRoot(markers);
  const write = (hostName: string): void => {
    const { cert, key } = makeCertificate(hostName);
    // As certbot renews: complete files take the old ones' place.
    writeFileSync(join(root, 'key.new'), key);
    writeFileSync(join(root, 'cert.new'), cert);
    renameSync(join(root, 'key.new'), join(root, 'key.pem'));
    renameSync(join(root, 'cert.new'), join(root, 'cert.pem'));
  };
  write('first.test.example');
  const settings = [`tls_cert=${root}/cert.pem`, `tls_key=${root}/key.pem`];
  const child = await PosternProcess.start({ root, settings, relayPort: 9 });
  try {
    assert.equal(await nameAt(child.port), 'first.test.example');
    write('second.test.example');
    const renewals = (): number => child.log.filter(({ msg }) => msg === 'certificate read').length;
    child.signal('SIGHUP');
    await child.until(() => renewals() > 0);
    assert.equal(await nameAt(child.port), 'second.test.example');
    writeFileSync(join(root, 'cert.pem'), 'no certificate');
    child.signal('SIGHUP');
    await child.until(() => child.log.some(({ level }) => level === 50));
    assert.equal(await nameAt(child.port), 'second.test.example');
    const earlier = renewals();
    write('third.test.example');
    await child.until(() => renewals() > earlier);
    assert.equal(await nameAt(child.port), 'third.test.example');
    assert.equal(await child.stop(), 0);
  } finally {
    await child.close();
    rmSync(root, { recursive: true });
  }
});
