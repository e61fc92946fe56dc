import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Endpoint } from '../../src/milter/endpoint.js';
import { type SocketPermissions, SocketProblem, openSocket } from '../../src/milter/socket.js';
import { needPeer } from '../support/peers.js';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'socket-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

async function open(
  t: TestContext,
  endpoint: Endpoint,
  permissions?: SocketPermissions,
): Promise<{ server: net.Server; bound: Endpoint }> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {}); // whoever only looks who is there does not read
    socket.end('here');
  });
  t.after(() => server.close());
  return { server, bound: await openSocket(server, endpoint, permissions) };
}

const unix = (path: string): Endpoint => ({ kind: 'unix', path });
const tcp = (host: string, port = 0): Endpoint => ({ kind: 'tcp', host, port });

function said(where: net.NetConnectOpts): Promise<string> {
  return new Promise((settle, fail) => {
    let text = '';
    net
      .connect(where)
      .on('data', (octets) => (text += octets.toString()))
      .on('end', () => settle(text))
      .on('error', fail);
  });
}

const isProblem =
  (text: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof SocketProblem);
    assert.match(error.message, text);
    return true;
  };

test('a UNIX socket is for its owner and group, and goes with the server', async (t) => {
  const path = join(folder(t), 'x.sock');
  const mask = process.umask();
  const { server } = await open(t, unix(path));
  assert.equal(process.umask(), mask);
  assert.equal(statSync(path).mode & 0o777, 0o660);
  assert.equal(await said({ path }), 'here');
  await new Promise((done) => server.close(done));
  assert.equal(existsSync(path), false);
});

test('a UNIX socket has the mode that is asked for', async (t) => {
  const path = join(folder(t), 'x.sock');
  await open(t, unix(path), { mode: 0o666 });
  assert.equal(statSync(path).mode & 0o777, 0o666);
});

test('a UNIX socket has the owner and group that are asked for', async (t) => {
  if (!needPeer(t, 'root')) return;
  const path = join(folder(t), 'x.sock');
  await open(t, unix(path), { uid: 12, gid: 34 });
  const { uid, gid, mode } = statSync(path);
  assert.deepEqual([uid, gid, mode & 0o777], [12, 34, 0o660]);
});

/** A socket file whose program is gone. */
async function leaveStale(path: string): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await new Promise((done) => spawn(process.execPath, ['-e', script]).on('exit', done));
  assert.ok(statSync(path).isSocket());
}

test('a socket file that nobody listens on is replaced', async (t) => {
  const path = join(folder(t), 'x.sock');
  await leaveStale(path);
  await open(t, unix(path));
  assert.equal(await said({ path }), 'here');
});

test('a socket file that somebody listens on is left alone', async (t) => {
  const path = join(folder(t), 'x.sock');
  await open(t, unix(path));
  await assert.rejects(open(t, unix(path)), isProblem(/x\.sock: another program listens there$/));
  assert.equal(await said({ path }), 'here');
});

test('a file that is no socket is left alone', async (t) => {
  const path = join(folder(t), 'x.sock');
  writeFileSync(path, 'precious');
  await assert.rejects(open(t, unix(path)), isProblem(/is there already, and is no socket$/));
  assert.ok(existsSync(path));
});

test('a stale file that is somebody else’s says so', async (t) => {
  if (!needPeer(t, 'root')) return;
  const path = join(folder(t), 'x.sock');
  await leaveStale(path);
  chownSync(path, 12, 12);
  await open(t, unix(path)); // root may
});

const failing: readonly [what: string, endpoint: (folder: string) => Endpoint, problem: RegExp][] = [
  [
    'a directory that is not there',
    (dir) => unix(join(dir, 'none', 'x.sock')),
    /^unix:.*: its directory is not there$/,
  ],
  ['an address of another host', () => tcp('192.0.2.1', 4242), /^inet:192\.0\.2\.1:4242: is no address of this host$/],
  ['a host that has no address', () => tcp('none.invalid', 4242), /none\.invalid has no address/],
  ['a descriptor that is not open', () => ({ kind: 'fd', fd: 999 }), /^fd:999: no socket was passed on/],
];

for (const [what, endpoint, problem] of failing) {
  test(`cannot be opened: ${what}`, async (t) => {
    await assert.rejects(open(t, endpoint(folder(t))), isProblem(problem));
  });
}

test('a port in use says so', async (t) => {
  const { bound } = await open(t, tcp('127.0.0.1'));
  assert.ok(bound.kind === 'tcp' && bound.port > 0);
  await assert.rejects(open(t, bound), isProblem(/: another program listens there$/));
});

test('a name is looked up', async (t) => {
  const { bound } = await open(t, { kind: 'tcp', host: 'localhost', port: 0, family: 4 });
  assert.ok(bound.kind === 'tcp');
  assert.deepEqual([bound.host, bound.family], ['127.0.0.1', 4]);
});

test('a socket that was opened by somebody else is served', async (t) => {
  const { server: opened, bound } = await open(t, tcp('127.0.0.1'));
  const fd = (opened as unknown as { _handle: { fd: number } })._handle.fd;
  const script = `
    const { openSocket } = await import(${JSON.stringify(new URL('../../src/milter/socket.js', import.meta.url).href)});
    const server = (await import('node:net')).createServer((socket) => socket.end('child'));
    console.log(JSON.stringify(await openSocket(server, { kind: 'fd', fd: 3 })));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
  });
  t.after(() => child.kill());
  const printed = await new Promise<string>((settle) => child.stdout?.once('data', (octets) => settle(String(octets))));
  assert.deepEqual(JSON.parse(printed), bound);
  opened.close();
  assert.ok(bound.kind === 'tcp');
  assert.equal(await said({ host: bound.host, port: bound.port }), 'child');
});
