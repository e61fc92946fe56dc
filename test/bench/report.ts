/**
 * The samples as tables: medians, and ratios taken round by round, so that what disturbed a round disturbs both
 * sides.
 */
import type { Sample } from './workload.js';

export interface Row {
  readonly name: string;
  /** One a round; or why there is none. */
  readonly samples: readonly Sample[] | string;
}

export interface Baselines {
  /** Names of rows. */
  readonly bare: string;
  readonly own: string;
}

export const legend = [
  'mails/s: median of the rounds. of bare, of own: the same as a share of the bare line and of postern, median of each round’s ratio.',
  'CPU/bare: CPU seconds a mail as a share of the bare line, median of each round’s ratio.',
  'CPU: seconds of the server’s processes for 1,000 mails, all rounds together. p50, p99: ms from MAIL to the last reply, all mails.',
].join('\n');

const columns = ['mails/s', 'of bare', 'CPU/bare', 'of own', 'CPU s', 'p50', 'p99'] as const;
const nameWidth = 28;
const width = 10;

export function table(title: string, rows: readonly Row[], baselines: Baselines): string {
  const head = title.padEnd(nameWidth + 2 + 8);
  const titles = columns.map((column) => column.padStart(width)).join('');
  const samplesOf = (name: string): readonly Sample[] => {
    const samples = rows.find((row) => row.name === name)?.samples;
    return typeof samples === 'object' ? samples : [];
  };
  const references = [samplesOf(baselines.bare), samplesOf(baselines.own)] as const;
  return [`${head}${titles}`, ...rows.map((row) => line(row, references)), ''].join('\n');
}

function line({ name, samples }: Row, references: readonly (readonly Sample[])[]): string {
  const cells = typeof samples === 'string' ? [] : cellsOf(samples, references);
  const said = typeof samples === 'string' ? `    ${samples}` : '';
  return `  ${name.padEnd(nameWidth)}${' '.repeat(8)}${cells.map((cell) => cell.padStart(width)).join('')}${said}`;
}

function cellsOf(samples: readonly Sample[], [bare = [], own = []]: readonly (readonly Sample[])[]): string[] {
  const latencies = samples.flatMap((sample) => sample.latencies).toSorted((a, b) => a - b);
  const mails = sum(samples.map((sample) => sample.mails));
  return [
    figure(median(samples.map(({ perSecond }) => perSecond))),
    ratio(samples, bare, ({ perSecond }) => perSecond),
    ratio(samples, bare, ({ cpuSeconds, mails: count }) => cpuSeconds / count),
    ratio(samples, own, ({ perSecond }) => perSecond),
    figure((sum(samples.map(({ cpuSeconds }) => cpuSeconds)) / mails) * 1000),
    figure(latencies[Math.floor(mails * 0.5)] ?? NaN),
    figure(latencies[Math.floor(mails * 0.99)] ?? NaN),
  ];
}

/** `-` where there is nothing to compare with. */
function ratio(samples: readonly Sample[], reference: readonly Sample[], of: (sample: Sample) => number): string {
  const ratios = samples.flatMap((sample, round) => {
    const other = reference[round];
    return other ? [of(sample) / of(other)] : [];
  });
  return ratios.length === 0 ? '-' : median(ratios).toFixed(2);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

/** Three digits, which is more than such a measurement is worth. */
function figure(value: number): string {
  if (value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
