/** What strangers and files hold is never obeyed by the terminal of whoever calls a command. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeRoot } from '../support/child.js';
import { postern } from './support/postern-command.js';
import { isSafe } from './support/spf-command.js';

const evil = '\x1b]0;x\x07\u202e\x9b2J\u2066';

/** `ROOT` stands for the folder of the test. */
const table: readonly (readonly [what: string, words: readonly string[]])[] = [
  ['a command', [evil]],
  ['a subcommand', ['srv', evil]],
  ['a subcommand of the quarantine', ['quarantine', evil]],
  ['a word of serve', ['serve', evil]],
  ['a word of web', ['web', evil]],
  ['a word of check-config', ['check-config', evil]],
  ['an option', ['audit', `--${evil}`]],
  ['an option of the milter', ['milter', `--${evil}`]],
  ['a policy of the milter', ['milter', '--policy', evil]],
  ['a file of the milter', ['milter', '-c', evil]],
  ['the name of the file', ['check-config', `--config=${evil}`]],
  ['a value', ['print-config', `--hostname=${evil}`]],
  ['a file that holds them', ['print-config', '--config=ROOT/conf']],
  ['a milter file that holds them', ['milter', '-c', 'ROOT/conf', '--check-config']],
  ['a folder of plugins', ['check-config', `--plugin_dirs=${evil}`, '--plugins=ROOT/conf', '--srv=ROOT/srv']],
  ['a tree that is not there', ['check-config', `--srv=ROOT/${evil}`]],
  ['names of markers', ['srv', 'lint', '--srv=ROOT/srv']],
  ['names of markers, in check-config', ['check-config', '--srv=ROOT/srv']],
  ['a marker to make', ['srv', 'allow', '_global_', evil, '--srv=ROOT/srv']],
  ['a token of nobody', ['web', 'revoke', evil, '--web_tokens=ROOT/tokens']],
  ['a file of tokens', ['web', 'tokens', `--web_tokens=ROOT/${evil}`]],
  ['a mail to judge', ['test', `--message=${evil}`, '--ip=192.0.2.1', '--from=', '--to=a@b.example', '--srv=ROOT/srv']],
  ['a record', ['spf', 'lint', `--record=v=spf1 ${evil} -all`]],
];
for (const [what, words] of table) {
  test(`${what}: nothing is written that a terminal obeys`, async (t) => {
    const root = makeRoot([]);
    t.after(() => rmSync(root, { recursive: true, force: true }));
    mkdirSync(join(root, 'srv/example.com/checks'), { recursive: true });
    writeFileSync(join(root, 'srv/example.com/checks', evil), '');
    writeFileSync(join(root, 'conf'), `${evil}\n${evil} = ${evil}\nhostname = ${evil}\n`);
    const ran = await postern(words.map((word) => word.replace('ROOT', root)));
    const text = ran.stdout + ran.stderr;
    assert.notEqual(text, '');
    assert.ok(isSafe(text), JSON.stringify(text));
  });
}
