/**
 * The lanes of one host and their turns: a lane that takes long, or whose store is away, holds up no other. Leaves to
 * the shipper whether the catalog may be shipped to, and how often there is a turn.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '../../mail/error-text.js';
import type { Bodies } from '../bodies/bodies.js';
import { StoreDown } from '../bodies/store-down.js';
import type { Database } from '../database.js';
import type { StrangeRow } from '../insert.js';
import { JournalLane } from '../journal/journal-lane.js';
import type { ShipLinesTo } from '../journal/ship-lines.js';
import { Parts } from '../parts.js';
import { AuditLane } from './audit-lane.js';
import type { Shipped } from './backlog.js';
import { type IndexedLine, IndexFollower } from './index-follower.js';
import { IndexLane, type Lane } from './lane.js';
import { shipBodies } from './ship-bodies.js';
import { RowShipping } from './ship-rows.js';

export interface LanesOf {
  readonly bodies: Bodies;
  /** /spam */
  readonly root: string;
  /** It has the audit, which is not shipped where none is given. */
  readonly state?: string;
  /** `state/journal`, where its lines are shipped as well. */
  readonly journalDir: string | undefined;
  readonly node: string;
  readonly host: string;
  readonly onStrange: (row: StrangeRow) => void;
  /** Called with the line of a mail that may have been put just now. */
  readonly onPut: (line: IndexedLine) => void;
  readonly onProblem: (problem: string) => void;
}

/** A lane has so long in each turn. */
const turnMs = 1_000;
/** A store that was away is asked again after so long. */
const restMs = 5_000;
/** How often a lane looks at all days, in milliseconds; beside that it looks at the last ones. */
const allEveryMs = 600_000;

/** When a lane is looked at next, by the monotonic clock. */
interface Timed {
  readonly lane: Lane;
  allDue: number;
  /** It rests until then, for the store is away. */
  restUntil: number;
  /** What it is at: a store that is slow takes longer than a turn. */
  running: Promise<boolean> | undefined;
}

export class Lanes {
  readonly #options: LanesOf;
  #open: readonly Timed[] = [];
  #shipped: Shipped | undefined;
  #storeProblem: string | undefined;
  readonly counts = { lines: 0, bodies: 0, journal: 0, strange: 0 };

  constructor(options: LanesOf) {
    this.#options = options;
  }

  /** How far the indexes have been shipped; undefined before the first turn. */
  get shipped(): Shipped | undefined {
    return this.#shipped;
  }

  /** Why mails cannot be put, while their lines can. */
  get storeProblem(): string | undefined {
    return this.#storeProblem;
  }

  /** Those that are opened next compare everything anew. */
  close(): void {
    this.#open = [];
    this.#storeProblem = undefined;
  }

  /** Where they are open, they stay as they are. */
  open(database: Database): void {
    if (this.#open.length > 0) return;
    const lanes = [...this.#indexLanes(database), ...this.#auditLane(database), ...this.#journalLane(database)];
    this.#open = lanes.map((lane) => ({ lane, allDue: 0, restUntil: 0, running: undefined }));
  }

  /** From now on what the last days have counts as not shipped. */
  forgetRecent(): void {
    for (const { lane } of this.#open) lane.forgetRecent();
  }

  /** Ships a part of what waits; true where there is more. Throws SourceDown. */
  async turn(): Promise<boolean> {
    let isMore = false;
    for (const timed of this.#open) isMore = (await this.#goOn(timed, isMore)) || isMore;
    return isMore;
  }

  /** Waits for what they are at. */
  async ended(): Promise<void> {
    for (const { running } of this.#open) await running?.catch(() => undefined);
  }

  #indexLanes(database: Database): readonly Lane[] {
    const { root, node, bodies: put, onPut, onProblem } = this.#options;
    const counts = this.counts;
    const shipping = new RowShipping({ ...this.#to(database), parts: new Parts(database) });
    const from = { database, bodies: put, node, root };
    const unreadable = (path: string, error: unknown): void => onProblem(`${path}: ${errorText(error)}`);
    const rows = new IndexFollower({ root, maxLines: 5_000, onProblem: unreadable });
    // A mail goes behind its line.
    const limitOf = (path: string): number => rows.takenOf(path);
    const bodies = new IndexFollower({ root, maxLines: 2_000, limitOf, onProblem: unreadable });
    this.#shipped = { lines: rows, bodies };
    return [
      new IndexLane({
        follower: rows,
        work: async (lines) => void (counts.lines += await shipping.ship(lines)),
        onProblem,
      }),
      new IndexLane({
        follower: bodies,
        work: async (lines) => {
          let fresh: number | undefined;
          try {
            counts.bodies += fresh = await shipBodies(lines, from);
          } finally {
            // Some may have been put before it failed.
            if (fresh !== 0) for (const line of lines) onPut(line);
          }
        },
        onProblem,
      }),
    ];
  }

  #auditLane(database: Database): readonly Lane[] {
    const { state, host, onProblem } = this.#options;
    return state === undefined ? [] : [new AuditLane({ ...this.#to(database), state, host, onProblem })];
  }

  #journalLane(database: Database): readonly Lane[] {
    const { journalDir: dir, onProblem } = this.#options;
    if (dir === undefined) return [];
    const parts = new Parts(database, 'make_journal_parts');
    const onShipped = (lines: number): void => void (this.counts.journal += lines);
    return [new JournalLane({ ...this.#to(database), parts, dir, onShipped, onProblem })];
  }

  #to(database: Database): Omit<ShipLinesTo, 'parts'> {
    const { node, onStrange } = this.#options;
    return {
      database,
      node,
      onStrange: (row) => {
        this.counts.strange++;
        onStrange(row);
      },
    };
  }

  /** A lane that takes long holds up neither the others nor our lease; it is looked at again in the next turn. */
  async #goOn(timed: Timed, isBehind: boolean): Promise<boolean> {
    timed.running ??= this.#shipOrRest(timed, isBehind).finally(() => (timed.running = undefined));
    const over = new AbortController();
    const late = delay(turnMs, true, { signal: over.signal }).catch(() => true);
    try {
      return await Promise.race([timed.running, late]);
    } finally {
      over.abort();
    }
  }

  /** A store that is away does not hold up the lines. */
  async #shipOrRest(timed: Timed, isBehind: boolean): Promise<boolean> {
    if (performance.now() < timed.restUntil) return false;
    try {
      const isMore = await ship(timed, isBehind);
      if (timed.restUntil > 0) this.#storeProblem = undefined;
      timed.restUntil = 0;
      return isMore;
    } catch (error) {
      if (!(error instanceof StoreDown)) throw error;
      // One that was closed meanwhile says nothing of the store that is asked now.
      if (this.#open.includes(timed)) this.#storeProblem = error.message;
      timed.restUntil = performance.now() + restMs;
      return false;
    }
  }
}

/** What is behind another lane is not yet done when it has nothing more itself. */
async function ship(timed: Timed, isBehind: boolean): Promise<boolean> {
  const all = performance.now() >= timed.allDue;
  const isMore = await timed.lane.next({ all });
  if (all && !isMore && !isBehind) timed.allDue = performance.now() + allEveryMs;
  return isMore;
}
