/**
 * SMTP smuggling, through the socket to the octets that the local MTA reads: only CRLF . CRLF ends a message, and what
 * is sent on holds no bare CR or LF and no dot that another server might take for an end.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { falseEnds, smuggled } from '../support/false-ends.js';
import { Mx, message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

const markers = ['example.com/users/valid/alice'];
const opening = [
  'EHLO client.example',
  'MAIL FROM:<sender@sender.example>',
  'RCPT TO:<alice@example.com>',
  'DATA',
] as const;
async function withMx(settings: readonly string[], run: (mx: Mx, mta: ScriptedMta) => Promise<void>): Promise<void> {
  const mta = await ScriptedMta.start({ extensions: ['PIPELINING', '8BITMIME', 'SIZE 100000000'] });
  try {
    const mx = await Mx.start({ markers, relayPort: mta.port, settings });
    try {
      await run(mx, mta);
    } finally {
      await mx.close();
    }
  } finally {
    await mta.stop();
  }
}

/** The one message at the local MTA, as octets in latin1, below our fields. */
function bodyOnTheWire(mta: ScriptedMta): string {
  assert.equal(mta.messages.length, 1);
  const wire = mta.messages.splice(0)[0]?.wire.toString('latin1') ?? '';
  assert.doesNotMatch(wire, /(?:^|[^\r])\n|\r(?!\n)/, 'a bare CR or LF is sent on');
  assert.doesNotMatch(wire, /(?:^|\r\n)\.(?!\.)/, 'a dot that begins a line is not stuffed');
  return wire.slice(wire.indexOf('\r\n\r\n') + 4);
}

describe('no false end of data ends a message', () => {
  let mta: ScriptedMta;
  let mx: Mx;
  before(async () => {
    mta = await ScriptedMta.start({ extensions: ['PIPELINING', '8BITMIME', 'SIZE 100000000'] });
    mx = await Mx.start({ markers, relayPort: mta.port });
  });
  after(() => Promise.all([mx?.close(), mta?.stop()]));

  for (const [what, octets, onTheWire] of falseEnds) {
    for (const how of ['in one segment', 'octet by octet'] as const) {
      test(`${what}, ${how}`, async () => {
        const client = await RawClient.open({ port: mx.port });
        assert.match(await client.sayAll(...opening), /^354 /);
        const text = `${message({ body: `first${octets}${smuggled}` })}\r\n.\r\n`;
        if (how === 'in one segment') client.write(text);
        else for (const octet of text) client.write(octet);
        assert.match(await client.reply(), /^250 2\.0\.0 /);
        assert.match(await client.say('QUIT'), /^221 /);
        assert.equal(bodyOnTheWire(mta), `first${onTheWire}${smuggled}\r\n`);
      });
    }
  }

  test('CR CR LF . CR LF is a true end: what follows are commands, and without MAIL they do nothing', async () => {
    const client = await RawClient.open({ port: mx.port });
    await client.sayAll(...opening);
    client.write(`${message({ body: 'first\r' })}\r\n.\r\n\0${smuggled}\r\n.\r\n`);
    const replies = await client.hear(3);
    assert.deepEqual(
      replies.map((reply) => reply.slice(0, 3)),
      ['250', '500', '503'],
    );
    client.end();
    assert.equal(bodyOnTheWire(mta), 'first\r\n');
  });

  /** [what, its segments, what the local MTA reads] */
  const segmented: readonly [what: string, segments: readonly string[], onTheWire: string][] = [
    [
      '".." as the first line, in a segment of its own',
      ['..', '\r\n', `${smuggled}\r\n.\r\n`],
      `..\r\n${smuggled}\r\n`,
    ],
    ['"." and CRLF as first line: an empty message', ['.', '\r\n'], ''],
    ['the end in five segments', ['x', '\r', '\n', '.', '\r', '\n'], 'x\r\n'],
    ['CRLF .. cut behind the first dot', ['x\r\n.', '.\r\ny\r\n.\r\n'], 'x\r\n..\r\ny\r\n'],
    ['CR at the end of a segment, no LF behind it', ['x\r', '.\r\ny\r\n.\r\n'], 'x .\r\ny\r\n'],
  ];
  for (const [what, segments, onTheWire] of segmented) {
    test(`cut into segments: ${what}`, async () => {
      const client = await RawClient.open({ port: mx.port });
      await client.sayAll(...opening);
      for (const segment of segments) {
        client.write(segment);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.match(await client.reply(), /^250 /);
      client.end();
      const wire = mta.messages.splice(0).map((received) => received.wire.toString('latin1'));
      assert.equal(wire.length, 1);
      assert.ok(wire[0]?.endsWith(`X-LOCALPART: alice\r\n${onTheWire}`), wire[0]);
    });
  }

  test('a second transaction behind a true end of data, in the same segment, is a second mail', async () => {
    const client = await RawClient.open({ port: mx.port });
    await client.sayAll(...opening);
    client.write(`${message({ body: 'one' })}\r\n.\r\n${opening.slice(1).join('\r\n')}\r\n`);
    assert.deepEqual(
      (await client.hear(4)).map((reply) => reply.slice(0, 3)),
      ['250', '250', '250', '354'],
    );
    assert.match(await client.say(`${message({ body: 'two' })}\r\n.`), /^250 /);
    client.end();
    assert.equal(mta.messages.splice(0).length, 2);
  });

  test('lines of the text that are SMTP commands and replies are text', async () => {
    const client = await RawClient.open({ port: mx.port });
    await client.sayAll(...opening);
    const text = '250 ok\r\nQUIT\r\n354 go\r\nRSET\r\nSTARTTLS';
    assert.match(await client.say(`${message({ body: text })}\r\n.`), /^250 /);
    client.end();
    assert.equal(bodyOnTheWire(mta), `${text}\r\n`);
  });
});

test('with bare_newline = reject a bare CR or LF refuses the mail, and its session goes on', async () => {
  await withMx(['bare_newline=reject'], async (mx, mta) => {
    const client = await RawClient.open({ port: mx.port });
    await client.say('EHLO client.example');
    for (const [what, octets] of falseEnds) {
      await client.sayAll(...opening.slice(1));
      const bare = /(?:^|[^\r])\n|\r(?!\n)/.test(octets);
      const reply = await client.say(`${message({ body: `first${octets}second` })}\r\n.`);
      assert.match(reply, bare ? /^550 5\.6\.0 Bare CR or LF in the message$/ : /^250 /, what);
      if (bare) assert.equal(mta.messages.length, 0, what);
      mta.messages.splice(0);
      if (bare) await client.say('RSET');
    }
    client.end();
  });
});
