/**
 * A filter of one's own, `postern milter --policy FILE`, attached to a real Postfix and a real Sendmail: what its
 * header object, recipients and body have become in the mailbox.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MilterChild } from '../cli/support/milter-child.js';
import { freePort } from '../support/free-port.js';
import { needPeer } from '../support/peers.js';
import { Postfix } from '../support/postfix.js';
import { RawClient } from '../support/raw-client.js';
import { Sendmail } from '../support/sendmail.js';
import { inTime, until } from '../support/until.js';

const filter = `
import { filterMessages, reject, replyWith } from 'postern/milter';
export default filterMessages(async ({ header, body, recipients, ...mail }) => {
  if (header.get('subject') === 'bad') return replyWith(550, '5.7.1', 'not 100% good');
  header.set('Subject', 'new\\n and folded');
  header.change('X-A', (value, index) => (index === 1 ? undefined : value + '!'));
  header.remove('X-B');
  header.set('X-Empty', '');
  header.add('X-Size', String(body.size));
  header.insert('X-Second', String(recipients.length));
  header.insert('X-First', '1');
});
`;

const fields = ['Subject: old', 'X-A: 1', 'X-B: b', 'x-a: 2', 'X-Empty: full', 'X-A: 3', 'X-b: c', 'X-C: c'];

/** A mail's fields from the top, without those that the MTA writes. */
function own(text: string): readonly string[] {
  const [head = ''] = text.split('\n\n');
  const lines = head.replace(/\n(?=[ \t])/g, '|').split('\n');
  return lines
    .filter((line) => /^(?:subject|x-(?!original)|received)/i.test(line))
    .map((line) => line.replace(/^(received):.*/i, '$1'));
}

async function served(t: TestContext): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-own-filter-'));
  chmodSync(folder, 0o755);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'filter.mjs'), filter);
  const port = await freePort();
  const words = ['--policy', join(folder, 'filter.mjs'), '-p', `inet:127.0.0.1:${port}`, '-l', 'stderr'];
  const milter = new MilterChild(words);
  t.after(() => milter.stop());
  await milter.line(/ starting /);
  return port;
}

async function send(port: number, subject: string): Promise<string> {
  const client = await RawClient.open({ port });
  const head = [...fields, `From: a@b.example`, 'Date: Thu, 1 Jan 2026 00:00:00 +0000', 'Message-ID: <1@b.example>'];
  const text = [subject, ...head.slice(1), '', 'text', '.'].join('\r\n');
  const hello = ['EHLO client.example', 'MAIL FROM:<a@b.example>', 'RCPT TO:<u@rcpt.test>'];
  const reply = await client.sayAll(...hello, 'DATA', text);
  client.end();
  return reply;
}

const mtas: readonly [name: string, peer: string, start: (port: number, t: TestContext) => Promise<Mta>][] = [
  [
    'Postfix',
    'postfix',
    async (port, t) => {
      const settings = [`smtpd_milters = inet:127.0.0.1:${port}`, 'milter_default_action = tempfail'];
      const postfix = await Postfix.start({ domains: ['rcpt.test'], settings });
      t.after(() => postfix.close());
      return { port: postfix.port, delivered: () => postfix.delivered.map(({ text }) => text) };
    },
  ],
  [
    'Sendmail',
    'real-sendmail',
    async (port, t) => {
      const filterLine = `S=inet:${port}@127.0.0.1, F=T, T=C:10s;S:10s;R:20s;E:1m`;
      const sendmail = await Sendmail.start({ hostname: 'mx.fixture.test', filter: filterLine });
      t.after(() => sendmail.close());
      return { port: sendmail.port, delivered: () => sendmail.delivered };
    },
  ],
];

interface Mta {
  readonly port: number;
  readonly delivered: () => readonly string[];
}

for (const [name, peer, start] of mtas)
  test(`${name}: a header that a filter has changed is the header in the mailbox`, async (t) => {
    if (!needPeer(t, peer)) return;
    const mta = await start(await served(t), t);
    assert.match(await send(mta.port, 'Subject: bad'), /^550 5\.7\.1 not 100% good/);
    assert.match(await send(mta.port, 'Subject: old'), /^250 /);
    await until(() => mta.delivered().length === 1, 'the mail is delivered');
    const lines = own(mta.delivered()[0] ?? '');
    assert.deepEqual(
      lines.map((line) => line.trimEnd()),
      [
        'X-First: 1',
        'X-Second: 1',
        'Received',
        'Subject: new| and folded',
        'X-A: 1!',
        'X-Empty:',
        'X-A: 3!',
        'X-C: c',
        'X-Size: 6',
      ],
    );
  });

const script = `
conn = mt.connect(socket)
mt.set_timeout(20)
mt.negotiate(conn, nil, nil, nil)
mt.conninfo(conn, "client.example", "192.0.2.7")
mt.helo(conn, "client.example")
mt.mailfrom(conn, "<a@b.example>")
mt.rcptto(conn, "<u@rcpt.test>")
mt.data(conn)
for _, field in ipairs({ { "Subject", "old" }, { "X-A", "1" }, { "X-B", "b" }, { "x-a", "2" }, { "X-A", "3" } }) do
  mt.header(conn, field[1], field[2])
end
mt.bodystring(conn, "text\\r\\n")
mt.eom(conn)
for _, check in ipairs({ { MT_HDRCHANGE, "X-A", "1!" }, { MT_HDRCHANGE, "X-A", "3!" }, { MT_HDRDELETE, "x-a", 2 },
                         { MT_HDRDELETE, "X-B", 1 }, { MT_HDRADD, "X-Size", "6" }, { MT_HDRINSERT, "X-First", "1" } }) do
  if not mt.eom_check(conn, check[1], check[2], check[3]) then mt.echo("not so: " .. check[2]) end
end
mt.echo("answer " .. string.char(mt.getreply(conn)))
mt.disconnect(conn)
`;

test('miltertest is told of each change of the header', async (t) => {
  if (!needPeer(t, 'miltertest')) return;
  const port = await served(t);
  const folder = mkdtempSync(join(tmpdir(), 'postern-miltertest-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'script.lua'), script);
  const child = spawn('miltertest', ['-s', join(folder, 'script.lua'), '-D', `socket=inet:${port}@127.0.0.1`]);
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (octets: Buffer) => (said += String(octets)));
  await inTime(once(child, 'close'), 'the script ends');
  assert.equal(said.trim(), 'answer c');
});
