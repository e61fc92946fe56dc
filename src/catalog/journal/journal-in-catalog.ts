/** The journal of all hosts, in the catalog. What a search finds is what it would find in their files. */
import type { JournalSource, SourceSearch } from '../../journal/journal-source.js';
import type { JournalItem, JournalPage, JournalPageLimits, SearchProgress } from '../../journal/reader.js';
import type { Catalog } from '../catalog.js';
import type { Sql } from '../database.js';
import { clean } from '../mail-row.js';
import { readsOf } from '../replica.js';
import { firstLine, linesFor } from './found-lines.js';
import type { LineKey } from './line-row.js';

/** Lines of one time come in from several hosts one after the other: whoever waits for new ones gets them in order. */
const settleMs = 3_000;

export class JournalInCatalog implements JournalSource {
  readonly #catalog: Catalog;
  /** Whoever is asked for what need not be the newest. */
  readonly #reads: Sql;

  constructor(catalog: Catalog, reads: Sql = readsOf(catalog)) {
    this.#catalog = catalog;
    this.#reads = reads;
  }

  async *search(search: SourceSearch): AsyncGenerator<JournalItem | SearchProgress> {
    const { query, domains, show = (line) => line, cursor, until } = search;
    const asked = {
      query,
      ...(domains && { domains }),
      behind: keyIn(cursor),
      until: keyIn(until),
      ...(until !== undefined && { youngest: Date.now() - settleMs }),
    };
    // To somebody who waits, a line that a replica has late would never come: others have been shown behind it.
    const sql = until === undefined ? this.#reads : await this.#catalog.use();
    for await (const step of linesFor(sql, asked)) {
      if ('line' in step) {
        // Whether a word is found must not tell what is hidden.
        const shown = show(step.line);
        if (shown && query.matches(shown)) yield { line: shown, cursor: cursorOf(step.key) };
      } else {
        yield { done: step.newest - step.backTo, all: step.newest - step.first, backTo: step.backTo };
      }
    }
  }

  /** Once the budget is used up it ends with the span that is being looked through. */
  async page(search: SourceSearch, { limit, budget }: JournalPageLimits): Promise<JournalPage> {
    const end = performance.now() + budget;
    const items: JournalItem[] = [];
    for await (const step of this.search(search)) {
      if ('line' in step) {
        items.push(step);
        if (items.length > limit) return { items: items.slice(0, limit), next: items[limit - 1]?.cursor ?? '' };
      } else if (performance.now() > end && step.done < step.all) {
        return { items, next: cursorOf({ at: step.backTo, host: '', start: 0 }), searchedTo: step.backTo };
      }
    }
    return { items };
  }

  async oldest(): Promise<number | undefined> {
    return firstLine(this.#reads);
  }
}

const cursorOf = ({ at, host, start }: LineKey): string =>
  Buffer.from(JSON.stringify([at, host, start])).toString('base64url');

/** What a client sends back; undefined for one that we did not make. */
function keyIn(cursor: string | undefined): LineKey | undefined {
  if (cursor === undefined) return undefined;
  try {
    const [at, host, start] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (!isCount(at) || at > maxTime || typeof host !== 'string' || !isCount(start)) return undefined;
    return { at, host: clean(host), start };
  } catch {
    return undefined;
  }
}

const maxTime = Date.UTC(9999, 11, 31);
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
