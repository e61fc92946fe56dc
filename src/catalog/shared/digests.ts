/** That a digest was sent, for all hosts: whoever sends it has a claim, as whoever releases a mail (claims.ts). */
import {
  type DigestOfDay,
  type DigestTaken,
  type DigestTurn,
  oldestDay,
  type SentDigests,
} from '../../digest/sent-digests.js';
import type { Catalog } from '../catalog.js';
import type { Database } from '../database.js';

const take = `
insert into digest as d (day, domain, state, until, node)
values ($1, $2, 'claimed', clock_timestamp() + interval '120 s', $3)
on conflict (day, domain) do update
set state = 'claimed', claim = d.claim + 1, until = excluded.until, at = clock_timestamp(), node = excluded.node
where (d.state = 'claimed' and d.until < clock_timestamp())
  or ($4 and (d.state = 'done' or (d.state = 'sending' and d.until < clock_timestamp())))
returning claim`;

const begin = `
update digest set state = 'sending', at = clock_timestamp(), until = clock_timestamp() + interval '600 s'
where day = $1 and domain = $2 and claim = $3
  and (state = 'sending' or (state = 'claimed' and until > clock_timestamp()))
returning 1`;

export class DigestsInCatalog implements SentDigests {
  readonly #catalog: Catalog;
  readonly #node: string;

  constructor(catalog: Catalog, node: string) {
    this.#catalog = catalog;
    this.#node = node;
  }

  async wasSent({ day, domain }: DigestOfDay): Promise<boolean> {
    const database = await this.#catalog.use();
    const rows = await database.query(`select 1 from digest where day = $1 and domain = $2 and state = 'done'`, [
      day,
      domain,
    ]);
    return rows.length > 0;
  }

  async take<T>(digest: DigestOfDay, again: boolean, work: (turn: DigestTurn) => Promise<T>): Promise<DigestTaken<T>> {
    const database = await this.#catalog.use();
    const { day, domain } = digest;
    const [taken] = await database.durable((sql) =>
      sql.query<{ claim: number }>(take, [day, domain, this.#node, again]),
    );
    if (!taken) return heldBy(database, digest);
    const values = [day, domain, taken.claim];
    const isOurs = 'where day = $1 and domain = $2 and claim = $3';
    try {
      const result = await work({
        async begin() {
          const rows = await database.durable((sql) => sql.query(begin, values));
          if (rows.length === 0) throw new Error('another host has taken the digest over');
        },
        async sent() {
          await database.query(
            `update digest set state = 'done', at = clock_timestamp(), until = null ${isOurs}`,
            values,
          );
        },
      });
      return { kind: 'done', result };
    } finally {
      // Where the end of the mail was never sent, the next one may try at once.
      await database.query(`delete from digest ${isOurs} and state = 'claimed'`, values).catch(() => undefined);
    }
  }

  async forgetOld(now = new Date()): Promise<void> {
    await (await this.#catalog.use()).query('delete from digest where day < $1', [oldestDay(now)]);
  }
}

async function heldBy(database: Database, { day, domain }: DigestOfDay): Promise<DigestTaken<never>> {
  const [held] = await database.query<{ state: string; isOver: boolean; at: string; host: string }>(
    `select d.state, d.until < clock_timestamp() as "isOver", coalesce(node.host, d.node) as host,
       to_char(d.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at
     from digest d left join node on node.node = d.node where d.day = $1 and d.domain = $2`,
    [day, domain],
  );
  if (held?.state === 'done') return { kind: 'already' };
  if (held?.state === 'sending' && held.isOver)
    return {
      kind: 'unknown',
      detail: `${held.host} sent it at ${held.at}, and did not say what its MTA answered; --again sends it again`,
    };
  return { kind: 'busy' };
}
