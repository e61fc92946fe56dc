/** Handlers that answer by promise: order, cancelling, PROGRESS. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Answer,
  type MilterPolicy,
  type Transaction,
  insertHeader,
  proceed,
  reject,
} from '../../src/milter/policy.js';
import {
  Talk,
  abort,
  connect,
  data,
  eom,
  header,
  helo,
  mail,
  message,
  negotiate,
  nextSession,
  packet,
  quit,
  rcpt,
  settled,
  unknown,
} from '../support/milter-mta.js';

/** A promise that is kept by hand. */
class Later<A = Answer> {
  readonly promise: Promise<A>;
  keep!: (answer: A) => void;
  break!: (error: Error) => void;

  constructor() {
    this.promise = new Promise((keep, fail) => {
      this.keep = keep;
      this.break = fail;
    });
  }
}

test('later commands wait, and are answered in order, in one write', async () => {
  const later = new Later();
  const seen: string[] = [];
  const talk = new Talk({ mail: () => later.promise, rcpt: () => void seen.push('rcpt'), eom: () => reject });
  talk.send(negotiate(), connect(), mail(), rcpt(), data, eom());
  assert.deepEqual(talk.said().slice(1), ['c']);
  assert.ok(talk.session.busy);
  assert.ok(talk.session.backlog > 0);
  assert.deepEqual(seen, []);
  later.keep(proceed);
  await settled();
  assert.equal(talk.writes.length, 1);
  assert.deepEqual(talk.said(), ['c', 'c', 'c', 'r']);
  assert.deepEqual(seen, ['rcpt']);
  assert.deepEqual([talk.session.busy, talk.session.backlog], [false, 0]);
});

test('a rejected promise is a failure of the filter', async () => {
  const talk = new Talk({ mail: () => Promise.reject(new Error('broken')), helo: async () => {} });
  talk.send(negotiate(), helo(), mail());
  await settled();
  assert.deepEqual(talk.answers.slice(1), ['c', 't']);
  assert.deepEqual(talk.failures, ['mail: broken']);
});

test('so is one of a handler that answers nothing', async () => {
  const policy = { abort: (): Promise<never> => Promise.reject(new Error('late')) };
  const talk = new Talk(policy).send(negotiate(), mail(), abort);
  await settled();
  assert.deepEqual(talk.failures, ['abort: late']);
});

interface Cancelled {
  readonly pendingAt: 'mail' | 'rcpt' | 'header' | 'eom';
  readonly by: readonly Buffer[];
  /** What is said at once. */
  readonly says: readonly string[];
}

const cancelled: readonly [what: string, script: Cancelled][] = [
  ['ABORT at MAIL', { pendingAt: 'mail', by: [abort], says: [] }],
  ['ABORT at MAIL, and what came between', { pendingAt: 'mail', by: [rcpt(), rcpt(), abort], says: [] }],
  ['ABORT at the end of a message', { pendingAt: 'eom', by: [abort], says: [] }],
  ['ABORT where the MTA does not wait', { pendingAt: 'header', by: [header(), header(), abort], says: [] }],
  ['ABORT and the next mail', { pendingAt: 'rcpt', by: [abort, abort, helo('b')], says: ['c'] }],
  [
    'ABORT of a message, not of what concerns the session',
    { pendingAt: 'rcpt', by: [unknown('A'), eom(), unknown('B'), abort], says: ['c', 'c'] },
  ],
  ['QUIT', { pendingAt: 'eom', by: [quit], says: [] }],
  ['QUIT behind what waits', { pendingAt: 'mail', by: [rcpt(), quit], says: [] }],
  ['a new session', { pendingAt: 'mail', by: [nextSession, connect()], says: ['c'] }],
  ['a new negotiation', { pendingAt: 'mail', by: [negotiate(6, 0, 0)], says: ['O 0x6 0x0 0x0'] }],
  ['a broken frame', { pendingAt: 'mail', by: [packet('Z')], says: [] }],
  ['a broken frame behind what waits', { pendingAt: 'mail', by: [rcpt(), Buffer.alloc(4)], says: [] }],
];

for (const [what, { pendingAt, by, says }] of cancelled) {
  test(`cancelled by ${what}: the signal is aborted, and nothing is said any more`, async () => {
    const later = new Later();
    let signal: AbortSignal | undefined;
    const aborted: boolean[] = [];
    const policy: MilterPolicy = {
      silent: ['header'],
      rcpt: () => proceed,
      header: () => proceed,
      unknown: () => proceed,
      abort: (transaction) => void aborted.push(transaction.signal.aborted),
      [pendingAt]: (transaction: Transaction) => {
        signal = transaction.signal;
        return later.promise;
      },
    };
    const steps = { mail: [mail()], rcpt: [mail(), rcpt()], header: [mail(), header()], eom: [mail(), eom()] };
    const talk = new Talk(policy).send(negotiate(), connect(), ...steps[pendingAt]);
    talk.said();
    assert.equal(signal?.aborted, false);
    talk.send(...by);
    assert.equal(signal?.aborted, true);
    assert.deepEqual(aborted, [true]);
    assert.deepEqual(talk.said(), says);
    later.keep(reject);
    await settled();
    assert.deepEqual(talk.said(), []);
    assert.equal(talk.session.backlog, 0);
  });
}

test('cancelled by the end of the connection', async () => {
  const later = new Later();
  let signals: AbortSignal[] = [];
  const talk = new Talk({
    mail: ({ signal, session }) => {
      signals = [signal, session.signal];
      return later.promise;
    },
  }).send(negotiate(), mail(), rcpt());
  talk.said();
  talk.session.end();
  assert.deepEqual(
    signals.map((signal) => signal.aborted),
    [true, true],
  );
  later.break(new Error('aborted'));
  await settled();
  assert.deepEqual([talk.said(), talk.failures], [[], []]);
});

test('the session goes on behind a cancelled message, and its late answer does not reach the next one', async () => {
  const answers = [new Later(), new Later()];
  let n = 0;
  const talk = new Talk({ mail: () => answers[n++]?.promise }).send(negotiate(), mail('<1@x>'), abort, mail('<2@x>'));
  talk.said();
  answers[0]?.keep(reject);
  await settled();
  assert.deepEqual(talk.said(), []);
  answers[1]?.keep(proceed);
  await settled();
  assert.deepEqual(talk.said(), ['c']);
});

test('a signal asked for too late is aborted already; that of a settled message is not', () => {
  const kept: Transaction[] = [];
  const talk = new Talk({ mail: (transaction) => void kept.push(transaction) });
  talk.send(negotiate(), mail(), abort, message, abort);
  assert.deepEqual(
    kept.map(({ signal }) => signal.aborted),
    [true, false],
  );
});

test('PROGRESS is said at the end of a message only, at once, as often as asked for', async () => {
  const later = new Later();
  let transaction: Transaction | undefined;
  const talk = new Talk({
    edits: ['insert-header'],
    mail: (begun) => begun.progress(),
    eom: async (ending) => {
      transaction = ending;
      ending.progress();
      return { ...(await later.promise), edits: [insertHeader('X', 'v')] };
    },
  }).send(negotiate(), mail());
  assert.deepEqual(talk.said().slice(1), ['c']);
  talk.send(eom());
  assert.deepEqual(talk.said(), ['p']);
  transaction?.progress();
  assert.deepEqual(talk.said(), ['p']);
  later.keep(proceed);
  await settled();
  assert.deepEqual(talk.said(), ['i[0]X|v|', 'c']);
  transaction?.progress();
  talk.send(mail(), abort);
  transaction?.progress();
  assert.deepEqual(talk.said(), ['c']);
});

test('no PROGRESS for a message that was dropped', () => {
  let transaction: Transaction | undefined;
  const talk = new Talk({
    eom: (ending) => {
      transaction = ending;
      return new Later().promise;
    },
  }).send(negotiate(), mail(), eom(), abort);
  talk.said();
  transaction?.progress();
  assert.deepEqual(talk.said(), []);
});
