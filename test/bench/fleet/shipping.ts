/** How fast hosts ship, one alone and three at once, and what that costs them, PostgreSQL and the store. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { emptyCatalog } from '../../catalog/support.js';
import type { Postgres } from '../../support/postgres.js';
import type { Versitygw } from '../../support/versitygw.js';
import { cpuSecondsOf } from '../child.js';
import { makeSpam } from './spam.js';
import { count, loadNow, row } from './say.js';
import type { HostShipped, HostToShip } from './ship-one.js';

export interface Shipment {
  readonly what: string;
  readonly hosts: number;
  /** Each host has so many. */
  readonly mails: number;
  /** A mail's; 0: lines alone. */
  readonly octets: number;
  readonly postgres: Postgres;
  readonly store: Versitygw | undefined;
}

const program = fileURLToPath(new URL('./ship-one.js', import.meta.url));

export async function measureShipment({ what, hosts, mails, octets, postgres, store }: Shipment): Promise<void> {
  const database = await emptyCatalog(postgres);
  const roots = Array.from({ length: hosts }, (_, i) => makeSpam({ mails, octets, host: `mx${i}.example` }));
  const given = roots.map((root, i): HostToShip => ({
    root,
    node: String(i + 1).repeat(16),
    catalog: postgres.url,
    bodies: store?.url ?? '',
    linesOnly: octets === 0,
  }));
  const children = given.map((host) => fork(program, [JSON.stringify(host)]));
  await Promise.all(children.map((child) => once(child, 'message')));
  const before = [cpuSecondsOf(postgres.pid), store ? cpuSecondsOf(store.pid) : 0] as const;
  const load = loadNow();
  const shipped = await Promise.all(
    children.map(async (child) => {
      child.send('go');
      const [answer] = (await once(child, 'message')) as [HostShipped];
      return answer;
    }),
  );
  const all = hosts * mails;
  const serverMs = (cpuSecondsOf(postgres.pid) - before[0]) * 1000;
  const storeMs = store ? (cpuSecondsOf(store.pid) - before[1]) * 1000 : 0;
  const hostMs = shipped.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  const rates = shipped.map(({ seconds }) => count(mails / seconds));
  const each = (ms: number): string => `${Math.round((ms / all) * 1000)} µs`;
  row(
    what,
    `${rates.join(', ')} a second; CPU each: host ${each(hostMs)}, PostgreSQL ${each(serverMs)}${store ? `, store ${each(storeMs)}` : ''}; load ${load}`,
  );
  const [there] = await database.query<{ mails: number; bodies: number }>(
    'select (select count(*)::integer from mail) as mails, (select count(*)::integer from body) as bodies',
  );
  if (there?.mails !== all || (octets > 0 && there.bodies !== all))
    throw new Error(`${what}: there are ${JSON.stringify(there)} of ${all}`);
  await database.close();
  for (const root of roots) fs.rmSync(root, { recursive: true, force: true });
}
