/** The first minute: what `npm start` runs, and `npm run demo` beside it, in a folder of their own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.js';
import { shippedPlugins } from '../support/shipped-plugins.js';
import { until } from '../support/until.js';
import { inherited } from '../support/environment.js';
import { demoMails, marker } from '../../src/trial/demo-mails.js';

const program = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const example = fileURLToPath(new URL('../../../srv-example', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'postern-trial-'));
const env = inherited();
const flags: string[] = [];
let trial: ChildProcess;
let printed = '';

before(async () => {
  cpSync(example, join(folder, 'srv'), { recursive: true });
  writeFileSync(join(folder, 'plugins'), shippedPlugins());
  flags.push(
    `--plugins=${folder}/plugins`,
    `--srv=${folder}/srv`,
    `--listen=127.0.0.1:${await freePort()}`,
    `--relay=127.0.0.1:${await freePort()}`,
    '--web=127.0.0.1:0',
  );
  trial = spawn(process.execPath, [program, 'serve', '--trial', ...flags], { cwd: folder, env });
  trial.stdout?.on('data', (octets: Buffer) => (printed += octets.toString()));
  trial.stderr?.on('data', (octets: Buffer) => (printed += octets.toString()));
  for (let i = 0; i < 2000 && !printed.includes('Ctrl-C stops it'); i++) await sleep(10);
});
after(async () => {
  const gone = new Promise((resolve) => trial.once('close', resolve));
  trial.kill('SIGKILL');
  await gone;
  rmSync(folder, { recursive: true });
});

const demo = (): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [program, 'demo', ...flags], { cwd: folder, env, encoding: 'utf8', timeout: 30_000 });

test('the trial run says where it listens, whom it hosts with which checks, and what to type next', () => {
  assert.match(printed, /postern takes mail on 127\.0\.0\.1:\d+\n/);
  assert.match(printed, /^ {4}example\.com +checks: .*\bspf\b/m);
  assert.match(printed, /^ {4}npm run demo /m);
});

test('and where the page is, in the order in which a newcomer reads it', () => {
  const places = ['takes mail on', 'hosted domains', '/login#token=', 'now try', 'npm run demo'].map((text) =>
    printed.indexOf(text),
  );
  assert.ok(!places.includes(-1), printed);
  assert.deepEqual(
    places,
    places.toSorted((one, other) => one - other),
  );
});

test('its quarantine page lets in who has the printed token, once', async () => {
  const [, url = '', token = ''] = /(http:\S+)#token=(\w+)/.exec(printed) ?? [];
  const login = (): Promise<Response> =>
    fetch(url, { method: 'POST', body: new URLSearchParams({ token }), redirect: 'manual' });
  assert.equal((await login()).status, 303);
  assert.equal((await login()).status, 403);
});

test('in the demo every mail meets the fate it was meant to, and each is where the table says', () => {
  const { status, stdout, stderr } = demo();
  assert.equal(status, 0, stdout + stderr);
  for (const { what } of demoMails) assert.ok(stdout.includes(what), what);
  const places = [...stdout.matchAll(/→ (\S+\/new\/\S+)/g)].map(([, place = '']) => place);
  assert.equal(places.length, demoMails.length - 1); // all but the mail that is for no domain of ours
  for (const place of places) assert.ok(existsSync(join(folder, place)), place);
  assert.deepEqual(readdirSync(join(folder, 'var')).toSorted(), ['sink', 'spam', 'state']);
});

test('where the MX greets with a 421, the demo shows that reply', async (t) => {
  const server = net.createServer((socket) => socket.end('421 4.3.2 Too busy, try again later\r\n'));
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const words = [`--srv=${folder}/srv`, `--listen=127.0.0.1:${port}`];
  const child = spawn(process.execPath, [program, 'demo', ...words], { cwd: folder, env });
  let said = '';
  child.stdout.on('data', (octets: Buffer) => (said += octets.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 70);
  assert.match(said, / {2}421 4\.3\.2 Too busy, try again later\n/);
});

test('the commands that it says to type next are there, and do what it says', () => {
  const [, command = ''] = /^ {4}npx postern (.+?) {3}/m.exec(printed) ?? [];
  const { status, stdout } = spawnSync(process.execPath, [program, ...command.split(' '), ...flags], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  assert.deepEqual([command, status], ['quarantine list --trial', 0]);
  assert.match(stdout, /demo 7: from a forger/);
});

test('the demo leaves no marker behind, and can be run again', () => {
  assert.ok(!existsSync(join(folder, 'srv', marker)));
  assert.equal(demo().status, 0);
});

test('with several workers the trial has its local MTA too, and says what it says once', async () => {
  const own = [
    `--plugins=${folder}/plugins`,
    `--srv=${folder}/srv`,
    '--workers=2',
    `--listen=127.0.0.1:${await freePort()}`,
    `--relay=127.0.0.1:${await freePort()}`,
    '--web=127.0.0.1:0',
  ];
  const several = spawn(process.execPath, [program, 'serve', '--trial', ...own], { cwd: folder, env });
  let said = '';
  several.stdout?.on('data', (octets: Buffer) => (said += octets.toString()));
  const gone = new Promise((resolve) => several.once('close', resolve));
  try {
    await until(() => said.includes('Ctrl-C stops it') && said.split('"listening"').length === 3);
    const run = spawnSync(process.execPath, [program, 'demo', ...own], { cwd: folder, env, encoding: 'utf8' });
    assert.equal(run.status, 0, run.stdout + run.stderr);
    assert.equal(said.split('Ctrl-C stops it').length, 2);
    assert.match(said, /^ {4}http:\S+\/login#token=\w+$/m);
  } finally {
    several.kill('SIGTERM');
    assert.equal(await gone, 0);
  }
});

test('without a trial run the demo says what to do', () => {
  const { status, stderr } = spawnSync(process.execPath, [program, 'demo', '--listen=127.0.0.1:1'], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  assert.equal(status, 69);
  assert.match(stderr, /^postern: demo: .*is "npm start" running in another terminal\?\n$/);
});
