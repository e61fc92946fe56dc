/** `postern web token`, `web tokens`, `web revoke`. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { readAudit } from '../../src/audit/audit.js';
import { hashOf, tokenIn } from '../../src/web/login/tokens.js';
import { postern, type Ran } from './support/postern-command.js';

function command(t: TestContext): {
  readonly root: string;
  readonly web: (...words: readonly string[]) => Promise<Ran>;
} {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-tokens-'));
  t.after(() => fs.rmSync(root, { recursive: true, force: true }));
  const settings = [`--web_tokens=${root}/tokens`, `--state=${root}`, '--hostname=mx.example.org'];
  return { root, web: (...words) => postern(['web', ...words, ...settings]) };
}

/** [settings, link] */
const links: readonly (readonly [settings: readonly string[], link: string])[] = [
  [[], ''],
  [['--web=127.0.0.1:0'], ''],
  [['--web=127.0.0.1:8025'], 'http://127.0.0.1:8025/login#token='],
  [['--web=[::1]:8025'], 'http://[::1]:8025/login#token='],
  [['--web=0.0.0.0:8025'], 'http://mx.example.org:8025/login#token='],
  [['--web=127.0.0.1:8025', '--web_hosts=mail.example.com'], 'https://mail.example.com/login#token='],
  [['--web=127.0.0.1:8025', '--digest_url=https://q.example.com:8443'], 'https://q.example.com:8443/login#token='],
];

for (const [given, link] of links) {
  test(`with ${given.join(' ') || 'no page'} a token is printed as ${link || 'itself'}`, async (t) => {
    const { root, web } = command(t);
    const { code, stdout, stderr } = await web('token', 'anna', ...given);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.slice(0, -33), link);
    assert.match(stdout, /[0-9a-z]{32}\n$/);
    assert.ok(fs.readFileSync(path.join(root, 'tokens'), 'utf8').includes(hashOf(tokenIn(stdout))));
    assert.match(stderr, /postern web revoke anna ends it\n$/);
  });
}

test('tokens are listed with what they are for and since when, and taken out by name', async (t) => {
  const { root, web } = command(t);
  assert.match((await web('tokens')).stdout, /nobody may log in/);
  await web('token', 'anna');
  await web('token', 'bob', '--domain=example.com,b\u00fccher.example');
  await web('token', 'bob', '--domain=example.net');
  const today = new Date().toISOString().slice(0, 10);
  assert.equal(
    (await web('tokens')).stdout,
    `anna  ${today}  everything\nbob   ${today}  example.com, xn--bcher-kva.example\nbob   ${today}  example.net\n`,
  );
  assert.deepEqual(JSON.parse((await web('tokens', '--json')).stdout.split('\n')[2] ?? ''), {
    name: 'bob',
    domains: ['example.net'],
    made: today,
  });
  const wrong = await web('revoke', 'bobb');
  assert.deepEqual([wrong.code, wrong.stderr.includes('did you mean bob?')], [1, true]);
  assert.match((await web('revoke', 'bob')).stdout, /took out 2 tokens of bob/);
  assert.equal((await web('tokens')).stdout, `anna  ${today}  everything\n`);
  assert.deepEqual(
    [...readAudit(root)].toReversed().map(({ what, target, old, detail }) => [what, target, old ?? detail]),
    [
      ['token made', 'anna', 'admin'],
      ['token made', 'bob', 'example.com,xn--bcher-kva.example'],
      ['token made', 'bob', 'example.net'],
      ['token revoked', 'bob', 'example.com, xn--bcher-kva.example'],
      ['token revoked', 'bob', 'example.net'],
    ],
  );
});

const wrong: readonly (readonly [words: readonly string[], complaint: RegExp])[] = [
  [['token'], /whose is it\?/],
  [['token', 'a b'], /whose is it\?/],
  [['token', 'anna', 'bob'], /whose is it\?/],
  [['token', 'anna', '--domain=not a domain'], /is no domain name/],
  [['token', 'anna', '--domian=x'], /domian/],
  [['tokens', 'anna'], /web tokens: "anna" belongs to no option; see postern web tokens --help/],
  [['revoke'], /whose\?/],
  [['revok', 'anna'], /there is no "web revok"; did you mean revoke\?/],
];
for (const [words, complaint] of wrong) {
  test(`web ${words.join(' ')} is refused`, async (t) => {
    const { root, web } = command(t);
    const { code, stderr } = await web(...words);
    assert.equal(code, 64);
    assert.match(stderr, complaint);
    assert.deepEqual(fs.readdirSync(root), []);
  });
}
