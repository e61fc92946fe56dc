/**
 * This host's name in the catalog: random, made once, kept in `state/node`. A host that is renamed, or two that have
 * one name, change nothing of it. Only one process at a time may speak for a node.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { ownAs } from '../../digest/own-as.js';
import type { Sql } from '../database.js';
import type { RowKey } from '../mail-row.js';

/** Broken IO throws. */
export function nodeName(state: string): string {
  const file = path.join(state, 'node');
  const known = readName(file);
  if (known !== undefined) return known;
  if (!fs.existsSync(state)) throw new Error(`state: ${state} is not there; postern serve makes it`);
  const mine = `${file}.${randomBytes(8).toString('hex')}`;
  fs.writeFileSync(mine, `${randomBytes(8).toString('hex')}\n`, { mode: 0o644, flag: 'wx', flush: true });
  ownAs(mine, state);
  try {
    // Whole or not at all: of several that make one, all take the same.
    fs.linkSync(mine, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    fs.rmSync(mine, { force: true });
  }
  const made = readName(file);
  if (made === undefined)
    throw new Error(`${file} holds no name of a node: restore it, or delete it and get a new one`);
  return made;
}

function readName(file: string): string | undefined {
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'latin1') : '';
  return /^([0-9a-f]{16})\n?$/.exec(text)?.[1];
}

export interface Lease {
  readonly node: string;
  /** The host's name, for people. */
  readonly host: string;
  /** It tells this process from every other. */
  readonly holder: string;
  readonly seconds: number;
}

/** Takes or prolongs it, by the catalog's clock; false where another process has it. */
export async function holdLease(sql: Sql, { node, host, holder, seconds }: Lease): Promise<boolean> {
  const rows = await sql.query(
    `insert into node as o (node, host, holder, until) values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
     on conflict (node) do update set host = excluded.host, holder = excluded.holder, until = excluded.until
     where o.holder = excluded.holder or o.until < clock_timestamp()
     returning 1`,
    [node, host, holder, seconds],
  );
  return rows.length === 1;
}

export async function endLease(sql: Sql, { node, holder }: Pick<Lease, 'node' | 'holder'>): Promise<void> {
  await sql.query('update node set until = clock_timestamp() where node = $1 and holder = $2', [node, holder]);
}

/** Since when the host that has a mail has not been heard of; nothing where it ships. */
export async function silentSince(
  sql: Sql,
  { day, id, n }: RowKey,
): Promise<{ readonly notHeardSince: string } | undefined> {
  const [silent] = await sql.query<{ notHeardSince: string }>(
    `select to_char(o.until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "notHeardSince"
     from mail m join node o using (node)
     where m.day = $1 and m.id = $2 and m.n = $3 and o.until < clock_timestamp()`,
    [day, id, n],
  );
  return silent;
}
