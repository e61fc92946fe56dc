/** Markers that switch on nothing are said by check-config and at the start, and stop neither. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { makeRoot, PosternProcess } from '../support/child.js';
import { postern } from './support/postern-command.js';

/** [what, markers, what is said; '' for nothing] */
const table: readonly (readonly [what: string, markers: readonly string[], said: string])[] = [
  [
    'checks that there are',
    ['d.example/checks/spf', 'd.example/checks/all', 'd.example/zones', 'd.example/checks/dnsbl'],
    '',
  ],
  [
    'a check that there is not',
    ['d.example/checks/spff'],
    'd.example/checks/spff does nothing: no plugin "spff" is in the list of plugins',
  ],
  [
    'a check that is not listed',
    ['d.example/checks/date'],
    'd.example/checks/date does nothing: no plugin "date" is in the list of plugins',
  ],
  [
    'a list whose check is not listed',
    ['d.example/domain_zones'],
    'd.example/domain_zones does nothing: no plugin "rhsbl" is in the list of plugins',
  ],
  [
    'a check without its list',
    ['d.example/checks/dnsbl'],
    'd.example/checks/dnsbl does nothing without the file d.example/zones',
  ],
];

function rootWith(t: TestContext, markers: readonly string[]): string {
  const root = makeRoot([]);
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const marker of markers) {
    mkdirSync(dirname(join(root, 'srv', marker)), { recursive: true });
    writeFileSync(join(root, 'srv', marker), '');
  }
  writeFileSync(join(root, 'plugins'), 'valid_users\nspf\ndnsbl\n');
  return root;
}

for (const [what, markers, said] of table) {
  test(`check-config: ${what}`, async (t) => {
    const root = rootWith(t, markers);
    const ran = await postern(['check-config', `--srv=${root}/srv`, `--plugins=${root}/plugins`]);
    assert.equal(ran.code, 0);
    assert.equal(ran.stderr, said === '' ? '' : `postern: warning: ${said}\n`);
  });
}

test('check-config: a time to keep mails that is none', async (t) => {
  const root = rootWith(t, ['d.example/users/valid/a']);
  writeFileSync(join(root, 'srv/d.example/expire'), 'expire = soon\n');
  const ran = await postern(['check-config', `--srv=${root}/srv`]);
  assert.equal(ran.code, 0);
  assert.match(ran.stderr, /^postern: warning: d\.example\/expire: expire must be .* until this is mended\n$/);
});

test('check-config: a tree that is not there', async (t) => {
  const root = rootWith(t, []);
  const ran = await postern(['check-config', `--srv=${root}/svr`]);
  assert.equal(ran.code, 78);
  assert.equal(ran.stderr, `postern: srv: ${root}/svr: is no directory\n`);
});

test('at the start they are in the log, and mail is taken all the same', async (t) => {
  const root = rootWith(
    t,
    table.flatMap(([, markers]) => markers),
  );
  const child = await PosternProcess.start({
    root,
    relayPort: 9,
    settings: [`plugins=${root}/plugins`, 'log_level=info'],
  });
  t.after(() => child.close());
  const warned = child.log.filter(({ level, check }) => level === 40 && check !== undefined);
  assert.deepEqual(new Set(warned.map(({ msg }) => msg)), new Set([1, 2, 3].map((row) => table[row]?.[2])));
});
