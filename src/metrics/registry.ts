/**
 * What one process counts: families of counters, gauges and histograms whose labels have closed sets of values, so
 * that every series is there from the start and no client can add one. Leaves the text to text.ts, and what is counted
 * to others.
 */

/** How the values of several processes become one: added, the smallest, the largest, or one series for each process. */
export type Joined = 'sum' | 'min' | 'max' | 'each';

/** A family as it is told to another process, and shown. */
export interface FamilySnapshot {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly joined: Joined;
  /** What stands behind the family's name, such as `_bucket{plugin="spf",le="0.01"}`, and the value. */
  readonly series: readonly (readonly [rest: string, value: number])[];
}

export type Snapshot = readonly FamilySnapshot[];

/** The values that each label may have, in the order of the labels. */
export type LabelSets = Readonly<Record<string, readonly string[]>>;

export interface FamilyOptions {
  readonly labels?: LabelSets;
  /** `sum` where it is not given. */
  readonly joined?: Joined;
}

/** A number that only grows. */
export class Counter {
  value = 0;

  add(by = 1): void {
    this.value += by;
  }
}

/** A number of now. */
export class Gauge {
  value = 0;
}

/** How many values there were up to each bound, and their sum. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = [...bounds, Infinity].map(() => 0);
  }

  observe(value: number): void {
    let at = 0;
    while (value > (this.#bounds[at] ?? Infinity)) at++;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  /** The series of one set of labels: buckets hold what is smaller, too. */
  series(labels: string): FamilySnapshot['series'] {
    let count = 0;
    const buckets = this.#counts.map((own, i): [string, number] => {
      count += own;
      const le = `le="${this.#bounds[i] ?? '+Inf'}"`;
      return [`_bucket{${labels === '' ? le : `${labels},${le}`}}`, count];
    });
    return [...buckets, [`_sum${braced(labels)}`, this.#sum], [`_count${braced(labels)}`, count]];
  }
}

/** The series of one name: a member for each combination of label values. */
export class Family<M> {
  readonly #sets: Map<string, Set<string>>;
  readonly #members = new Map<string, { readonly labels: string; readonly member: M }>();
  readonly #make: () => M;

  constructor(labels: LabelSets, make: () => M) {
    this.#sets = new Map(Object.entries(labels).map(([name, values]) => [name, new Set(values)]));
    this.#make = make;
    this.#fill();
  }

  /** undefined where a value is not of its label's set. */
  at(...values: readonly string[]): M | undefined {
    return this.#members.get(values.length === 1 ? (values[0] ?? '') : values.join('\n'))?.member;
  }

  /** The label may have these values, too: settings were read anew. */
  allow(label: string, values: readonly string[]): void {
    for (const value of values) this.#sets.get(label)?.add(value);
    this.#fill();
  }

  /** The label may have these values and no others: members that had others are gone. */
  allowOnly(label: string, values: readonly string[]): void {
    this.#sets.set(label, new Set(values));
    const left = new Set(combinations([...this.#sets.values()]).map((one) => one.join('\n')));
    for (const key of this.#members.keys()) if (!left.has(key)) this.#members.delete(key);
    this.#fill();
  }

  /** Each member with its labels, as `verdict="relayed"`. */
  get all(): readonly { readonly labels: string; readonly member: M }[] {
    return [...this.#members.values()];
  }

  #fill(): void {
    for (const values of combinations([...this.#sets.values()])) {
      const key = values.join('\n');
      if (this.#members.has(key)) continue;
      const labels = [...this.#sets.keys()].map((name, i) => `${name}="${escaped(values[i] ?? '')}"`).join(',');
      this.#members.set(key, { labels, member: this.#make() });
    }
  }
}

export class Registry {
  readonly #families: (() => FamilySnapshot)[] = [];

  counter(name: string, help: string, { labels = {}, joined = 'sum' }: FamilyOptions = {}): Family<Counter> {
    const family = new Family(labels, () => new Counter());
    this.#families.push(() => ({ name, type: 'counter', help, joined, series: valuesOf(family) }));
    return family;
  }

  gauge(name: string, help: string, { labels = {}, joined = 'sum' }: FamilyOptions = {}): Family<Gauge> {
    const family = new Family(labels, () => new Gauge());
    this.#families.push(() => ({ name, type: 'gauge', help, joined, series: valuesOf(family) }));
    return family;
  }

  /** `bounds` are those of the buckets, in ascending order. */
  histogram(
    name: string,
    help: string,
    bounds: readonly number[],
    { labels = {}, joined = 'sum' }: FamilyOptions = {},
  ): Family<Histogram> {
    const family = new Family(labels, () => new Histogram(bounds));
    const series = (): FamilySnapshot['series'] => family.all.flatMap(({ labels: of, member }) => member.series(of));
    this.#families.push(() => ({ name, type: 'histogram', help, joined, series: series() }));
    return family;
  }

  /**
   * A family without labels whose value is asked for when it is told. It is left out while there is none (undefined).
   */
  asked(
    { name, help, type, joined = 'sum' }: Omit<FamilySnapshot, 'series' | 'joined'> & { readonly joined?: Joined },
    read: () => number | undefined,
  ): void {
    this.#families.push(() => {
      const value = read();
      return { name, type, help, joined, series: value === undefined ? [] : [['', value]] };
    });
  }

  get snapshot(): Snapshot {
    return this.#families.map((family) => family());
  }
}

const valuesOf = (family: Family<{ readonly value: number }>): FamilySnapshot['series'] =>
  family.all.map(({ labels, member }) => [braced(labels), member.value]);

export const braced = (labels: string): string => (labels === '' ? '' : `{${labels}}`);

/** As the text format wants it. */
export const escaped = (value: string): string =>
  value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');

function combinations(sets: readonly ReadonlySet<string>[]): readonly (readonly string[])[] {
  const [first, ...rest] = sets;
  if (first === undefined) return [[]];
  const others = combinations(rest);
  return [...first].flatMap((value) => others.map((other) => [value, ...other]));
}
