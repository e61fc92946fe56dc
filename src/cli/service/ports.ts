/**
 * Opens the addresses of a service in its first process and keeps them as descriptors, which its workers inherit and
 * listen on: a connection that comes while a worker is replaced waits in the kernel. The first process itself never
 * takes a connection.
 */
import { lookup } from 'node:dns/promises';
import { fstatSync } from 'node:fs';
import net from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { ListenTarget } from '../../settings/mail-kinds.js';

export interface Port {
  /** What a worker is given at its start. */
  readonly fd: number;
  /** Where it is, `host:port`; undefined where that is not known. */
  readonly address: string | undefined;
  /** Called in the first process. Removes the socket file where we made it; one that was handed over stays. */
  close(): void;
}

export type PortTarget = ListenTarget | { readonly path: string };

/**
 * What node:cluster uses of node:net's internals: it returns a bound handle that does not listen yet, or a negative
 * errno.
 */
interface NetInternals {
  _createServerHandle(
    address: string | null,
    port: number,
    addressType: number,
    fd: null,
    flags: number,
  ): Handle | number;
}

interface Handle {
  readonly fd: number;
  close(): void;
  /** 0, or a negative errno: that of bind(2), which libuv keeps back until it is asked. */
  getsockname?(name: Partial<net.AddressInfo>): number;
}

const { _createServerHandle: createHandle } = net as unknown as NetInternals;
/** UV_TCP_IPV6ONLY */
const ipv6Only = 1;

/** Rejects with an error that has `code` and `syscall`, as `listen` would. */
export async function openPort(target: PortTarget): Promise<Port> {
  if ('fd' in target) return passed(target.fd);
  if ('path' in target) return bound(createHandle(target.path, -1, -1, null, 0));
  if (target.host === undefined) return bound(createHandle(null, target.port, -1, null, 0));
  const { address, family } = await lookup(target.host);
  return bound(createHandle(address, target.port, family, null, target.ipv6Only === true ? ipv6Only : 0));
}

function passed(fd: number): Port {
  if (isSocket(fd)) return { fd, address: undefined, close: () => {} };
  throw Object.assign(new Error(`descriptor ${fd} is no socket that was handed over`), { code: 'EBADF' });
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}

function bound(handle: Handle | number): Port {
  if (typeof handle === 'number') throw problemOf(handle);
  const name: Partial<net.AddressInfo> = {};
  const errno = handle.getsockname?.(name) ?? 0;
  if (errno === 0) return { fd: handle.fd, address: textOf(name), close: () => handle.close() };
  handle.close();
  throw problemOf(errno);
}

const textOf = ({ address, port }: Partial<net.AddressInfo>): string | undefined =>
  address === undefined ? undefined : `${address.includes(':') ? `[${address}]` : address}:${port}`;

function problemOf(errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`bind ${code}`), { code, syscall: 'bind' });
}
