/**
 * Counts what the quarantine holds: by day, plugin, reason, domain, sender and client. Exact but for the tail of long
 * lists.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { type BrowseOptions, daysAsked, scanDay } from './browse.js';
import type { IndexEntry } from '../disk/index-entry.js';
import type { Mark } from '../disk/mark.js';
import { reasonKind } from './reason-kind.js';
import { Tally } from './tally.js';

export interface Count {
  readonly name: string;
  readonly count: number;
}

export interface DayCount {
  /** 2026-11-25 */
  readonly date: string;
  readonly count: number;
  readonly octets: number;
  readonly plugins: readonly Count[];
}

export interface Stats {
  readonly total: number;
  readonly octets: number;
  readonly released: number;
  /** Newest first; days without mail are left out. */
  readonly days: readonly DayCount[];
  readonly plugins: readonly Count[];
  readonly reasons: readonly Count[];
  readonly domains: readonly Count[];
  readonly senders: readonly Count[];
  readonly clients: readonly Count[];
  /** Where it is given, senders and clients are those of so many newest mails, and not of all. */
  readonly namesOfNewest?: number;
}

/** A list is cut after so many names. */
export const maxNames = 20;

interface DayTally {
  count: number;
  octets: number;
  readonly plugins: Tally;
}

export interface StatsProgress {
  readonly days: number;
  readonly allDays: number;
  readonly mails: number;
}

export async function collectStats(
  options: BrowseOptions,
  progress?: (progress: StatsProgress) => void,
): Promise<Stats> {
  const now = options.now ?? new Date();
  // What earlier years have left comes last, and there is hardly ever any: it is not counted as progress.
  const asked = daysAsked(options, now);
  const allDays = asked.filter(({ staleBefore }) => staleBefore === undefined).length;
  let begun = 0;
  const counted = new StatsCount();
  for (const day of asked) {
    if (day.staleBefore === undefined) progress?.({ days: begun++, allDays, mails: counted.total });
    for (const { entry, domain, mark } of scanDay(day, options)) {
      counted.add(entry, domain, mark);
      if (counted.total % 10_000 !== 0) continue;
      progress?.({ days: Math.max(0, begun - 1), allDays, mails: counted.total });
      await breathe();
    }
  }
  return counted.stats;
}

const lists = ['plugins', 'reasons', 'domains', 'senders', 'clients'] as const;

/** Counts one mail after the other. */
export class StatsCount {
  total = 0;
  #octets = 0;
  #released = 0;
  readonly #days = new Map<string, DayTally>();
  readonly #tallies = Object.fromEntries(lists.map((name) => [name, new Tally()])) as Record<
    (typeof lists)[number],
    Tally
  >;

  add(entry: IndexEntry, domain: string, mark: Mark | undefined): void {
    this.total++;
    this.#octets += entry.size;
    if (mark?.kind === 'released') this.#released++;
    addToDay(this.#days, entry);
    this.#tallies.plugins.add(entry.plugin);
    this.#tallies.reasons.add(reasonKind(entry.plugin, entry.reason));
    this.#tallies.domains.add(domain);
    this.#tallies.senders.add(entry.from === '' ? '<>' : entry.from.toLowerCase());
    this.#tallies.clients.add(entry.ip);
  }

  get stats(): Stats {
    const tops = Object.fromEntries(
      lists.map((name) => [name, this.#tallies[name].top(maxNames)]),
    ) as unknown as Record<(typeof lists)[number], readonly Count[]>;
    return { total: this.total, octets: this.#octets, released: this.#released, days: daysOf(this.#days), ...tops };
  }
}

function addToDay(days: Map<string, DayTally>, { time, size, plugin }: IndexEntry): void {
  const date = time.slice(0, 10);
  const day = days.get(date) ?? { count: 0, octets: 0, plugins: new Tally() };
  if (day.count === 0) days.set(date, day);
  day.count++;
  day.octets += size;
  day.plugins.add(plugin);
}

const daysOf = (days: ReadonlyMap<string, DayTally>): readonly DayCount[] =>
  [...days]
    .map(([date, { count, octets, plugins }]) => ({ date, count, octets, plugins: plugins.top(maxNames) }))
    .toSorted((a, b) => (a.date < b.date ? 1 : -1));
