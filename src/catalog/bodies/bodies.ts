/**
 * The mails themselves: all that stands behind the Recipient line, deflated. Copies of a mail that are the same but for
 * that line are there once. They are in the database, or several at once in an object of a store, which the database
 * knows its place in.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import { SourceDown } from '../../quarantine/kept-mails.js';
import type { Sql } from '../database.js';
import type { RowKey } from '../mail-row.js';
import type { ObjectStore } from './object-store.js';

const deflated = promisify(deflateRaw);
const inflated = promisify(inflateRaw);

const sha256 = (octets: Buffer): Buffer => createHash('sha256').update(octets).digest();

export interface NewBody {
  readonly key: RowKey;
  readonly content: Buffer;
}

/** Octets of an object, where one mail alone is not larger. */
const maxSegment = 4_194_304;

/** What is put or found where: `segment` is an object's name. */
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
  async put(sql: Sql, node: string, bodies: readonly NewBody[]): Promise<void> {
    const made = await Promise.all(
      bodies.map(async ({ key, content }) => ({
        key,
        size: content.length,
        sha: sha256(content),
        octets: await deflated(content, { level: 1 }),
      })),
    );
    const places = this.#store ? await this.#putSegments(sql, node, made) : undefined;
    const waiting = [...made];
    const work = async (): Promise<void> => {
      for (let one = waiting.shift(); one; one = waiting.shift())
        await insert(
          sql,
          one,
          places ? { place: places.get(placeName(one.key.day, one.sha)) } : { octets: one.octets },
        );
    };
    await Promise.all(Array.from({ length: maxAtOnce }, work));
  }

  /** The places of those that the database does not have yet: objects that are whole in the store. */
  async #putSegments(sql: Sql, node: string, made: readonly MadeBody[]): Promise<ReadonlyMap<string, OctetsPlace>> {
    const places = new Map<string, OctetsPlace>();
    const unique = new Map(made.map((one) => [placeName(one.key.day, one.sha), one]));
    const fresh: MadeBody[] = [];
    for (const one of unique.values()) {
      const known = await sql.query('select 1 from octets where day = $1 and sha256 = $2', [one.key.day, one.sha]);
      if (known.length === 0) fresh.push(one);
    }
    for (const group of segmentsOf(fresh)) {
      const day = group[0]?.key.day ?? '';
      const octets = Buffer.concat(group.map((one) => one.octets));
      // The hash makes the name: whatever is put again under it is the same.
      const segment = `${day}/${node}/${sha256(octets).toString('hex')}`;
      await this.#store?.put(segment, octets);
      let start = 0;
      for (const { key: of, sha, octets: own } of group) {
        places.set(placeName(of.day, sha), { segment, start, length: own.length });
        start += own.length;
      }
    }
    return places;
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
      `delete from octets o using body b
       where b.day = $1 and b.id = $2 and b.n = $3 and o.day = b.day and o.sha256 = b.sha256
         and not exists (
           select from body c where c.day = b.day and c.sha256 = b.sha256 and not exists (
             select from fate f where f.day = c.day and f.id = c.id and f.n = c.n and f.kind = 'deleted'))
       returning o.deflated, o.segment, o.start, o.length`,
      [day, id, n],
    );
    if (!gone || gone.segment === null || gone.start === null || gone.length === null) return;
    // One at a time: not every store compares and writes in one step.
    await sql.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [gone.segment]);
    await blank(this.#storeOf(gone.segment), { segment: gone.segment, start: gone.start, length: gone.length });
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

/** So many statements are on their way at once. */
const maxAtOnce = 4;

interface Whereabouts {
  readonly octets?: Buffer;
  /** Undefined where the database has one already. */
  readonly place?: OctetsPlace | undefined;
}

/** A body has its octets, or is not there: should they have gone meanwhile, it is shipped again. */
async function insert(sql: Sql, { key, size, sha }: MadeBody, { octets, place }: Whereabouts): Promise<void> {
  await sql.query(
    `with kept as (insert into octets (day, sha256, deflated, segment, start, length)
       select $1, $5, $6, $7, $8, $9 where $6::bytea is not null or $7::text is not null on conflict do nothing)
     insert into body (day, id, n, size, sha256)
     select $1, $2, $3, $4, $5 where $6::bytea is not null or $7::text is not null
       or exists (select from octets where day = $1 and sha256 = $5)
     on conflict do nothing`,
    [
      key.day,
      key.id,
      key.n,
      size,
      sha,
      octets ?? null,
      place?.segment ?? null,
      place?.start ?? null,
      place?.length ?? null,
    ],
  );
}

interface MadeBody {
  readonly key: RowKey;
  readonly size: number;
  readonly sha: Buffer;
  readonly octets: Buffer;
}

const placeName = (day: string, sha: Buffer): string => `${day} ${sha.toString('hex')}`;

/** Bodies of one day each, together no larger than a segment. */
function segmentsOf(bodies: readonly MadeBody[]): readonly (readonly MadeBody[])[] {
  const groups: MadeBody[][] = [];
  const open = new Map<string, { group: MadeBody[]; size: number }>();
  for (const body of bodies) {
    const known = open.get(body.key.day);
    if (known && known.size + body.octets.length <= maxSegment) {
      known.group.push(body);
      known.size += body.octets.length;
      continue;
    }
    const group = [body];
    groups.push(group);
    open.set(body.key.day, { group, size: body.octets.length });
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
