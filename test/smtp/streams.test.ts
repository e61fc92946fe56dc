/**
 * Random and hostile streams of commands and text: however a stream is cut into segments, it hears the same replies,
 * the same mails come through, and nothing that was said in the text of a message is taken for a command.
 */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { Mx } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

let mx: Mx;
before(async () => {
  mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/checks/helo', 'wild.example/users/valid/*'],
    settings: ['max_errors=12', 'max_size=20000', 'max_recipients=3', 'xclient_networks=127.0.0.1', 'log_level=error'],
  });
});
after(() => mx?.close());

const command = fc.constantFrom(
  'EHLO client.example',
  'HELO c',
  'EHLO',
  'EHLO a b',
  'HELO a\x01b',
  'EHLO a_b',
  'MAIL FROM:<a@sender.example>',
  'MAIL FROM:<>',
  'MAIL FROM:a@b',
  'MAIL',
  'MAIL FROM:<a@b.example> SIZE=999999',
  'MAIL FROM:<b\xc3\xbc@b.example> SMTPUTF8',
  'MAIL FROM:<a@b.example>\rRSET',
  'MAIL FROM:<a\0@b.example>',

  'RCPT TO:<alice@example.com>',
  'RCPT TO:<nobody@example.com>',
  'RCPT TO:<w@wild.example>',
  'RCPT TO:<w%x@wild.example>',
  'RCPT TO:<x@elsewhere.example>',
  'RCPT TO:<postmaster>',
  'RCPT TO:<>',
  'RCPT',
  'RCPT TO:<alice@example.com> X=1',
  'DATA',
  'DATA x',
  'RSET',
  'NOOP x',
  'VRFY x',
  'HELP',
  'EXPN l',
  'BDAT 5',
  '',
  ' NOOP',
  '__proto__',
  'QUIT',
  'XCLIENT ADDR=192.0.2.7',
  'XCLIENT FOO=1',
  'STARTTLS',
  'Y'.repeat(4096),
  'Y'.repeat(4097),
);
const words = fc.constantFrom(
  'Subject: x\r\n',
  'From: a@b.example\r\n',
  '\r\n',
  'hello\r\n',
  '..\r\n',
  '.a\r\n',
  'a\nb\r\n',
  'a\rb\r\n',
  '\n.\n',
  '\r\n.\n',
  '\xff\0\r\n',
  '.\r\r\n',
  'RSET\r\n',
  'QUIT\r\n',
  `${'x'.repeat(900)}\r\n`,
);
const text = fc.array(words, { maxLength: 8 }).map((all) => `${all.join('')}\r\n.\r\n`);
const to = fc.constantFrom('alice@example.com', 'nobody@example.com', 'w@wild.example');
const mail = fc
  .tuple(to, text)
  .map(([rcpt, body]) => `MAIL FROM:<a@sender.example>\r\nRCPT TO:<${rcpt}>\r\nDATA\r\n${body}`);
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r\r\n');
const piece = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(command, lineEnd).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: mail },
  { weight: 1, arbitrary: fc.tuple(fc.constant('DATA\r\n'), text).map((parts) => parts.join('')) },
);
const stream = fc
  .array(piece, { minLength: 1, maxLength: 12 })
  .map((pieces) => `EHLO client.example\r\n${pieces.join('')}`);

/** All replies to the end of the connection; ids, which differ each time, left out. */
async function replies(segments: readonly string[]): Promise<readonly string[]> {
  const client = await RawClient.open({ port: mx.port });
  for (const segment of segments) {
    client.write(segment);
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.finish();
  const heard = await client.rest();
  client.end();
  return heard.map((reply) => reply.replace(/[0-9A-HJKMNP-TV-Z]{14}/g, 'ID').replace(/queued as .*/, 'queued'));
}

function cutAt(octets: string, cuts: readonly number[]): readonly string[] {
  const at = [0, ...cuts.map((cut) => cut % octets.length).toSorted((a, b) => a - b), octets.length];
  return at.slice(1).map((end, i) => octets.slice(at[i], end));
}

test('a stream hears the same replies however it is cut, and brings the same mails', async () => {
  await fc.assert(
    fc.asyncProperty(stream, fc.array(fc.nat(4000), { maxLength: 30 }), async (octets, cuts) => {
      const counted = async (segments: readonly string[]): Promise<unknown> => {
        const earlier = mx.delivered().length;
        return [await replies(segments), mx.delivered().length - earlier];
      };
      assert.deepEqual(await counted(cutAt(octets, cuts)), await counted([octets]));
    }),
    { numRuns: 150 },
  );
});

for (const [what, lines] of [
  ['commands', ['NOOP', 'RSET', 'VRFY x', 'MAIL', 'DATA', 'NOOP']],
  [
    'an envelope',
    ['MAIL FROM:<a@sender.example>', 'RCPT TO:<alice@example.com>', 'RCPT TO:<alice@example.com>', 'DATA'],
  ],
] as const) {
  test(`the replies to ${what} in one segment go out in one write`, async (t) => {
    const client = await RawClient.open({ port: mx.port });
    await client.say('EHLO client.example');
    const write = t.mock.method(net.Socket.prototype, 'write');
    client.write(lines.map((line) => `${line}\r\n`).join(''));
    await client.hear(lines.length);
    const written = write.mock.calls.filter(({ this: socket }) => (socket as net.Socket).localPort === mx.port);
    assert.equal(written.length, 1);
    client.end();
  });
}
