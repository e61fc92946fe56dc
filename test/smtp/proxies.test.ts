/** Who is believed about who the client is: PROXY headers and XCLIENT, from trusted addresses only. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Mx, message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

const ehlo = 'EHLO client.example';
const mail = 'MAIL FROM:<sender@sender.example>';
const rcpt = 'RCPT TO:<alice@example.com>';

let mx: Mx;
before(async () => {
  mx = await Mx.start({
    markers: [
      'example.com/users/valid/alice',
      'example.com/users/valid/acl/192.0.2.9',
      'example.com/users/valid/acl6/2001:db8::9',
    ],
    settings: ['proxy_networks=127.0.0.8/30', 'xclient_networks=127.0.0.16/30', 'max_errors=100'],
  });
});
after(() => mx?.close());

/** The X-REMOTE-IP and X-HELO of a mail that is sent now. */
async function seenAs(client: RawClient, to = rcpt): Promise<string> {
  const reply = await client.sayAll(mail, to, 'DATA', `${message()}\r\n.`);
  client.end();
  if (!reply.startsWith('250')) return reply;
  const mails = mx.delivered();
  const newest = mails.find((text) => text.includes(reply.split(' ').at(-1) ?? '?')) ?? mails.at(-1) ?? '';
  return ['X-REMOTE-IP', 'X-HELO'].map((name) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(newest)?.[1]).join(' ');
}

/** [what, the header's line, the client's address as a mail shows it] */
const headers: readonly [what: string, header: string, ip: string][] = [
  ['TCP4 names the client', 'PROXY TCP4 192.0.2.9 127.0.0.1 40000 25', '192.0.2.9'],
  ['TCP6 names the client', 'PROXY TCP6 2001:db8::9 2001:db8::1 40000 25', '2001:db8::9'],
  ['UNKNOWN leaves the proxy itself', 'PROXY UNKNOWN', '127.0.0.9'],
];
for (const [what, header, ip] of headers) {
  test(`a PROXY header of a trusted proxy: ${what}`, async () => {
    const client = await RawClient.open({ port: mx.port, from: '127.0.0.9', early: `${header}\r\n` });
    assert.match(await client.reply(), /^220 /);
    await client.say(ehlo);
    assert.equal(await seenAs(client), `${ip} client.example`);
  });
}

test('the address of a PROXY header counts for users/valid/NAME/IP', async () => {
  for (const [ip, reply] of [
    ['192.0.2.9', /^192\.0\.2\.9 /],
    ['192.0.2.10', /^550 5\.1\.1 /],
  ] as const) {
    const client = await RawClient.open({
      port: mx.port,
      from: '127.0.0.9',
      early: `PROXY TCP4 ${ip} 127.0.0.1 4 25\r\n`,
    });
    await client.hear(1);
    await client.say(ehlo);
    assert.match(await seenAs(client, 'RCPT TO:<acl@example.com>'), reply);
  }
});

test('commands in the same segment behind a PROXY header are read', async () => {
  const early = `PROXY TCP4 192.0.2.9 127.0.0.1 4 25\r\n${ehlo}\r\n${mail}\r\n`;
  const client = await RawClient.open({ port: mx.port, from: '127.0.0.9', early });
  assert.deepEqual(
    (await client.hear(3)).map((reply) => reply.slice(0, 3)),
    ['220', '250', '250'],
  );
  client.end();
});

for (const bad of [
  'EHLO client.example',
  'PROXY TCP4 not-an-address 127.0.0.1 4 25',
  'PROXY TCP4 ../../x 127.0.0.1 4 25',
  `PROXY ${'x'.repeat(2000)}`,
]) {
  test(`a trusted proxy must say its header, a right one: ${bad.slice(0, 40)}`, async () => {
    const client = await RawClient.open({
      port: mx.port,
      from: '127.0.0.9',
      early: `${bad}\r\n${ehlo}\r\n${mail}\r\n`,
    });
    assert.ok(await client.hungUp());
    assert.ok(!client.replies.some((reply) => reply.startsWith('2')));
    client.end();
    assert.match(await mx.send(), /^250 /);
  });
}

test('a PROXY header from anybody else is an unknown command, and changes nothing', async () => {
  const client = await RawClient.open({
    port: mx.port,
    from: '127.0.0.12',
    early: `PROXY TCP4 192.0.2.9 127.0.0.1 4 25\r\n${ehlo}\r\n`,
  });
  assert.deepEqual(
    (await client.hear(3)).map((reply) => reply.slice(0, 3)),
    ['220', '500', '250'],
  );
  assert.equal(await seenAs(client), '127.0.0.12 client.example');
});

test('XCLIENT is offered to trusted addresses only', async () => {
  const trusted = await RawClient.open({ port: mx.port, from: '127.0.0.17' });
  assert.match(await trusted.say(ehlo), /^250[ -]XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r?$/m);
  trusted.end();
  const other = await RawClient.open({ port: mx.port });
  assert.doesNotMatch(await other.say(ehlo), /XCLIENT/);
  assert.match(await other.say('XCLIENT ADDR=192.0.2.9 NAME=trusted.example'), /^550 5\.7\.0 /);
  assert.equal(await seenAs(other), '127.0.0.1 client.example');
});

test('XCLIENT greets anew, and the session knows no HELO until the client says one', async () => {
  const client = await RawClient.open({ port: mx.port, from: '127.0.0.17' });
  assert.match(await client.sayAll('EHLO proxy.example', 'XCLIENT ADDR=192.0.2.9'), /^220 mx\.test\.example/);
  assert.match(await client.say(mail), /^503 5\.5\.1 /);
  assert.match(await client.say('EHLO real.example'), /^250-/);
  assert.equal(await seenAs(client, 'RCPT TO:<acl@example.com>'), '192.0.2.9 real.example');
});

test('XCLIENT with an IPv6 address in its forms', async () => {
  for (const address of ['IPV6:2001:db8::9', 'IPV6:2001:DB8:0:0:0:0:0:9']) {
    const client = await RawClient.open({ port: mx.port, from: '127.0.0.17' });
    await client.sayAll('EHLO proxy.example', `XCLIENT ADDR=${address}`, 'EHLO real.example');
    assert.equal(await seenAs(client, 'RCPT TO:<acl6@example.com>'), '2001:db8::9 real.example');
  }
});

test('XCLIENT NAME is the client’s name, without asking the DNS', async () => {
  const client = await RawClient.open({ port: mx.port, from: '127.0.0.17' });
  await client.sayAll('EHLO proxy.example', 'XCLIENT ADDR=192.0.2.9 NAME=Mail.Sender.Example', 'EHLO real.example');
  await client.sayAll(mail, rcpt, 'DATA', `${message({ fields: ['X-Find: xclient-name'] })}\r\n.`);
  client.end();
  const found = mx.delivered().find((text) => text.includes('X-Find: xclient-name'));
  assert.match(found ?? '', /^Received: from real\.example \(mail\.sender\.example \[192\.0\.2\.9\]\)\r$/m);
});

/** [what, the XCLIENT command, the reply's code] */
const refusals: readonly [what: string, command: string, code: string][] = [
  ['no attribute', 'XCLIENT', '501'],
  ['an attribute that is not offered', 'XCLIENT EVIL=1', '501'],
  ['an address that is none', 'XCLIENT ADDR=../../etc', '501'],
  ['a name with control octets', 'XCLIENT NAME=a+0D+0Ab', '501'],
];
for (const [what, command, code] of refusals) {
  test(`XCLIENT with ${what} is refused, and changes nothing`, async () => {
    const client = await RawClient.open({ port: mx.port, from: '127.0.0.17' });
    await client.say(ehlo);
    assert.equal((await client.say(command)).slice(0, 3), code);
    assert.equal(await seenAs(client), '127.0.0.17 client.example');
  });
}

test('XCLIENT in a transaction is refused, and a client is named once', async () => {
  const client = await RawClient.open({ port: mx.port, from: '127.0.0.17' });
  assert.match(await client.sayAll(ehlo, mail, 'XCLIENT ADDR=192.0.2.9'), /^503 /);
  assert.match(await client.sayAll('RSET', 'XCLIENT ADDR=192.0.2.9', ehlo, 'XCLIENT ADDR=192.0.2.10'), /^550 /);
  assert.equal(await seenAs(client), '192.0.2.9 client.example');
});
