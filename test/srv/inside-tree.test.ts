/** No link leads a read or a write out of /srv; links that stay in it are followed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  createInside,
  inFolder,
  OutsideTree,
  readInside,
  removeInside,
  replaceInside,
} from '../../src/srv/inside-tree.js';
import { changeList } from '../../src/srv/list-file.js';
import { MarkerWriter } from '../../src/srv/markers.js';

interface Ground {
  readonly root: string;
  readonly outside: string;
}

function ground(t: TestContext): Ground {
  const top = fs.mkdtempSync(path.join(os.tmpdir(), 'inside-'));
  t.after(() => fs.rmSync(top, { recursive: true, force: true }));
  const [root, outside] = [path.join(top, 'srv'), path.join(top, 'outside')];
  for (const folder of [`${root}/example.com/users`, `${root}/shared`, `${outside}/checks`, `${top}/srv-too`])
    fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(`${outside}/secret`, '# a secret\nsecret\n');
  return { root, outside };
}

/** What every way to read and write does below that folder. */
function ways(root: string, names: readonly string[], name: string): readonly (readonly [string, () => unknown])[] {
  const folder = { root, names };
  return [
    ['reads', () => readInside(folder, name)],
    ['creates', () => createInside(folder, name)],
    ['replaces', () => replaceInside(folder, name, 'x')],
    ['removes', () => removeInside(folder, name)],
    ['lists', () => inFolder(folder, (at) => fs.readdirSync(at))],
  ];
}

const leaves: readonly (readonly [what: string, link: string, target: string, names: readonly string[]])[] = [
  ['the domain', 'evil.example', '../outside', ['evil.example']],
  ['a folder of the domain', 'example.com/checks', '../../outside/checks', ['example.com', 'checks']],
  ['an absolute link', 'example.com/checks', '/OUTSIDE', ['example.com', 'checks']],
  ['a folder beside the tree that begins as it does', 'example.com/checks', '../../srv-too', ['example.com', 'checks']],
  ['a folder on the way', 'example.com/blacklisted', '../../outside', ['example.com', 'blacklisted', 'checks']],
];

for (const [what, link, target, names] of leaves) {
  test(`${what}: a link out of the tree is not followed`, (t) => {
    const { root, outside } = ground(t);
    fs.symlinkSync(target.replace('/OUTSIDE', outside), path.join(root, link));
    const before = fs.readdirSync(path.dirname(root), { recursive: true });
    for (const [way, go] of ways(root, names, 'secret')) assert.throws(go, OutsideTree, way);
    assert.deepEqual(fs.readdirSync(path.dirname(root), { recursive: true }), before);
    assert.equal(fs.readFileSync(`${outside}/secret`, 'utf8'), '# a secret\nsecret\n');
  });
}

test('a file that is a link out of the tree is neither read nor replaced; it can be taken away, and what it led to stays', (t) => {
  const { root, outside } = ground(t);
  const folder = { root, names: ['example.com'] };
  fs.symlinkSync(`${outside}/secret`, `${root}/example.com/zones`);
  assert.throws(() => readInside(folder, 'zones'), OutsideTree);
  assert.throws(() => replaceInside(folder, 'zones', 'x'), OutsideTree);
  assert.throws(() => changeList('bl.example', { folder, list: 'zones', problemsOf: undefined }), OutsideTree);
  assert.equal(createInside(folder, 'zones'), false);
  assert.equal(removeInside(folder, 'zones'), true);
  assert.equal(fs.readFileSync(`${outside}/secret`, 'utf8'), '# a secret\nsecret\n');
});

test('links that stay in the tree are followed, and stay links', (t) => {
  const { root } = ground(t);
  fs.symlinkSync('example.com', `${root}/alias.example`);
  fs.symlinkSync('../shared', `${root}/example.com/blacklisted`);
  fs.writeFileSync(`${root}/shared/zones`, 'old');
  fs.symlinkSync('../shared/zones', `${root}/example.com/zones`);
  const alias = { root, names: ['alias.example'] };
  assert.equal(createInside({ root, names: ['alias.example', 'blacklisted', 'ips'] }, '192.0.2.1'), true);
  assert.ok(fs.existsSync(`${root}/shared/ips/192.0.2.1`));
  assert.equal(readInside(alias, 'zones'), 'old');
  replaceInside(alias, 'zones', 'new');
  assert.equal(fs.readFileSync(`${root}/shared/zones`, 'utf8'), 'new');
  assert.ok(fs.lstatSync(`${root}/example.com/zones`).isSymbolicLink());
  assert.deepEqual(fs.readdirSync(`${root}/shared`).toSorted(), ['ips', 'zones']);
});

test('the root itself may be a link, as where /srv is elsewhere', (t) => {
  const { root } = ground(t);
  fs.symlinkSync('srv', `${root}-link`);
  assert.equal(createInside({ root: `${root}-link`, names: ['example.com', 'checks'] }, 'spf'), true);
  assert.ok(fs.existsSync(`${root}/example.com/checks/spf`));
});

test('a FIFO, a folder and what is too large are told, and hang nobody', (t) => {
  const { root } = ground(t);
  const folder = { root, names: ['example.com'] };
  execFileSync('mkfifo', [`${root}/example.com/zones`]);
  assert.throws(() => readInside(folder, 'zones'), /is no file/);
  assert.throws(() => readInside(folder, 'users'), /is no file/);
  fs.writeFileSync(`${root}/example.com/expire`, 'x'.repeat(70_000));
  assert.throws(() => readInside(folder, 'expire'), /larger than 65536/);
  assert.equal(readInside(folder, 'nowhere'), undefined);
  assert.equal(readInside({ root, names: ['nowhere'] }, 'x'), undefined);
});

test('a link that is put in the place of a folder while it is worked in leads nowhere', (t) => {
  const { root, outside } = ground(t);
  inFolder({ root, names: ['example.com', 'users'] }, (at) => {
    fs.renameSync(`${root}/example.com/users`, `${root}/example.com/moved`);
    fs.symlinkSync(outside, `${root}/example.com/users`);
    fs.writeFileSync(`${at}/planted`, '');
  });
  assert.ok(fs.existsSync(`${root}/example.com/moved/planted`));
  assert.ok(!fs.existsSync(`${outside}/planted`));
});

test('what a marker holds is told when it is taken away, and never what it leads to', (t) => {
  const { root, outside } = ground(t);
  const writer = new MarkerWriter(root, (domain) => domain);
  const marker = (key: string) => ({ scope: 'example.com', kind: 'checks', key }) as const;
  assert.equal(writer.create(marker('spf'), 'log\n'), true);
  assert.equal(writer.create(marker('spf')), false);
  assert.equal(writer.contentOf(marker('spf')), 'log\n');
  fs.symlinkSync(`${outside}/secret`, `${root}/example.com/checks/date`);
  assert.equal(writer.contentOf(marker('date')), `-> ${outside}/secret`);
  assert.equal(writer.remove(marker('date')), true);
  assert.equal(writer.contentOf(marker('date')), '');
  assert.equal(writer.remove(marker('date')), false);
  assert.ok(fs.existsSync(`${outside}/secret`));
});

const lists: readonly (readonly [typed: string, kind: string, text?: string])[] = [
  ['bl.example', 'written', 'bl.example\n'],
  ['# mine\r\nbl.example # good\r\n\r\n', 'written', '# mine\nbl.example # good\n'],
  ['bl.example\nnonsense', 'wrong'],
  ['# nothing', 'wrong'],
  ['x'.repeat(70_000), 'wrong'],
  ['before.example', 'same', 'before.example\n'],
  [' \n', 'removed'],
];
for (const [typed, kind, text = kind === 'wrong' ? 'before.example\n' : undefined] of lists) {
  test(`a file of zones: ${JSON.stringify(typed.slice(0, 40))} is ${kind}`, (t) => {
    const { root } = ground(t);
    const file = `${root}/example.com/zones`;
    fs.writeFileSync(file, 'before.example\n');
    const folder = { root, names: ['example.com'] };
    const change = changeList(typed, {
      folder,
      list: 'zones',
      problemsOf: (lines) =>
        lines.flatMap((line, i) => (/^$|\.example$/.test(line) ? [] : [{ line: i + 1, problem: 'must be' }])),
    });
    assert.equal(change.kind, kind);
    if (change.kind === 'wrong' && typed.includes('nonsense'))
      assert.match(change.problem, /line 2, "nonsense", must be/);
    assert.equal(fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined, text);
    assert.deepEqual(
      fs.readdirSync(path.dirname(file)).toSorted(),
      text === undefined ? ['users'] : ['users', 'zones'],
    );
  });
}
