/**
 * Where lists, searches and charts are asked for: a replica that only reads, as long as it answers and is not behind;
 * else the catalog itself. What depends on what was said a moment ago (claims, tokens, sessions, shipping, new lines of
 * the journal) does not come here.
 */
import { type Sql, type SqlValue, TookTooLong } from './database.js';

/** A replica that is further behind is not asked; hosts that ship write something every ten seconds. */
const maxBehindSeconds = 60;
/** How long what was found out about it holds, in milliseconds. */
const holds = { good: 10_000, bad: 30_000 };

const behindText = `
select case when pg_is_in_recovery()
  then coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8, 'infinity')
  else 0 end as behind`;

/**
 * Seconds that it is behind, at most; 0 for a server that is no replica. One that has replayed nothing since its start
 * does not know: Infinity.
 */
export async function secondsBehind(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ behind: number }>(behindText);
  return row?.behind ?? 0;
}

/** A catalog. */
interface SqlSource {
  use(): Promise<Sql>;
}

export class ReadFirst implements Sql {
  readonly #replica: SqlSource;
  readonly #catalog: SqlSource;
  #isGood = false;
  /** By the monotonic clock. */
  #askedAgain = 0;

  constructor(replica: SqlSource, catalog: SqlSource) {
    this.#replica = replica;
    this.#catalog = catalog;
  }

  async query<R extends object>(text: string, values?: readonly SqlValue[]): Promise<readonly R[]> {
    if (await this.#isOfUse()) {
      try {
        return await (await this.#replica.use()).query<R>(text, values);
      } catch (error) {
        if (error instanceof TookTooLong) throw error;
        // It is away, or has ended the statement for what it has to replay.
        this.#found(false);
      }
    }
    return (await this.#catalog.use()).query<R>(text, values);
  }

  async #isOfUse(): Promise<boolean> {
    if (performance.now() < this.#askedAgain) return this.#isGood;
    // Nobody else waits for this answer.
    this.#found(this.#isGood);
    try {
      this.#found((await secondsBehind(await this.#replica.use())) <= maxBehindSeconds);
    } catch {
      this.#found(false);
    }
    return this.#isGood;
  }

  #found(isGood: boolean): void {
    this.#isGood = isGood;
    this.#askedAgain = performance.now() + (isGood ? holds.good : holds.bad);
  }
}

/** What reads the catalog itself, where there is no replica. */
export const readsOf = (catalog: SqlSource): Sql => ({
  query: async (text, values) => (await catalog.use()).query(text, values),
});
