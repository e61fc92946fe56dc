/** What clients and the local MTA say goes into logs, replies, files and index lines, and can forge none of them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { PosternProcess } from '../support/child.js';
import { message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

/**
 * As octets in latin1: ESC, BEL, C1 (as UTF-8 and bare), right-to-left override, line separators, half an UTF-8
 * sequence.
 */
const hostile = '\x1b[2J\x07\xc2\x9b31m\x9b\xe2\x80\xae\xe2\x80\xa8\xc2\x85\x7f\xff{"level":60}';
const unsafe = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/;

let mta: ScriptedMta;
let child: PosternProcess;
before(async () => {
  mta = await ScriptedMta.start({
    extensions: ['PIPELINING', '8BITMIME'],
    script: ({ verb, line }) => (verb === 'RCPT' && line.includes('mta') ? `550 5.1.1 ${hostile}\rforged` : undefined),
  });
  child = await PosternProcess.start({
    markers: [
      'example.com/users/valid/alice',
      'example.com/users/valid/mta',
      'example.com/checks/date',
      'example.com/checks/helo',
    ],
    settings: ['log_level=debug', 'max_errors=1000', 'xclient_networks=127.0.0.17/32'],
    relayPort: mta.port,
  });
});
after(async () => {
  await child?.close();
  await mta?.stop();
});

const rcpt = 'RCPT TO:<alice@example.com>';
const ehlo = 'EHLO client.example';
const mail = 'MAIL FROM:<sender@sender.example>';

/** [where, the lines of the session; `message` stands for the data] */
const attempts: readonly [where: string, lines: readonly string[], fields?: readonly string[]][] = [
  ['HELO', [`EHLO ${hostile}`, `HELO ${hostile}`]],
  ['an unknown command', [ehlo, hostile, `X${hostile}`]],
  ['the sender', [ehlo, `MAIL FROM:<${hostile}@sender.example>`, `MAIL FROM:<"${hostile}"@sender.example> SMTPUTF8`]],
  ['the recipient', [ehlo, mail, `RCPT TO:<${hostile}@example.com>`, `RCPT TO:<"${hostile}"@example.com>`]],
  ['a parameter', [ehlo, `${mail} ${hostile}=x`, `${mail} SIZE=${hostile}`, mail, `${rcpt} ${hostile}`]],
  [
    'header fields of a mail that is relayed',
    [ehlo, mail, rcpt, 'DATA', 'message'],
    [`Subject: ${hostile}`, `Message-ID: <${hostile}>`, `${hostile}: x`],
  ],
  [
    'header fields of a mail that is archived',
    [ehlo, mail, 'RCPT TO:<nobody@example.com>', 'DATA', 'message'],
    [`Subject: ${hostile}`, `Message-ID: <${hostile}>`, `From: ${hostile}`],
  ],
  [
    'an encoded Subject',
    [ehlo, mail, 'RCPT TO:<nobody@example.com>', 'DATA', 'message'],
    ['Subject: =?utf-8?Q?=1B[2J=0D=0A{"forged":1}=E2=80=AE?='],
  ],
  ['the reply of the local MTA', [ehlo, mail, 'RCPT TO:<mta@example.com>', 'DATA', 'message']],
];

for (const [where, lines, fields] of attempts) {
  test(`hostile octets in ${where}: logs, replies and index hold none of them raw`, async () => {
    const client = await RawClient.open({ port: child.port });
    for (const line of lines) {
      const text = message({ fields: fields ?? [], without: (fields ?? []).map((field) => field.split(':')[0] ?? '') });
      const reply = await client.say(line === 'message' ? `${text}\r\n.` : line);
      for (const one of reply.split(/\r?\n/)) assert.match(one, /^\d{3}[ -][ -~]{0,994}$/);
    }
    client.end();
    assert.doesNotMatch(child.output, unsafe);
    assert.equal(child.log.length, child.output.trimEnd().split('\n').length, 'each line is one entry');
    assert.ok(
      child.log.every(
        (line) =>
          [child.pid, child.worker].includes(Number(line['pid'])) &&
          line['forged'] === undefined &&
          line['level'] !== 60,
      ),
    );
    assert.equal(child.complaints, '');
  });
}

test('the MTA’s refusal reaches the client as one line of printable ASCII', async () => {
  const client = await RawClient.open({ port: child.port });
  const reply = await client.sayAll(ehlo, mail, 'RCPT TO:<mta@example.com>', 'DATA', `${message()}\r\n.`);
  assert.match(reply, /^550 5\.1\.1 [ -~]+$/);
  assert.equal(client.replies.length, 6);
  client.end();
});
