/** Where a plugin may send a mail that was not addressed there: to hosted, deliverable recipients, or anywhere. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Mx } from '../support/mx.js';

const wishes: Record<string, object | undefined> = {};
Object.assign(globalThis, { posternWishes: wishes });
const plugin = (name: string): string => `
export default { name: '${name}', queue() {
  const wish = globalThis.posternWishes.${name};
  return wish === undefined ? { kind: 'pass' } : { kind: 'rewrite', log: 'x', ...wish };
} };
`;

const folder = mkdtempSync(join(tmpdir(), 'postern-rewrite-'));
let mx: Mx;
before(async () => {
  for (const name of ['bound', 'free']) writeFileSync(join(folder, `${name}.mjs`), plugin(name));
  mx = await Mx.start({
    markers: [
      ...['alice', 'bob'].map((name) => `example.com/users/valid/${name}`),
      ...['carol', 'dave'].map((name) => `example.net/users/valid/${name}`),
    ],
    settings: [`plugin_dirs=${folder}`],
    plugins: ['valid_users', 'bound', 'free anywhere'],
  });
});
beforeEach(() => {
  for (const name of Object.keys(wishes)) delete wishes[name];
  mx.forget();
});
after(async () => {
  await mx?.close();
  rmSync(folder, { recursive: true });
});

const recipients = (): string[] =>
  mx
    .delivered()
    .map((mail) => /^X-Original-To: (.*)\r$/m.exec(mail)?.[1] ?? '')
    .toSorted();

/** [what it wants, its line, the recipients, whom the mail goes to, why the others are left out] */
const trials: readonly (readonly [
  what: string,
  name: string,
  wanted: readonly string[],
  got: readonly string[],
  why?: string,
])[] = [
  ['another user of the domain', 'bound', ['bob@example.com'], ['bob@example.com']],
  ['a user of another domain of ours', 'bound', ['carol@example.net'], ['carol@example.net']],
  ['users of two domains', 'bound', ['bob@example.com', 'carol@example.net'], ['bob@example.com', 'carol@example.net']],
  [
    'a stranger beside one of ours',
    'bound',
    ['bob@example.com', 'eve@elsewhere.example'],
    ['bob@example.com'],
    'not hosted, and the line of the list has no "anywhere"',
  ],
  ['nobody there', 'bound', ['alice@example.com', 'nobody@example.net'], ['alice@example.com'], 'no marker'],
  ['what is no address', 'bound', ['alice@example.com', 'x>\r\nRCPT TO:<y'], ['alice@example.com'], 'no address'],
  ['a stranger', 'free', ['eve@elsewhere.example'], ['eve@elsewhere.example']],
  [
    'a stranger and one of ours',
    'free',
    ['eve@elsewhere.example', 'dave@example.net'],
    ['dave@example.net', 'eve@elsewhere.example'],
  ],
  ['nobody of ours', 'free', ['alice@example.com', 'nobody@example.net'], ['alice@example.com'], 'no marker'],
];
for (const [what, name, wanted, got, why] of trials)
  test(`a plugin ${name === 'free' ? 'that may send anywhere' : 'of an ordinary line'} wants ${what}`, async () => {
    wishes[name] = { recipients: wanted };
    assert.match(await mx.send(), /^250 /);
    assert.deepEqual(recipients(), got);
    const left = mx.log.filter(({ msg }) => msg === 'recipient not added');
    assert.equal(left.length, why === undefined ? 0 : 1);
    if (why !== undefined) assert.ok(String(left[0]?.['why']).includes(why), String(left[0]?.['why']));
  });

test('a plugin that wants only strangers, and may not, makes no mail vanish: deferred, and the log says why', async () => {
  wishes['bound'] = { recipients: ['eve@elsewhere.example'] };
  assert.match(await mx.send(), /^451 4\.3\.0 /);
  assert.deepEqual(recipients(), []);
  assert.equal(mx.fates()[0]?.['reason'], 'bound wants recipients of which none can be one');
});

test('a plugin that wants nobody discards: archived, and told 250', async () => {
  const earlier = mx.archived().length;
  wishes['bound'] = { recipients: [] };
  assert.match(await mx.send(), /^250 2\.0\.0 Ok \([0-9A-Z]{14}\)$/);
  assert.deepEqual([recipients(), mx.archived().length - earlier], [[], 1]);
});

/** [what, the reverse-path, what the plugin is told; undefined: relayed] */
const reversePaths: readonly (readonly [what: string, reversePath: string, problem?: RegExp])[] = [
  ['another', 'srs0=x=y=sender.example=sender@Example.COM'],
  ['none', ''],
  [
    'a second command',
    'a@b.example>\r\nRCPT TO:<eve@elsewhere.example',
    /^bound: queue returned a rewrite whose reversePath is .*, not an address$/,
  ],
  ['what is no address', 'nobody', /whose reversePath is "nobody", not an address$/],
  ['one that needs SMTPUTF8', 'jürgen@example.com', /^the new reverse-path jürgen@example\.com needs SMTPUTF8$/],
];
for (const [what, reversePath, problem] of reversePaths)
  test(`a plugin wants another reverse-path: ${what}`, async () => {
    wishes['bound'] = { reversePath };
    const reply = await mx.send();
    if (problem === undefined) {
      assert.match(reply, /^250 /);
      const [mail = ''] = mx.delivered();
      assert.ok(mail.startsWith(`Return-Path: <${reversePath.replace(/@.*/, (domain) => domain.toLowerCase())}>\r\n`));
    } else {
      assert.match(reply, /^451 4\.3\.0 /);
      assert.deepEqual(recipients(), []);
      assert.ok(mx.log.some(({ why, reason }) => problem.test(String(why ?? reason))));
    }
  });

test('a new body holds no end of the message for whoever takes CR or LF for a line end', async () => {
  wishes['bound'] = { body: Buffer.from('one\n.\nMAIL FROM:<x@example.org>\r.\rtwo\r\n') };
  assert.match(await mx.send(), /^250 2\.0\.0 Ok/);
  const [mail = ''] = mx.delivered();
  assert.ok(mail.endsWith('\r\n\r\none\r\n.\r\nMAIL FROM:<x@example.org>\r\n.\r\ntwo\r\n'), mail);
});
