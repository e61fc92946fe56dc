/**
 * One question to one server over UDP, from a socket of its own: its port is new and random for each question
 * (RFC 5452 §9.2), and only what comes from the asked address and port and echoes id and question counts.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { abortProblem } from '../deadline.js';
import { answersQuery } from '../wire/message.js';
import type { Server } from './servers.js';

export interface UdpExchange {
  readonly server: Server;
  readonly query: Buffer;
  readonly signal: AbortSignal;
}

/** `silent`: the server may be down, so it is worth another try later; the text holds nothing a server sent. */
export type Exchanged =
  | { readonly kind: 'reply'; readonly octets: Buffer }
  | { readonly kind: 'failed'; readonly problem: string; readonly silent: boolean };

/** Datagrams that look like guesses: after this many the port is given up, so that ids cannot be tried out on it. */
const maxStrays = 100;

export function askUdp({ server, query, signal }: UdpExchange): Promise<Exchanged> {
  return new Promise((resolve) => {
    const socket = openSocket(server);
    let strays = 0;
    const finish = (outcome: Exchanged): void => {
      signal.removeEventListener('abort', onAbort);
      closeOnce(socket);
      resolve(outcome);
    };
    const fail = (problem: string): void => finish({ kind: 'failed', problem, silent: true });
    const onAbort = (): void => fail(abortProblem(signal));
    socket.on('error', (error: NodeJS.ErrnoException) => fail(`UDP: ${error.code ?? 'socket error'}`));
    socket.on('message', (octets, from) => {
      if (isFrom(server, from) && answersQuery(octets, query)) finish({ kind: 'reply', octets });
      else if (++strays >= maxStrays) fail('too many forged answers');
    });
    socket.on('connect', () => socket.send(query));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.connect(server.port, server.address);
  });
}

function openSocket({ family }: Server): Socket {
  // The address is one already, and must not wait behind the thread pool of getaddrinfo.
  const lookup = (host: string, ...rest: readonly unknown[]): void => {
    const done = rest[rest.length - 1] as (error: null, address: string, family: number) => void;
    process.nextTick(done, null, host, family);
  };
  return createSocket({ type: family === 4 ? 'udp4' : 'udp6', lookup });
}

/** A connected socket hears its server only, but may have heard others before it was connected. */
function isFrom(server: Server, from: RemoteInfo): boolean {
  return from.port === server.port && withoutZone(from.address) === withoutZone(server.address);
}

const withoutZone = (address: string): string => address.split('%')[0] ?? address;

const closed = new WeakSet<Socket>();

function closeOnce(socket: Socket): void {
  if (closed.has(socket)) return;
  closed.add(socket);
  socket.close();
}
