/**
 * One question to one server over UDP, from a socket of its own: its port is new and random for each question
 * (RFC 5452 §9.2), and only what comes from the asked address and port and echoes id and question counts.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { answersQuery } from '../wire/message.js';
import type { Server } from './servers.js';

/** A question that a server was asked; it is over when `tell` has been called with the outcome. */
export interface Exchange {
  /** Sends `query`, the same question under the same id, once more: the answer to either counts. */
  again(query: Buffer): void;
  /** Closes the socket; nothing is told any more. */
  end(): void;
}

export type Transport = (server: Server, query: Buffer, tell: (outcome: Exchanged) => void) => Exchange;

/** `silent`: the server may be down, so it is worth another try later; the text holds nothing a server sent. */
export type Exchanged =
  | { readonly kind: 'reply'; readonly octets: Buffer }
  | { readonly kind: 'failed'; readonly problem: string; readonly silent: boolean };

/** Datagrams that look like guesses: after this many the port is given up, so that ids cannot be tried out on it. */
const maxStrays = 100;

export const askUdp: Transport = (server, query, tell) => {
  const socket = openSocket(server);
  let strays = 0;
  let ended = false;
  let toSend: Buffer | undefined = query;
  const end = (): void => {
    if (!ended) socket.close();
    ended = true;
    toSend = undefined;
  };
  const finish = (outcome: Exchanged): void => {
    if (ended) return;
    end();
    tell(outcome);
  };
  const fail = (problem: string): void => finish({ kind: 'failed', problem, silent: true });
  socket.on('error', (error: NodeJS.ErrnoException) => fail(`UDP: ${error.code ?? 'socket error'}`));
  socket.on('message', (octets, from) => {
    if (isFrom(server, from) && answersQuery(octets, query)) finish({ kind: 'reply', octets });
    else if (++strays >= maxStrays) fail('too many forged answers');
  });
  socket.on('connect', () => {
    if (toSend) socket.send(toSend);
    toSend = undefined;
  });
  socket.connect(server.port, server.address);
  return {
    again(repeated) {
      if (toSend) toSend = repeated;
      else if (!ended) socket.send(repeated);
    },
    end,
  };
};

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
