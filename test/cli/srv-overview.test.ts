/** `postern srv list`, `show`, `disable` and `remove`: what is shown is what there is, and nothing else goes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test, type TestContext } from 'node:test';
import { inherited } from '../support/environment.js';
import { needPeer } from '../support/peers.js';
import { until } from '../support/until.js';
import { postern, type Ran } from './support/postern-command.js';

interface Tree {
  readonly root: string;
  srv(...words: readonly string[]): Promise<Ran>;
  has(path: string): boolean;
  /** What the audit has, oldest first. */
  audit(): readonly Readonly<Record<string, string>>[];
}

function tree(t: TestContext, ...markers: readonly string[]): Tree {
  const root = mkdtempSync(join(tmpdir(), 'postern-srv-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const folder of ['srv', 'state']) mkdirSync(join(root, folder));
  for (const marker of markers) {
    const [path = '', ...text] = marker.split('=');
    mkdirSync(dirname(join(root, 'srv', path)), { recursive: true });
    writeFileSync(join(root, 'srv', path), text.join('='));
  }
  return {
    root,
    srv: (...words) => postern(['srv', ...words, `--srv=${root}/srv`, `--state=${root}/state`]),
    has: (path) => existsSync(join(root, 'srv', path)),
    audit: () => {
      const file = join(root, 'state/audit');
      if (!existsSync(file)) return [];
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line) as Record<string, string>);
    },
  };
}

const usual = [
  'a.example/users/valid/anna',
  'a.example/users/valid/bob',
  'a.example/users/invalid/carl',
  'a.example/checks/spf',
  'a.example/checks/date=log\n',
  'a.example/zones=bl.example\nzen.example=127.0.0.2\n',
  'a.example/expire=expire = 90d\nexpire_size = 1g\n',
  'a.example/whitelisted/ips/192.0.2.0_24',
  'b.example/users/valid/*',
  'b.example/checks/all',
  '_global_/blacklisted/tld/top',
];

test('srv list is a table of all domains; --json has the same', async (t) => {
  const { srv } = tree(t, ...usual);
  const { code, stdout } = await srv('list');
  assert.equal(code, 0);
  assert.deepEqual(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
    [
      ['DOMAIN', 'USERS', 'CHECKS', 'LISTS'],
      ['a.example', '2', 'date (log) spf', 'zones 2, users/invalid 1, whitelisted/ips 1'],
      ['b.example', 'all', 'all'],
      ['_global_', '-', '-', 'blacklisted/tld 1'],
    ],
  );
  const json = (await srv('list', '--json')).stdout.trimEnd().split('\n');
  assert.deepEqual(
    json.map((line) => JSON.parse(line) as unknown),
    [
      {
        domain: 'a.example',
        users: 2,
        all_users: false,
        checks: { date: 'log', spf: 'on' },
        lists: { zones: 2, 'users/invalid': 1, 'whitelisted/ips': 1 },
      },
      { domain: 'b.example', users: 0, all_users: true, checks: { all: 'on' }, lists: {} },
      { domain: '_global_', users: 0, all_users: false, checks: {}, lists: { 'blacklisted/tld': 1 } },
    ],
  );
});

test('srv show says what holds for a domain, and which file says so; for an address as explain', async (t) => {
  const { srv } = tree(t, ...usual);
  const shown = (await srv('show', 'A.Example')).stdout.trimEnd().split('\n');
  assert.deepEqual(
    shown.map((line) => line.split(/ {2,}/)),
    [
      ['domain', 'a.example/', 'hosted'],
      ['users', 'a.example/users/valid/', 'anna, bob'],
      ['destination', '-', '127.0.0.1:10025, by the setting relay'],
      ['check spf', 'a.example/checks/spf', 'on'],
      ['check date', 'a.example/checks/date', 'tried out: logged only'],
      ['check dnsbl', 'a.example/zones', 'on'],
      ['zones', 'a.example/zones', 'bl.example, zen.example=127.0.0.2'],
      ['refused mail', 'a.example/expire', 'is kept for 90 days, and at most 1.1 GB'],
      ['refused users', 'a.example/users/invalid/', 'carl'],
      ['always taken', 'a.example/whitelisted/ips/', '192.0.2.0_24'],
      ['never taken', '_global_/blacklisted/tld/', 'top'],
    ],
  );
  const other = (await srv('show', 'b.example')).stdout;
  assert.match(other, /^users +b\.example\/users\/valid\/\* +every recipient is valid$/m);
  assert.match(other, /^check spf +b\.example\/checks\/all +on$/m);
  assert.equal((await srv('show', 'anna@a.example')).stdout, (await srv('explain', 'anna@a.example')).stdout);
  const foreign = await srv('show', 'c.example');
  assert.deepEqual([foreign.code, foreign.stdout], [1, '']);
});

test('names that a terminal would obey are shown harmlessly', async (t) => {
  const { srv } = tree(
    t,
    'a.example/users/valid/\x1b[2J\x9b',
    'a.example/checks/\x1b]0;x\x07',
    'a.example/zones=\x1b[2J\n',
  );
  for (const words of [['list'], ['show', 'a.example']])
    assert.doesNotMatch((await srv(...words)).stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});

test('srv disable takes away what enable made, says what it held, and where a check stays on', async (t) => {
  const { srv, has, audit, root } = tree(t, ...usual, 'a.example/checks/all', 'a.example/checks/gone');
  const ran = await srv('disable', 'a.example', 'date', 'gone', 'helo');
  assert.equal(ran.code, 1);
  assert.deepEqual(ran.stdout.trimEnd().split('\n'), [
    `rm ${root}/srv/a.example/checks/date`,
    `rm ${root}/srv/a.example/checks/gone`,
    `# is not there: ${root}/srv/a.example/checks/helo`,
  ]);
  assert.match(ran.stderr, /checks\/all is there: .* postern srv disable a\.example all/);
  assert.deepEqual([has('a.example/checks/date'), has('a.example/checks/spf')], [false, true]);
  assert.deepEqual(
    audit().map(({ what, target, old }) => [what, target, old]),
    [
      ['marker removed', `${root}/srv/a.example/checks/date`, 'log\n'],
      ['marker removed', `${root}/srv/a.example/checks/gone`, undefined],
    ],
  );
  for (const words of [['a.example'], ['c.example', 'spf'], ['a.example', '../users'], ['a.example', '..']])
    assert.equal((await srv('disable', ...words)).code, 64, words.join(' '));
});

test('srv remove: a user, a marker, a file, by whichever name', async (t) => {
  const { srv, has, audit, root } = tree(t, ...usual);
  for (const [word, path] of [
    ['Anna@A.Example', 'a.example/users/valid/anna'],
    ['a.example/whitelisted/ips/192.0.2.0_24', 'a.example/whitelisted/ips/192.0.2.0_24'],
    [`${root}/srv/a.example/zones`, 'a.example/zones'],
    ['_global_/blacklisted/tld/top', '_global_/blacklisted/tld/top'],
  ] as const) {
    assert.ok(has(path));
    const ran = await srv('remove', word);
    assert.deepEqual([ran.code, ran.stdout], [0, `rm ${root}/srv/${path}\n`], ran.stderr);
    assert.ok(!has(path));
    assert.equal((await srv('remove', word)).code, 1);
  }
  assert.equal(audit().at(2)?.['old'], 'bl.example\nzen.example=127.0.0.2\n');
  assert.ok(has('a.example/users/valid/bob'));
});

test('srv remove DOMAIN: not without --yes where nobody can be asked; the audit has all that was there', async (t) => {
  const { srv, has, audit, root } = tree(t, ...usual);
  const asked = await srv('remove', 'a.example');
  assert.equal(asked.code, 64);
  assert.match(asked.stderr, /remove \S+\/a\.example with 14 entries\? say --yes/);
  assert.ok(has('a.example/users/valid/anna'));
  const ran = await srv('remove', 'a.example', '--yes');
  assert.deepEqual([ran.code, ran.stdout], [0, `rm -r ${root}/srv/a.example\n`], ran.stderr);
  assert.deepEqual(readdirSync(join(root, 'srv')).toSorted(), ['_global_', 'b.example']);
  const entries = audit();
  const olds = new Map(entries.map(({ target = '', old = '' }) => [target.slice(`${root}/srv/`.length), old]));
  assert.equal(olds.get('a.example/expire'), 'expire = 90d\nexpire_size = 1g\n');
  assert.equal(olds.get('a.example/checks/date'), 'log\n');
  assert.match(olds.get('a.example') ?? '', /(?:^| )users\/valid\/anna(?: |$)/);
});

test('srv remove asks on a terminal: no keeps, yes removes', async (t) => {
  if (!needPeer(t, 'script')) return;
  const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
  const { root, has } = tree(t, ...usual);
  const answered = async (answer: string): Promise<void> => {
    const command = `${process.execPath} ${main} srv remove a.example --srv=${root}/srv --state=${root}/state`;
    const child = spawn('script', ['-qec', command, '/dev/null'], { env: { ...inherited(), TERM: 'dumb' } });
    t.after(() => child.kill('SIGKILL'));
    let screen = '';
    child.stdout.on('data', (part: Buffer) => (screen += part.toString()));
    await until(() => screen.includes('[y/N]'), 'the question is asked');
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.stdin.write(`${answer}\r`);
    await ended;
  };
  await answered('n');
  assert.ok(has('a.example/users/valid/anna'));
  await answered('y');
  assert.ok(!has('a.example'));
});

test('srv remove follows no link: neither that of a domain nor one inside', async (t) => {
  const { srv, has, audit, root } = tree(t, ...usual);
  const outside = join(root, 'outside');
  mkdirSync(join(outside, 'valid'), { recursive: true });
  writeFileSync(join(outside, 'valid', 'keep'), 'x');
  symlinkSync('a.example', join(root, 'srv', 'alias.example'));
  symlinkSync(outside, join(root, 'srv', 'b.example', 'elsewhere'));
  symlinkSync('../a.example', join(root, 'srv', 'b.example', 'sibling'));
  assert.equal((await srv('remove', 'alias.example', '--yes')).code, 0);
  assert.equal(audit()[0]?.['old'], '-> a.example');
  assert.ok(has('a.example/users/valid/anna'));
  assert.equal((await srv('remove', 'b.example/elsewhere/valid/keep')).code, 74);
  assert.equal((await srv('remove', 'b.example', '--yes')).code, 0);
  assert.ok(!has('b.example'));
  assert.ok(has('a.example/users/valid/anna'));
  assert.equal(readFileSync(join(outside, 'valid', 'keep'), 'utf8'), 'x');
});

for (const word of [
  '',
  '..',
  '../outside',
  '/etc/passwd',
  'a.example/../../outside',
  'a.example//x',
  'none.example',
  'x@none.example',
  '/',
])
  test(`srv remove ${JSON.stringify(word)} is refused, and removes nothing`, async (t) => {
    const { srv, root } = tree(t, ...usual);
    writeFileSync(join(root, 'outside'), 'x');
    const before = readdirSync(join(root, 'srv'), { recursive: true });
    const ran = await srv('remove', word, '--yes');
    assert.deepEqual([ran.code, ran.stdout], [64, '']);
    assert.deepEqual(readdirSync(join(root, 'srv'), { recursive: true }), before);
    assert.ok(existsSync(join(root, 'outside')));
  });
