/**
 * Whatever the MTA does at whichever step: one clear result in time, nothing handed over twice, and the next mail
 * goes through.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replyText } from '../../src/mail/reply.js';
import type { RelayResult } from '../../src/relay/relay.js';
import { request } from './support/requests.js';
import { close, reset, silence, type Answer, type Verb } from './support/scripted-mta.js';
import { destinations, usual, withRelay } from './support/with-relay.js';

const told = (result: RelayResult): string => ('reply' in result ? replyText(result.reply) : result.kind);

const steps: readonly Verb[] = ['CONNECT', 'EHLO', 'MAIL', 'RCPT', 'DATA', '.'];

/** What a refusal at the step is to the client: a greeting or an EHLO is no verdict on the mail. */
const verdictOf = (step: Verb, verdict: string): string =>
  step === 'CONNECT' || step === 'EHLO' ? 'unreachable' : verdict;

const faults: readonly (readonly [string, Answer, string])[] = [
  ['says 4xx', '450 4.2.9 not now', '450 4.2.9 not now'],
  ['says 5xx', '554 5.7.9 never', '554 5.7.9 never'],
  ['says 421', '421 4.3.2 closing', '451 4.3.2 closing'],
  ['says what is no reply', 'hello there', 'unreachable'],
  ['closes', close, 'unreachable'],
  ['resets', reset, 'unreachable'],
  ['is silent', silence, 'unreachable'],
];

for (const extensions of [usual, ['8BITMIME']]) {
  const how = extensions === usual ? '' : ', without PIPELINING';
  for (const step of steps) {
    for (const [what, answer, verdict] of faults) {
      test(`an MTA that ${what} at ${step}${how} means ${verdictOf(step, verdict)}, and the next mail is accepted`, async () => {
        let broken = true;
        const script = ({ verb }: { verb: Verb }): Answer =>
          // HELO is what a refused EHLO is followed by.
          broken && (verb === step || (step === 'EHLO' && verb === 'HELO')) ? answer : undefined;
        // Only silence is waited for; the mail that follows has to be through in that time, too.
        const timeoutMs = answer === silence ? 2_000 : 60_000;
        await withRelay({ mta: { extensions, script }, relay: { timeoutMs } }, async ({ mta, relay }) => {
          assert.equal(told(await relay.send(request())), verdictOf(step, verdict));
          assert.equal(mta.messages.length, step === '.' ? 1 : 0);
          broken = false;
          assert.equal(told(await relay.send(request())), 'accepted');
          assert.equal(mta.messages.length, step === '.' ? 2 : 1);
        });
      });
    }
  }
}

const liars: readonly (readonly [string, Verb, Answer, string])[] = [
  ['a success instead of 354 is no invitation', 'DATA', '250 2.0.0 Ok', 'unreachable'],
  ['a 354 to the end of data is no success', '.', '354 more', '451 4.5.0 Unexpected reply of the local mail server'],
  ['a farewell to the end of data is no success', '.', '221 2.0.0 bye', 'unreachable'],
  ['a 354 to RCPT is no success', 'RCPT', '354 go ahead', '451 4.5.0 Unexpected reply of the local mail server'],
  [
    'success said together with 354, before the message, is no success',
    'DATA',
    '354 go\r\n250 2.0.0 Ok',
    'unreachable',
  ],
  ['a reply that never ends is cut off', 'MAIL', `250-${'x'.repeat(70_000)}\r\n250-`, 'unreachable'],
];

for (const [what, step, answer, verdict] of liars) {
  test(what, async () => {
    const script = ({ verb, mail }: { verb: Verb; mail: number }): Answer =>
      verb === step && mail === 1 ? answer : undefined;
    await withRelay({ mta: { extensions: usual, script }, relay: { timeoutMs: 60_000 } }, async ({ relay }) => {
      assert.equal(told(await relay.send(request())), verdict);
      assert.equal(told(await relay.send(request())), 'accepted');
    });
  });
}

test('a reply too many is never taken for the next mail', async () => {
  const script = ({ verb }: { verb: Verb }): Answer => (verb === '.' ? '250 2.0.0 Ok\r\n250 2.0.0 Ok' : undefined);
  await withRelay({ mta: { extensions: usual, script }, relay: { connections: 1 } }, async ({ mta, relay }) => {
    const results = await Promise.all([1, 2, 3].map(() => relay.send(request())));
    assert.deepEqual(results.map(told), ['accepted', 'accepted', 'accepted']);
    assert.equal(mta.messages.length, 3);
    assert.equal(mta.lines.length, 3, 'each mail has a connection of its own');
  });
});

test('where nobody listens the mail is unreachable at once', async () => {
  await withRelay({}, async ({ mta, relay }) => {
    await mta.stop();
    const result = await relay.send(request());
    assert.equal(result.kind, 'unreachable');
    assert.match(result.kind === 'unreachable' ? result.problem : '', /ECONNREFUSED/);
  });
});

test('an MTA that comes back gets the next mail', async () => {
  await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
    const { port } = mta;
    assert.equal(told(await relay.send(request())), 'accepted');
    await mta.stop();
    assert.equal(told(await relay.send(request())), 'unreachable');
    await mta.listen(port);
    assert.equal(told(await relay.send(request())), 'accepted');
  });
});

test('a name that does not resolve is unreachable', async () => {
  const nowhere = destinations('nowhere.invalid:25');
  await withRelay({ relay: { destinations: nowhere, timeoutMs: 6_000 } }, async ({ relay }) => {
    assert.equal(told(await relay.send(request())), 'unreachable');
  });
});

test('the problem is one line of printable ASCII, whatever the MTA says', async () => {
  const script = ({ verb }: { verb: Verb }): Answer => (verb === 'CONNECT' ? '554 go \u001b[2J away\u0085' : undefined);
  await withRelay({ mta: { script } }, async ({ relay }) => {
    const result = await relay.send(request());
    assert.match(result.kind === 'unreachable' ? result.problem : '', /^[\x20-\x7e]*554 go \?\[2J away[\x20-\x7e]*$/);
  });
});

test('a server that knows no EHLO is named once, not with each mail', async () => {
  const script = ({ verb }: { verb: Verb }): Answer =>
    verb === 'EHLO' || verb === 'HELO' ? '500 5.5.1 LHLO first' : undefined;
  await withRelay({ mta: { script } }, async ({ relay, problems }) => {
    for (let i = 0; i < 3; i++) {
      const result = await relay.send(request());
      assert.match(result.kind === 'unreachable' ? result.problem : '', /is it LMTP\?$/);
    }
    assert.deepEqual(problems.filter((problem) => problem.includes('LMTP')).length, 1);
  });
});

test('an old server that knows HELO alone is served', async () => {
  const script = ({ verb }: { verb: Verb }): Answer => (verb === 'EHLO' ? '500 5.5.1 Unknown' : undefined);
  await withRelay({ mta: { script } }, async ({ mta, relay }) => {
    assert.equal(told(await relay.send(request())), 'accepted');
    assert.equal(mta.messages.length, 1);
  });
});

for (const [step, expected] of [
  ['MAIL', '554 5.0.0 no'],
  ['RCPT', '554 5.1.1 no'],
  ['.', '554 5.6.0 no'],
] as const)
  test(`a refusal without an enhanced code at ${step} becomes ${expected}`, async () => {
    const script = ({ verb }: { verb: Verb }): Answer => (verb === step ? '554 no' : undefined);
    await withRelay({ mta: { extensions: usual, script } }, async ({ relay }) => {
      assert.equal(told(await relay.send(request())), expected);
    });
  });

test('a mail whose client cannot be named leaves its place to the next', async () => {
  const unreadable = {
    ...request(),
    get helo(): string {
      throw new Error('there is none');
    },
  };
  const mta = { extensions: [...usual, 'XCLIENT NAME ADDR PROTO HELO'] };
  await withRelay({ mta, relay: { connections: 1 } }, async ({ relay }) => {
    for (let i = 0; i < 3; i++) assert.equal(told(await relay.send(unreadable)), 'unreachable');
    assert.equal(told(await relay.send(request())), 'accepted');
  });
});
