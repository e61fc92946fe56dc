/** For programs that cannot be told to take any port. */
import { randomInt } from 'node:crypto';
import net from 'node:net';

/** Below those that systems give to whoever asks for any port: else an outgoing connection may have it by then. */
const lowest = 10_000;
const highest = 32_000;

const given = new Set<number>();

/**
 * A port of 127.0.0.1 that is free now, taken by chance: of test files that run side by side two hardly ever get the
 * same.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
