/**
 * What became of the mail of one hour, in numbers: for each hosted domain by verdict, by the plugin that refused, and
 * from whom the most came. Both ways as JSON. Leaves files to sums-file.ts.
 */
import { objectOf } from '../../lines/json-line.js';
import { domainIn } from '../tokens.js';
import { type JournalLine, type JournalVerdict, journalVerdicts } from '../line.js';

/** How often each name came, in no order. */
export type NameCounts = Readonly<Record<string, number>>;

export interface DomainSums {
  readonly verdicts: Readonly<Partial<Record<JournalVerdict, number>>>;
  /** Plugins that refused, or turned away. */
  readonly plugins: NameCounts;
  /** Domains of reverse-paths; '' is the null one. */
  readonly senders: NameCounts;
  /** Addresses. */
  readonly clients: NameCounts;
}

/** By hosted domain; '' is where there is none. */
export type HourSums = ReadonlyMap<string, DomainSums>;

/** So many senders and clients are kept of an hour in all, and at least so many of each domain. */
const maxNames = 2_000;
const minNames = 3;
/** So many are counted of each domain meanwhile; what comes then counts without a name. */
const maxCounted = 5_000;

/** What a line counts as. */
export interface CountedLine {
  readonly domain: string;
  /** A line may stand for many that were held back. */
  readonly times: number;
  readonly verdict: JournalVerdict;
  readonly plugin: string | undefined;
  readonly sender: string | undefined;
  readonly client: string | undefined;
}

export function countedOf({ domain = '', verdict, plugin, from, ip, count = 0 }: JournalLine): CountedLine {
  const isRefused = verdict !== 'relayed' && verdict !== 'deferred';
  return {
    domain,
    times: 1 + count,
    verdict,
    plugin: isRefused ? plugin : undefined,
    sender: from === undefined ? undefined : domainIn(from),
    client: ip,
  };
}

interface DomainCount {
  readonly verdicts: Map<JournalVerdict, number>;
  readonly plugins: Map<string, number>;
  readonly senders: Map<string, number>;
  readonly clients: Map<string, number>;
}

export class HourCount {
  readonly #domains = new Map<string, DomainCount>();

  add(line: JournalLine): void {
    const { domain, times, verdict, plugin, sender, client } = countedOf(line);
    const counts = this.#of(domain);
    grow(counts.verdicts, verdict, times);
    if (plugin !== undefined) grow(counts.plugins, plugin, times);
    if (sender !== undefined) grow(counts.senders, sender, times);
    if (client !== undefined) grow(counts.clients, client, times);
  }

  #of(domain: string): DomainCount {
    const known = this.#domains.get(domain);
    if (known) return known;
    const made = { verdicts: new Map(), plugins: new Map(), senders: new Map(), clients: new Map() };
    this.#domains.set(domain, made);
    return made;
  }

  get sums(): HourSums {
    const names = Math.max(minNames, Math.floor(maxNames / Math.max(1, this.#domains.size)));
    return new Map(
      [...this.#domains].map(([domain, { verdicts, plugins, senders, clients }]) => [
        domain,
        {
          verdicts: Object.fromEntries(verdicts),
          plugins: top(plugins, names),
          senders: top(senders, names),
          clients: top(clients, names),
        },
      ]),
    );
  }
}

function grow<K extends string>(counts: Map<K, number>, name: K, by: number): void {
  if (counts.size < maxCounted || counts.has(name)) counts.set(name, (counts.get(name) ?? 0) + by);
}

/** Names may be anything, `__proto__` too: Object.fromEntries makes keys of them, and no more. */
const top = (counts: ReadonlyMap<string, number>, names: number): NameCounts =>
  Object.fromEntries([...counts].toSorted(([, a], [, b]) => b - a).slice(0, names));

export const sumsText = (sums: HourSums): string => JSON.stringify(Object.fromEntries(sums));

/** undefined for what is none of ours. */
export function readSums(json: string): HourSums | undefined {
  const value = objectOf(json);
  if (!value) return undefined;
  return new Map(
    Object.entries(value).flatMap(([domain, sums]) => {
      if (typeof sums !== 'object' || sums === null) return [];
      const { verdicts, plugins, senders, clients } = sums as Readonly<Record<string, unknown>>;
      const known = numbersIn(verdicts).filter(([name]) => journalVerdicts.some((one) => one === name));
      return [
        [
          domain,
          {
            verdicts: Object.fromEntries(known),
            plugins: Object.fromEntries(numbersIn(plugins)),
            senders: Object.fromEntries(numbersIn(senders)),
            clients: Object.fromEntries(numbersIn(clients)),
          },
        ] as const,
      ];
    }),
  );
}

const numbersIn = (value: unknown): readonly (readonly [string, number])[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.entries(value).flatMap(([name, count]) =>
        typeof count === 'number' && Number.isFinite(count) ? [[name, count] as const] : [],
      );
