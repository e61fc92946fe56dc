/** What the listener says to each command, legal or not, one by one and pipelined. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Mx, message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

const mail = 'MAIL FROM:<sender@sender.example>';
const rcpt = 'RCPT TO:<alice@example.com>';
const ehlo = 'EHLO client.example';

let mx: Mx;
before(async () => {
  mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'xn--bcher-kva.example/users/valid/alice', 'wild.example/users/valid/*'],
    plugins: ['valid_users'],
    settings: ['max_errors=100', 'max_size=100000', 'max_recipients=3'],
  });
});
after(() => mx?.close());

/** [what, lines, the code and enhanced code of each reply] */
const dialogs: readonly [what: string, lines: readonly string[], replies: readonly string[]][] = [
  ['EHLO and HELO are greeted', [ehlo, 'HELO client.example'], ['250', '250']],
  ['EHLO without a name is refused', ['EHLO', 'EHLO '], ['501 5.5.4', '501 5.5.4']],
  ['HELO with two names, and EHLO in UTF-8, are greeted', ['HELO a b', 'EHLO b\xc3\xbccher.example'], ['250', '250']],
  [
    'a HELO name with control octets, or 8-bit ones that are no UTF-8, is refused',
    ['HELO a\x1b[2Jb', 'EHLO b\xfccher.example', 'HELO a\0b'],
    ['501 5.5.4', '501 5.5.4', '501 5.5.4'],
  ],
  [
    'a HELO name of 255 octets is taken, one of 256 is not',
    [`EHLO ${'a'.repeat(255)}`, `EHLO ${'a'.repeat(256)}`],
    ['250', '501 5.5.4'],
  ],
  ['a HELO name that looks like a path is a name', ['EHLO ../../../../etc/passwd'], ['250']],
  ['an address literal is a HELO name', ['EHLO [192.0.2.1]', 'EHLO [IPv6:2001:db8::1]'], ['250', '250']],
  ['MAIL before HELO is refused', [mail], ['503 5.5.1']],
  ['RCPT before MAIL is refused', [ehlo, rcpt], ['250', '503 5.5.1']],
  [
    'DATA before MAIL, and before RCPT, is refused',
    [ehlo, 'DATA', mail, 'DATA'],
    ['250', '503 5.5.1', '250 2.1.0', '503 5.5.1'],
  ],
  [
    'DATA behind refused recipients only is refused',
    [ehlo, mail, 'RCPT TO:<x@elsewhere.example>', 'DATA'],
    ['250', '250 2.1.0', '550 5.7.1', '554 5.5.1'],
  ],
  ['MAIL inside a transaction is refused', [ehlo, mail, mail], ['250', '250 2.1.0', '503 5.5.1']],
  [
    'RSET ends the transaction',
    [ehlo, mail, rcpt, 'RSET', 'DATA'],
    ['250', '250 2.1.0', '250 2.1.5', '250 2.0.0', '503 5.5.1'],
  ],
  [
    'EHLO ends the transaction',
    [ehlo, mail, rcpt, ehlo, 'DATA'],
    ['250', '250 2.1.0', '250 2.1.5', '250', '503 5.5.1'],
  ],
  ['a refused EHLO changes nothing', [ehlo, mail, 'EHLO', rcpt], ['250', '250 2.1.0', '501 5.5.4', '250 2.1.5']],
  [
    'verbs are read without case',
    ['eHlO client.example', 'mail from:<a@b.example>', 'Rcpt to:<alice@example.com>', 'rSeT', 'quit'],
    ['250', '250 2.1.0', '250 2.1.5', '250 2.0.0', '221 2.0.0'],
  ],
  [
    'NOOP, VRFY, HELP are answered and reveal nothing',
    ['NOOP', 'NOOP x', 'VRFY alice@example.com', 'HELP'],
    ['250 2.0.0', '250 2.0.0', '252 2.5.0', '214 2.0.0'],
  ],
  [
    'commands that are not offered are unknown',
    [
      ehlo,
      'EXPN list',
      'BDAT 10 LAST',
      'AUTH PLAIN AGEAYg==',
      'ETRN x',
      'WIZ',
      'SHELL',
      'KILL',
      'DEBUG',
      'XFORWARD ADDR=192.0.2.1',
    ],
    ['250', ...Array.from({ length: 9 }, () => '500 5.5.2')],
  ],
  [
    'names of object members are unknown commands',
    ['__proto__ x', 'constructor', 'toString', 'hasOwnProperty'],
    ['500 5.5.2', '500 5.5.2', '500 5.5.2', '500 5.5.2'],
  ],
  ['an empty line is an unknown command', [''], ['500 5.5.2']],
  [
    'DATA and STARTTLS take no argument',
    [ehlo, mail, rcpt, 'DATA x', 'STARTTLS x'],
    ['250', '250 2.1.0', '250 2.1.5', '501 5.5.4', '501 5.5.4'],
  ],
  [
    'MAIL needs FROM:, RCPT needs TO:',
    [ehlo, 'MAIL <a@b.example>', 'MAIL TO:<a@b.example>', mail, 'RCPT FROM:<alice@example.com>'],
    ['250', '501 5.5.4', '501 5.5.4', '250 2.1.0', '501 5.5.4'],
  ],
  [
    'white space behind the colon is borne',
    [ehlo, 'MAIL FROM: <a@b.example>', 'RCPT TO:  <alice@example.com>  '],
    ['250', '250 2.1.0', '250 2.1.5'],
  ],
  [
    'an address without brackets, with blanks in them, with a final dot is taken',
    [ehlo, 'MAIL FROM:a@b.example SIZE=10', 'RCPT TO:< alice @ example.com. >', 'RCPT TO: alice@example.com.'],
    ['250', '250 2.1.0', '250 2.1.5', '250 2.1.5'],
  ],
  [
    'no writing of a recipient makes it one of ours',
    [
      ehlo,
      mail,
      'RCPT TO:alice@elsewhere.example',
      'RCPT TO:< alice@elsewhere.example >',
      'RCPT TO:<alice@elsewhere.example.>',
      'RCPT TO:alice@elsewhere.example example.com',
      'RCPT TO:alice@elsewhere.example@example.com',
      'RCPT TO:<alice@example.com alice@elsewhere.example>',
      'RCPT TO:<alice@example.com> <alice@elsewhere.example>',
    ],
    [
      '250',
      '250 2.1.0',
      ...Array.from({ length: 3 }, () => '550 5.7.1'),
      ...Array.from({ length: 4 }, () => '501 5.1.3'),
    ],
  ],
  [
    'a bare CR inside MAIL injects no RCPT',
    [ehlo, 'MAIL FROM:<a@b.example>\rRCPT TO:<v@elsewhere.example>', 'DATA'],
    ['250', '501 5.1.7', '503 5.5.1'],
  ],
  [
    'a NUL inside an address is refused',
    [ehlo, 'MAIL FROM:<a\0b@sender.example>', mail, 'RCPT TO:<alice\0@example.com>'],
    ['250', '501 5.1.7', '250 2.1.0', '501 5.1.3'],
  ],
  [
    'parameters that are not offered are refused',
    [ehlo, `${mail} EVIL=1`, `${mail} RET=HDRS`, mail, `${rcpt} NOTIFY=NEVER`, `${rcpt} ORCPT=rfc822;x+0D+0A`],
    ['250', '555 5.5.4', '555 5.5.4', '250 2.1.0', '555 5.5.4', '555 5.5.4'],
  ],
  [
    'SIZE must be a number',
    [ehlo, `${mail} SIZE=-1`, `${mail} SIZE=1e3`, `${mail} SIZE=0x10`, `${mail} SIZE`],
    ['250', '501 5.5.4', '501 5.5.4', '501 5.5.4', '501 5.5.4'],
  ],
  [
    'SIZE above the limit is refused before the mail is sent',
    [ehlo, `${mail} SIZE=100001`, `${mail} SIZE=99999999999999999999`, `${mail} SIZE=100000`],
    ['250', '552 5.3.4', '552 5.3.4', '250 2.1.0'],
  ],
  [
    'BODY is 7BIT or 8BITMIME',
    [ehlo, `${mail} BODY=BINARYMIME`, `${mail} BODY=8bitmime`],
    ['250', '501 5.5.4', '250 2.1.0'],
  ],
  [
    'an 8-bit address needs SMTPUTF8',
    [
      ehlo,
      'MAIL FROM:<b\xc3\xbccher@sender.example>',
      'MAIL FROM:<b\xc3\xbccher@sender.example> SMTPUTF8',
      'RCPT TO:<b\xc3\xbccher@wild.example>',
    ],
    ['250', '553 5.6.7', '250 2.1.0', '250 2.1.5'],
  ],
  [
    'an 8-bit recipient without SMTPUTF8 is refused',
    [ehlo, mail, 'RCPT TO:<b\xc3\xbccher@wild.example>'],
    ['250', '250 2.1.0', '553 5.6.7'],
  ],
  [
    'a U-label is the hosted A-label',
    [ehlo, `${mail} SMTPUTF8`, 'RCPT TO:<alice@b\xc3\xbccher.example>', 'RCPT TO:<alice@XN--BCHER-KVA.example>'],
    ['250', '250 2.1.0', '250 2.1.5', '250 2.1.5'],
  ],
  [
    'an address that is no UTF-8 is refused',
    [ehlo, 'MAIL FROM:<b\xfccher@sender.example> SMTPUTF8'],
    ['250', '501 5.1.7'],
  ],
  [
    'domains that only a decoder would make valid are refused',
    [ehlo, 'MAIL FROM:<x@\xe3\x80\x82> SMTPUTF8', 'MAIL FROM:<x@xn--> SMTPUTF8', 'MAIL FROM:<x@..>', 'MAIL FROM:<x@.>'],
    ['250', '501 5.1.7', '501 5.1.7', '501 5.1.7', '501 5.1.7'],
  ],
  [
    'a source route is passed over',
    [ehlo, mail, 'RCPT TO:<@a.example,@b.example:alice@example.com>'],
    ['250', '250 2.1.0', '250 2.1.5'],
  ],
  [
    'the null reverse-path is a sender, and no recipient',
    [ehlo, 'MAIL FROM:<>', 'RCPT TO:<>', rcpt],
    ['250', '250 2.1.0', '501 5.1.3', '250 2.1.5'],
  ],
  [
    'postmaster without a domain is a recipient, and no sender',
    [ehlo, 'MAIL FROM:<postmaster>', mail, 'RCPT TO:<Postmaster>'],
    ['250', '501 5.1.7', '250 2.1.0', '250 2.1.5'],
  ],
  [
    'one recipient too many is told to come later',
    [ehlo, mail, ...[1, 2, 3, 4].map((n) => `RCPT TO:<r${n}@wild.example>`), 'RSET'],
    ['250', '250 2.1.0', '250 2.1.5', '250 2.1.5', '250 2.1.5', '452 4.5.3', '250 2.0.0'],
  ],
  ['HTTP is a set of unknown commands', ['GET / HTTP/1.1', 'Host: x', ''], ['500 5.5.2', '500 5.5.2', '500 5.5.2']],
];

const codes = (reply: string): string => {
  const last = reply.split('\n').at(-1) ?? '';
  return /^\d{3} \d\.\d\.\d+/.exec(last)?.[0] ?? last.slice(0, 3);
};

for (const [what, lines, replies] of dialogs) {
  test(what, async () => {
    const client = await RawClient.open({ port: mx.port });
    for (const [i, line] of lines.entries()) assert.equal(codes(await client.say(line)), replies[i], line.slice(0, 80));
    client.end();
  });
  test(`${what}, pipelined in one segment`, async () => {
    const client = await RawClient.open({ port: mx.port });
    client.write(lines.map((line) => `${line}\r\n`).join(''));
    assert.deepEqual((await client.hear(lines.length)).map(codes), replies);
    client.end();
  });
}

test('the reply to EHLO lists what is offered, and nothing else', async () => {
  const [reply = ''] = await mx.say(ehlo);
  assert.deepEqual(
    reply.split(/\r?\n/).map((line) => line.slice(4)),
    ['mx.test.example', 'PIPELINING', 'SIZE 100000', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'],
  );
});

test('a whole mail pipelined in one segment, text included, is answered in order', async () => {
  const client = await RawClient.open({ port: mx.port });
  const earlier = mx.delivered().length;
  client.write([ehlo, mail, rcpt, 'DATA', message(), '.', 'QUIT', ''].join('\r\n'));
  assert.deepEqual(
    (await client.hear(6)).map((reply) => reply.slice(0, 3)),
    ['250', '250', '250', '354', '250', '221'],
  );
  assert.ok(await client.hungUp());
  assert.equal(mx.delivered().length, earlier + 1);
  client.end();
});

test('an early talker is held until the greeting, not dropped, and hears every reply in order', async () => {
  const client = await RawClient.open({ port: mx.port, early: `${ehlo}\r\n${mail}\r\n${rcpt}\r\nQUIT\r\n` });
  assert.deepEqual(
    (await client.hear(5)).map((reply) => reply.slice(0, 3)),
    ['220', '250', '250', '250', '221'],
  );
  client.end();
});

test('5000 NOOPs in one segment get 5000 replies', async () => {
  const client = await RawClient.open({ port: mx.port });
  client.write('NOOP\r\n'.repeat(5000));
  assert.ok((await client.hear(5000)).every((reply) => reply === '250 2.0.0 Ok'));
  client.end();
});

test('a command may end in a bare LF', async () => {
  const client = await RawClient.open({ port: mx.port });
  client.write(`${ehlo}\n${mail}\n${rcpt}\nRSET\n`);
  assert.deepEqual(
    (await client.hear(4)).map((reply) => reply.slice(0, 3)),
    ['250', '250', '250', '250'],
  );
  client.end();
});

test('what stands behind QUIT is not looked at', async () => {
  const client = await RawClient.open({ port: mx.port });
  const earlier = mx.delivered().length;
  client.write(['QUIT', ehlo, mail, rcpt, 'DATA', message(), '.', ''].join('\r\n'));
  assert.deepEqual(
    (await client.rest()).map((reply) => reply.slice(0, 3)),
    ['221'],
  );
  assert.equal(mx.delivered().length, earlier);
  client.end();
});

test('a half command at the end of the connection is no command', async () => {
  const client = await RawClient.open({ port: mx.port });
  await client.sayAll(ehlo, mail, rcpt);
  client.write('DAT');
  client.finish();
  assert.ok(await client.hungUp());
  assert.ok(!client.replies.some((reply) => reply.startsWith('354')));
  client.end();
});
