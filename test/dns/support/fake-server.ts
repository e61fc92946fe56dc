/** A name server on loopback, UDP and TCP on one port of its own, that answers exactly as badly as it is told to. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { messageOctets, u16, type MessageParts } from './wire.js';

export interface Asked {
  readonly octets: Buffer;
  readonly id: number;
  readonly name: string;
  readonly type: number;
  /** Name, type and class as sent. */
  readonly question: Buffer;
  readonly edns: boolean;
  readonly over: 'udp' | 'tcp';
  readonly clientPort: number;
}

export interface Reply {
  readonly octets: Buffer;
  readonly afterMs?: number;
  /** From another port than the one asked. */
  readonly elsewhere?: boolean;
  /** TCP: sent as it is, without a length before it. */
  readonly bare?: boolean;
  readonly close?: boolean;
}

/** What to send, in this order; nothing for silence. */
export type Behaviour = (asked: Asked) => readonly Reply[];

export interface FakeServer {
  /** ip:port */
  readonly address: string;
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

/** A well-formed reply, changed in what `parts` says. */
export const reply = (asked: Asked, parts: Partial<MessageParts> = {}): Reply => ({
  octets: messageOctets({ id: asked.id, question: asked.question, ...parts }),
});

export async function fakeServer(
  behave: Behaviour,
  { host = '127.0.0.1', port: wanted = 0 }: { readonly host?: string; readonly port?: number } = {},
): Promise<FakeServer> {
  const asked: Asked[] = [];
  const hear = (octets: Buffer, over: 'udp' | 'tcp', clientPort: number): readonly Reply[] => {
    const query = { ...readQuery(octets), over, clientPort };
    asked.push(query);
    return behave(query);
  };
  const { tcp, udp, port } = await bindBoth(host, wanted);
  tcp.on('connection', (socket: Socket) => serveTcp(socket, hear));
  const other = await bind(0, host);
  udp.on('message', (octets, { address, port: clientPort }) => {
    for (const { octets: out, afterMs = 0, elsewhere } of hear(octets, 'udp', clientPort)) {
      const send = (): void => (elsewhere ? other : udp).send(out, clientPort, address);
      if (afterMs > 0) setTimeout(send, afterMs).unref();
      else send();
    }
  });
  const close = async (): Promise<void> => {
    udp.close();
    other.close();
    await new Promise((resolve) => tcp.close(resolve));
  };
  return { address: `${host}:${port}`, asked, close };
}

/** A port that is free for TCP may be somebody's for UDP: then another is tried, unless one is wanted. */
async function bindBoth(host: string, wanted: number): Promise<{ tcp: Server; udp: UdpSocket; port: number }> {
  for (let left = 10; ; left--) {
    const tcp = createServer();
    await new Promise<void>((resolve) => tcp.listen(wanted, host, resolve));
    const { port } = tcp.address() as AddressInfo;
    try {
      return { tcp, udp: await bind(port, host), port };
    } catch (error) {
      await new Promise((resolve) => tcp.close(resolve));
      if (wanted !== 0 || left === 0) throw error;
    }
  }
}

async function bind(port: number, host: string): Promise<UdpSocket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(port, host, resolve));
  return socket.on('error', () => {});
}

function serveTcp(socket: Socket, hear: (octets: Buffer, over: 'tcp', port: number) => readonly Reply[]): void {
  let heard = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    heard = Buffer.concat([heard, chunk]);
    if (heard.length < 2 || heard.length < 2 + heard.readUInt16BE(0)) return;
    for (const { octets, bare, close } of hear(heard.subarray(2), 'tcp', socket.remotePort ?? 0)) {
      socket.write(bare ? octets : Buffer.concat([u16(octets.length), octets]));
      if (close) socket.destroy();
    }
  });
}

function readQuery(octets: Buffer): Omit<Asked, 'over' | 'clientPort'> {
  const labels: string[] = [];
  let at = 12;
  for (let length = octets[at] ?? 0; length > 0; length = octets[at] ?? 0) {
    labels.push(octets.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  const type = octets.readUInt16BE(at + 1);
  const question = octets.subarray(12, at + 5);
  return {
    octets,
    id: octets.readUInt16BE(0),
    name: labels.join('.'),
    type,
    question,
    edns: octets.readUInt16BE(10) === 1,
  };
}
