/** The numbers of several processes as those of one. */
import { braced, escaped, type FamilySnapshot, type Snapshot } from './registry.js';

/** Families come in the order in which they are first met. */
export function joined(all: readonly Snapshot[]): Snapshot {
  const families = new Map<string, { readonly about: FamilySnapshot; readonly values: Map<string, number> }>();
  for (const family of all.flat()) {
    const known = families.get(family.name) ?? { about: family, values: new Map<string, number>() };
    families.set(family.name, known);
    for (const [rest, value] of family.series) {
      const before = known.values.get(rest);
      known.values.set(rest, before === undefined ? value : together(family, before, value));
    }
  }
  return [...families.values()].map(({ about, values }) => ({ ...about, series: [...values] }));
}

function together({ joined: how }: FamilySnapshot, a: number, b: number): number {
  if (how === 'min') return Math.min(a, b);
  return how === 'max' ? Math.max(a, b) : a + b;
}

/** The same, where families that have a series for each process carry its name as a label. */
export const named = (worker: string, snapshot: Snapshot): Snapshot =>
  snapshot.map((family) =>
    family.joined === 'each'
      ? { ...family, series: family.series.map(([rest, value]) => [labelled(rest, worker), value] as const) }
      : family,
  );

/** `_bucket{le="1"}` of worker 2 becomes `_bucket{worker="2",le="1"}`. */
function labelled(rest: string, worker: string): string {
  const label = `worker="${escaped(worker)}"`;
  const at = rest.indexOf('{');
  return at < 0 ? `${rest}${braced(label)}` : `${rest.slice(0, at + 1)}${label},${rest.slice(at + 1)}`;
}

/** Without gauges: what is left of a process that is gone. Its counts stay, so that no sum goes backwards. */
export const lasting = (snapshot: Snapshot): Snapshot => snapshot.filter(({ type }) => type !== 'gauge');
