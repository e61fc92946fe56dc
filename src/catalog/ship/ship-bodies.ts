/** The mails themselves on their way into the catalog, as far as it lacks them and this host has them. */
import type { MailRef } from '../../quarantine/disk/mail-ref.js';
import { locate } from '../../quarantine/disk/mail-ref.js';
import { openKeptMail } from '../../quarantine/look/kept-mail.js';
import { type Bodies, type MadeBody, madeBody, maxSegment } from '../bodies/bodies.js';
import type { Database } from '../database.js';
import { keyOf, type RowKey } from '../mail-row.js';
import type { IndexedLine } from './index-follower.js';

export interface BodiesFrom {
  readonly database: Database;
  readonly bodies: Bodies;
  readonly node: string;
  /** /spam */
  readonly root: string;
}

interface BodyToShip {
  readonly key: RowKey;
  readonly ref: MailRef;
}

/**
 * The rows of these lines are in the catalog. Returns how many bodies were put. Again changes nothing. While some are
 * on their way, the next ones are read.
 */
export async function shipBodies(lines: readonly IndexedLine[], from: BodiesFrom): Promise<number> {
  const known = lines.flatMap(({ yday, domain, entry }): BodyToShip[] => {
    const key = entry && keyOf(entry.filename);
    return key ? [{ key, ref: { yday, domain, filename: entry.filename } }] : [];
  });
  let put = 0;
  let onTheirWay: Promise<void> | undefined;
  for await (const some of readyBodies(await lacking(known, from), from.root)) {
    await onTheirWay;
    onTheirWay = from.bodies.put(from.database, from.node, some);
    // It may fail while nobody waits for it yet.
    onTheirWay.catch(() => undefined);
    put += some.length;
  }
  await onTheirWay;
  return put;
}

/** As many at a time as fill a segment. */
async function* readyBodies(bodies: readonly BodyToShip[], root: string): AsyncGenerator<readonly MadeBody[]> {
  let [ready, octets]: [MadeBody[], number] = [[], 0];
  for (const { key, ref } of bodies) {
    const content = await contentOf(ref, root);
    if (!content) continue;
    const body = madeBody({ key, content });
    if (ready.length > 0 && octets + body.deflated.length > maxSegment) {
      yield ready;
      [ready, octets] = [[], 0];
    }
    ready.push(body);
    octets += body.deflated.length;
  }
  if (ready.length > 0) yield ready;
}

/**
 * What another host has under this ID, and what was deleted, is none of ours to put. A file's name tells its host: a
 * node that had the same one was we, before our `state` was lost, or shares /spam with us.
 */
async function lacking(bodies: readonly BodyToShip[], { database }: BodiesFrom): Promise<readonly BodyToShip[]> {
  if (bodies.length === 0) return [];
  const rows = await database.query<{ filename: string }>(
    `select m.filename from json_to_recordset($1::text::json) as k(day date, id text, n integer)
     join mail m on m.day = k.day and m.id = k.id and m.n = k.n
     where not exists (select from body b where b.day = k.day and b.id = k.id and b.n = k.n)
       and not exists (select from fate f where f.day = k.day and f.id = k.id and f.n = k.n and f.kind = 'deleted')`,
    [JSON.stringify(bodies.map(({ key }) => key))],
  );
  const names = new Set(rows.map(({ filename }) => filename));
  return bodies.filter(({ ref }) => names.has(ref.filename));
}

/** Undefined when the mail is gone meanwhile. */
async function contentOf(ref: MailRef, root: string): Promise<Buffer | undefined> {
  const file = await locate(root, ref);
  const mail = file === undefined ? undefined : openKeptMail(file);
  if (!mail) return undefined;
  const parts: Buffer[] = [];
  for await (const part of mail.message.parts()) parts.push(part);
  return Buffer.concat(parts);
}
