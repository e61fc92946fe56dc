/**
 * docs/milter.md, word by word as on Debian: its commands are run with a folder in the place of /, its lines
 * of main.cf are those of a private Postfix whose smtpd runs as postfix and in a chroot, and what systemd would do by
 * the units is done by what stands in them.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/cli/package-root.js';
import { needPeer } from '../support/peers.js';
import { Postfix } from '../support/postfix.js';
import { RawClient } from '../support/raw-client.js';
import { Sendmail } from '../support/sendmail.js';
import { until } from '../support/until.js';

const page = readFileSync(join(packageRoot, 'docs/milter.md'), 'utf8');
const [commands = '', mainCf = '', sendmailMc = ''] = [...page.matchAll(/^```(?:sh|text)\n([^]*?)^```$/gm)].map(
  ([, block = '']) => block.replace('cd /opt/postern', `cd '${packageRoot}'`),
);

const program = join(packageRoot, 'dist/src/main.js');
const queue = '/var/spool/postfix';

/** A folder that is / to the commands. */
class OtherRoot {
  readonly path: string;

  constructor(below = tmpdir()) {
    this.path = mkdtempSync(join(below, 'postern-page-'));
    chmodSync(this.path, 0o755);
    for (const folder of ['etc/systemd/system', 'bin', 'var/spool'])
      mkdirSync(join(this.path, folder), { recursive: true });
    for (const file of ['passwd', 'group']) copyFileSync(join('/etc', file), join(this.path, 'etc', file));
    const environment = `SPF_MILTER_CONFIG_FILE='${this.path}/etc/spf-milter.conf'`;
    this.#command('postern', `${environment} exec '${process.execPath}' '${program}' "$@"`);
    this.#command('systemctl', `echo "$@" >>'${this.path}/systemctl'`);
    for (const name of ['systemd-sysusers', 'systemd-tmpfiles'])
      this.#command(name, `exec /usr/bin/${name} --root='${this.path}' "$@"`);
  }

  #command(name: string, text: string): void {
    writeFileSync(join(this.path, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  run(script: string): { status: number | null; said: string } {
    const text = script.replaceAll(' /etc/', ` ${this.path}/etc/`);
    const env = { ...process.env, PATH: `${this.path}/bin:${process.env['PATH']}` };
    const { status, stdout, stderr } = spawnSync('/bin/bash', ['-e', '-o', 'pipefail', '-c', text], {
      cwd: packageRoot,
      env,
      encoding: 'utf8',
    });
    return { status, said: stdout + stderr };
  }

  read(path: string): string {
    return readFileSync(join(this.path, path), 'utf8');
  }

  /** The number of an account that the commands made, or that was there. */
  idOf(file: 'passwd' | 'group', name: string): number {
    const id = new RegExp(`^${name}:[^:]*:(\\d+):`, 'm').exec(this.read(`etc/${file}`))?.[1];
    assert.ok(id !== undefined, `${name} in ${file}`);
    return Number(id);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

const settingOf = (unit: string, key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

/**
 * What systemd does by a .socket unit. `close` leaves the file where it is: this process must not take connections, and
 * Node would remove it.
 */
async function openedBy(unit: string, root: OtherRoot): Promise<net.Server> {
  const path = root.path + settingOf(unit, 'ListenStream');
  const server = net.createServer().listen(path);
  await once(server, 'listening');
  const [user, group] = [settingOf(unit, 'SocketUser'), settingOf(unit, 'SocketGroup')];
  chownSync(path, root.idOf('passwd', user), root.idOf('group', group));
  chmodSync(path, Number.parseInt(settingOf(unit, 'SocketMode'), 8));
  linkSync(path, `${path}.kept`);
  server.once('close', () => renameSync(`${path}.kept`, path));
  return server;
}

/**
 * And by a .service unit. The one right that the user has beyond systemd's is to read: the tests may lie where only
 * root may look.
 */
function startedBy(unit: string, root: OtherRoot, socket: net.Server | undefined): ChildProcess {
  const fd = (socket as unknown as { _handle: { fd: number } } | undefined)?._handle.fd;
  const words = settingOf(unit, 'ExecStart').split(' ');
  assert.deepEqual(words.slice(0, 2), ['/usr/bin/env', 'postern']);
  const ids = [root.idOf('passwd', settingOf(unit, 'User')), root.idOf('group', settingOf(unit, 'Group'))];
  const listen = fd === undefined ? '' : 'LISTEN_PID=$$ LISTEN_FDS=1 ';
  const rights = '--clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search';
  const script = `umask ${settingOf(unit, 'UMask')}; ${listen}exec setpriv --reuid=${ids[0]} --regid=${ids[1]} ${rights} "$@"`;
  return spawn('/bin/sh', ['-c', script, 'sh', process.execPath, program, ...words.slice(2)], {
    stdio: ['ignore', 'pipe', 'pipe', ...(fd === undefined ? [] : [fd])],
    env: { ...process.env, SPF_MILTER_CONFIG_FILE: join(root.path, 'etc/spf-milter.conf') },
  });
}

/** A mail that needs no DNS to be judged: a null sender whose HELO name is no domain. */
async function send(port: number): Promise<string> {
  const client = await RawClient.open({ port });
  await client.reply();
  let last = '';
  for (const line of [
    'XCLIENT NAME=client.test ADDR=203.0.113.5',
    'EHLO localhost',
    'MAIL FROM:<>',
    'RCPT TO:<u@rcpt.test>',
    'DATA',
    'Subject: x\r\nReceived-SPF: pass (forged)\r\n\r\ntext\r\n.',
  ])
    if (!/^[45]/.test(last)) last = await client.say(line);
  client.end();
  return last;
}

/** The milter, started by its unit; what it has said by now. */
async function starts(t: TestContext, root: OtherRoot, socket: net.Server | undefined): Promise<() => string> {
  const child = startedBy(root.read('etc/systemd/system/postern-milter.service'), root, socket);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (octets: Buffer) => (said += octets.toString()));
  const gone = once(child, 'close');
  if (socket) await promisify(socket.close.bind(socket))();
  t.after(async () => {
    child.kill('SIGTERM');
    await gone;
  });
  await until(() => / starting /.test(said) || child.exitCode !== null, 'the milter starts');
  assert.match(said, / starting /);
  return () => said;
}

async function isServed(t: TestContext, root: OtherRoot, socket: net.Server | undefined): Promise<void> {
  const said = await starts(t, root, socket);
  const postfix = await Postfix.start({
    domains: ['rcpt.test'],
    settings: mainCf.trimEnd().split('\n'),
    queue: root.path + queue,
    chroot: true,
  });
  t.after(() => postfix.close());
  const reply = await send(postfix.port);
  assert.match(reply, /^250 /, postfix.log + said());
  await postfix.until(() => postfix.delivered.length === 1);
  const results = postfix.delivered[0]?.text.match(/^Received-SPF: .*$/gm)?.map((line) => line.split(' ')[1]);
  assert.deepEqual(results, ['none']);
  assert.doesNotMatch(postfix.log, /Milter service/);
}

/** What the section's commands leave behind. */
function installed(t: TestContext): OtherRoot {
  const root = new OtherRoot();
  t.after(() => root.remove());
  mkdirSync(root.path + queue);
  const { status, said } = root.run(commands);
  assert.equal(status, 0, said);
  return root;
}

const peers = ['postfix', 'root', 'setpriv', 'systemd-sysusers', 'systemd-tmpfiles'];

test('as the page says, with postern-milter.socket', async (t) => {
  if (!needPeer(t, ...peers)) return;
  const root = installed(t);
  assert.equal(root.read('systemctl'), 'enable --now postern-milter.socket postern-milter.service\n');
  const socket = await openedBy(root.read('etc/systemd/system/postern-milter.socket'), root);
  await isServed(t, root, socket);
});

test('as the page says, but that the service opens its socket itself, by the sample file', async (t) => {
  if (!needPeer(t, ...peers)) return;
  const root = installed(t);
  const file = join(root.path, 'etc/spf-milter.conf');
  writeFileSync(file, readFileSync(file, 'utf8').replace('unix:/', `unix:${root.path}/`));
  await isServed(t, root, undefined);
  const { gid } = statSync(join(root.path, queue, 'postern/milter.sock'));
  assert.equal(gid, root.idOf('group', 'postfix'));
});

test('as the page says for Sendmail: the socket of the unit, with SocketGroup=root', async (t) => {
  if (!needPeer(t, 'real-sendmail', ...peers)) return;
  const root = new OtherRoot('/run'); // Sendmail uses no socket below a folder where anybody may write
  t.after(() => root.remove());
  const { status, said: output } = root.run(commands.replace(/^.*tmpfiles.*\n/m, ''));
  assert.equal(status, 0, output);
  mkdirSync(root.path + join(queue, 'postern'), { recursive: true }); // systemd makes a socket's folder
  appendFileSync(join(root.path, 'etc/spf-milter.conf'), 'trusted_networks =\n'); // Sendmail has no XCLIENT
  const unit = root.read('etc/systemd/system/postern-milter.socket').replace('SocketGroup=postfix', 'SocketGroup=root');
  const socket = await openedBy(unit, root);
  const said = await starts(t, root, socket);
  const filter = /^INPUT_MAIL_FILTER\(`postern', `(.*)'\)dnl$/m.exec(sendmailMc)?.[1] ?? '';
  assert.match(filter, /^S=local:\/var\/spool\/postfix\/postern\/milter\.sock, F=T, /);
  const sendmail = await Sendmail.start({
    hostname: 'mx.fixture.test',
    filter: filter.replace('local:', `local:${root.path}`).replace('R:30s', 'R:60s'),
  });
  t.after(() => sendmail.close());
  const client = await RawClient.open({ port: sendmail.port, from: '127.1.2.3' });
  const mail = 'Subject: x\r\nReceived-SPF: pass (forged)\r\n\r\ntext\r\n.';
  const reply = await client.sayAll('EHLO localhost', 'MAIL FROM:<>', 'RCPT TO:<u@rcpt.test>', 'DATA', mail);
  client.end();
  assert.match(reply, /^250 /, said());
  await until(() => sendmail.delivered.length === 1, 'the mail is delivered');
  const results = sendmail.delivered[0]?.match(/^Received-SPF: .*$/gm)?.map((line) => line.split(' ')[1]);
  assert.deepEqual(results, ['none']);
});

test('the page leaves a configuration file that is there as it is', (t) => {
  if (!needPeer(t, ...peers)) return;
  const root = new OtherRoot();
  t.after(() => root.remove());
  const own = 'socket = inet:localhost:3000\n';
  writeFileSync(join(root.path, 'etc/spf-milter.conf'), own);
  const { status, said } = root.run(commands);
  assert.equal(status, 0, said);
  assert.equal(root.read('etc/spf-milter.conf'), own);
});
