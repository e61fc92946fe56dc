import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadPlugins, stripsTypes } from '../../src/hooks/loading/load.js';
import { testRecipient } from '../../src/hooks/testing.js';

const root = mkdtempSync(join(tmpdir(), 'postern-load-'));
after(() => rmSync(root, { recursive: true }));

const files: Readonly<Record<string, string>> = {
  'mine/check.mjs': `export default { name: 'check', inspect: () => ({ kind: 'pass' }) };`,
  'mine/hooked.mjs': `export default { name: 'hooked', rcpt: () => ({ kind: 'pass' }) };`,
  'mine/taking.mjs': `export default (args) => ({ name: 'taking', inAll: false, inspect: () => ({ kind: 'skip', why: args.join('+') }) });`,
  'mine/picky.mjs': `export default (args) => { if (args.length === 0) throw new Error('takes a word'); return { name: 'picky', connect: () => ({ kind: 'pass' }) }; };`,
  'mine/renamed.mjs': `export default { name: 'check', inspect: () => ({ kind: 'pass' }) };`,
  'mine/nothing.mjs': `export const x = 1;`,
  'mine/number.mjs': `export default 7;`,
  'mine/nameless.mjs': `export default { inspect: () => ({ kind: 'pass' }) };`,
  'mine/hookless.mjs': `export default { name: 'hookless' };`,
  'mine/broken.mjs': `export default {`,
  'mine/throwing.mjs': `throw new Error('not today');`,
  'mine/both.mjs': `export default { name: 'both', inspect: () => ({ kind: 'pass' }) };`,
  'mine/shouting.mjs': `export default { name: 'shouting', datapost: () => ({ kind: 'pass' }), helo: () => ({ kind: 'pass' }) };`,
  'mine/twice.mjs': `export default { name: 'twice', dataPost: () => ({ kind: 'pass' }), inspect: () => ({ kind: 'pass' }) };`,
  'mine/beside.mjs': `export default { name: 'beside', inspect: () => ({ kind: 'pass' }), rcpt() { return { kind: 'note', log: this.name }; } };`,
  'mine/importing.mjs': `import { said } from './lib/helper.mjs'; export default { name: 'importing', connect: () => said };`,
  'mine/lib/helper.mjs': `import { pass } from 'postern'; export const said = pass;`,
  'mine/typed.ts': `const name: string = 'typed'; export default { name, connect: () => ({ kind: 'pass' as const }) };`,
  'other/both.js': `throw new Error('the wrong one');`,
  'other/package.json': `{ "type": "module" }`,
  'other/second.js': `export default { name: 'second', inspect: () => ({ kind: 'pass' }) };`,
  'other/included': 'hooked\nsecond\n',
};
for (const [path, text] of Object.entries(files)) {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
}

function load(list: string): ReturnType<typeof loadPlugins> {
  writeFileSync(join(root, 'list'), list);
  return loadPlugins(join(root, 'list'), [join(root, 'mine'), join(root, 'other')]);
}

/** Names in order; or the problems, with `LIST` and `DIR` for the paths. */
async function told(list: string): Promise<string> {
  const loaded = await load(list);
  if (loaded.ok) return loaded.value.map(({ name }) => name).join(' ');
  return loaded.problem.join('\n').replaceAll(join(root, 'list'), 'LIST').replaceAll(root, 'DIR');
}

const table: readonly (readonly [what: string, list: string, expected: string | RegExp])[] = [
  ['checks and plugins, in order', 'hooked\ncheck\nsecond', 'hooked check second'],
  ['an earlier folder goes first', 'both', 'both'],
  ['$include', 'check\n$include other/included', 'check hooked second'],
  ['an empty list', '# nothing', ''],
  ['a function of the arguments', 'taking a b\npicky x', 'taking picky'],
  [
    'an unknown plugin',
    'check\nfoo',
    /^LIST:2: there is no plugin "foo" \(looked for foo\.js, \.mjs(?:, \.ts, \.mts)? in DIR\/mine, DIR\/other\)$/,
  ],
  ['listed twice', 'check\nhooked\ncheck', 'LIST:3: check is listed twice'],
  ['two files of one name', 'check\nrenamed', 'LIST:2: check is listed twice'],
  ['arguments for a plugin that takes none', 'check 7', 'LIST:1: the plugin "check" takes no arguments'],
  ['arguments that the plugin does not like', 'picky', 'LIST:1: picky: takes a word'],
  ['no default export', 'nothing', /^LIST:1: .*nothing\.mjs: the default export is neither a plugin nor a check/],
  ['a default export that is no object', 'number', /neither a plugin nor a check/],
  ['a check without a name', 'nameless', /neither a plugin nor a check/],
  ['a plugin without a hook', 'hookless', /neither a plugin nor a check/],
  [
    'a file that does not parse',
    'broken',
    /^LIST:1: \S+\/broken\.m?js: .*; "node --check \S+\/broken\.m?js" shows the line$/,
  ],
  ['what is nearly the name of a hook', 'shouting', /shouting\.mjs: "datapost" is no hook; did you mean "dataPost"\?$/],
  ['a check that has its own hook as well', 'twice', /has "inspect" and "dataPost", which are the same hook$/],
  ['a helper that imports postern, though no package is near', 'importing', 'importing'],
  ['the word anywhere is ours, not an argument', 'check anywhere\ntaking a anywhere', 'check taking'],
  ['a file that throws', 'throwing', 'LIST:1: throwing: not today'],
  ['every problem is told, each on its line', 'foo\ncheck\nthrowing', /^LIST:1: .*\nLIST:3: [^\n]*$/],
];
for (const [what, list, expected] of table) {
  test(what, async () => {
    if (typeof expected === 'string') assert.equal(await told(list), expected);
    else assert.match(await told(list), expected);
  });
}

test('a list that is not there', async () => {
  const loaded = await loadPlugins(join(root, 'gone'), []);
  assert.ok(!loaded.ok);
  assert.match(loaded.problem[0] ?? '', /gone: cannot be read \(ENOENT\)/);
});

test('TypeScript is loaded where Node takes the types out, else it is said what to do', async () => {
  if (stripsTypes) assert.equal(await told('typed'), 'typed');
  else
    assert.match(
      await told('typed'),
      /^LIST:1: DIR\/mine\/typed\.ts: Node \S+ reads no TypeScript; .* compile it to typed\.js$/,
    );
});

test('a check may have hooks beside, and the same check is the same plugin whenever the list is read', async () => {
  const [one, again] = [await load('beside'), await load('beside')];
  assert.ok(one.ok && again.ok);
  const [plugin] = one.value;
  assert.equal(again.value[0], plugin);
  assert.deepEqual(await plugin?.rcpt?.(testRecipient()), { kind: 'note', log: 'beside' });
});

test('a check says whether checks/all switches it on, a plugin has no marker', async () => {
  const loaded = await load('check\ntaking\nhooked');
  assert.ok(loaded.ok);
  assert.deepEqual(
    loaded.value.map(({ inAll }) => inAll),
    [true, false, undefined],
  );
});
