/**
 * What became of all mail, in numbers, for whoever looks: the sums of finished hours from their files, and the hour
 * that is not over yet counted from where the last count ended.
 */
import { daysOf, hourMs, hoursOf, type JournalHour } from '../hours.js';
import type { JournalVerdict } from '../line.js';
import { type DomainSums, HourCount, type HourSums } from './hour-sums.js';
import { countHour, countLines, makeSums, savedSums } from './sums-file.js';

export interface VerdictCounts {
  /** The first millisecond of the hour. */
  readonly start: number;
  readonly verdicts: DomainSums['verdicts'];
}

export interface NamedCount {
  readonly name: string;
  readonly count: number;
}

export interface MailSums {
  /** Newest first; hours without mail are left out. */
  readonly hours: readonly VerdictCounts[];
  readonly verdicts: DomainSums['verdicts'];
  readonly plugins: readonly NamedCount[];
  readonly domains: readonly NamedCount[];
  readonly senders: readonly NamedCount[];
  readonly clients: readonly NamedCount[];
  /** Milliseconds, where time was up: nothing older has been counted yet. It goes on with the next question. */
  readonly countedTo?: number;
}

export interface SumsQuestion {
  /** Milliseconds: hours that begin from then on, and before that. */
  readonly from: number;
  readonly until: number;
  /** The only domains to be seen; all where none are given. */
  readonly domains: ReadonlySet<string> | undefined;
}

/** Everybody has written what was gathered in the hour. */
const overMs = 60_000;
export const maxNames = 20;

interface LiveHour {
  readonly name: string;
  readonly count: HourCount;
  next: number;
}

export class MailCounts {
  readonly #dir: string;
  readonly #budgetMs: number;
  readonly #makeSums: (hour: JournalHour) => Promise<HourSums>;
  readonly #live = new Map<string, LiveHour>();
  /** One count at a time: two would count the same lines twice. */
  #last: Promise<unknown> = Promise.resolve();

  /** `budgetMs` is for hours that nobody has counted yet; `writes`: they are kept, so that they are counted once. */
  constructor(dir: string, { budgetMs = 3_000, writes = true } = {}) {
    this.#dir = dir;
    this.#budgetMs = budgetMs;
    this.#makeSums = writes ? makeSums : countHour;
  }

  /** Rejects when the journal cannot be read. */
  of(question: SumsQuestion): Promise<MailSums> {
    const sums = this.#last.then(() => this.#sum(question));
    this.#last = sums.catch(() => undefined);
    return sums;
  }

  async #sum({ from, until, domains }: SumsQuestion): Promise<MailSums> {
    const total = new Total(domains);
    const end = performance.now() + this.#budgetMs;
    const days = daysOf(this.#dir).filter((day) => Date.parse(day) + 24 * hourMs > from && Date.parse(day) < until);
    const hours = days.flatMap((day) => hoursOf(this.#dir, day)).filter(({ start }) => start >= from && start < until);
    for (const hour of hours) {
      const sums = await this.#ofHour(hour, performance.now() > end);
      if (sums === undefined) return { ...total.sums, countedTo: hour.start + hourMs };
      total.add(hour.start, sums);
    }
    return total.sums;
  }

  async #ofHour(hour: JournalHour, isLate: boolean): Promise<HourSums | undefined> {
    if (hour.start + hourMs + overMs > Date.now()) return this.#goOn(hour);
    this.#live.delete(hour.name);
    return savedSums(hour) ?? (isLate ? undefined : this.#makeSums(hour));
  }

  async #goOn(hour: JournalHour): Promise<HourSums> {
    const live = this.#live.get(hour.name) ?? { name: hour.name, count: new HourCount(), next: 0 };
    this.#live.set(hour.name, live);
    live.next = await countLines(hour, live.next, live.count);
    return live.count.sums;
  }
}

class Total {
  readonly #domains: ReadonlySet<string> | undefined;
  readonly #hours: VerdictCounts[] = [];
  readonly #verdicts = new Map<JournalVerdict, number>();
  readonly #names = { plugins: new Map<string, number>(), domains: new Map<string, number>() };
  readonly #from = { senders: new Map<string, number>(), clients: new Map<string, number>() };

  constructor(domains: ReadonlySet<string> | undefined) {
    this.#domains = domains;
  }

  add(start: number, sums: HourSums): void {
    const verdicts = new Map<JournalVerdict, number>();
    for (const [domain, own] of sums) {
      if (this.#domains?.has(domain) === false) continue;
      const counts = Object.entries(own.verdicts) as [JournalVerdict, number][];
      addAll(verdicts, counts);
      addAll(this.#names.domains, [[domain, counts.reduce((sum, [, count]) => sum + count, 0)]]);
      addAll(this.#names.plugins, Object.entries(own.plugins));
      addAll(this.#from.senders, Object.entries(own.senders));
      addAll(this.#from.clients, Object.entries(own.clients));
    }
    addAll(this.#verdicts, [...verdicts]);
    if (verdicts.size > 0) this.#hours.push({ start, verdicts: Object.fromEntries(verdicts) });
  }

  get sums(): MailSums {
    return {
      hours: this.#hours,
      verdicts: Object.fromEntries(this.#verdicts),
      plugins: topOf(this.#names.plugins),
      domains: topOf(this.#names.domains),
      senders: topOf(this.#from.senders),
      clients: topOf(this.#from.clients),
    };
  }
}

function addAll<K>(counts: Map<K, number>, more: readonly (readonly [K, number])[]): void {
  for (const [name, count] of more) counts.set(name, (counts.get(name) ?? 0) + count);
}

const topOf = (counts: ReadonlyMap<string, number>): readonly NamedCount[] =>
  [...counts]
    .map(([name, count]) => ({ name, count }))
    .toSorted((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    .slice(0, maxNames);
