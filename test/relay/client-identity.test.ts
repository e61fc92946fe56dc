import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../src/mail/ip.js';
import { replyText } from '../../src/mail/reply.js';
import {
  attributesIn,
  type ClientIdentity,
  xclientCommand,
  xforwardCommands,
  xtext,
} from '../../src/relay/client-identity.js';
import { request } from './support/requests.js';
import type { Answer, Step } from './support/scripted-mta.js';
import { usual, withRelay } from './support/with-relay.js';

const all = 'NAME ADDR PORT PROTO HELO IDENT SOURCE';
const client: ClientIdentity = {
  clientIp: parseIp('192.0.2.9')!,
  clientName: 'client.example',
  helo: 'helo.example',
  protocol: 'ESMTP',
};

const commands: readonly (readonly [string, Partial<ClientIdentity>, string, readonly string[]])[] = [
  [
    'all that Postfix offers',
    {},
    all,
    ['XFORWARD ADDR=192.0.2.9 NAME=client.example PROTO=ESMTP SOURCE=REMOTE HELO=helo.example'],
  ],
  ['only what is offered', {}, 'name addr', ['XFORWARD ADDR=192.0.2.9 NAME=client.example']],
  ['nothing known is offered', {}, 'PORT IDENT', []],
  ['no XFORWARD', {}, '', []],
  ['an unknown name', { clientName: '' }, 'NAME', ['XFORWARD NAME=[UNAVAILABLE]']],
  ['no HELO', { helo: '' }, 'HELO', ['XFORWARD HELO=[UNAVAILABLE]']],
  ['IPv6', { clientIp: parseIp('2001:db8::1')! }, 'ADDR', ['XFORWARD ADDR=IPV6:2001:db8::1']],
  ['plain HELO', { protocol: 'SMTP' }, 'PROTO', ['XFORWARD PROTO=SMTP']],
  [
    'a HELO that would be more attributes',
    { helo: 'x NAME=evil.example\r\nMAIL' },
    'HELO',
    ['XFORWARD HELO=x+20NAME+3Devil.example+0D+0AMAIL'],
  ],
  ['a HELO beyond ASCII', { helo: 'bü+=' }, 'HELO', ['XFORWARD HELO=b+C3+BC+2B+3D']],
];

for (const [what, changes, offered, expected] of commands) {
  test(`XFORWARD: ${what}`, () =>
    assert.deepEqual(xforwardCommands({ ...client, ...changes }, attributesIn(offered)), expected));
}

test('XCLIENT knows no SOURCE', () => {
  assert.equal(
    xclientCommand(client, attributesIn(all)),
    'XCLIENT ADDR=192.0.2.9 NAME=client.example PROTO=ESMTP HELO=helo.example',
  );
  assert.equal(xclientCommand(client, attributesIn('LOGIN')), '');
});

test('whatever the client says, a line is one line of at most 512 octets and xtext', () => {
  const hostile = fc.string({ unit: 'binary', maxLength: 600 });
  fc.assert(
    fc.property(hostile, hostile, (clientName, helo) => {
      const changed: ClientIdentity = { ...client, clientName, helo };
      for (const line of [
        ...xforwardCommands(changed, attributesIn(all)),
        xclientCommand(changed, attributesIn(all)),
      ]) {
        assert.match(line, /^X(?:FORWARD|CLIENT)(?: [A-Z]+=[!-<>-~]+)+$/);
        assert.ok(line.length <= 510);
      }
    }),
  );
});

test('xtext is undone by its receiver', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
      const octets = xtext(text).replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
        String.fromCharCode(parseInt(hex, 16)),
      );
      const decoded = Buffer.from(octets, 'latin1');
      assert.ok(decoded.equals(Buffer.from(text).subarray(0, decoded.length)));
    }),
  );
});

const forward = [...usual, `XFORWARD ${all}`];
const xclient = [...usual, 'XCLIENT NAME ADDR PROTO HELO'];

for (const extensions of [forward, forward.slice(1)]) {
  test(`each mail brings its own client by XFORWARD${extensions === forward ? '' : ', without PIPELINING too'}`, async () => {
    await withRelay({ mta: { extensions } }, async ({ mta, relay }) => {
      for (const helo of ['one.example', 'two.example']) await relay.send(request({ helo }));
      assert.deepEqual(
        mta.said.filter((line) => line.startsWith('XF')),
        [
          'XFORWARD ADDR=192.0.2.9 NAME=client.example PROTO=ESMTP SOURCE=REMOTE HELO=one.example',
          'XFORWARD ADDR=192.0.2.9 NAME=client.example PROTO=ESMTP SOURCE=REMOTE HELO=two.example',
        ],
      );
      assert.equal(mta.messages.length, 2);
    });
  });
}

test('XFORWARD is preferred to XCLIENT', async () => {
  await withRelay({ mta: { extensions: [...xclient, 'XFORWARD ADDR'] } }, async ({ mta, relay }) => {
    await relay.send(request());
    assert.deepEqual(
      mta.said.filter((line) => line.startsWith('X')),
      ['XFORWARD ADDR=192.0.2.9'],
    );
  });
});

for (const answer of ['550 5.7.0 insufficient authorization', '501 5.5.4 bad parameter', '450 4.7.0 no']) {
  test(`a refused XFORWARD (${answer}) is reported and the mail goes on without`, async () => {
    const script = ({ verb }: Step): Answer => (verb === 'XFORWARD' ? answer : undefined);
    await withRelay({ mta: { extensions: forward, script } }, async ({ relay, problems }) => {
      for (const _ of [1, 2]) assert.equal((await relay.send(request())).kind, 'accepted');
      assert.deepEqual(problems, [`XFORWARD was answered ${answer}`]);
    });
  });
}

test('a 421 to XFORWARD is the answer to the mail', async () => {
  const script = ({ verb }: Step): Answer => (verb === 'XFORWARD' ? '421 4.3.2 closing' : undefined);
  await withRelay({ mta: { extensions: forward, script } }, async ({ relay }) => {
    const result = await relay.send(request());
    assert.equal(result.kind === 'refused' && replyText(result.reply), '451 4.3.2 closing');
  });
});

test('XCLIENT is followed by a fresh EHLO in the client name, and said again only for another client', async () => {
  await withRelay({ mta: { extensions: xclient }, relay: { connections: 1 } }, async ({ mta, relay }) => {
    for (const helo of ['one.example', 'one.example', '[192.0.2.9]', 'not a name']) {
      assert.equal((await relay.send(request({ helo }))).kind, 'accepted');
    }
    assert.deepEqual(
      mta.said.filter((line) => /^(?:XCLIENT|EHLO)/.test(line)),
      [
        'EHLO postern.example',
        'XCLIENT ADDR=192.0.2.9 NAME=client.example PROTO=ESMTP HELO=one.example',
        'EHLO one.example',
        'XCLIENT ADDR=192.0.2.9 NAME=client.example PROTO=ESMTP HELO=[192.0.2.9]',
        'EHLO [192.0.2.9]',
        'XCLIENT ADDR=192.0.2.9 NAME=client.example PROTO=ESMTP HELO=not+20a+20name',
        'EHLO postern.example',
      ],
    );
    assert.equal(mta.lines.length, 1);
  });
});

test('an EHLO in the client name that is refused is said again in ours', async () => {
  const script = ({ line }: Step): Answer => (line === 'EHLO helo.example' ? '550 5.7.1 bad name' : undefined);
  await withRelay({ mta: { extensions: xclient, script } }, async ({ relay }) => {
    assert.equal((await relay.send(request())).kind, 'accepted');
  });
});

test('a refused XCLIENT does not stop the mail', async () => {
  const script = ({ verb }: Step): Answer => (verb === 'XCLIENT' ? '550 5.7.0 insufficient authorization' : undefined);
  await withRelay({ mta: { extensions: xclient, script } }, async ({ mta, relay, problems }) => {
    for (const _ of [1, 2]) assert.equal((await relay.send(request())).kind, 'accepted');
    assert.equal(mta.lines.length, 1);
    assert.equal(problems.length, 1);
  });
});

test('no mail goes out under the name of an earlier client', async () => {
  const script = ({ verb, connection, mail }: Step): Answer =>
    verb === 'XCLIENT' && connection === 1 && mail === 1 ? '550 5.7.0 no more' : undefined;
  await withRelay({ mta: { extensions: xclient, script }, relay: { connections: 1 } }, async ({ mta, relay }) => {
    for (const helo of ['one.example', 'two.example'])
      assert.equal((await relay.send(request({ helo }))).kind, 'accepted');
    assert.equal(mta.lines.length, 2);
    assert.match(mta.lines[1]?.[1] ?? '', /^XCLIENT .* HELO=two\.example$/);
  });
});
