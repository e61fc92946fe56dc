/**
 * Who releases a mail: a claim in the catalog, which one host has at a time, by the catalog's clock. A claim that was
 * not made use of ends by itself. One whose mail may be with the MTA never does: nobody knows, and nobody sends it
 * again unless he is told to. Leaves sending to whoever has the claim.
 */
import type { Sql } from '../database.js';
import type { RowKey } from '../mail-row.js';

export interface Claim {
  readonly key: RowKey;
  /** Each taking over has a higher one: who had it before has it no more. */
  readonly number: number;
}

export type Claiming =
  | { readonly kind: 'ours'; readonly claim: Claim }
  | { readonly kind: 'released'; readonly time: string; readonly by: string; readonly detail: string }
  /** Somebody is at it. */
  | { readonly kind: 'busy' }
  /** The MTA may have it or not: whoever sent it did not come to say so. `host` is where that was. */
  | { readonly kind: 'unknown'; readonly time: string; readonly by: string; readonly host: string };

export interface Claimant {
  readonly who: string;
  readonly node: string;
  /** It is sent also if it has been, or may have been, sent before. */
  readonly again: boolean;
}

const leaseSeconds = 60;
/** So long somebody may wait for the MTA's answer before it counts as lost. */
const sendingSeconds = 600;

const take = `
insert into fate as f (day, id, n, kind, state, until, who, node)
values ($1, $2, $3, 'released', 'claimed', clock_timestamp() + interval '${leaseSeconds} s', $4, $5)
on conflict (day, id, n, kind) do update
set state = 'claimed', claim = f.claim + 1, until = excluded.until, at = clock_timestamp(), who = excluded.who,
  node = excluded.node, detail = ''
where f.state = 'refused'
  or (f.state = 'claimed' and f.until < clock_timestamp())
  or ($6 and (f.state = 'done' or (f.state = 'sending' and f.until < clock_timestamp())))
returning claim`;

export async function claimRelease(sql: Sql, key: RowKey, { who, node, again }: Claimant): Promise<Claiming> {
  const [taken] = await sql.query<{ claim: number }>(take, [key.day, key.id, key.n, who, node, again]);
  if (taken) return { kind: 'ours', claim: { key, number: taken.claim } };
  const [held] = await sql.query<{
    state: string;
    isOver: boolean;
    time: string;
    who: string;
    host: string;
    detail: string;
  }>(
    `select f.state, f.until < clock_timestamp() as "isOver", f.who, f.detail, coalesce(node.host, f.node) as host,
       to_char(f.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as time
     from fate f left join node on node.node = f.node
     where f.day = $1 and f.id = $2 and f.n = $3 and f.kind = 'released'`,
    [key.day, key.id, key.n],
  );
  if (held?.state === 'done') return { kind: 'released', time: held.time, by: held.who, detail: held.detail };
  if (held?.state === 'sending' && held.isOver)
    return { kind: 'unknown', time: held.time, by: held.who, host: held.host };
  return { kind: 'busy' };
}

/**
 * The mail's end is about to be sent: true when the claim is still ours, and nobody can take it over from now on. Again
 * changes nothing.
 */
export async function beginSending(sql: Sql, { key, number }: Claim): Promise<boolean> {
  const rows = await sql.query(
    `update fate set state = 'sending', at = clock_timestamp(),
       until = clock_timestamp() + interval '${sendingSeconds} s'
     where day = $1 and id = $2 and n = $3 and kind = 'released' and claim = $4
       and (state = 'sending' or (state = 'claimed' and until > clock_timestamp()))
     returning 1`,
    [key.day, key.id, key.n, number],
  );
  return rows.length === 1;
}

/** The MTA has said what becomes of it, or nothing was sent: then the next one may try at once. */
export async function endClaim(
  sql: Sql,
  { key, number }: Claim,
  { state, detail }: { readonly state: 'done' | 'refused'; readonly detail: string },
): Promise<void> {
  await sql.query(
    `update fate set state = $5, detail = $6, at = clock_timestamp(), until = null
     where day = $1 and id = $2 and n = $3 and kind = 'released' and claim = $4 and state in ('claimed', 'sending')`,
    [key.day, key.id, key.n, number, state, detail],
  );
}

/** A release of which nobody knows whether the MTA has it; undefined where there is none. */
export async function unknownRelease(
  sql: Sql,
  { day, id, n }: RowKey,
): Promise<{ readonly time: string; readonly by: string; readonly host: string } | undefined> {
  const [row] = await sql.query<{ time: string; by: string; host: string }>(
    `select to_char(f.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as time, f.who as by,
       coalesce(node.host, f.node) as host
     from fate f left join node on node.node = f.node
     where f.day = $1 and f.id = $2 and f.n = $3 and f.kind = 'released' and f.state = 'sending'
       and f.until < clock_timestamp()`,
    [day, id, n],
  );
  return row;
}
