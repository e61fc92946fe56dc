/** What a refused mail costs the mail server's own process, with and without a catalog, in turn. */
import { PosternProcess } from '../../support/child.js';
import type { Postgres } from '../../support/postgres.js';
import { emptyCatalog } from '../../catalog/support.js';
import { cpuSecondsOf } from '../child.js';
import { runLoad } from '../load.js';
import { loadNow, row } from './say.js';

const rounds = 5;
const mailsEach = 1_000;

export async function measureGate(postgres: Postgres): Promise<void> {
  await (await emptyCatalog(postgres)).close();
  const settings = ['max_connections_per_ip=500', 'max_connections=500'];
  const options = { markers: ['bench.example/users/valid/good'], relayPort: 1 };
  const alone = await PosternProcess.start({ ...options, settings });
  const shipping = await PosternProcess.start({ ...options, settings: [...settings, `catalog=${postgres.url}`] });
  try {
    const costs = { alone: [] as number[], shipping: [] as number[] };
    for (let i = 0; i <= rounds; i++)
      for (const [name, host] of i % 2
        ? [['alone', alone] as const, ['shipping', shipping] as const]
        : [['shipping', shipping] as const, ['alone', alone] as const]) {
        const cost = await costOf(host);
        // The first one warms up.
        if (i > 0) costs[name].push(cost);
      }
    const [without, withIt] = [median(costs.alone), median(costs.shipping)];
    row(
      'a refused mail, in the mail server itself',
      `${without.toFixed(0)} µs of CPU without a catalog, ${withIt.toFixed(0)} with one: ${(withIt / without).toFixed(3)} times; load ${loadNow()}`,
    );
  } finally {
    await alone.close();
    await shipping.close();
  }
}

/** Microseconds of the worker. */
async function costOf({ worker, port }: PosternProcess): Promise<number> {
  const before = cpuSecondsOf(worker);
  const mail = { size: 4_000, recipient: 'nobody@bench.example', answer: 'rejected' } as const;
  await runLoad({ port, connections: 10, mailsPerConnection: 10, count: mailsEach, ...mail });
  return ((cpuSecondsOf(worker) - before) / mailsEach) * 1e6;
}

const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? NaN;
