/**
 * The samples as Markdown tables. Ratios are taken round by round, so that what disturbed a round disturbs both sides;
 * CPU comes first, for it says the same on a busy machine.
 */
import type { Calls } from './calls.js';
import type { Sample } from './cells.js';

/** One server in one cell. */
export interface Row {
  readonly name: string;
  /** One a round; or why there is none. */
  readonly samples: readonly Sample[] | string;
}

/** Rounds in which strangers used more than so many cores are marked. */
const maxStrangers = 0.3;

export const legend = [
  'CPU, rate: CPU seconds a mail and mails/s as a share of the line: the median of each round’s ratio, and the range over',
  'the rounds. mails/s: median of the rounds. CPU s: of the server’s processes for 1,000 mails, all rounds together.',
  'p50, p99: ms from MAIL to the last reply, all mails. strangers: cores that others used, median; * for rounds in which it',
  `was more than ${maxStrangers}.`,
].join('\n');

const columns = ['CPU', 'range', 'rate', 'mails/s', 'CPU s', 'p50', 'p99', 'strangers'];

/** One cell, a line each server. `line` is the name of the row that all are compared with. */
export function cellTable(cell: string, rows: readonly Row[], line: string): string {
  const reference = samplesOf(rows, line);
  return markdown(
    [cell, ...columns],
    rows.map(({ name, samples }) => [name, ...(typeof samples === 'string' ? [samples] : figures(samples, reference))]),
  );
}

function figures(samples: readonly Sample[], reference: readonly Sample[]): readonly string[] {
  const [p50, p99] = percentiles(samples);
  const mails = sum(samples.map((sample) => sample.mails));
  const cpu = ratios(samples, reference, cpuOf);
  const marks = samples.filter(({ strangers }) => strangers > maxStrangers).length;
  return [
    share(cpu),
    cpu.length < 2 ? '' : `${Math.min(...cpu).toFixed(2)}–${Math.max(...cpu).toFixed(2)}`,
    share(ratios(samples, reference, rateOf)),
    figure(median(samples.map(rateOf))),
    figure((sum(samples.map(({ cpuSeconds }) => cpuSeconds)) / mails) * 1000),
    figure(p50),
    figure(p99),
    `${median(samples.map(({ strangers }) => strangers)).toFixed(1)} ${'*'.repeat(marks)}`.trim(),
  ];
}

/** The median latency of all mails, and the 99th percentile. */
function percentiles(samples: readonly Sample[]): readonly [number, number] {
  const sorted = samples.flatMap(({ latencies }) => latencies).toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? NaN;
  return [at(0.5), at(0.99)];
}

export interface CellRows {
  readonly name: string;
  readonly rows: readonly Row[];
}

const serversOf = (cells: readonly CellRows[]): readonly string[] => [
  ...new Set(cells.flatMap(({ rows }) => rows.map(({ name }) => name))),
];

/** A line each cell, a column each server: its CPU and its rate as shares of the line's. */
export function summary(cells: readonly CellRows[], line: string): string {
  const names = serversOf(cells).filter((name) => name !== line);
  return markdown(
    ['', `${line}: CPU s/1,000 · mails/s`, ...names],
    cells.map(({ name, rows }) => {
      const reference = samplesOf(rows, line);
      const cpu = sum(reference.map(({ cpuSeconds }) => cpuSeconds)) / sum(reference.map(({ mails }) => mails));
      const own = `${figure(cpu * 1000)} · ${figure(median(reference.map(rateOf)))}`;
      return [name, reference.length === 0 ? '' : own, ...names.map((one) => short(samplesOf(rows, one), reference))];
    }),
  );
}

const short = (samples: readonly Sample[], reference: readonly Sample[]): string =>
  samples.length === 0
    ? ''
    : `${share(ratios(samples, reference, cpuOf))} · ${share(ratios(samples, reference, rateOf))}`;

/** A line each cell, a column each server: its latencies in milliseconds. */
export function latencySummary(cells: readonly CellRows[]): string {
  const names = serversOf(cells);
  const both = (samples: readonly Sample[]): string => percentiles(samples).map(figure).join(' · ');
  return markdown(
    ['', ...names],
    cells.map(({ name, rows }) => [
      name,
      ...names.map((one) => samplesOf(rows, one)).map((samples) => (samples.length === 0 ? '' : both(samples))),
    ]),
  );
}

export interface CallsRow {
  readonly cell: string;
  readonly name: string;
  readonly calls: Calls;
}

export const callsTable = (rows: readonly CallsRow[]): string =>
  markdown(
    ['system calls a mail', 'server', 'stat', 'write', 'fsync'],
    rows.map(({ cell, name, calls }) => [
      cell,
      name,
      ...[calls.stats, calls.writes, calls.syncs].map((count) => count.toFixed(1)),
    ]),
  );

const samplesOf = (rows: readonly Row[], name: string): readonly Sample[] => {
  const samples = rows.find((row) => row.name === name)?.samples;
  return typeof samples === 'object' ? samples : [];
};

const cpuOf = ({ cpuSeconds, mails }: Sample): number => cpuSeconds / mails;
const rateOf = ({ perSecond }: Sample): number => perSecond;

/** Round by round. */
function ratios(
  samples: readonly Sample[],
  reference: readonly Sample[],
  of: (sample: Sample) => number,
): readonly number[] {
  return samples.flatMap((sample, round) => {
    const other = reference[round];
    return other ? [of(sample) / of(other)] : [];
  });
}

/** `-` where there is nothing to compare with. */
const share = (values: readonly number[]): string => (values.length === 0 ? '-' : median(values).toFixed(2));

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

/** Three digits, which is more than such a measurement is worth. */
function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Its columns are as wide as they have to be, so that a terminal shows a table, too. */
function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...rows].map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, i) => (cells[i] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), ''].join('\n');
}
