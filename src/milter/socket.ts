/**
 * Opens the socket a milter listens on. A socket file nobody listens on any more is removed, one with a program
 * behind it is respected; a new one has its mode and owner before anybody can connect.
 */
import { lookup } from 'node:dns/promises';
import { readFileSync, readlinkSync } from 'node:fs';
import { chmod, chown, lstat, stat, unlink } from 'node:fs/promises';
import net from 'node:net';
import { dirname } from 'node:path';
import { type Endpoint, endpointText } from './endpoint.js';

/** Who owns the file of a UNIX socket, and who may connect to it. */
export interface SocketPermissions {
  /** Default 0660. */
  readonly mode?: number;
  /** User and group by number; unchanged where undefined. */
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** Why a socket cannot be opened, in a sentence for the operator. */
export class SocketProblem extends Error {
  override readonly name = 'SocketProblem';
}

/** Opens it, and answers where it is: the port that was free, the address of a socket that was passed on. */
export async function openSocket(
  server: net.Server,
  endpoint: Endpoint,
  permissions: SocketPermissions = {},
): Promise<Endpoint> {
  if (endpoint.kind === 'unix') await removeStale(endpoint.path);
  await open(server, endpoint, async () => {
    if (endpoint.kind === 'unix') await setPermissions(endpoint.path, permissions);
  });
  return boundAt(server, endpoint);
}

async function open(server: net.Server, endpoint: Endpoint, opened: () => Promise<void>): Promise<void> {
  const where = await listenOptions(endpoint);
  try {
    await listening(server, where);
    await opened();
  } catch (error) {
    server.close();
    throw new SocketProblem(`${endpointText(endpoint)}: ${await socketProblem(endpoint, error)}`);
  }
}

/** Throws where the file is no socket, or somebody listens on it. */
export async function removeStale(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (!there) return;
  if (!there.isSocket()) throw new SocketProblem(`unix:${path}: is there already, and is no socket`);
  const problem = await connectProblem(path);
  if (problem === undefined) throw new SocketProblem(`unix:${path}: another program listens there`);
  if (problem === 'ENOENT') return;
  if (problem !== 'ECONNREFUSED')
    throw new SocketProblem(`unix:${path}: is there already, and does not say by whom (${problem})`);
  await unlink(path).catch((error: unknown) => {
    throw new SocketProblem(`unix:${path}: nobody listens there, and it cannot be removed (${codeOf(error)})`);
  });
}

/** Says why nobody can be reached there; undefined when somebody answers. */
function connectProblem(path: string): Promise<string | undefined> {
  return new Promise((settle) => {
    const probe = net.connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      settle(undefined);
    });
    probe.once('error', (error) => settle(codeOf(error)));
  });
}

async function listenOptions(endpoint: Endpoint): Promise<net.ListenOptions | { fd: number }> {
  switch (endpoint.kind) {
    case 'fd':
      return { fd: endpoint.fd };
    case 'unix':
      return { path: endpoint.path, backlog: listenBacklog };
    case 'tcp': {
      const found = await lookup(endpoint.host, { family: endpoint.family ?? 0 }).catch((error: unknown) => {
        throw new SocketProblem(`${endpointText(endpoint)}: ${endpoint.host} has no address (${codeOf(error)})`);
      });
      return { host: found.address, port: endpoint.port, backlog: listenBacklog };
    }
  }
}

/** Connections that may wait while all hands are busy; the kernel's own limit is applied to it. */
const listenBacklog = 1024;

/** A socket file is made for its owner only; the mode comes behind the owner. */
function listening(server: net.Server, where: net.ListenOptions | { fd: number }): Promise<void> {
  return new Promise((settle, fail) => {
    const before = 'path' in where ? process.umask(0o177) : undefined;
    server.once('error', fail);
    server.listen(where, () => {
      server.removeListener('error', fail);
      settle();
    });
    if (before !== undefined) process.umask(before);
  });
}

/** Gives a socket's file its owner and then its mode. */
export async function setPermissions(path: string, { mode = 0o660, uid, gid }: SocketPermissions): Promise<void> {
  if (uid !== undefined || gid !== undefined) await chown(path, uid ?? -1, gid ?? -1);
  await chmod(path, mode);
}

function boundAt(server: net.Server, endpoint: Endpoint): Endpoint {
  const address = server.address();
  if (address === null) return (endpoint.kind === 'fd' && passedSocket(endpoint.fd)) || endpoint;
  if (typeof address === 'string') return { kind: 'unix', path: address };
  return { kind: 'tcp', host: address.address, port: address.port, family: address.family === 'IPv6' ? 6 : 4 };
}

/** The endpoint of a UNIX socket that was passed on to us. Node does not know its path; Linux tells it. */
export function passedSocket(fd: number): Endpoint | undefined {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
    // RefCount Protocol Flags Type St Inode Path: proc_net(5)
    const path = new RegExp(`^(?:\\S+ +){6}${inode} (/.*)$`, 'm').exec(readFileSync('/proc/net/unix', 'utf8'))?.[1];
    return path === undefined ? undefined : { kind: 'unix', path };
  } catch {
    return undefined;
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);

const sentences: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EACCES: 'this user may not listen there',
  EPERM: 'this user may not give it that owner',
  EADDRNOTAVAIL: 'is no address of this host',
  ENOENT: 'its directory is not there',
  EBADF: 'no socket was passed on under that number',
  EINVAL: 'no socket was passed on under that number, or it does not listen',
};

/**
 * What is wrong, for the operator. Node says EACCES where the kernel said ENOENT of a UNIX socket's directory (libuv,
 * uv_pipe_bind).
 */
export async function socketProblem(endpoint: Endpoint, error: unknown): Promise<string> {
  const code = codeOf(error);
  const hidden = code === 'EACCES' && endpoint.kind === 'unix';
  const real = hidden ? await stat(dirname(endpoint.path)).then(() => code, codeOf) : code;
  return sentences[real] ?? real;
}
