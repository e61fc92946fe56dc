import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Plugin } from '../../src/hooks/plugin.js';
import { type HookOutcome, runHook } from '../../src/hooks/run.js';
import { HookTable } from '../../src/hooks/table.js';
import { testMail } from '../../src/hooks/testing.js';
import { reply } from '../../src/mail/reply.js';
import { accept, defer, note, pardon, pass, refuse, reject, rejectRecipient, skip } from '../../src/mail/verdict.js';

interface Run {
  readonly outcome: HookOutcome;
  /** Plugins that were asked, in order. */
  readonly asked: readonly string[];
  /** `plugin kind` of what was noted. */
  readonly noted: readonly string[];
  /** `level plugin text why`. */
  readonly log: readonly string[];
}

/** Runs `connect` of plugins named a, b, c … that answer so. */
async function run(...answers: readonly (() => unknown)[]): Promise<Run> {
  const asked: string[] = [];
  const noted: string[] = [];
  const log: string[] = [];
  const line =
    (level: string) =>
    (details: object, text: string): void => {
      const { plugin, why } = details as { plugin: string; why?: string };
      log.push([level, plugin, text, ...(why === undefined ? [] : [why])].join(' '));
    };
  const plugins = answers.map((answer, i): Plugin => {
    const name = String.fromCharCode(97 + i);
    return {
      name,
      connect() {
        asked.push(name);
        return answer() as ReturnType<NonNullable<Plugin['connect']>>;
      },
    };
  });
  const outcome = await runHook({
    hook: 'connect',
    id: 'TEST',
    plugins: new HookTable([{ name: 'without this hook', helo: () => accept }, ...plugins]),
    context: testMail({}),
    log: () => ({ debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }),
    debug: true,
    timeoutMs: 30,
    note: ({ plugin, verdict }) => void noted.push(`${plugin} ${verdict.kind}`),
  });
  return { outcome, asked, noted, log };
}

const answering =
  <T>(verdict: T) =>
  (): T =>
    verdict;
const last = answering(pass);

const table: readonly (readonly [
  what: string,
  answer: () => unknown,
  expected: { asked: string; noted?: string; log: string; stop?: string },
])[] = [
  ['pass goes on', answering(pass), { asked: 'ab', log: 'debug a pass' }],
  ['skip goes on', answering(skip('off')), { asked: 'ab', log: 'debug a skip off' }],
  ['note goes on, and is told', answering(note('odd')), { asked: 'ab', log: 'info a note odd' }],
  ['accept asks nobody else', answering(accept), { asked: 'a', log: 'debug a pass' }],
  [
    'reject is noted, and goes on',
    answering(reject('bad', 'very bad')),
    { asked: 'ab', noted: 'a reject', log: 'info a fail very bad' },
  ],
  [
    'reject of a recipient is noted',
    answering(rejectRecipient('who?')),
    { asked: 'ab', noted: 'a reject', log: 'info a fail who?' },
  ],
  [
    'pardon is noted, and goes on',
    answering(pardon('good')),
    { asked: 'ab', noted: 'a pardon', log: 'info a pass good' },
  ],
  [
    'refuse stops',
    answering(refuse(reply(550, '5.7.1', 'no'), 'why')),
    { asked: 'a', log: 'info a fail why', stop: '550 5.7.1 no' },
  ],
  ['defer stops', answering(defer('later', 'why')), { asked: 'a', log: 'info a defer why', stop: '451 4.7.1 later' }],
  [
    'a promise of a verdict is waited for',
    () => Promise.resolve(reject('bad')),
    { asked: 'ab', noted: 'a reject', log: 'info a fail bad' },
  ],
];
for (const [what, answer, expected] of table) {
  test(what, async () => {
    const { outcome, asked, noted, log } = await run(answer, last);
    assert.equal(asked.join(''), expected.asked);
    assert.deepEqual(noted, expected.noted === undefined ? [] : [expected.noted]);
    assert.equal(log[0], expected.log);
    assert.equal(log.length, asked.length, 'one line a plugin');
    assert.equal(textOf(outcome), expected.stop);
  });
}

const textOf = (outcome: HookOutcome): string | undefined =>
  outcome.kind === 'stop' ? [outcome.reply.code, outcome.reply.enhanced, outcome.reply.text].join(' ') : undefined;

class Odd extends Error {}
const circular: Record<string, unknown> = { kind: 'odd' };
circular['self'] = circular;

const broken: readonly (readonly [what: string, answer: () => unknown, why: RegExp])[] = [
  [
    'throws an error',
    () => {
      throw new Odd('ouch');
    },
    /^ouch$/,
  ],
  [
    'throws a string',
    () => {
      throw 'ouch';
    },
    /^ouch$/,
  ], // oxlint-disable-line no-throw-literal
  [
    'throws nothing',
    () => {
      throw undefined;
    },
    /^undefined$/,
  ], // oxlint-disable-line no-throw-literal
  ['rejects', () => Promise.reject(new Error('ouch')), /^ouch$/],
  ['returns nothing', () => undefined, /^a: connect returned undefined, not a verdict$/],
  ['promises nothing', () => Promise.resolve(), /^a: connect returned undefined, not a verdict$/],
  ['returns null', () => null, /^a: connect returned null, not a verdict$/],
  ['returns true', () => true, /^a: connect returned true, not a verdict$/],
  ['returns a word', () => 'pass', /^a: connect returned "pass", not a verdict$/],
  [
    'returns an unknown kind',
    () => ({ kind: 'deny' }),
    /^a: connect returned a verdict of the kind "deny", which there is not$/,
  ],
  ['returns a kind that every object has', () => ({ kind: 'constructor' }), /of the kind "constructor"/],
  ['returns what cannot be shown', () => circular, /of the kind "odd"/],
  ['returns a kind that cannot be shown', () => ({ kind: circular }), /a value that cannot be shown \(object\)/],
  [
    'rejects without a reason',
    () => ({ ...reject('x'), reason: undefined }),
    /^a: connect returned a reject without a reason$/,
  ],
  ['rejects with a code of success', () => ({ ...reject('x'), enhanced: '2.0.0' }), /whose enhanced is "2.0.0"/],
  ['rejects with a number', () => ({ ...reject('x'), reason: 7 }), /a reject whose reason is 7, not a text$/],
  [
    'rejects neither mail nor recipient',
    () => ({ ...reject('x'), about: 'all' }),
    /whose about is "all", not "recipient" or "mail"$/,
  ],
  ['pardons who knows what', () => ({ kind: 'pardon', log: 'x' }), /a pardon without a lifts$/],
  [
    'rewrites to one word',
    () => ({ kind: 'rewrite', recipients: 'a@b.example', log: 'x' }),
    /is "a@b\.example", not a list/,
  ],
  [
    'rewrites to numbers',
    () => ({ kind: 'rewrite', recipients: [7], log: 'x' }),
    /whose recipients is \[7\], not a list of/,
  ],
  ['scores without points', () => ({ kind: 'score', log: 'x' }), /returned a score without points$/],
  [
    'scores what is no number',
    () => ({ kind: 'score', points: NaN, log: 'x' }),
    /whose points are NaN, not a number from -1000 to 1000$/,
  ],
  ['scores too much', () => ({ kind: 'score', points: 1001, log: 'x' }), /whose points are 1001, not a number/],
  ['scores without a reason', () => ({ kind: 'score', points: 1 }), /returned a score without a log$/],
  ['rewrites to a text', () => ({ kind: 'rewrite', body: 'Hello.', log: 'x' }), /whose body is "Hello\.", not octets$/],
  [
    'rejects in lines that are none',
    () => ({ ...reject('x'), further: 'y' }),
    /whose further is "y", not a list of texts$/,
  ],
  ['refuses without a reply', () => ({ kind: 'refuse', log: 'x' }), /a refuse without a reply$/],
  [
    'refuses with a 250, which would lose the mail',
    () => ({ kind: 'refuse', reply: reply(250, '2.0.0', 'fine'), log: 'x' }),
    /whose reply has the code 250, not 400 to 599$/,
  ],
  [
    'defers with a word for a reply',
    () => ({ kind: 'defer', reply: 'later', log: 'x' }),
    /a defer whose reply is "later", not a reply$/,
  ],
  [
    'defers with a 550, behind which nobody comes again',
    () => ({ kind: 'defer', reply: reply(550, '5.7.1', 'no'), log: 'x' }),
    /whose reply has the code 550, not 400 to 499$/,
  ],
  [
    'refuses with an enhanced code of success',
    () => ({ kind: 'refuse', reply: reply(550, '2.0.0', 'no'), log: 'x' }),
    /whose reply has the enhanced code "2.0.0", not one such as "5.7.1"$/,
  ],
  [
    'throws when its verdict is read',
    () => ({
      get kind() {
        throw new Odd('ouch');
      },
    }),
    /^ouch$/,
  ],
  [
    'throws what throws when it is shown',
    () => {
      throw { toString: () => assert.fail() };
    },
    /^threw a value that cannot be shown$/,
  ], // oxlint-disable-line no-throw-literal,
  ['never answers', () => new Promise(() => {}), /^no verdict within 30 ms$/],
];
for (const [what, answer, why] of broken) {
  test(`a plugin that ${what}: deferred with 451, an error in the log, nobody else asked`, async () => {
    const { outcome, asked, noted, log } = await run(answer, last);
    assert.match(textOf(outcome) ?? '', /^451 4\.3\.0 /);
    assert.deepEqual([asked, noted], [['a'], []]);
    assert.match(log[0] ?? '', /^error a error /);
    assert.match((log[0] ?? '').slice('error a error '.length), why);
  });
}

test('an answer that comes too late, and is an error, ends nothing', async () => {
  const { outcome } = await run(() => new Promise((_, fail) => setTimeout(() => fail(new Error('late')), 60)));
  assert.equal(outcome.kind, 'stop');
  await new Promise((resolve) => setTimeout(resolve, 60));
});

test('the method is called on its plugin, as it was when the list was read', async () => {
  const seen: string[] = [];
  const plugin = {
    name: 'a',
    connect(this: { name: string }) {
      seen.push(this.name);
      return pass;
    },
  };
  const plugins = new HookTable([plugin]);
  plugin.connect = () => accept;
  await runHook({
    hook: 'connect',
    id: 'TEST',
    plugins,
    context: testMail({}),
    log: () => assert.fail('nothing to log'),
    debug: false,
    timeoutMs: 30,
    note: () => {},
  });
  assert.deepEqual(seen, ['a']);
});

test('an outcome is there at once where every plugin answers at once', () => {
  const outcome = runHook({
    hook: 'connect',
    id: 'TEST',
    plugins: new HookTable([{ name: 'a', connect: () => pass }]),
    context: testMail({}),
    log: () => assert.fail('nothing to log'),
    debug: false,
    timeoutMs: 30,
    note: () => {},
  });
  assert.deepEqual(outcome, { kind: 'go on' });
});

test('whatever a plugin returns, the outcome is one of two', async () => {
  const value = fc.oneof(
    fc.anything(),
    fc.record(
      {
        kind: fc.constantFrom('pass', 'skip', 'accept', 'reject', 'pardon', 'refuse', 'defer'),
        reply: fc.anything(),
        log: fc.anything(),
      },
      { requiredKeys: ['kind'] },
    ),
  );
  await fc.assert(
    fc.asyncProperty(value, async (answer) => {
      const { outcome } = await run(() => answer);
      if (outcome.kind === 'stop') assert.ok(outcome.reply.code >= 400 && outcome.reply.code < 600);
    }),
    { numRuns: 500 },
  );
});
