/**
 * Takes out of this host's /spam what was deleted on another host. Everything that ever was is looked at once, and
 * again after the catalog was away, for nobody knows how long that is; else what was deleted lately.
 */
import { errorText } from '../../mail/error-text.js';
import { discard } from '../../quarantine/care/discard.js';
import type { Sql } from '../database.js';
import { refOf } from '../mail-row.js';

export interface DeletedElsewhereOptions {
  /** /spam */
  readonly root: string;
  readonly node: string;
  readonly onProblem: (problem: string) => void;
}

export class DeletedElsewhere {
  readonly #options: DeletedElsewhereOptions;
  readonly #removed = new Set<string>();
  #sawAll = false;

  constructor(options: DeletedElsewhereOptions) {
    this.#options = options;
  }

  /** The catalog was away: what was deleted meanwhile may be old by now. */
  lookAtAll(): void {
    this.#sawAll = false;
  }

  /** What a node had that is gone may be here: our own, before our `state` was lost. Throws SourceDown. */
  async remove(sql: Sql): Promise<void> {
    const { root, node, onProblem } = this.#options;
    const rows = await sql.query<{ time: string; domain: string; filename: string; who: string }>(
      `select m.time, m.domain, m.filename, f.who from fate f join mail m using (day, id, n)
       where f.kind = 'deleted' and ($2 or f.at > clock_timestamp() - interval '1 hour')
         and (m.node = $1 or not exists (select from node o where o.node = m.node and o.until > clock_timestamp()))`,
      [node, !this.#sawAll],
    );
    this.#sawAll = true;
    for (const row of rows.filter(({ filename }) => !this.#removed.has(filename))) {
      try {
        await discard(root, refOf(row), row.who);
        this.#removed.add(row.filename);
      } catch (error) {
        this.#sawAll = false;
        onProblem(`${row.filename}, which was deleted elsewhere, stays: ${errorText(error)}`);
      }
    }
  }
}
