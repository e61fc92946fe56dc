/** `postern milter` from outside: its options, what it refuses to start with, reload, workers, metrics, stop. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, linkSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../support/free-port.js';
import { MilterClient } from '../../milter/verify-sender/client.js';
import { MilterChild, MilterFolder, startMilter } from '../support/milter-child.js';
import { needPeer } from '../../support/peers.js';
import { inTime, until } from '../../support/until.js';

const folders: MilterFolder[] = [];
function folderWith(text = ''): MilterFolder {
  const folder = new MilterFolder(text);
  folders.push(folder);
  return folder;
}
after(() => folders.forEach((folder) => folder.remove()));

const refused = '550 5.7.23 SPF validation failed';

async function open(folder: MilterFolder): Promise<MilterClient> {
  const client = await MilterClient.open(folder.socket);
  await client.connect('203.0.113.7');
  await client.helo('client.test');
  return client;
}

async function mailOf(client: MilterClient, from: string): Promise<string> {
  const { verdict } = await client.mail(from);
  client.abort();
  return verdict;
}

async function run(
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: unknown; child: MilterChild }> {
  const child = new MilterChild(argv, env);
  return { code: await child.exited, child };
}

test('-V, --help, --check-config and --print-config answer and stop', async () => {
  const folder = folderWith('dry_run = yes');
  const version = await run(['-V']);
  assert.equal(version.code, 0);
  assert.match(version.child.stdout, /^postern \d/);
  assert.match((await run(['--help'])).child.stdout, /--config-file PATH/);
  const checked = await run(['-c', folder.file, '--check-config']);
  assert.deepEqual([checked.code, checked.child.stdout], [0, `postern: ${folder.file} is good\n`]);
  const printed = await run(['--print-config'], { SPF_MILTER_CONFIG_FILE: folder.file });
  assert.match(printed.child.stdout, new RegExp(`^# ${folder.file}:4\ndry_run = yes$`, 'm'));
});

test('what is wrong with the configuration is all told, and stops the start with 78', async () => {
  const folder = folderWith('verify = no\ntrusted_networks = 10.0.0.0/99');
  const { code, child } = await run(['-c', folder.file, '-L', 'loud']);
  assert.equal(code, 78);
  const lines = child.stderr.trimEnd().split('\n');
  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? '', /^postern: .*:4: verify is no parameter/);
  assert.match(lines[1] ?? '', /^postern: .*:5: trusted_networks = 10\.0\.0\.0\/99: /);
  assert.match(lines[2] ?? '', /^postern: -L: log_level = loud: must be error or warn or info or debug/);
});

test('a file that is not there: 78; an option that is none: 64', async () => {
  const gone = await run(['-c', '/proc/nowhere/x.conf']);
  assert.equal(gone.code, 78);
  assert.match(gone.child.stderr, /^postern: \/proc\/nowhere\/x\.conf: must be a file that can be read \(ENOENT\)/);
  assert.equal((await run(['--bogus'])).code, 64);
  const other = await run(['--policy', 'greylist']);
  assert.equal(other.code, 64);
  assert.match(other.child.stderr, /no policy "greylist"; there are verify and submission/);
});

test('a socket in use stops the start, one nobody listens on does not', async () => {
  const folder = folderWith();
  const child = await startMilter(folder);
  const second = await run(['-c', folder.file]);
  assert.equal(second.code, 69);
  assert.match(second.child.stderr, /another program listens there/);
  child.kill('SIGKILL');
  await child.exited;
  assert.ok(existsSync(folder.socket));
  const third = await startMilter(folder);
  const client = await open(folder);
  assert.equal(await mailOf(client, 'a@fail.test'), refused);
  client.quit();
  assert.equal(await third.stop(), 0);
  assert.ok(!existsSync(folder.socket));
});

test('with workers a port in use says the same', async () => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as net.AddressInfo;
  const folder = folderWith();
  folder.configure('workers = 2', `inet:127.0.0.1:${port}`);
  const { code, child } = await run(['-c', folder.file]);
  taken.close();
  assert.equal(code, 69);
  assert.match(child.stderr, new RegExp(`inet:127\\.0\\.0\\.1:${port}: another program listens there`));
});

test('the start tells the lines for the MTAs, and each result is a line of the log', async () => {
  const folder = folderWith();
  const child = await startMilter(folder);
  const client = await open(folder);
  await mailOf(client, 'a\u001b[1m@fail.test');
  await child.line(/mailfrom/);
  assert.match(child.stderr, new RegExp(`^for Postfix: smtpd_milters = unix:${folder.socket}$`, 'm'));
  assert.match(child.stderr, /^for Sendmail: INPUT_MAIL_FILTER\(`postern', `S=unix:/m);
  assert.match(
    child.stderr,
    /^a\?\[1m@fail\.test \(mailfrom\): fail ip=203\.0\.113\.7 helo=client\.test mechanism=-all$/m,
  );
  await child.line(
    /^message refused ip=203\.0\.113\.7 from=a\?\[1m@fail\.test spf_helo=none spf_mailfrom=fail code=550 reply="SPF validation failed"$/m,
  );
  await client.mail('a@pass.test');
  client.abort();
  await client.mail('a@none.test');
  await client.message();
  await child.line(/^message passed id=QUEUEID ip=203\.0\.113\.7 from=a@none\.test spf_helo=none spf_mailfrom=none$/m);
  client.quit();
  await child.stop();
});

test('log_format = json', async () => {
  const folder = folderWith('log_format = json');
  const child = new MilterChild(['-c', folder.file]);
  await child.line(/"msg":"for Postfix/);
  assert.equal(await child.stop(), 0);
  for (const line of child.stderr.trimEnd().split('\n')) assert.equal(typeof JSON.parse(line), 'object');
});

for (const signal of ['SIGHUP', 'SIGUSR1'] as const) {
  test(`${signal} reloads for sessions to come; what is wrong leaves the old configuration`, async () => {
    const folder = folderWith();
    const child = await startMilter(folder);
    const old = await open(folder);
    folder.configure('reject_results =\nlog_level = debug');
    child.kill(signal);
    await child.line(/configuration reloaded from/);
    await child.line(/parameter "log_level" changed, restart needed/);
    const young = await open(folder);
    assert.equal(await mailOf(young, 'a@fail.test'), 'continue');
    assert.equal(await mailOf(old, 'a@fail.test'), refused);
    folder.configure('reject_results = all');
    child.kill(signal);
    await child.line(/not reloaded, the old configuration stays: .*reject_results = all: "all" must be/);
    const third = await open(folder);
    assert.equal(await mailOf(third, 'a@fail.test'), 'continue');
    for (const client of [old, young, third]) client.quit();
    assert.equal(await child.stop(), 0);
  });
}

const modeByUmask = (): number => (0o777 & ~process.umask()) | 0o660;

const idOf = (database: 'passwd' | 'group', name: string): number =>
  Number(spawnSync('getent', [database, name], { encoding: 'utf8' }).stdout.split(':')[2]);

test('the socket’s mode is as the umask says, for owner and group in any case, or as it is set', async () => {
  const folder = folderWith();
  const child = await startMilter(folder);
  assert.equal(statSync(folder.socket).mode & 0o777, modeByUmask());
  await child.stop();
  folder.configure('socket_mode = 0600');
  const next = await startMilter(folder);
  assert.equal(statSync(folder.socket).mode & 0o777, 0o600);
  await next.stop();
});

for (const workers of [1, 2]) {
  test(`started as root, with workers = ${workers}, it opens its socket and becomes another user`, async (t) => {
    if (!needPeer(t, 'root')) return;
    const folder = folderWith();
    chmodSync(folder.path, 0o755);
    const account = `user = nobody\ngroup = mail\nsocket_group = daemon\nworkers = ${workers}`;
    folder.configure(account);
    const child = await startMilter(folder);
    const { uid, gid, mode } = statSync(folder.socket);
    assert.deepEqual([uid, gid, mode & 0o777], [idOf('passwd', 'nobody'), idOf('group', 'daemon'), modeByUmask()]);
    const pids = [child.pid, ...childrenOf(child.pid)];
    assert.equal(pids.length, workers === 1 ? 1 : 3);
    for (const pid of pids) {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const ids = ['Uid', 'Gid'].map((key) => new RegExp(`^${key}:\\s+(\\d+)\\s+(\\d+)`, 'm').exec(status)?.slice(1));
      const [user, group] = [String(uid), String(idOf('group', 'mail'))];
      assert.deepEqual(ids, [
        [user, user],
        [group, group],
      ]);
    }
    const client = await open(folder);
    assert.equal(await mailOf(client, 'a@fail.test'), refused);
    folder.configure(`${account}\nreject_results =`);
    child.kill('SIGHUP');
    await child.line(/configuration reloaded/);
    client.quit();
    assert.equal(await child.stop(), 0);
  });
}

test('a user that there is not stops the start', async (t) => {
  if (!needPeer(t, 'root')) return;
  const folder = folderWith('user = no-such-user');
  const { code, child } = await run(['-c', folder.file]);
  assert.equal(code, 69);
  assert.match(child.stderr, /user = no-such-user: there is no such user/);
});

test('idle_timeout closes a connection that says nothing', async () => {
  const folder = folderWith('idle_timeout = 1s');
  const child = await startMilter(folder);
  const client = await open(folder);
  await until(() => client.closed, 'the connection is closed');
  assert.equal(await child.stop(), 0);
});

test('TERM lets a running message finish', async () => {
  const folder = folderWith();
  const child = await startMilter(folder);
  const client = await open(folder);
  await client.mail('a@none.test');
  child.kill('SIGTERM');
  await child.line(/stopping/);
  await client.rcpt('u@rcpt.test');
  await client.data();
  assert.match((await client.message()).edits[0] ?? '', /^insert Received-SPF: none /);
  client.quit();
  assert.equal(await child.exited, 0);
});

const scrape = async (port: number): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

test('metrics count messages, results and sessions', async () => {
  const port = await freePort();
  const folder = folderWith(`metrics = 127.0.0.1:${port}`);
  const child = await startMilter(folder);
  const client = await open(folder);
  await mailOf(client, 'a@fail.test');
  const text = await scrape(port);
  assert.match(text, /^postern_build_info\{version="[^"]+"\} 1$/m);
  assert.match(text, /^# TYPE postern_spf_results_total counter$/m);
  assert.match(text, /^postern_spf_results_total\{identity="mailfrom",result="fail"\} 1$/m);
  assert.match(text, /^postern_milter_messages_total\{verdict="refused"\} 1$/m);
  assert.match(text, /^postern_milter_sessions 1$/m);
  assert.match(text, /^postern_spf_seconds_bucket\{le="\+Inf"\} 2$/m);
  assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
  assert.equal((await fetch(`http://127.0.0.1:${port}/x`)).status, 404);
  client.quit();
  await child.stop();
});

test('a metrics address in use stops the start', async () => {
  const port = await freePort();
  const taken = net.createServer().listen(port, '127.0.0.1');
  const folder = folderWith(`metrics = 127.0.0.1:${port}`);
  const { code, child } = await run(['-c', folder.file]);
  taken.close();
  assert.equal(code, 69);
  assert.match(child.stderr, new RegExp(`metrics = 127\\.0\\.0\\.1:${port}: another program listens there`));
});

const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => {
      try {
        return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${other}/status`, 'utf8'))?.[1]) === pid;
      } catch {
        return false;
      }
    });

test('workers share the socket; one that dies is replaced, and numbers are added up', async () => {
  const port = await freePort();
  const folder = folderWith(`workers = 2\nmetrics = 127.0.0.1:${port}\nsocket_mode = 0666`);
  const child = await startMilter(folder);
  for (let i = 0; childrenOf(child.pid).length < 2 && i < 200; i++) await sleep(20);
  assert.equal(statSync(folder.socket).mode & 0o777, 0o666);
  for (let i = 0; i < 6; i++) {
    const client = await open(folder);
    assert.equal(await mailOf(client, 'a@fail.test'), refused);
    client.quit();
  }
  assert.match(await scrape(port), /^postern_milter_messages_total\{verdict="refused"\} 6$/m);
  const [victim = 0] = childrenOf(child.pid);
  process.kill(victim, 'SIGKILL');
  await child.line(/worker died: another one takes its place/);
  for (let i = 0; childrenOf(child.pid).length < 2 && i < 200; i++) await sleep(20);
  const client = await open(folder);
  assert.equal(await mailOf(client, 'a@fail.test'), refused);
  client.quit();
  assert.match(await scrape(port), /^postern_milter_messages_total\{verdict="refused"\} 7$/m);
  folder.configure(`workers = 2\nmetrics = 127.0.0.1:${port}\nreject_results =`);
  child.kill('SIGHUP');
  await child.line(/configuration reloaded[^]*configuration reloaded/);
  const next = await open(folder);
  assert.equal(await mailOf(next, 'a@fail.test'), 'continue');
  next.quit();
  assert.equal(await child.stop(), 0);
});

for (const workers of [1, 2]) {
  test(`a socket handed over by systemd is served by ${workers}, the file’s own is not opened`, async (t) => {
    const folder = folderWith(`workers = ${workers}`);
    const handed = join(folder.path, 'handed');
    const server = net.createServer().listen(handed);
    await new Promise((resolve) => server.once('listening', resolve));
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const program = new URL('../../../src/main.js', import.meta.url).pathname;
    const child = spawn(
      '/bin/sh',
      ['-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh', process.execPath, program, 'milter', '-c', folder.file],
      {
        stdio: ['ignore', 'ignore', 'pipe', fd],
      },
    );
    t.after(() => child.kill('SIGKILL'));
    let log = '';
    child.stderr?.on('data', (octets: Buffer) => (log += octets.toString()));
    const exited = new Promise((resolve) => child.once('exit', resolve));
    await until(() => log.includes('starting'));
    assert.match(log, new RegExp(`starting socket=unix:${handed}$`, 'm'));
    assert.ok(!existsSync(folder.socket));
    child.kill('SIGTERM');
    assert.equal(await inTime(exited, 'it stops'), 0);
    server.close();
  });
}

test('syslog: lines go to logger(1) with facility and severity', { skip: process.platform !== 'linux' }, async () => {
  const folder = folderWith();
  const { openMilterLog } = await import('../../../src/cli/milter/log.js');
  const out = join(folder.path, 'out');
  const logger = join(folder.path, 'logger');
  writeFileSync(logger, `#!/bin/sh\necho "$@" > ${out}\ncat >> ${out}\n`, { mode: 0o755 });
  const config = {
    log_destination: 'syslog',
    log_level: 'info',
    log_format: 'plain',
    syslog_facility: 'local0',
  } as const;
  const { log, close } = openMilterLog(config, { stderr: () => {}, device: '/dev/null', logger });
  log.info({ ip: '192.0.2.1', helo: 'a b' }, 'x@y (mailfrom): pass\nfaked');
  log.error({}, 'bad');
  log.debug({}, 'not seen');
  await close();
  const [argv = '', ...lines] = readFileSync(out, 'utf8').trimEnd().split('\n');
  assert.match(argv, /^--prio-prefix --id=\d+ --tag postern$/);
  assert.deepEqual(lines, ['<134>x@y (mailfrom): pass?faked ip=192.0.2.1 helo="a b"', '<131>bad']);
});

test('without a syslog the log goes to standard error, and says so', async () => {
  const { openMilterLog } = await import('../../../src/cli/milter/log.js');
  const written: string[] = [];
  const config = {
    log_destination: 'syslog',
    log_level: 'info',
    log_format: 'plain',
    syslog_facility: 'mail',
  } as const;
  const { log, close } = openMilterLog(config, {
    stderr: (text) => void written.push(text),
    device: '/no/log',
    logger: 'logger',
  });
  log.info({ id: undefined, from: '', why: new Error('not so') }, 'hello\nworld');
  assert.equal(written.length, 0);
  await new Promise((turn) => setImmediate(turn));
  const [first = '', second = '', end] = written.join('').split('\n');
  assert.deepEqual([written.length, end], [1, ''], 'one write for all lines of a turn');
  assert.match(first, /^(<4>)?there is no \/no\/log: the log goes to standard error$/);
  assert.match(second, /^(<6>)?hello\?world from="" why="Error: not so\\n {4}at .*"$/);
  for (let i = 0; i < 3; i++) log.info({ i, text: 'x'.repeat(2000) }, 'long');
  log.debug({}, 'not seen');
  await close();
  const tooLong = written.filter((text) => text.length > 4096);
  assert.deepEqual(tooLong, [], 'what a pipe takes in one piece');
  assert.match(written.join(''), /long i=2 text=x{2000}\n$/);
});

test('HUP in the moment in which the socket opens is a reload, and no end', async () => {
  const folder = folderWith();
  const child = new MilterChild(['-c', folder.file]);
  await until(() => existsSync(folder.socket), 'the socket is there');
  child.kill('SIGHUP');
  await child.line(/configuration reloaded from/);
  const client = await open(folder);
  assert.equal(await mailOf(client, 'a@fail.test'), refused);
  client.quit();
  assert.equal(await child.stop(), 0);
});

/** As systemd does: it keeps the socket, and starts the service again when it has ended. */
const restarting = `for n in 1 2; do sh -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"' sh "$@"; done`;

test('who comes while the service is restarted waits in a socket that was handed over', async (t) => {
  const folder = folderWith();
  const server = net.createServer().listen(join(folder.path, 'handed'));
  await once(server, 'listening');
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const program = new URL('../../../src/main.js', import.meta.url).pathname;
  const words = [process.execPath, program, 'milter', '-c', folder.file];
  const shell = spawn('/bin/sh', ['-c', restarting, 'sh', ...words], { stdio: ['ignore', 'ignore', 'pipe', fd] });
  t.after(() => shell.kill('SIGKILL'));
  linkSync(join(folder.path, 'handed'), folder.socket);
  server.close(); // this process is not to take connections; Node removes the name that it knows
  let log = '';
  shell.stderr?.on('data', (octets: Buffer) => (log += octets.toString()));
  const gone = once(shell, 'close');
  const starts = (): number => log.match(/ starting /g)?.length ?? 0;
  const end = (): void => childrenOf(shell.pid ?? 0).forEach((pid) => process.kill(pid, 'SIGTERM'));
  await until(() => starts() === 1, 'it serves');
  end();
  await until(() => log.includes('shut down'), 'it has stopped');
  const client = await open(folder);
  assert.equal(await mailOf(client, 'a@fail.test'), refused);
  assert.equal(starts(), 2);
  client.quit();
  end();
  await inTime(gone, 'all have ended');
});

test(
  'the socket’s owner and group, by name',
  { skip: process.getuid?.() !== 0 && 'only root gives files away' },
  async () => {
    const folder = folderWith('socket_owner = root\nsocket_group = daemon');
    const child = await startMilter(folder);
    const gid = Number(spawnSync('getent', ['group', 'daemon'], { encoding: 'utf8' }).stdout.split(':')[2]);
    assert.deepEqual([statSync(folder.socket).uid, statSync(folder.socket).gid], [0, gid]);
    await child.stop();
    folder.configure('socket_owner = nobody-of-that-name');
    const { code, child: second } = await run(['-c', folder.file]);
    assert.equal(code, 69);
    assert.match(second.stderr, /socket_owner = nobody-of-that-name: there is no such user; name one that exists/);
  },
);
