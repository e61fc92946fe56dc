/** One reply to the client for all recipients, so the MTA gets the mail for all of them or for none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replyText } from '../../src/mail/reply.js';
import type { RelayResult } from '../../src/relay/relay.js';
import { request } from './support/requests.js';
import type { Answer, Step } from './support/scripted-mta.js';
import { until, usual, withRelay } from './support/with-relay.js';

const answers: Readonly<Record<string, string>> = {
  'no@example.com': '550 5.1.1 No such user',
  'never@example.com': '553 5.7.1 Never',
  'later@example.com': '450 4.2.0 Later',
  'full@example.com': '452 4.2.2 Full',
  'closing@example.com': '421 4.3.2 Closing',
};

const script = ({ verb, line }: Step): Answer =>
  verb === 'RCPT' ? answers[/<(.*)>/.exec(line)?.[1] ?? ''] : undefined;

function told(result: RelayResult): unknown {
  if (result.kind === 'refused') return replyText(result.reply);
  if (result.kind === 'partly')
    return Object.fromEntries([...result.refused].map(([to, reply]) => [to, replyText(reply)]));
  return result.kind;
}

const cases: readonly (readonly [string, readonly string[], unknown])[] = [
  ['all taken: accepted', ['a@example.com', 'b@example.com'], 'accepted'],
  [
    'one refused: partly, with its own reply',
    ['a@example.com', 'no@example.com'],
    { 'no@example.com': '550 5.1.1 No such user' },
  ],
  ['the first refused: the same', ['no@example.com', 'a@example.com'], { 'no@example.com': '550 5.1.1 No such user' }],
  ['one deferred: partly', ['a@example.com', 'later@example.com'], { 'later@example.com': '450 4.2.0 Later' }],
  [
    'two of three: each its own',
    ['no@example.com', 'a@example.com', 'later@example.com'],
    { 'no@example.com': '550 5.1.1 No such user', 'later@example.com': '450 4.2.0 Later' },
  ],
  ['a single one refused: refused', ['no@example.com'], '550 5.1.1 No such user'],
  ['all refused: refused with the first', ['no@example.com', 'never@example.com'], '550 5.1.1 No such user'],
  [
    'all refused, one of them for now: with the deferral',
    ['no@example.com', 'later@example.com', 'full@example.com'],
    '450 4.2.0 Later',
  ],
  [
    'a 421 among them: try again later, all of you',
    ['a@example.com', 'closing@example.com', 'b@example.com'],
    '451 4.3.2 Closing',
  ],
  ['the same one twice, refused: refused', ['no@example.com', 'no@example.com'], '550 5.1.1 No such user'],
];

for (const extensions of [usual, ['8BITMIME']]) {
  const how = extensions === usual ? 'pipelined' : 'one by one';
  for (const [what, recipients, expected] of cases) {
    test(`${what} (${how})`, async () => {
      await withRelay({ mta: { extensions, script } }, async ({ mta, relay }) => {
        assert.deepEqual(told(await relay.send(request({ recipients }))), expected);
        assert.equal(mta.messages.length, expected === 'accepted' ? 1 : 0);
        assert.equal(told(await relay.send(request({ recipients: ['next@example.com'] }))), 'accepted');
        assert.deepEqual(mta.messages.at(-1)?.to, ['RCPT TO:<next@example.com>'], 'nothing leaks into the next mail');
      });
    });
  }
}

test('refused recipients cost a RSET, not the connection, and no DATA', async () => {
  await withRelay({ mta: { extensions: usual, script }, relay: { connections: 1 } }, async ({ mta, relay }) => {
    for (const recipients of [['a@example.com', 'no@example.com'], ['no@example.com'], ['a@example.com']]) {
      await relay.send(request({ recipients }));
    }
    const verbs = mta.said.map((line) => line.split(/[ :]/)[0]);
    assert.deepEqual(verbs, [
      'EHLO',
      'MAIL',
      'RCPT',
      'RCPT',
      'RSET',
      'MAIL',
      'RCPT',
      'DATA',
      'RSET',
      'MAIL',
      'RCPT',
      'DATA',
    ]);
    assert.equal(mta.lines.length, 1);
  });
});

for (const recipients of [['no@example.com'], ['no@example.com', 'later@example.com']]) {
  test(`an MTA that takes DATA although ${recipients.join(' and ')} is refused gets no message, not even an empty one`, async () => {
    const careless = (step: Step): Answer =>
      step.verb === 'DATA' && step.connection === 1 ? '354 go ahead' : script(step);
    await withRelay({ mta: { extensions: usual, script: careless } }, async ({ mta, relay }) => {
      assert.equal((await relay.send(request({ recipients }))).kind, 'refused');
      await until(() => mta.open === 0 || recipients.length > 1);
      assert.equal(mta.messages.length, 0);
      assert.equal(told(await relay.send(request())), 'accepted');
    });
  });
}

test('an MTA that fails at RSET loses its connection, not the verdict', async () => {
  const sulking = (step: Step): Answer => (step.verb === 'RSET' ? '502 5.5.1 What?' : script(step));
  await withRelay(
    { mta: { extensions: usual, script: sulking }, relay: { connections: 1 } },
    async ({ mta, relay }) => {
      assert.equal(told(await relay.send(request({ recipients: ['no@example.com'] }))), '550 5.1.1 No such user');
      assert.equal(told(await relay.send(request())), 'accepted');
      assert.equal(mta.lines.length, 2);
    },
  );
});

test('a thousand recipients', async () => {
  const recipients = Array.from({ length: 1000 }, (_, i) => `user${i}@example.com`);
  await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
    assert.equal(told(await relay.send(request({ recipients }))), 'accepted');
    assert.equal(mta.messages[0]?.to.length, 1000);
  });
});
