/**
 * Plugins of the operator's own, in a folder of his, through the socket; the first is the example of
 * plugins/README.md.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { hookNames } from '../../src/hooks/plugin.js';
import { message, Mx, type MxOptions } from '../support/mx.js';

const folder = mkdtempSync(join(tmpdir(), 'postern-own-'));
after(() => rmSync(folder, { recursive: true }));

const readme = readFileSync(join(packageRoot, 'plugins/README.md'), 'utf8');
const examples = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code);

/** A postern with these plugins in a folder of their own, listed in this order behind valid_users. */
async function start(
  t: TestContext,
  plugins: Readonly<Record<string, string>>,
  list: readonly string[],
  options: MxOptions = {},
): Promise<Mx> {
  const own = mkdtempSync(join(folder, 'plugins-'));
  for (const [name, code] of Object.entries(plugins)) writeFileSync(join(own, `${name}.mjs`), code);
  const mx = await Mx.start({
    markers: ['example.com/users/valid/alice'],
    ...options,
    settings: [`plugin_dirs=${own}`, 'plugin_timeout=2s', ...(options.settings ?? [])],
    plugins: ['valid_users', ...list],
  });
  t.after(() => mx.close());
  return mx;
}

const bulk = message({ fields: ['Precedence: bulk'] });

test('the check in ten lines has ten lines and no import', () => {
  const [code = ''] = examples;
  assert.ok(code.trimEnd().split('\n').length <= 10);
  assert.doesNotMatch(code, /^\s*import\b|\brequire\(/m);
});

test('the check in ten lines works as the README says', async (t) => {
  const mx = await start(t, { no_bulk: examples[0] ?? '' }, ['no_bulk']);
  assert.match(await mx.send({ message: bulk }), /^250 /, 'not enabled');
  mx.touch('example.com/checks/no_bulk');
  assert.match(await mx.send({ message: bulk }), /^550 5\.7\.1 Bulk mail is not wanted here \([0-9A-Z]{14}\)$/);
  assert.equal(mx.index()[0]?.['plugin'], 'no_bulk');
  assert.match(await mx.send(), /^250 /, 'another mail');
  mx.remove('example.com/checks/no_bulk');
  mx.touch('example.com/checks/all');
  assert.match(await mx.send({ message: bulk }), /^550 /);
});

test('the example with arguments works as the README says', async (t) => {
  const mx = await start(t, { no_bulk: examples[1] ?? '' }, ['no_bulk list junk'], {
    markers: ['example.com/users/valid/alice', 'example.com/checks/no_bulk'],
  });
  for (const [word, expected] of [
    ['junk', /^550 5\.7\.1 /],
    ['List', /^550 5\.7\.1 /],
    ['bulk', /^250 /],
  ] as const)
    assert.match(await mx.send({ message: message({ fields: [`Precedence: ${word}`] }) }), expected, word);
});

test('the types of the example are found under the name of the package, and are right', () => {
  const own = mkdtempSync(join(folder, 'types-'));
  mkdirSync(join(own, 'node_modules'));
  symlinkSync(packageRoot, join(own, 'node_modules/postern'));
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  const types = join(packageRoot, 'node_modules/@types');
  const check = (code: string): string => {
    writeFileSync(join(own, 'no_bulk.mjs'), code);
    const options = [
      '--allowJs',
      '--checkJs',
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--target',
      'es2023',
      '--module',
      'nodenext',
      '--typeRoots',
      types,
      '--types',
      'node',
    ];
    try {
      return execFileSync(process.execPath, [compiler, ...options, 'no_bulk.mjs'], { cwd: own, encoding: 'utf8' });
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  };
  const [code = ''] = examples;
  assert.equal(check(code), '');
  assert.match(check(code.replace("'mail'", "'male'")), /error TS2322/, 'and a slip is seen');
});

test('the lists in the README are lists', async (t) => {
  const list = /^```\n(valid_users\n.*?)^```$/ms.exec(readme)?.[1] ?? '';
  const [, ...others] = list.trim().split('\n');
  assert.deepEqual(others, ['no_bulk', 'blacklist', 'score', 'whitelist']);
  const mx = await start(t, { no_bulk: examples[0] ?? '' }, others);
  assert.match(await mx.send(), /^250 /);
});

test('the README names all hooks and all verdicts', () => {
  const of = (file: string, pattern: RegExp): string[] =>
    [...readFileSync(join(packageRoot, 'src', file), 'utf8').matchAll(pattern)].map(([, name = '']) => name);
  for (const hook of hookNames) assert.match(readme, new RegExp(`^\\| \`${hook}\` `, 'm'));
  const kinds = of('mail/verdict.ts', /readonly kind: '(\w+)'/g);
  assert.equal(new Set(kinds).size, 13);
  for (const kind of kinds) assert.match(readme, new RegExp(`^\\| \`\\{ kind: '${kind}'`, 'm'));
});

// What a plugin may say at each hook, through the socket.

const says = (hook: string, verdict: string): Record<string, string> => ({
  own: `export default { name: 'own', ${hook}: () => (${verdict}) };`,
});
const rejecting = `{ kind: 'reject', about: 'mail', enhanced: '5.7.1', reason: 'Unwanted', log: 'Unwanted' }`;
const refusing = `{ kind: 'refuse', reply: { code: 554, enhanced: '5.7.1', text: 'Go away', close: false }, log: 'x' }`;
const deferring = `{ kind: 'defer', reply: { code: 450, enhanced: '4.7.1', text: 'Later', close: false }, log: 'x' }`;

for (const hook of ['connect', 'helo', 'mail', 'rcpt', 'dataPost']) {
  test(`points that are given at ${hook} count`, async (t) => {
    const mx = await start(t, says(hook, `{ kind: 'score', points: 2.5, log: 'odd' }`), ['own', 'score']);
    mx.touch('example.com/score=reject 2.5');
    mx.touch('example.com/users/valid/bob');
    // What is said of two recipients is said of one mail.
    const reply = await mx.send({ to: ['alice@example.com', 'bob@example.com'] });
    assert.match(reply, /^550 5\.7\.1 score 2\.5: own 2\.5 \([0-9A-Z]{14}\)$/);
  });
}

test('points that are given once the mail has been judged are too late', async (t) => {
  const mx = await start(t, says('queue', `{ kind: 'score', points: 9, log: 'odd' }`), ['own', 'score']);
  mx.touch('example.com/score=reject 1');
  assert.match(await mx.send(), /^250 /);
});

for (const hook of ['connect', 'helo', 'mail', 'rcpt', 'dataPost', 'queue']) {
  test(`reject at ${hook}: the mail is read, archived and answered 550`, async (t) => {
    const mx = await start(t, says(hook, rejecting), ['own']);
    assert.match(await mx.send(), /^550 5\.7\.1 Unwanted \([0-9A-Z]{14}\)$/);
    assert.equal(mx.archived().length, 1);
    assert.equal(mx.delivered().length, 0);
  });
}

for (const hook of ['helo', 'mail', 'rcpt', 'dataPost', 'queue']) {
  for (const [what, verdict, reply] of [
    ['refuse', refusing, /^554 5\.7\.1 Go away$/],
    ['defer', deferring, /^450 4\.7\.1 Later$/],
    ['nothing', 'undefined', /^451 4\.3\.0 /],
    ['a promise that is never kept', 'new Promise(() => {})', /^451 4\.3\.0 /],
    ['a promise that is broken', `Promise.reject(new Error('ouch'))`, /^451 4\.3\.0 /],
  ] as const) {
    test(`${what} at ${hook}: the mail is neither archived nor relayed`, async (t) => {
      const mx = await start(t, says(hook, verdict), ['own']);
      const client = await mx.connect();
      const replies = [];
      for (const line of ['EHLO c.example', 'MAIL FROM:<a@b.example>', 'RCPT TO:<alice@example.com>', 'DATA'])
        replies.push(await client.say(line));
      if (replies[3]?.startsWith('354')) replies.push(await client.say(`${message()}\r\n.`));
      client.end();
      assert.ok(
        replies.some((answer) => reply.test(answer)),
        replies.join('\n'),
      );
      assert.deepEqual([mx.archived().length, mx.delivered().length], [0, 0]);
    });
  }
}

test('accept at dataPost asks nobody behind it, and lifts nothing before it', async (t) => {
  const plugins = {
    ...says('dataPost', `{ kind: 'accept' }`),
    late: `export default { name: 'late', dataPost: () => (${rejecting}) };`,
  };
  assert.match(await (await start(t, plugins, ['own', 'late'])).send(), /^250 /);
  assert.match(await (await start(t, plugins, ['late', 'own'])).send(), /^550 /);
});

test('pardon lifts what was said before and what is said after', async (t) => {
  const plugins = {
    ...says('dataPost', `{ kind: 'pardon', lifts: 'mail', log: 'ours' }`),
    late: `export default { name: 'late', dataPost: () => (${rejecting}) };`,
  };
  for (const list of [
    ['own', 'late'],
    ['late', 'own'],
  ]) {
    const mx = await start(t, plugins, list);
    assert.match(await mx.send(), /^250 /, list.join(' '));
    assert.match(await mx.send({ to: 'nobody@example.com' }), /^550 5\.1\.1 /, 'it creates no mailboxes');
  }
});

test('a field that a plugin adds stands above the mail, relayed or archived, as one line', async (t) => {
  const code = `export default { name: 'own', dataPost({ addField }) { addField('X-Own', 'a\\r\\nX-Forged: b\\u0007'); return { kind: 'pass' }; } };`;
  const mx = await start(t, { own: code }, ['own', 'date'], {
    markers: ['example.com/users/valid/alice', 'example.com/checks/date'],
  });
  await mx.send();
  await mx.send({ message: message({ without: ['date'] }) });
  for (const text of [...mx.delivered(), ...mx.archived().map((copy) => copy.text)]) {
    assert.match(text, /\r\nX-Own: a\?\?X-Forged: b\?\r\n/);
    assert.doesNotMatch(text, /^X-Forged/m);
  }
});

test('a disconnect hook that fails, at once or later, ends nothing', async (t) => {
  const plugins = {
    own: `export default { name: 'own', disconnect() { throw new Error('at once'); } };`,
    late: `export default { name: 'late', async disconnect() { await null; throw new Error('later'); } };`,
  };
  const mx = await start(t, plugins, ['own', 'late']);
  assert.match(await mx.send(), /^250 /);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.match(await mx.send(), /^250 /);
  for (const problem of ['at once', 'later'])
    assert.ok(
      mx.log.some((line) => String(line['why']).includes(problem)),
      problem,
    );
});

test('what a plugin sees of mail and client', async (t) => {
  const code = `export default { name: 'own', async dataPost(mail) {
    const octets = [];
    for await (const part of mail.message.parts()) octets.push(part);
    const seen = [mail.session.clientIp.text, (await mail.session.clientName()).name, mail.session.helo, mail.reversePath, mail.senderDomain,
      mail.domain, mail.recipients.map(({ text }) => text).join(','), mail.header.get('SUBJECT'), mail.message.size === Buffer.concat(octets).length, mail.host.hostname];
    return { kind: 'reject', about: 'mail', enhanced: '5.7.1', reason: seen.join(' '), log: 'x' };
  } };`;
  const mx = await start(t, { own: code }, ['own']);
  assert.match(
    await mx.send({ helo: 'H.example', from: 'S@Sender.example', to: 'Alice@example.com' }),
    /^550 5\.7\.1 127\.0\.0\.1 localhost H\.example S@sender\.example sender\.example example\.com Alice@example\.com test true mx\.test\.example \(/,
  );
});

test('a reason with line ends and other octets is one line of ASCII in the reply', async (t) => {
  const mx = await start(
    t,
    says('dataPost', rejecting.replace("reason: 'Unwanted'", `reason: 'a\\r\\n250 ok\\u001b[2J\\u202e'`)),
    ['own'],
  );
  assert.match(await mx.send(), /^550 5\.7\.1 a\?\?250 ok\?\[2J\? \([0-9A-Z]{14}\)$/);
  assert.equal(mx.index().length, 1);
});
