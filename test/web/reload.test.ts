/** The page as a process of its own, and as serve's: HUP reads its settings anew, and cuts no request. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { tokenLine } from '../../src/web/login/tokens.js';
import { startPostern } from '../cli/support/postern-command.js';
import { PosternProcess } from '../support/child.js';
import { freePort } from '../support/free-port.js';
import { until } from '../support/until.js';
import { admin, Client, keep, ofExampleCom } from './support.js';

interface PageProcess {
  readonly root: string;
  readonly port: number;
  /** Writes other settings beside those that stay, and asks for them by HUP. */
  reload(...settings: readonly string[]): void;
  said(msg: string): readonly Record<string, unknown>[];
}

async function startPage(t: TestContext, relay: number, ...settings: readonly string[]): Promise<PageProcess> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-page-'));
  for (const folder of ['srv/example.com/users/valid', 'spam', 'other', 'state'])
    fs.mkdirSync(path.join(root, folder), { recursive: true });
  fs.writeFileSync(path.join(root, 'srv/example.com/users/valid/foo'), '');
  fs.writeFileSync(path.join(root, 'tokens'), tokenLine('anna', 'admin', admin));
  const usual = ['web = 127.0.0.1:0', `srv = ${root}/srv`, `state = ${root}/state`, `relay = 127.0.0.1:${relay}`];
  const config = path.join(root, 'postern.conf');
  const write = (more: readonly string[]): void =>
    fs.writeFileSync(config, `${[...usual, 'hostname = mx.test.example', ...more].join('\n')}\n`);
  write(settings);
  const child = startPostern(['web', '-c', config, '--log_format=json']);
  t.after(() => {
    child.kill('SIGKILL');
    fs.rmSync(root, { recursive: true, force: true });
  });
  let log = '';
  child.stdout.on('data', (octets: Buffer) => (log += octets.toString()));
  child.stderr.on('data', (octets: Buffer) => (log += octets.toString()));
  const said = (msg: string): Record<string, unknown>[] =>
    log
      .slice(0, log.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['msg'] === msg);
  await until(() => said('quarantine page').length > 0, 'the page is up');
  return {
    root,
    port: Number(new URL(String(said('quarantine page')[0]?.['web'])).port),
    reload: (...more) => {
      write(more);
      child.kill('SIGHUP');
    },
    said,
  };
}

/** A local MTA that is asked for a mail, and answers when it is told to. */
async function slowMta(t: TestContext): Promise<{ port: number; asked: () => boolean; answer: () => void }> {
  let waiting: net.Socket | undefined;
  const server = net.createServer((socket) => {
    socket.setEncoding('latin1').on('error', () => {});
    socket.write('220 mta.example\r\n');
    let said = '';
    let isMessage = false;
    socket.on('data', (text: string) => {
      said += text;
      if (isMessage && said.endsWith('\r\n.\r\n')) waiting = socket;
      if (isMessage || !said.endsWith('\r\n')) return;
      isMessage = said.endsWith('DATA\r\n');
      for (const line of said.split('\r\n').slice(0, -1))
        socket.write(line === 'DATA' ? '354 go on\r\n' : '250 fine\r\n');
      said = '';
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  return { port, asked: () => waiting !== undefined, answer: () => void waiting?.end('250 2.0.0 queued as SLOW\r\n') };
}

test('HUP has the page take its settings anew: tokens, folders, names, proxies; a release under way is finished', async (t) => {
  const mta = await slowMta(t);
  const page = await startPage(t, mta.port);
  const { root } = page;
  const write = (name: string, lines: string): void => fs.writeFileSync(path.join(root, name), lines);
  write('tokens', tokenLine('anna', 'admin', admin) + tokenLine('bob', 'example.com', ofExampleCom));
  const before = [`spam = ${root}/spam`, `web_tokens = ${root}/tokens`];
  page.reload(...before);
  await until(() => page.said('reloaded').length === 1);

  const [anna, bob] = [await new Client(page).login(), await new Client(page).login(ofExampleCom)];
  const mail = await keep({ spam: path.join(root, 'spam') }, { subject: 'kept before' });
  await keep({ spam: path.join(root, 'other') }, { subject: 'kept elsewhere' });
  assert.match((await anna.get('/')).body, /kept before/);
  const byName = { Host: 'mail.example.net' };
  assert.equal((await anna.get('/', byName)).status, 421);

  const released = anna.post('/release', { csrf: await anna.csrf(), mail });
  await until(mta.asked, 'the MTA has the mail');
  const later = 'l'.repeat(32);
  write('others', tokenLine('anna', 'admin', admin) + tokenLine('carol', 'admin', later));
  page.reload(
    `spam = ${root}/other`,
    `web_tokens = ${root}/others`,
    'web_hosts = mail.example.net',
    'web_proxies = 127.0.0.1',
    'log_level = debug',
  );
  const warned = 'reloaded, but these settings stay as they were until a restart';
  await until(() => page.said(warned).length === 1);
  assert.deepEqual(page.said(warned)[0]?.['restart_for'], ['log_level']);
  mta.answer();
  assert.equal((await released).status, 303);
  assert.match((await anna.get('/', byName)).body, /released: .*queued as SLOW[^]*kept elsewhere/);
  assert.equal((await bob.get('/')).status, 302, 'the session of a token that is gone has ended');
  await new Client(page).login(later);
  await new Client(page).post('/login', { token: 'wrong' }, { 'X-Forwarded-For': '203.0.113.9' });
  assert.equal(page.said('log-in failed')[0]?.['ip'], '203.0.113.9');
});

test('a configuration that is broken leaves the page its old one, and the log says so', async (t) => {
  const page = await startPage(t, 9);
  const name = { Host: 'mail.example.net' };
  const good = [`web_tokens = ${page.root}/tokens`, 'web_hosts = mail.example.net'];
  page.reload(...good);
  await until(() => page.said('reloaded').length === 1);
  const anna = await new Client(page).login();
  const broken: readonly (readonly [setting: string, problem: RegExp])[] = [
    ['web_proxies = nobody', /web_proxies/],
    [`dns_zone = ${page.root}/tokens`, /dns_zone/],
    [`plugins = ${page.root}/tokens`, /plugin/],
  ];
  for (const [i, [setting, problem]] of broken.entries()) {
    page.reload(`web_tokens = ${page.root}/none`, setting);
    const refused = (): readonly Record<string, unknown>[] => page.said('not reloaded: the old settings stay');
    await until(() => refused().length === i + 1);
    assert.match(String(refused()[i]?.['problems']), problem);
    assert.equal((await anna.get('/', name)).status, 200);
  }
  page.reload(...good);
  await until(() => page.said('reloaded').length === 2);
  assert.equal((await anna.get('/', name)).status, 200);
});

test('the page of serve takes what serve takes', async () => {
  const port = await freePort();
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-page-'));
  const config = path.join(root, 'postern.conf');
  fs.writeFileSync(config, '');
  const serve = await PosternProcess.start({
    relayPort: 9,
    settings: [`web=127.0.0.1:${port}`, `config=${config}`],
  });
  try {
    await serve.until(() => serve.log.some(({ msg }) => msg === 'quarantine page'));
    const client = new Client({ port });
    const status = async (): Promise<number> => (await client.get('/login', { Host: 'mail.example.net' })).status;
    assert.equal(await status(), 421);
    fs.writeFileSync(config, 'web_hosts = mail.example.net\n');
    serve.signal('SIGHUP');
    await serve.until(() => serve.log.filter(({ msg }) => msg === 'reloaded').length === 2);
    assert.equal(await status(), 200);
    fs.writeFileSync(config, 'web_hosts = \nmax_size = nonsense\n');
    serve.signal('SIGHUP');
    await serve.until(() => serve.log.some(({ msg }) => msg === 'not reloaded: the old settings stay'));
    assert.equal(await status(), 200);
  } finally {
    await serve.close();
    fs.rmSync(root, { recursive: true });
  }
});
