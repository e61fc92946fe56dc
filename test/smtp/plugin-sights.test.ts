/** What plugins see of each other, keep for each other and write into the log; a mail that one of them takes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import type { DataContext, EnvelopeContext, RcptContext, SessionContext } from '../../src/hooks/plugin.js';
import { message, Mx } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';
import { until } from '../support/until.js';

/** What each plugin does at each hook; what is not there passes. */
type Acts<C> = Record<string, (context: C) => unknown>;
interface Doings {
  readonly first: Acts<never>;
  readonly second: Acts<never>;
}

const doings: Doings = { first: {}, second: {} };
Object.assign(globalThis, { posternDoings: doings });
const hooks = 'connect helo mail rcpt data dataPost queue unknownCommand relayed reset disconnect'.split(' ');
const plugin = (name: string): string => `
const hook = (name) => (context) => globalThis.posternDoings.${name}[name]?.(context) ?? { kind: 'pass' };
export default { name: '${name}', ${hooks.map((hook) => `${hook}: hook('${hook}')`).join(', ')} };
`;

function doing<C>(name: keyof Doings, acts: Acts<C>): void {
  Object.assign(doings[name], acts);
}

const folder = mkdtempSync(join(tmpdir(), 'postern-sights-'));
let mx: Mx;
before(async () => {
  for (const name of ['first', 'second']) writeFileSync(join(folder, `${name}.mjs`), plugin(name));
  mx = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/users/valid/bob', 'example.com/checks/date'],
    settings: [`plugin_dirs=${folder}`, 'plugin_timeout=30s', 'journal=1d'],
    plugins: ['first', 'valid_users', 'date', 'second'],
  });
});
beforeEach(async () => {
  await until(() => mx.listener.connections.size === 0, 'all clients are gone');
  for (const acts of Object.values(doings) as Record<string, unknown>[]) for (const hook of hooks) delete acts[hook];
  mx.forget();
});
after(async () => {
  await mx?.close();
  rmSync(folder, { recursive: true });
});

test('notes of a session last from its first hook to its last, those of a mail from MAIL to its end', async () => {
  const seen: string[] = [];
  const keep =
    (hook: string) =>
    ({ session, notes }: DataContext) => {
      session.notes.set(hook, true);
      notes?.set(hook, true);
    };
  doing('first', Object.fromEntries(hooks.map((hook) => [hook, keep(hook)])));
  const tell = ({ session, notes }: DataContext): void =>
    void seen.push(`${[...session.notes.keys()].join()}; ${[...(notes?.keys() ?? [])].join()}`);
  doing('second', { reset: tell, disconnect: tell });
  const client = await RawClient.open({ port: mx.port });
  await client.sayAll('EHLO a', 'MAIL FROM:<a@s.example>', 'RCPT TO:<alice@example.com>', 'RSET');
  await client.sayAll('MAIL FROM:<b@s.example>', 'RCPT TO:<alice@example.com>', 'DATA');
  await client.say(`${message()}\r\n.`);
  client.end();
  await until(() => seen.length === 3, 'it has gone');
  assert.deepEqual(seen, [
    'connect,helo,mail,rcpt,reset; mail,rcpt,reset',
    'connect,helo,mail,rcpt,reset,data,dataPost,queue,relayed; mail,rcpt,data,dataPost,queue,relayed,reset',
    'connect,helo,mail,rcpt,reset,data,dataPost,queue,relayed,disconnect; ',
  ]);
});

test('two sessions, and two mails, have notes of their own', async () => {
  const seen: number[] = [];
  doing<DataContext>('first', {
    mail: ({ session, notes }) => {
      session.notes.set(`${session.notes.size}`, 1);
      notes.set('x', 1);
      seen.push(session.notes.size, notes.size);
    },
  });
  await mx.send();
  await mx.send();
  assert.deepEqual(seen, [1, 1, 1, 1]);
});

test('a plugin sees what others have said of the mail, whatever it was', async () => {
  const found: unknown[] = [];
  doing('first', {
    rcpt: () => ({ kind: 'note', log: 'looked at' }),
    dataPost: () => ({ kind: 'pardon', lifts: 'mail', log: 'a friend' }),
  });
  doing<DataContext>('second', { dataPost: ({ found: all }) => void found.push(...all) });
  await mx.send({ message: message({ without: ['date'] }) });
  assert.deepEqual(found, [
    { plugin: 'first', word: 'pass', why: 'looked at' },
    { plugin: 'first', word: 'pass', why: 'a friend' },
  ]);
  found.splice(0);
  doing('first', { dataPost: () => ({ kind: 'pass' }) });
  assert.match(await mx.send({ message: message({ without: ['date'] }) }), /^550 /);
  assert.deepEqual(found.slice(1), [
    { plugin: 'first', word: 'pass', why: '' },
    { plugin: 'date', word: 'reject', why: 'Missing header - Date:' },
  ]);
});

test('what is said of a client that never gets to a mail is there when it goes', async () => {
  const found: unknown[] = [];
  const refusal = { code: 550, enhanced: '5.7.1', text: 'No', close: false };
  doing('first', { helo: () => ({ kind: 'refuse', reply: refusal, log: 'a bad name' }) });
  doing<SessionContext>('second', { disconnect: ({ found: all }) => void found.push(...all) });
  await mx.say('EHLO a', 'QUIT');
  await until(() => found.length > 0, 'it has gone');
  assert.deepEqual(found, [{ plugin: 'first', word: 'reject', why: 'a bad name' }]);
});

test('what is found cannot be changed', async () => {
  doing('first', { mail: () => ({ kind: 'note', log: 'x' }) });
  doing<DataContext>('second', {
    dataPost: ({ found }) => {
      assert.throws(() => (found as unknown[]).pop(), TypeError);
      assert.throws(() => Object.assign(found[0] ?? {}, { why: 'y' }), TypeError);
    },
  });
  assert.match(await mx.send(), /^250 /);
});

test('at rcpt and data a plugin sees the recipients that were taken', async () => {
  const seen: string[] = [];
  const tell = ({ recipients }: EnvelopeContext): void => void seen.push(recipients.map(({ text }) => text).join());
  doing<RcptContext>('first', { rcpt: tell, data: tell });
  await mx.send({ to: ['alice@example.com', 'bob@example.com'] });
  assert.deepEqual(seen, ['', 'alice@example.com', 'alice@example.com,bob@example.com']);
});

const turnedAway = { code: 451, enhanced: '4.7.1', text: 'Not today', close: false };
/** [what it says at data, the replies to DATA and behind it, archived] */
const atData: readonly (readonly [what: string, verdict: unknown, replies: RegExp, archived: number])[] = [
  ['passes', { kind: 'pass' }, /^354 .*\|250 /, 0],
  ['defers', { kind: 'defer', reply: turnedAway, log: 'x' }, /^451 4\.7\.1 Not today$/, 0],
  ['throws', undefined, /^451 4\.3\.0 /, 0],
  [
    'rejects',
    { kind: 'reject', about: 'mail', enhanced: '5.7.1', reason: 'No', log: 'x' },
    /^354 .*\|550 5\.7\.1 No \(/,
    1,
  ],
];
for (const [what, verdict, expected, count] of atData)
  test(`a plugin that ${what} at data, late, is heard before 354`, async () => {
    const earlier = mx.archived().length;
    doing('first', { data: () => new Promise((resolve) => setTimeout(resolve, 20, verdict)) });
    const client = await RawClient.open({ port: mx.port });
    await client.sayAll('EHLO a', 'MAIL FROM:<a@s.example>', 'RCPT TO:<alice@example.com>');
    const replies = [await client.say('DATA')];
    if (replies[0]?.startsWith('354')) replies.push(await client.say(`${message()}\r\n.`));
    assert.match(replies.join('|'), expected);
    assert.equal(mx.archived().length - earlier, count);
    assert.match(await client.say('RSET'), /^250 /);
    client.end();
  });

test('a line of the log bears the name of its plugin, the session and the mail', async () => {
  doing<DataContext>('first', {
    dataPost: async ({ log, content }) => {
      log.info('before', { points: 3, plugin: 'other', id: 'forged' });
      await content();
      log.warn('behind');
      return { kind: 'pass' };
    },
    connect: ({ log }: SessionContext) => log.error('here'),
  });
  doing<SessionContext>('second', { disconnect: (context) => void setTimeout(() => context.log.debug('gone'), 5) });
  await mx.send();
  await until(() => mx.log.some(({ msg }) => msg === 'gone'), 'the last line');
  const lines = mx.log.filter(({ msg }) => ['before', 'behind', 'here', 'gone'].includes(String(msg)));
  const [{ id, session } = {}] = mx.fates();
  assert.deepEqual(
    lines.map(({ level, msg, plugin: name, session: of, id: mail, details }) => [level, msg, name, of, mail, details]),
    [
      [50, 'here', 'first', session, undefined, undefined],
      [30, 'before', 'first', session, id, { points: 3, plugin: 'other', id: 'forged' }],
      [40, 'behind', 'first', session, id, undefined],
      [20, 'gone', 'second', session, undefined, undefined],
    ],
  );
});

for (const hook of ['dataPost', 'queue'])
  test(`a plugin that takes a mail at ${hook} answers for it: 250 in its words, and neither relayed nor archived`, async () => {
    const earlier = mx.archived().length;
    doing('first', { [hook]: () => ({ kind: 'taken', text: 'Kept\r\nby me', log: 'ticket 7' }) });
    assert.equal(await mx.send(), '250 2.0.0 Kept??by me');
    assert.deepEqual([mx.delivered().length, mx.archived().length - earlier], [0, 0]);
    const [fate] = mx.fates();
    assert.deepEqual([fate?.['verdict'], fate?.['plugin'], fate?.['reason']], ['taken', 'first', 'ticket 7']);
  });

test('before there is a mail nobody can take it', async () => {
  doing('first', { rcpt: () => ({ kind: 'taken', text: 'x', log: 'x' }) });
  const replies = await mx.say('EHLO a', 'MAIL FROM:<a@s.example>', 'RCPT TO:<alice@example.com>', 'QUIT');
  assert.match(replies[2] ?? '', /^451 4\.3\.0 /);
  assert.ok(mx.log.some(({ why }) => why === 'first: rcpt returned a taken, and there is no mail to take yet'));
});

test('a plugin that says nothing is told in its own words', async () => {
  doing('first', { dataPost: () => null });
  Object.assign(doings.first, { queue: () => ({}) });
  await mx.send();
  assert.ok(mx.log.some(({ why }) => why === 'first: queue returned {}, not a verdict: it has no kind'));
});
