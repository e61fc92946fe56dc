/** No password is seen: in print-config, complaints, the log, and the words of our processes. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { withoutPasswords } from '../../src/mail/secret.js';
import { makeRoot, PosternProcess } from '../support/child.js';
import { postern } from './support/postern-command.js';

const secret = 'S3CRET';

const shown: readonly (readonly [text: string, expected: string])[] = [
  ['redis://127.0.0.1:6379/1', 'redis://127.0.0.1:6379/1'],
  [`redis://user:${secret}@h:1/0`, 'redis://user:***@h:1/0'],
  [`redis://:${secret}@h`, 'redis://:***@h'],
  [`redis://${secret}@h`, 'redis://***@h'],
  [`https://u:${secret}/@:@h/`, 'https://u:***@h/'],
  [`"ldap://cn=x,dc=y:${secret}@h" is wrong`, '"ldap://cn=x,dc=y:***@h" is wrong'],
  ['anna@example.org at 10:20', 'anna@example.org at 10:20'],
];
for (const [text, expected] of shown)
  test(`${text} is shown as ${expected}`, () => assert.equal(withoutPasswords(text), expected));

describe('no password is seen', () => {
  const good = `redis://user:${secret}@127.0.0.1:1/0`;
  const table: readonly (readonly [words: readonly string[], file: string, code: number, seen: RegExp])[] = [
    [['print-config', `--store=${good}`], '', 0, /^store = redis:\/\/user:\*\*\*@127\.0\.0\.1:1\/0 {2}# --store$/m],
    [['print-config'], `store = ${good}`, 0, /^store = redis:\/\/user:\*\*\*@127\.0\.0\.1:1\/0 {2}# .*:1$/m],
    [
      ['print-config', `--store=redis://user:${secret}@`],
      '',
      78,
      /^postern: --store: store = redis:\/\/\*\*\*: must be/m,
    ],
    [['print-config', '--store', `redis://user:${secret}`], '', 78, /store = redis:\/\/\*\*\*: must be/],
    [['print-config', '--store', `redis:user:${secret}@h`], '', 78, /store = \*\*\*: must be/],
    [['serve', `--store=http://u:${secret}@h/`], '', 78, /store = http:\/\/\*\*\*: must be/],
    [['serve', `--digest_url=http://u:${secret}@h/`], '', 78, /digest_url = http:\/\/\*\*\*: must be/],
    [['serve', `--digest_url=u:${secret}@h`], '', 78, /digest_url = \*\*\*: must be/],
    [['serve', `--digest_url=https://h/?password=${secret}`], '', 78, /digest_url = https:\/\/\*\*\*: must be/],
    [['serve', '--digest_url=https://h:8443/path'], '', 78, /digest_url = https:\/\/h:8443\/path: must be/],
    [['print-config'], `store ${good}`, 78, /:1: store redis:\/\/user:\*\*\*@127\.0\.0\.1:1\/0: must be KEY = VALUE/],
    [['serve', good], '', 64, /redis:\/\/user:\*\*\*@127/],
    [
      ['print-config'],
      'store = redis://user:***@h',
      78,
      /store = redis:\/\/user:\*\*\*@h: .* has \*\*\* where its password was/,
    ],
    [['print-config'], `store = redis+sentinel://u:${secret}@a,b`, 78, /store = redis\+sentinel:\/\/\*\*\*: must be/],
  ];
  for (const [words, text, code, seen] of table) {
    test(`${words.join(' ')} ${text}`, async (t) => {
      const root = makeRoot([]);
      t.after(() => rmSync(root, { recursive: true, force: true }));
      writeFileSync(join(root, 'conf'), `${text}\n`);
      const ran = await postern(words, { env: { POSTERN_CONFIG: join(root, 'conf') } });
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stdout + ran.stderr, seen);
      assert.doesNotMatch(ran.stdout + ran.stderr, new RegExp(secret));
    });
  }
});

test('no process of serve has a password of its command line in /proc, and all have the setting', async (t) => {
  const root = makeRoot([]);
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const settings = [`store=redis://user:${secret}@127.0.0.1:1/0`, 'workers=2', 'web=127.0.0.1:0', 'log_level=trace'];
  const child = await PosternProcess.start({ root, relayPort: 9, settings });
  t.after(() => child.close());
  const lines = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandLine(pid))
    .filter((line) => line.includes(root));
  assert.ok(lines.length >= 4, lines.join('\n'));
  for (const line of lines) assert.doesNotMatch(line, new RegExp(secret));
  assert.doesNotMatch(child.output, new RegExp(secret));
  assert.ok(child.log.some(({ msg, problem }) => msg === 'store' && String(problem).includes('127.0.0.1:1')));
});

/** A process may be gone meanwhile. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
