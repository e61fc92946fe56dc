/** The plugins of plugins/examples as an operator has them: in a folder of plugin_dirs, each through a listener. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { usual } from '../relay/support/with-relay.js';
import { makeCertificate } from '../support/certificate.js';
import { inherited } from '../support/environment.js';
import { message, Mx, type MxOptions } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

const examples = join(packageRoot, 'plugins/examples');
const folder = mkdtempSync(join(tmpdir(), 'postern-examples-'));
after(() => rmSync(folder, { recursive: true }));

async function start(t: TestContext, options: MxOptions): Promise<Mx> {
  const mx = await Mx.start({
    ...options,
    settings: [`plugin_dirs=${examples}`, ...(options.settings ?? [])],
    markers: [
      ...(options.markers ?? []),
      ...['alice', 'bob', 'carol'].map((name) => `example.com/users/valid/${name}`),
    ],
  });
  t.after(() => mx.close());
  return mx;
}

test('no_bulk, and its own test', () => {
  const words = ['--test', join(examples, 'no_bulk.test.mjs')];
  const { status, stdout } = spawnSync(process.execPath, words, { env: inherited(), encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

/** Milliseconds until the reply. */
async function took(client: RawClient, line: string): Promise<number> {
  const since = performance.now();
  await client.say(line);
  return performance.now() - since;
}

test('tarpit: the greeting is late, and who does not wait for it waits for every reply', async (t) => {
  const mx = await start(t, { plugins: ['tarpit greeting=1s step=1s max=2s', 'valid_users'] });
  const since = performance.now();
  const patient = await RawClient.open({ port: mx.port });
  assert.ok(performance.now() - since >= 900);
  patient.end();
  const hasty = await RawClient.open({ port: mx.port, early: 'EHLO a\r\n' });
  assert.match(await hasty.reply(), /^220 /);
  await hasty.reply();
  assert.ok((await took(hasty, 'MAIL FROM:<a@s.example>')) >= 900);
  assert.ok((await took(hasty, 'XYZZY')) >= 1_900, 'two offences');
  assert.ok((await took(hasty, 'RCPT TO:<alice@example.com>')) >= 1_900, 'and no more than max');
  hasty.end();
});

test('tarpit: what was refused of one mail is remembered at the next', async (t) => {
  const mx = await start(t, { plugins: ['valid_users', 'tarpit greeting=1s step=1s'] });
  const client = await RawClient.open({ port: mx.port });
  await client.sayAll('EHLO a', 'MAIL FROM:<a@s.example>', 'RCPT TO:<nobody@example.com>', 'RSET');
  assert.ok((await took(client, 'MAIL FROM:<a@s.example>')) >= 900);
  client.end();
});

/** [what, the text, the reply, what the log says] */
const texts: readonly (readonly [what: string, text: string, reply: RegExp])[] = [
  ['a link to a listed domain', 'See https://shop.bad.example/x.', /^550 5\.7\.1 Link to a listed domain \(/],
  ['a link to a listed host below a good domain', 'See http://www.evil.good.example', /^550 5\.7\.1 /],
  ['a link to another', 'See https://good.example/', /^250 /],
  ['the name without a link', 'bad.example', /^250 /],
  ['a list that says that it does not answer', 'https://refused.example/', /^250 /],
  ['a list that does not answer', 'https://late.example/', /^250 /],
];
test('links', async (t) => {
  const mx = await start(t, {
    markers: ['example.com/checks/links'],
    plugins: ['valid_users', 'links dbl.example.net'],
    settings: ['plugin_timeout=30s'],
    zone: {
      'bad.example.dbl.example.net': { A: ['127.0.1.2'] },
      'evil.good.example.dbl.example.net': { A: ['127.0.1.2'] },
      'refused.example.dbl.example.net': { A: ['127.255.255.254'] },
      'late.example.dbl.example.net': { timeout: true },
    },
  });
  for (const [what, body, reply] of texts)
    await t.test(what, async () => {
      assert.match(await mx.send({ message: message({ body }) }), reply);
      if (what === 'a list that does not answer')
        assert.ok(mx.log.some(({ plugin, msg }) => plugin === 'links' && msg === 'the list cannot be asked'));
    });
});

const table = `CREATE TABLE policy
  (recipient TEXT PRIMARY KEY, closed TEXT, tls INTEGER, max_size INTEGER, destination TEXT)`;

/** As much of npm sql.js as is used here. */
interface SqlDatabase {
  run(sql: string, values?: readonly unknown[]): void;
  export(): Uint8Array;
  close(): void;
}

async function database(name: string, rows: readonly (readonly (string | number | null)[])[]): Promise<string> {
  // It comes without types.
  const load = createRequire(import.meta.url)('sql.js') as () => Promise<{ Database: new () => SqlDatabase }>;
  const { Database } = await load();
  const made = new Database();
  made.run(table);
  for (const row of rows) made.run('INSERT INTO policy VALUES (?, ?, ?, ?, ?)', [...row]);
  const file = join(folder, name);
  writeFileSync(`${file}.new`, made.export());
  renameSync(`${file}.new`, file);
  made.close();
  return file;
}

test('policy: what the database says of each recipient', async (t) => {
  const mta = await ScriptedMta.start({ extensions: usual });
  t.after(() => mta.stop());
  const file = await database('policy.sqlite', [
    ['alice@example.com', null, null, 2_000, null],
    ['bob@example.com', null, null, null, `127.0.0.1:${mta.port}`],
    ['carol@example.com', null, 1, null, null],
    ['@example.com', 'Nobody reads this', null, null, null],
  ]);
  const mx = await start(t, {
    markers: ['example.com/users/valid/dora'],
    plugins: ['valid_users', `policy ${file}`],
    certificates: [makeCertificate('mx.test.example')],
  });
  const rcpt = async (mail: string, ...to: readonly string[]): Promise<string> =>
    (await mx.say('EHLO a', `MAIL FROM:<a@s.example>${mail}`, ...to.map((name) => `RCPT TO:<${name}@example.com>`)))
      .slice(2)
      .join('|');

  assert.match(await rcpt('', 'dora'), /^550 5\.7\.1 Nobody reads this$/);
  assert.match(await rcpt('', 'carol'), /^550 5\.7\.10 /);
  assert.match(await rcpt(' SIZE=3000', 'alice'), /^552 5\.3\.4 /);
  assert.match(await rcpt(' SIZE=1000', 'alice', 'bob'), /^250 .*\|452 4\.5\.3 /);
  assert.match(await mx.send({ message: message({ body: 'x\r\n'.repeat(1_000) }) }), /^550 5\.7\.1 Message too large/);
  assert.match(await mx.send(), /^250 /);
  assert.equal(mx.delivered().length, 1);
  assert.match(await mx.send({ to: 'bob@example.com' }), /^250 /);
  assert.equal(mta.messages.length, 1);

  await database('policy.sqlite', [['carol@example.com', null, 0, null, null]]);
  if (!('sqlite' in process.versions)) assert.match(await rcpt('', 'carol', 'dora'), /^250 .*\|250 /, 'read anew');
});

test('policy: a database that is not there is told at the start', async () => {
  await assert.rejects(Mx.start({ settings: [`plugin_dirs=${examples}`], plugins: [`policy ${folder}/gone`] }), /gone/);
});
