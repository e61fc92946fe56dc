/**
 * One question to one server over TCP (RFC 7766): for answers that do not fit into a datagram.
 * At most 65,535 octets are read, as the length field allows.
 */
import { connect, type Socket } from 'node:net';
import { answersQuery } from '../wire/message.js';
import type { Exchanged, Transport } from './udp.js';

export const askTcp: Transport = (server, query, tell) => {
  const socket = connect({ host: server.address, port: server.port, family: server.family, noDelay: true });
  let ended = false;
  const end = (): void => {
    ended = true;
    socket.destroy();
  };
  const finish = (outcome: Exchanged): void => {
    if (ended) return;
    end();
    tell(outcome);
  };
  const fail = (problem: string): void => finish({ kind: 'failed', problem, silent: true });
  socket.on('error', (error: NodeJS.ErrnoException) => fail(`TCP: ${error.code ?? 'socket error'}`));
  socket.on('close', () => fail('TCP: connection closed'));
  onFrame(socket, (octets) => finish(judge(octets, query)));
  socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]));
  // TCP itself sends again what was lost.
  return { again: () => {}, end };
};

function judge(octets: Buffer, query: Buffer): Exchanged {
  if (answersQuery(octets, query)) return { kind: 'reply', octets };
  return { kind: 'failed', problem: 'answer to another question', silent: false };
}

/** Calls back with the first length-prefixed message (RFC 1035 §4.2.2), however it is cut. */
function onFrame(socket: Socket, receive: (octets: Buffer) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let wanted = 2;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (wanted === 2 && length >= 2) wanted = 2 + Buffer.concat(chunks).readUInt16BE(0);
    if (length >= 2 && length >= wanted) receive(Buffer.concat(chunks).subarray(2, wanted));
  });
}
