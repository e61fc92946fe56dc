/**
 * Whatever an MTA sends, and however it is cut: one answer for each command that is due one, in order, and nothing
 * else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type MilterPolicy,
  accept,
  discard,
  insertHeader,
  proceed,
  reject,
  replyWith,
  skip,
  tempfail,
} from '../../src/milter/policy.js';
import * as mta from '../support/milter-mta.js';
import { Talk, settled } from '../support/milter-mta.js';

const sessionAnswers = [undefined, proceed, accept, reject, tempfail, replyWith(550, '5.7.1', 'no')];
const answers = [...sessionAnswers, discard];
const bodyAnswers = [...answers, skip];
const finalAnswers = [...answers, { kind: 'continue', edits: [insertHeader('X', 'v')] }] as const;

/** Answers in turn from a list of random numbers; by promise where `late`. */
function randomPolicy(numbers: readonly number[], late: boolean): MilterPolicy {
  let n = 0;
  const pick = <A>(from: readonly A[]): A => from[(numbers[n++ % numbers.length] ?? 0) % from.length] as A;
  const give = (from: readonly unknown[]): never => {
    const answer = pick(from);
    return (late && pick([true, false]) ? Promise.resolve(answer) : answer) as never;
  };
  return {
    edits: ['insert-header'],
    silent: ['eoh'],
    connect: () => give(sessionAnswers),
    helo: () => give(sessionAnswers),
    unknown: () => give(sessionAnswers),
    mail: () => give(answers),
    rcpt: () => give(answers),
    header: () => give(bodyAnswers),
    eoh: () => give(answers),
    body: () => give(bodyAnswers),
    eom: () => give(finalAnswers),
  };
}

/** Commands, and whether an answer is due to them (those switched off are answered where they come all the same). */
const commands: readonly (readonly [Buffer, due: boolean])[] = [
  [mta.connect(), true],
  [mta.helo(), true],
  [mta.mail(), true],
  [mta.mail('<x@y>', 'SIZE=1'), true],
  [mta.rcpt(), true],
  [mta.data, true],
  [mta.header(), true],
  [mta.eoh, false],
  [mta.body(), true],
  [mta.eom(), true],
  [mta.eom('last'), true],
  [mta.unknown(), true],
  [mta.macros('M', 'i', 'ID'), false],
];
const cancelling: readonly (readonly [Buffer, due: boolean])[] = [
  [mta.abort, false],
  [mta.nextSession, false],
];

const edits = new Set(['i', 'p']);
const verdicts = (talk: Talk<undefined, undefined>): string[] =>
  talk.answers.slice(1).filter((answer) => !edits.has(answer[0] ?? ''));

const numbers = fc.array(fc.nat(), { minLength: 1, maxLength: 50 });
const cuts = fc.array(fc.nat(), { maxLength: 10 });

function sendCut(talk: Talk<undefined, undefined>, stream: Buffer, at: readonly number[]): void {
  const places = [...new Set(at.map((place) => place % (stream.length + 1)))].sort((a, b) => a - b);
  for (const [i, start] of [0, ...places].entries()) talk.send(stream.subarray(start, [...places, stream.length][i]));
}

test('property: at once, each command that is due an answer gets one, however the stream is cut', () => {
  const sequence = fc.array(fc.constantFrom(...commands, ...cancelling), { maxLength: 40 });
  fc.assert(
    fc.property(sequence, numbers, cuts, (sent, random, at) => {
      const stream = Buffer.concat([mta.negotiate(), ...sent.map(([octets]) => octets)]);
      const whole = new Talk(randomPolicy(random, false)).send(stream);
      assert.equal(verdicts(whole).length, sent.filter(([, due]) => due).length);
      const pieces = new Talk(randomPolicy(random, false));
      sendCut(pieces, stream, at);
      assert.deepEqual(pieces.answers, whole.answers);
      assert.deepEqual([whole.failures, whole.dropped], [[], undefined]);
    }),
    { numRuns: 500 },
  );
});

test('property: by promise, the same', async () => {
  const sequence = fc.array(fc.constantFrom(...commands), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(sequence, numbers, cuts, async (sent, random, at) => {
      const stream = Buffer.concat([mta.negotiate(), ...sent.map(([octets]) => octets)]);
      const talk = new Talk(randomPolicy(random, true));
      sendCut(talk, stream, at);
      await settled();
      assert.equal(verdicts(talk).length, sent.filter(([, due]) => due).length);
      assert.deepEqual([talk.session.backlog, talk.failures], [0, []]);
    }),
    { numRuns: 500 },
  );
});

test('property: by promise and with aborts, never an answer too many', async () => {
  const sequence = fc.array(fc.constantFrom(...commands, ...cancelling), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(sequence, numbers, cuts, async (sent, random, at) => {
      const talk = new Talk(randomPolicy(random, true));
      sendCut(talk, Buffer.concat([mta.negotiate(), ...sent.map(([octets]) => octets)]), at);
      await settled();
      assert.ok(verdicts(talk).length <= sent.filter(([, due]) => due).length);
      talk.said();
      talk.send(mta.abort, mta.nextSession, mta.connect());
      await settled();
      assert.equal(talk.said().length, 1);
    }),
    { numRuns: 500 },
  );
});

test('property: any frames and any octets end in answers or in a closed connection, and never in an exception', async () => {
  const frame = fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 80 }))
    .map(([code, octets]) => mta.packet(String.fromCharCode(code), Buffer.from(octets)));
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...[...commands, ...cancelling].map(([octets]) => octets)) },
    { weight: 2, arbitrary: frame },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from(octets)) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), numbers, cuts, async (sent, random, at) => {
      const talk = new Talk(randomPolicy(random, true));
      sendCut(talk, Buffer.concat([mta.negotiate(), ...sent]), at);
      await settled();
      assert.match(talk.answers.map((answer) => answer[0]).join(''), /^[Ocartdsyi]*$/);
      talk.session.end();
    }),
    { numRuns: 500 },
  );
});
