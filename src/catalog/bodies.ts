/**
 * The mails themselves in the catalog: all that stands behind the Recipient line, deflated. Copies of a mail that are
 * the same but for that line are there once.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import type { Sql } from './database.js';
import type { RowKey } from './mail-row.js';

const deflated = promisify(deflateRaw);
const inflated = promisify(inflateRaw);

const sha256 = (octets: Buffer): Buffer => createHash('sha256').update(octets).digest();

/** Again changes nothing. The parts of the day are there. */
export async function putBody(sql: Sql, { day, id, n }: RowKey, content: Buffer): Promise<void> {
  await sql.query(
    `with kept as (insert into octets (day, sha256, deflated) values ($1, $5, $6) on conflict do nothing)
     insert into body (day, id, n, size, sha256) values ($1, $2, $3, $4, $5) on conflict do nothing`,
    [day, id, n, content.length, sha256(content), await deflated(content, { level: 1 })],
  );
}

/** Undefined when it is not there: not yet, or not any more. Throws where it is not what was put. */
export async function getBody(sql: Sql, { day, id, n }: RowKey): Promise<Buffer | undefined> {
  const [found] = await sql.query<{ size: number; sha256: Buffer; deflated: Buffer }>(
    `select b.size::float8 as size, b.sha256, o.deflated from body b join octets o using (day, sha256)
     where b.day = $1 and b.id = $2 and b.n = $3`,
    [day, id, n],
  );
  if (!found) return undefined;
  const content = await inflated(found.deflated, { maxOutputLength: Math.max(1, found.size) });
  if (!sha256(content).equals(found.sha256)) throw new Error(`the catalog's body of ${id}_${n} is damaged`);
  return content;
}

/** Those of the keys that have no body yet. */
export async function withoutBody(sql: Sql, keys: readonly RowKey[]): Promise<readonly RowKey[]> {
  return sql.query<RowKey>(
    `select k.day::text, k.id, k.n from json_to_recordset($1::text::json) as k(day date, id text, n integer)
     where not exists (select from body b where b.day = k.day and b.id = k.id and b.n = k.n)`,
    [JSON.stringify(keys.map(({ day, id, n }) => ({ day, id, n })))],
  );
}

/** Takes the octets away, unless another copy that is not deleted has the same. */
export async function removeBody(sql: Sql, { day, id, n }: RowKey): Promise<void> {
  await sql.query(
    `delete from octets o using body b
     where b.day = $1 and b.id = $2 and b.n = $3 and o.day = b.day and o.sha256 = b.sha256
       and not exists (
         select from body c where c.day = b.day and c.sha256 = b.sha256 and not exists (
           select from fate f where f.day = c.day and f.id = c.id and f.n = c.n and f.kind = 'deleted'))`,
    [day, id, n],
  );
}
