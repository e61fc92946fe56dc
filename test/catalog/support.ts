/** A PostgreSQL of a test file's own, hosts that ship into it, and mails on them. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bodies } from '../../src/catalog/bodies/bodies.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { databaseAt } from '../../src/catalog/open.js';
import type { Database } from '../../src/catalog/database.js';
import { KeptInCatalog } from '../../src/catalog/kept-in-catalog.js';
import { migrate } from '../../src/catalog/schema.js';
import { nodeName } from '../../src/catalog/ship/node-name.js';
import { Shipper, type ShipperOptions } from '../../src/catalog/ship/shipper.js';
import { newId } from '../../src/smtp/transaction-id.js';
import { patience } from '../support/until.js';
import type { Postgres } from '../support/postgres.js';
import { quarantineIn, request, type RequestOptions } from '../quarantine/support.js';

/** Empty tables, the newest there are. */
export async function emptyCatalog(server: Postgres): Promise<Database> {
  const database = databaseAt(server.url);
  await database.query('drop schema public cascade');
  await database.query('create schema public');
  await migrate(database);
  return database;
}

export interface Host {
  readonly root: string;
  readonly state: string;
  readonly node: string;
  readonly name: string;
  readonly states: (string | undefined)[];
  readonly problems: string[];
  readonly strange: string[];
  readonly mails: KeptInCatalog;
  /** Refuses a mail; returns its ID. */
  refuse(mail?: RequestOptions): Promise<string>;
  ship(more?: Partial<ShipperOptions>): Shipper;
}

export function openHost(t: TestContext, url: string, name: string, bodies: Bodies = new Bodies()): Host {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-host-'));
  const [root, state] = [path.join(folder, 'spam'), path.join(folder, 'state')];
  for (const dir of [root, state]) fs.mkdirSync(dir);
  const quarantine = quarantineIn(root, { hostname: name });
  const node = nodeName(state);
  const catalog = new Catalog(databaseAt(url));
  const mails = new KeptInCatalog(catalog, node, bodies);
  const told = { states: [] as (string | undefined)[], problems: [] as string[], strange: [] as string[] };
  t.after(async () => {
    await catalog.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });
  return {
    root,
    state,
    node,
    name,
    ...told,
    mails,
    async refuse(mail = {}) {
      const id = mail.id ?? newId((mail.time ?? new Date()).getTime());
      const archived = await quarantine.archive(request({ ...mail, id }));
      if (archived.kind !== 'archived') throw new Error(archived.problem);
      return id;
    },
    ship(more = {}) {
      const shipper = new Shipper({
        catalog: new Catalog(databaseAt(url)),
        patient: new Catalog(databaseAt(url)),
        bodies,
        root,
        state,
        node,
        host: name,
        keepMs: 0,
        onState: (problem) => told.states.push(problem),
        onStrange: ({ filename, problem }) => told.strange.push(`${filename}: ${problem}`),
        onProblem: (problem) => told.problems.push(problem),
        ...more,
      });
      shipper.start();
      t.after(() => shipper.stop());
      return shipper;
    },
  };
}

export async function countOf(database: Database, what: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(`select count(*)::integer as count from ${what}`);
  return row?.count ?? 0;
}

/** Waits until there are so many. */
export async function waitFor(database: Database, what: string, count: number): Promise<void> {
  let found = -1;
  for (const late = Date.now() + patience; Date.now() < late; await sleep(50)) {
    found = await countOf(database, what).catch(() => -1);
    if (found === count) return;
  }
  throw new Error(`not within ${patience} ms: ${count} of ${what}; there are ${found}`);
}
