/**
 * The mails themselves: all that stands behind the Recipient line, deflated. Copies of a mail that are the same but for
 * that line are there once. They are in the database, or several at once in an object of a store, which the database
 * knows its place in.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRawSync, inflateRaw } from 'node:zlib';
import { SourceDown } from '../../quarantine/kept-mails.js';
import type { Sql } from '../database.js';
import type { RowKey } from '../mail-row.js';
import type { ObjectStore } from './object-store.js';
import { type OrphanObjects, orphanObjects, type Verified, verifyOctets } from './verify.js';

const inflated = promisify(inflateRaw);

const sha256 = (octets: Buffer): Buffer => createHash('sha256').update(octets).digest();

export interface NewBody {
  readonly key: RowKey;
  readonly content: Buffer;
}

/** A mail as it is put. */
export interface MadeBody {
  readonly key: RowKey;
  readonly size: number;
  /** It is of the content, in hexadecimal digits. */
  readonly sha256: string;
  readonly deflated: Buffer;
}

/** Whoever ships has a process of his own: to deflate it in a thread would cost twice as much. */
export const madeBody = ({ key, content }: NewBody): MadeBody => ({
  key,
  size: content.length,
  sha256: sha256(content).toString('hex'),
  deflated: deflateRawSync(content, { level: 1 }),
});

/** Octets of an object, where one mail alone is not larger. */
export const maxSegment = 4_194_304;

/** What is found where: `segment` is an object's name. */
interface OctetsPlace {
  readonly segment: string;
  readonly start: number;
  readonly length: number;
}

interface OctetsFound {
  readonly deflated: Buffer | null;
  readonly segment: string | null;
  readonly start: number | null;
  readonly length: number | null;
}

export class Bodies {
  readonly #store: ObjectStore | undefined;

  /** Without a store they are in the database. */
  constructor(store?: ObjectStore) {
    this.#store = store;
  }

  /** Puts mails of one host; again changes nothing. The parts of the days are there. */
  async put(sql: Sql, node: string, bodies: readonly MadeBody[]): Promise<void> {
    for (const day of new Set(bodies.map(({ key }) => key.day))) {
      const ofDay = bodies.filter(({ key }) => key.day === day);
      for (const group of segmentsOf(await unknownOf(sql, day, ofDay))) await this.#putOctets(sql, node, day, group);
      await insertBodies(sql, day, ofDay);
    }
  }

  async #putOctets(sql: Sql, node: string, day: string, group: readonly MadeBody[]): Promise<void> {
    const octets = Buffer.concat(group.map(({ deflated }) => deflated));
    let end = 0;
    const places = group.map(({ sha256: sha, deflated: { length } }) => ({
      sha,
      start: (end += length) - length,
      length,
    }));
    // The hash makes the name: whatever is put again under it is the same.
    const segment = this.#store && `${day}/${node}/${sha256(octets).toString('hex')}`;
    if (segment !== undefined) await this.#store?.put(segment, octets);
    await sql.query(
      `insert into octets (day, sha256, deflated, segment, start, length)
       select $1, decode(sha, 'hex'), substring($3::bytea from start + 1 for length), $4,
         case when $4::text is not null then start end, case when $4::text is not null then length end
       from json_to_recordset($2::text::json) as g(sha text, start integer, length integer)
       order by sha on conflict do nothing`,
      [day, JSON.stringify(places), segment === undefined ? octets : null, segment ?? null],
    );
  }

  /** Undefined when it is not there: not yet, or not any more. Throws where it is not what was put. */
  async get(sql: Sql, { day, id, n }: RowKey): Promise<Buffer | undefined> {
    const [found] = await sql.query<OctetsFound & { size: number; sha256: Buffer }>(
      `select b.size::float8 as size, b.sha256, o.deflated, o.segment, o.start, o.length
       from body b join octets o using (day, sha256) where b.day = $1 and b.id = $2 and b.n = $3`,
      [day, id, n],
    );
    const octets = found && (await this.#octetsOf(found));
    if (!found || !octets) return undefined;
    const content = await inflated(octets, { maxOutputLength: Math.max(1, found.size) }).catch(() => undefined);
    if (!content || !sha256(content).equals(found.sha256)) throw new Error(`the body of ${id}_${n} is damaged`);
    return content;
  }

  async #octetsOf({ deflated: octets, segment, start, length }: OctetsFound): Promise<Buffer | undefined> {
    if (octets) return octets;
    if (segment === null || start === null || length === null) return undefined;
    return (await this.#storeOf(segment).get(segment, { start, length }))?.octets;
  }

  #storeOf(segment: string): ObjectStore {
    if (this.#store) return this.#store;
    throw new SourceDown(`the mail is in a store (${segment}), and the setting bodies names none`);
  }

  /**
   * Takes the octets away, unless another copy that is not deleted has the same: out of the database, and out of the
   * object, which goes on holding others. It is part of a transaction.
   */
  async remove(sql: Sql, { day, id, n }: RowKey): Promise<void> {
    const [gone] = await sql.query<OctetsFound>(
      'select deflated, segment, start, length from take_octets($1, $2, $3)',
      [day, id, n],
    );
    if (!gone || gone.segment === null || gone.start === null || gone.length === null) return;
    // One at a time: not every store compares and writes in one step.
    await sql.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [gone.segment]);
    await blank(this.#storeOf(gone.segment), { segment: gone.segment, start: gone.start, length: gone.length });
  }

  /** Reads all octets of a day. */
  verify(sql: Sql, day: string): AsyncGenerator<Verified> {
    return verifyOctets(sql, this.#store, day);
  }

  /** Objects of those days that no mail is in. */
  orphans(sql: Sql, days: { readonly since: string; readonly before: string }): AsyncGenerator<OrphanObjects> {
    return orphanObjects(sql, this.#store, days);
  }

  /** Throws where there is a store that cannot be asked. */
  async reach(): Promise<void> {
    await this.#store?.list('');
  }

  /** Removes the objects of days before that one; the database knows them no more. */
  async dropBefore(day: string): Promise<void> {
    if (!this.#store) return;
    for (;;) {
      const old = (await this.#store.list('')).filter((name) => /^\d{4}-\d\d-\d\d\//.test(name) && name < day);
      if (old.length === 0) return;
      for (const name of old) await this.#store.remove(name);
    }
  }
}

/** Each of those that the database does not have the octets of, once. */
async function unknownOf(sql: Sql, day: string, bodies: readonly MadeBody[]): Promise<readonly MadeBody[]> {
  const unique = new Map(bodies.map((body) => [body.sha256, body]));
  const known = await sql.query<{ sha: string }>(
    `select encode(sha256, 'hex') as sha from octets
     where day = $1 and sha256 in (select decode(sha, 'hex') from json_array_elements_text($2::text::json) as sha)`,
    [day, JSON.stringify([...unique.keys()])],
  );
  for (const { sha } of known) unique.delete(sha);
  return [...unique.values()];
}

/** A body has its octets, or is not there: should they have gone meanwhile, it is shipped again. */
async function insertBodies(sql: Sql, day: string, bodies: readonly MadeBody[]): Promise<void> {
  await sql.query(
    `insert into body (day, id, n, size, sha256)
     select $1, id, n, size, decode(sha, 'hex')
     from json_to_recordset($2::text::json) as g(id text, n integer, size bigint, sha text)
     where exists (select from octets o where o.day = $1 and o.sha256 = decode(sha, 'hex'))
     order by id, n on conflict do nothing`,
    [day, JSON.stringify(bodies.map(({ key: { id, n }, size, sha256: sha }) => ({ id, n, size, sha })))],
  );
}

/** Together no larger than a segment. */
function segmentsOf(bodies: readonly MadeBody[]): readonly (readonly MadeBody[])[] {
  const groups: MadeBody[][] = [];
  let size = Infinity;
  for (const body of bodies) {
    size += body.deflated.length;
    if (size > maxSegment) {
      groups.push([]);
      size = body.deflated.length;
    }
    groups.at(-1)?.push(body);
  }
  return groups;
}

const maxTries = 10;

/** Writes zeros over a mail's place; somebody may do so to another mail of the object at the same time. */
async function blank(store: ObjectStore, { segment, start, length }: OctetsPlace): Promise<void> {
  for (let i = 0; i < maxTries; i++) {
    const found = await store.get(segment);
    if (!found) return;
    found.octets.fill(0, start, start + length);
    if (await store.replace(segment, found.octets, found.etag)) return;
  }
  throw new SourceDown(`bodies: ${segment} is written to again and again`);
}

/** Those of the keys that have no body yet. */
export async function withoutBody(sql: Sql, keys: readonly RowKey[]): Promise<readonly RowKey[]> {
  return sql.query<RowKey>(
    `select k.day::text, k.id, k.n from json_to_recordset($1::text::json) as k(day date, id text, n integer)
     where not exists (select from body b where b.day = k.day and b.id = k.id and b.n = k.n)`,
    [JSON.stringify(keys.map(({ day, id, n }) => ({ day, id, n })))],
  );
}
