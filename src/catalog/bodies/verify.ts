/**
 * Reads the octets of a day's mails, wherever they are, and compares each with its hash. No more than one mail, or one
 * object of the store, is in memory at a time.
 */
import { createHash } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import type { Sql } from '../database.js';
import { dayText } from '../mail-row.js';
import type { ObjectStore } from './object-store.js';

/** What was read, or what is not as it was put. */
export type Verified =
  | { readonly kind: 'good'; readonly mails: number; readonly octets: number }
  | { readonly kind: 'bad'; readonly sha256: Buffer; readonly problem: string };

interface Whereabouts {
  readonly sha256: Buffer;
  /** Octets, deflated. */
  readonly length: number;
  readonly segment: string | null;
  readonly start: number | null;
}

/** Places that are asked for at once. */
const page = 5_000;

export async function* verifyOctets(sql: Sql, store: ObjectStore | undefined, day: string): AsyncGenerator<Verified> {
  const object = new OpenObject(store);
  let last: Whereabouts | undefined;
  for (;;) {
    const rows: readonly Whereabouts[] = await sql.query<Whereabouts>(
      `select sha256, coalesce(length, octet_length(deflated)) as length, segment, start from octets
       where day = $1 and (coalesce(segment, ''), coalesce(start, 0), sha256) > ($2, $3, $4)
       order by coalesce(segment, ''), coalesce(start, 0), sha256 limit ${page}`,
      [day, last?.segment ?? '', last?.start ?? (last ? 0 : -1), last?.sha256 ?? Buffer.alloc(0)],
    );
    for (const row of rows) {
      const problem = await problemOf(sql, object, day, row);
      // It may have been deleted meanwhile.
      if (problem === undefined) yield { kind: 'good', mails: 1, octets: row.length };
      else if (await isThere(sql, day, row.sha256)) yield { kind: 'bad', sha256: row.sha256, problem };
    }
    last = rows.at(-1);
    if (rows.length < page) return;
  }
}

async function problemOf(sql: Sql, object: OpenObject, day: string, row: Whereabouts): Promise<string | undefined> {
  const octets = row.segment === null ? await ofDatabase(sql, day, row.sha256) : await object.part(row);
  if (octets === undefined)
    return row.segment === null ? 'has no octets' : `is in ${row.segment}, which the store does not have`;
  const hash = await hashOf(octets);
  return hash?.equals(row.sha256) === true
    ? undefined
    : `is damaged${row.segment === null ? '' : `, in ${row.segment}`}`;
}

async function ofDatabase(sql: Sql, day: string, sha256: Buffer): Promise<Buffer | undefined> {
  const [row] = await sql.query<{ deflated: Buffer | null }>(
    'select deflated from octets where day = $1 and sha256 = $2',
    [day, sha256],
  );
  return row?.deflated ?? undefined;
}

const isThere = async (sql: Sql, day: string, sha256: Buffer): Promise<boolean> =>
  (await sql.query('select 1 from octets where day = $1 and sha256 = $2', [day, sha256])).length > 0;

/** However much it inflates to, a little of it is in memory. Undefined where it is not deflated. */
async function hashOf(deflated: Buffer): Promise<Buffer | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(Readable.from([deflated]), createInflateRaw(), new PassThrough(), async (parts) => {
      for await (const part of parts) hash.update(part as Buffer);
    });
    return hash.digest();
  } catch {
    return undefined;
  }
}

/** The object that was read last: mails come in its order. */
class OpenObject {
  readonly #store: ObjectStore | undefined;
  #name = '';
  #octets: Buffer | undefined;

  constructor(store: ObjectStore | undefined) {
    this.#store = store;
  }

  async part({ segment, start, length }: Whereabouts): Promise<Buffer | undefined> {
    if (segment !== null && segment !== this.#name) {
      this.#octets = undefined;
      this.#octets = (await this.#store?.get(segment))?.octets;
      this.#name = segment;
    }
    return this.#octets?.subarray(start ?? 0, (start ?? 0) + length);
  }
}

/** A bucket may hold names of others: what is no day is none of ours. */
function isOfDay(name: string): boolean {
  const [, day] = /^(\d{4}-\d\d-\d\d)\//.exec(name) ?? [];
  const time = Date.parse(day ?? '');
  return !Number.isNaN(time) && dayText(time) === day;
}

/** An object of the store that no mail is in. */
export interface OrphanObjects {
  readonly day: string;
  readonly objects: number;
  readonly example: string;
}

/** Those of days before `before`, from `since` on: newer ones may be on their way into the database. */
export async function* orphanObjects(
  sql: Sql,
  store: ObjectStore | undefined,
  { since, before }: { readonly since: string; readonly before: string },
): AsyncGenerator<OrphanObjects> {
  if (!store) return;
  const ofDay = new Map<string, OrphanObjects>();
  for (let after = since; ;) {
    const names = await store.list('', after);
    const ours = names.filter((name) => isOfDay(name) && name < before);
    // With their days no more than the parts of these are read.
    const known = await sql.query<{ segment: string }>(
      'select distinct segment from octets where day = any($1::date[]) and segment = any($2)',
      [[...new Set(ours.map((name) => name.slice(0, 10)))], ours],
    );
    const used = new Set(known.map(({ segment }) => segment));
    for (const name of ours.filter((one) => !used.has(one))) {
      const day = name.slice(0, 10);
      const { objects, example } = ofDay.get(day) ?? { objects: 0, example: name };
      ofDay.set(day, { day, objects: objects + 1, example });
    }
    const last = names.at(-1);
    if (last === undefined || last >= before) break;
    after = last;
  }
  yield* ofDay.values();
}
