/** A way to a server on loopback that can be cut, swallow everything as a firewall does, or let it trickle. */
import net from 'node:net';
import type { TestContext } from 'node:test';

export interface WayThrough {
  readonly port: number;
  state: 'open' | 'silent' | 'cut' | 'slow';
}

/** So many octets go through a slow way at once, and then none for so many milliseconds. */
const trickle = { octets: 1_460, everyMs: 20 };

export async function wayTo(port: number, t: Pick<TestContext, 'after'>): Promise<WayThrough> {
  const sockets = new Set<net.Socket>();
  const way = { port: 0, state: 'open' as WayThrough['state'] };
  const listener = net.createServer((client) => {
    if (way.state === 'cut') return client.destroy();
    const upstream = net.connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.on('data', (octets) => {
        if (way.state === 'cut') from.destroy();
        else if (way.state === 'open') to.write(octets);
        else if (way.state === 'slow') letTrickle(octets, from, to);
      });
    }
    return undefined;
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  way.port = (listener.address() as net.AddressInfo).port;
  return way;
}

function letTrickle(octets: Buffer, from: net.Socket, to: net.Socket): void {
  from.pause();
  to.write(octets.subarray(0, trickle.octets));
  const rest = octets.subarray(trickle.octets);
  setTimeout(() => (rest.length > 0 ? letTrickle(rest, from, to) : from.resume()), trickle.everyMs);
}
