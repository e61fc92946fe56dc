/** How the catalog is, for whoever looks after it. */
import type { Sql } from './database.js';
import { isBehind } from './shared/hosts-behind.js';
import { schemaState } from './schema.js';

export interface CatalogHost {
  readonly node: string;
  readonly host: string;
  /** Does a process of it ship just now? */
  readonly ships: boolean;
  /** RFC 3339: until when it said that it would. */
  readonly seen: string;
  /** Mails that have waited for more than a moment to be brought by it, as far as it could say. */
  readonly behindMails: number;
  readonly behindOctets: number;
}

/** Clocks that differ more are wrong: leases and days rely on them. */
export const maxClockOffMs = 60_000;

export interface CatalogStatus {
  /** `PostgreSQL 15.18` */
  readonly server: string;
  readonly version: number;
  /** The server's clock against ours. */
  readonly clockOffMs: number;
  readonly hosts: readonly CatalogHost[];
  /** `2026-11-28`, '' where there is none. */
  readonly days: { readonly count: number; readonly first: string; readonly last: string };
  readonly mails: number;
  readonly octets: number;
  /** Mails, and clients that were turned away, of which the journal tells. */
  readonly journal: number;
  /** Mails of the last two days whose octets have not come from hosts that ship. */
  readonly waiting: number;
  /** The same of hosts that do not ship: they come when these do, or never. */
  readonly absent: number;
  readonly strange: number;
  readonly lastStrange: string;
}

const totals = `
with lacking as materialized (
  select exists (select from node o where o.node = m.node and o.until > clock_timestamp()) as ships from mail m
  where m.day >= (clock_timestamp() at time zone 'UTC')::date - 1
    and not exists (select from body b where b.day = m.day and b.id = m.id and b.n = m.n)
    and not exists (select from fate f where f.day = m.day and f.id = m.id and f.n = m.n and f.kind = 'deleted'))
select current_setting('server_version') as server,
  (select coalesce(sum(mails), 0)::float8 from tally) as mails,
  (select coalesce(sum(octets), 0)::float8 from tally) as octets,
  (select coalesce(sum(lines), 0)::float8 from journal_tally where kind = 'verdict') as journal,
  (select count(distinct day)::integer from tally) as days,
  (select coalesce(min(day)::text, '') from tally) as first,
  (select coalesce(max(day)::text, '') from tally) as last,
  (select count(*)::integer from strange) as strange,
  (select coalesce((select problem from strange order by number desc limit 1), '')) as problem,
  (select count(*)::integer from lacking where ships) as waiting,
  (select count(*)::integer from lacking where not ships) as absent`;

interface Totals {
  readonly server: string;
  readonly mails: number;
  readonly octets: number;
  readonly journal: number;
  readonly days: number;
  readonly first: string;
  readonly last: string;
  readonly strange: number;
  readonly problem: string;
  readonly waiting: number;
  readonly absent: number;
}

export async function statusOf(sql: Sql): Promise<CatalogStatus> {
  const { version } = await schemaState(sql);
  const hosts = await sql.query<CatalogHost>(
    `select node, host, until > clock_timestamp() as ships,
       to_char(until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as seen,
       case when ${isBehind} then behind_mails else 0 end::float8 as "behindMails",
       case when ${isBehind} then behind_octets else 0 end::float8 as "behindOctets"
     from node where node ~ '^[0-9a-f]{16}$' order by host, node`,
  );
  const [row] = await sql.query<Totals>(totals);
  if (!row) throw new Error('the catalog says nothing of itself');
  const { mails, octets, journal, waiting, absent, strange, problem, first, last } = row;
  return {
    server: `PostgreSQL ${row.server.split(' ')[0]}`,
    version,
    clockOffMs: await clockOff(sql),
    hosts,
    days: { count: row.days, first, last },
    mails,
    octets,
    journal,
    waiting,
    absent,
    strange,
    lastStrange: problem,
  };
}

/** The server's clock against ours, in milliseconds; the way there and back is taken for equally long. */
export async function clockOff(sql: Sql): Promise<number> {
  const asked = Date.now();
  const [row] = await sql.query<{ now: number }>('select extract(epoch from clock_timestamp())::float8 * 1000 as now');
  return Math.round((row?.now ?? asked) - (asked + Date.now()) / 2);
}
