/** One host that ships: a process of its own, which says how long it took and what of its CPU. */
import { Catalog } from '../../../src/catalog/catalog.js';
import { bodiesAt, databaseAt } from '../../../src/catalog/open.js';
import { Parts } from '../../../src/catalog/parts.js';
import { IndexFollower } from '../../../src/catalog/ship/index-follower.js';
import { IndexLane } from '../../../src/catalog/ship/lane.js';
import { RowShipping } from '../../../src/catalog/ship/ship-rows.js';
import { Shipper } from '../../../src/catalog/ship/shipper.js';

/** What it is told; it ships when it hears `go`. */
export interface HostToShip {
  readonly root: string;
  readonly node: string;
  readonly catalog: string;
  readonly bodies: string;
  /** There are no mails, which would be looked for in vain. */
  readonly linesOnly: boolean;
}

export interface HostShipped {
  readonly seconds: number;
  readonly cpuMs: number;
}

const given = JSON.parse(process.argv[2] ?? '{}') as HostToShip;

const complain = (problem: string): boolean => process.stderr.write(`${problem}\n`);

async function shipLines({ root, node, catalog }: HostToShip): Promise<void> {
  const database = databaseAt(catalog);
  const onStrange = ({ problem }: { readonly problem: string }): boolean => complain(problem);
  const shipping = new RowShipping({ database, parts: new Parts(database), node, onStrange });
  const follower = new IndexFollower({ root, maxLines: 5_000, onProblem: (path) => complain(path) });
  const lane = new IndexLane({ follower, work: (lines) => shipping.ship(lines), onProblem: complain });
  while (await lane.next({ all: true }));
  await database.close();
}

async function shipAll({ root, node, catalog, bodies }: HostToShip): Promise<void> {
  const shipper = new Shipper({
    catalog: new Catalog(databaseAt(catalog)),
    patient: new Catalog(databaseAt(catalog)),
    bodies: await bodiesAt(bodies),
    root,
    node,
    host: `${node}.example`,
    keepMs: 0,
    onState: () => undefined,
    onStrange: ({ problem }) => complain(problem),
    onProblem: complain,
  });
  await shipper.shipAll();
  await shipper.stop();
}

async function ship(host: HostToShip): Promise<HostShipped> {
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  await (host.linesOnly ? shipLines(host) : shipAll(host));
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - began) / 1000, cpuMs: (user + system) / 1000 };
}

process.once('message', () => {
  void ship(given).then((shipped) => process.send?.(shipped, () => process.disconnect()));
});
process.send?.('ready');
