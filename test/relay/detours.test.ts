/**
 * Several destinations: which one a mail goes to, when the next one is tried, and that no mail is in two places. Each
 * is an MTA that does what the test says.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { replyText } from '../../src/mail/reply.js';
import { openRelay, type Relay, type RelayOptions, type RelayResult } from '../../src/relay/relay.js';
import { request, spooled, text } from './support/requests.js';
import { type Answer, close, reset, ScriptedMta, silence, type Step, type Verb } from './support/scripted-mta.js';
import { destinations, usual } from './support/with-relay.js';

interface Site {
  readonly a: ScriptedMta;
  readonly b: ScriptedMta;
  readonly relay: Relay;
  readonly problems: string[];
  readonly detours: string[];
}

type Script = (step: Step) => Answer;

interface SiteOptions {
  readonly a?: Script;
  readonly b?: Script;
  /** `,` or `;` */
  readonly between?: string;
  readonly relay?: Partial<RelayOptions>;
}

async function siteOf(
  t: TestContext,
  { a: scriptA, b: scriptB, between = ';', relay: more }: SiteOptions,
): Promise<Site> {
  const start = (script: Script | undefined): Promise<ScriptedMta> =>
    ScriptedMta.start({ extensions: usual, ...(script && { script }) });
  const [a, b] = await Promise.all([start(scriptA), start(scriptB)]);
  const problems: string[] = [];
  const detours: string[] = [];
  const relay = openRelay({
    destinations: destinations(`127.0.0.1:${a.port}${between} 127.0.0.1:${b.port}`),
    hostname: 'postern.example',
    connections: 4,
    timeoutMs: 20_000,
    onError: (problem) => problems.push(problem),
    onDetour: (destination) => detours.push(destination),
    ...more,
  });
  t.after(async () => {
    await relay.close();
    await Promise.all([a.stop(), b.stop()]);
  });
  return { a, b, relay, problems, detours };
}

const told = (result: RelayResult): string => ('reply' in result ? replyText(result.reply) : result.kind);
const at = (mta: ScriptedMta): string => `127.0.0.1:${mta.port}`;
const always =
  (verb: Verb, answer: Answer): Script =>
  (step) =>
    step.verb === verb ? answer : undefined;

test('the second is for the time when the first is down', async (t) => {
  const { a, b, relay } = await siteOf(t, {});
  for (let i = 0; i < 3; i++) {
    const result = await relay.send(request());
    assert.deepEqual([told(result), result.destination], ['accepted', at(a)]);
  }
  assert.equal(b.messages.length, 0);
});

/** [what the first one does, its script, how often it may be tried] */
const failures: readonly (readonly [string, Script])[] = [
  ['closes before it greets', always('CONNECT', close)],
  ['resets before it greets', always('CONNECT', reset)],
  ['greets with 421', always('CONNECT', '421 4.3.2 not now')],
  ['greets with 554', always('CONNECT', '554 5.3.2 no service')],
  ['says what is no reply', always('CONNECT', 'hello')],
  ['says 4xx to EHLO', always('EHLO', '450 4.3.2 not now')],
  ['says 421 to EHLO', always('EHLO', '421 4.3.2 not now')],
  ['closes at EHLO', always('EHLO', close)],
  ['says 421 to MAIL', always('MAIL', '421 4.3.2 shutting down')],
  ['says 421 to RCPT', always('RCPT', '421 4.3.2 shutting down')],
  ['says 421 to DATA', always('DATA', '421 4.3.2 shutting down')],
  ['closes at MAIL', always('MAIL', close)],
  ['resets at RCPT', always('RCPT', reset)],
];

for (const [what, script] of failures) {
  test(`where the first ${what}, the second gets the mail, and the first is left alone`, async (t) => {
    const { a, b, relay, problems, detours } = await siteOf(t, { a: script });
    for (let i = 0; i < 3; i++) {
      const result = await relay.send(request());
      assert.deepEqual([told(result), result.destination], ['accepted', at(b)]);
    }
    assert.equal(a.lines.length, 1, 'it is tried once');
    assert.equal(a.messages.length, 0);
    assert.equal(b.messages.length, 3);
    assert.deepEqual(detours, [at(a)]);
    assert.equal(problems.length, 1);
    assert.match(
      problems[0] ?? '',
      new RegExp(`^127\\.0\\.0\\.1:${a.port}: .*; mail goes to 127\\.0\\.0\\.1:${b.port}$`),
    );
  });
}

test('where the first is silent at its greeting, the second gets the mail within its time', async (t) => {
  const { b, relay } = await siteOf(t, { a: always('CONNECT', silence) });
  const results = await Promise.all(Array.from({ length: 12 }, () => relay.send(request())));
  assert.deepEqual(new Set(results.map(told)), new Set(['accepted']));
  assert.equal(b.messages.length, 12);
});

/** [what the first one does, its script, what the mail comes to] */
const verdicts: readonly (readonly [string, Script, string])[] = [
  ['says 4xx to MAIL', always('MAIL', '451 4.7.1 greylisted'), '451 4.7.1 greylisted'],
  ['says 5xx to RCPT', always('RCPT', '550 5.1.1 no such user'), '550 5.1.1 no such user'],
  ['says 4xx to DATA', always('DATA', '451 4.3.0 not now'), '451 4.3.0 not now'],
  ['says 4xx behind the dot', always('.', '451 4.3.0 not now'), '451 4.3.0 not now'],
  ['says 421 behind the dot', always('.', '421 4.3.2 shutting down'), '451 4.3.2 shutting down'],
  ['closes behind the dot', always('.', close), 'unreachable'],
  ['is silent behind the dot', always('.', silence), 'unreachable'],
];

for (const [what, script, expected] of verdicts) {
  test(`where the first ${what}, that is the answer, and the second never hears of the mail`, async (t) => {
    const { b, relay } = await siteOf(t, { a: script, relay: { timeoutMs: 1_500 } });
    assert.equal(told(await relay.send(request())), expected);
    assert.equal(b.lines.length, 0);
  });
}

test('a first that dies in the middle of a message is not followed by the second', async (t) => {
  const { a, b, relay } = await siteOf(t, { a: always('PART', reset) });
  const large = spooled(...Array.from({ length: 100 }, () => Buffer.alloc(65_536, 'x\r\n')), Buffer.from('\r\n'));
  assert.equal(told(await relay.send(request({ message: large }))), 'unreachable');
  assert.deepEqual([a.messages.length, b.lines.length], [0, 0]);
});

test('all down is one answer, which names each, and the next mail tries one of them', async (t) => {
  const down = always('CONNECT', '421 4.3.2 not now');
  let isDown = true;
  const { a, b, relay } = await siteOf(t, { a: down, b: (step) => (isDown ? down(step) : undefined) });
  const result = await relay.send(request());
  assert.equal(result.kind, 'unreachable');
  const problem = result.kind === 'unreachable' ? result.problem : '';
  assert.equal(problem, [a, b].map((mta) => `${at(mta)}: the MTA greeted with 421 4.3.2 not now`).join('; '));
  assert.equal(told(await relay.send(request())), 'unreachable');
  assert.deepEqual([a.lines.length, b.lines.length], [2, 1], 'the one that has been left alone for longest');
  isDown = false;
  assert.equal(told(await relay.send(request())), 'accepted');
  assert.equal(b.messages.length, 1);
});

test('a comma shares the load, also by one mail after the other', async (t) => {
  const { a, b, relay } = await siteOf(t, { between: ',' });
  for (let i = 0; i < 10; i++) assert.equal(told(await relay.send(request())), 'accepted');
  assert.deepEqual([a.messages.length, b.messages.length], [5, 5]);
});

test('of two that share the load, the one that hangs gets no more than it has', async (t) => {
  const { a, b, relay } = await siteOf(t, {
    between: ',',
    a: always('.', silence),
    relay: { connections: 2, timeoutMs: 4_000 },
  });
  const results = await Promise.all(Array.from({ length: 20 }, () => relay.send(request())));
  const accepted = results.filter(({ kind }) => kind === 'accepted').length;
  // One that was handed over as its time ran out is there as well, and its client comes again.
  assert.ok(b.messages.length >= accepted && b.messages.length <= 18, `${b.messages.length} of ${accepted}`);
  assert.ok(accepted >= 8, `${accepted} of 20`);
  assert.ok(a.messages.length <= 12);
});

test('the second that had no time left to answer in has not failed, and has the next mail', async (t) => {
  let isBack = false;
  const { b, relay } = await siteOf(t, {
    a: always('CONNECT', silence),
    b: ({ verb }) => (verb === 'EHLO' && !isBack ? silence : undefined),
    relay: { timeoutMs: 6_000 }, // of which the first has five seconds
  });
  assert.equal((await relay.send(request())).kind, 'unreachable');
  isBack = true;
  assert.equal(told(await relay.send(request())), 'accepted');
  assert.equal(b.messages.length, 1);
});

test('a mail has its own destination, and the others theirs', async (t) => {
  const { a, b, relay } = await siteOf(t, { b: always('RCPT', '550 5.1.1 not here') });
  const onlyB = destinations(at(b));
  assert.equal(told(await relay.send(request({ to: onlyB }))), '550 5.1.1 not here');
  assert.equal(told(await relay.send(request())), 'accepted');
  assert.equal(a.messages.length, 1);
  assert.deepEqual(
    [(await relay.probe('foo@example.com', onlyB)).kind, (await relay.probe('foo@example.com')).kind],
    ['refused', 'taken'],
    'what one says of a recipient is not what the other says',
  );
});

test('a recipient is asked about where the mail would go', async (t) => {
  const { a, b, relay } = await siteOf(t, { a: always('CONNECT', close), b: always('RCPT', '550 5.1.1 no such user') });
  assert.deepEqual(await relay.probe('foo@example.com'), { kind: 'refused', text: '550 5.1.1 no such user' });
  assert.deepEqual([a.lines.length, b.lines.length], [1, 1]);
});

test('a destination that greets as ourselves is never given a mail', async (t) => {
  const { a, b, relay, problems } = await siteOf(t, { a: always('CONNECT', '220 postern.example ESMTP postern') });
  const result = await relay.send(request());
  assert.deepEqual([told(result), result.destination], ['accepted', at(b)]);
  assert.deepEqual(a.said, []);
  assert.match(problems.join('\n'), /it is postern itself: mail would go round for ever/);
});

test('another postern behind us is an MTA like any', async (t) => {
  const { a, relay } = await siteOf(t, { a: always('CONNECT', '220 inner.example ESMTP postern') });
  assert.equal(told(await relay.send(request())), 'accepted');
  assert.equal(a.messages.length, 1);
});

test('two destinations, of which one dies under load: no mail is lost, and none is in both', async (t) => {
  let mails = 0;
  const { a, b, relay } = await siteOf(t, {
    between: ',',
    a: ({ verb }) => (verb === 'MAIL' && ++mails > 20 ? reset : mails > 20 && verb === 'CONNECT' ? close : undefined),
    relay: { connections: 4 },
  });
  const sent = Array.from({ length: 200 }, (_, i) => `Subject: ${i}\r\n\r\n${text}`);
  const results = await Promise.all(
    sent.map((octets) => relay.send(request({ message: spooled(Buffer.from(octets)) }))),
  );
  const subjects = [...a.messages, ...b.messages].map(({ wire }) => /Subject: (\d+)/.exec(wire.toString())?.[1]);
  const accepted = results.flatMap(({ kind }, i) => (kind === 'accepted' ? [String(i)] : []));
  assert.deepEqual(new Set(subjects), new Set(accepted), 'each that was accepted is there, and no other');
  assert.equal(subjects.length, accepted.length, 'and once');
  assert.equal(accepted.length, 200, 'nothing was begun at the dead one that the other did not get');
  assert.ok(a.messages.length >= 10);
});
