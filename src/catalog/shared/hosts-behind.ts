/** What hosts say of the mails that they have not brought yet. Times are of the server's clock. */
import type { HostBehind } from '../../quarantine/kept-mails.js';
import type { Sql } from '../database.js';
import type { Behind } from '../ship/backlog.js';

export async function noteBehind(sql: Sql, node: string, { mails, octets, since }: Behind): Promise<void> {
  await sql.query(
    `update node set behind_mails = $2, behind_octets = $3, behind_since = clock_timestamp() - make_interval(secs => $4)
     where node = $1 and (behind_mails > 0 or $2 > 0)`,
    [node, mails, octets, since === undefined ? null : Math.max(0, (Date.now() - since) / 1000)],
  );
}

/** A moment is no backlog. */
export const isBehind = `(behind_mails > 0 and behind_since < clock_timestamp() - interval '1 minute')`;

/** Those whose mails have waited for more than a moment. */
export function hostsBehind(sql: Sql): Promise<readonly HostBehind[]> {
  return sql.query<HostBehind>(
    `select host, behind_mails::float8 as mails, behind_octets::float8 as octets,
       extract(epoch from clock_timestamp() - behind_since)::float8 as seconds
     from node where ${isBehind} order by host, node`,
  );
}
