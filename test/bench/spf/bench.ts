/**
 * `npm run bench:spf`: how many evaluations postern does in a second of CPU time, and how many the engines of others
 * do, with DNS in memory. All are measured in turn, a fifth of a second each, so that what disturbs one disturbs all;
 * ratios are taken round by round. `engines.ts` says what is needed: npm, cargo and go.
 *
 *     npm run bench:spf -- --rounds 15 --only 'postern, Node 24' --only 'mail-auth 0.15.1'
 */
import { parseArgs } from 'node:util';
import { median } from '../report.js';
import { benchCases } from './cases.js';
import { Engine, engines, type EngineEntry } from './engines.js';

/** Microseconds of CPU time; the first is what JavaScript is compiled in, and not counted. */
const warmUp = 700_000;
const wakeUp = 150_000;
const measured = 200_000;

interface Row {
  readonly name: string;
  readonly engine: Engine;
  /** By case, then by round: evaluations in a second of CPU time. */
  readonly rates: number[][];
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, only: { type: 'string', multiple: true } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds takes a number above 0');

const rows = engines.filter(({ name }) => values.only?.includes(name) ?? true).flatMap(started);
for (const [index] of benchCases.entries()) for (const { engine } of rows) await engine.measure(index, warmUp);
for (let round = 0; round < rounds; round++) {
  for (const [index] of benchCases.entries()) {
    for (const { engine, rates } of rows) {
      await engine.measure(index, wakeUp);
      (rates[index] ??= []).push(await engine.measure(index, measured));
    }
  }
}
for (const { engine } of rows) engine.end();

print(`evaluations in a second of CPU time, medians of ${rounds} rounds`);
for (const row of rows)
  print(
    row.name,
    benchCases.map((_, index) => rateText(median(row.rates[index] ?? []))),
  );
for (const own of rows.filter(({ name }) => name.startsWith('postern'))) {
  print(`\n${own.name}, is so many times as fast as`);
  for (const peer of rows.filter(({ name }) => !name.startsWith('postern'))) {
    print(
      peer.name,
      benchCases.map((_, index) => ratioText(own.rates[index] ?? [], peer.rates[index] ?? [])),
    );
  }
}

function started({ name, command }: EngineEntry): readonly Row[] {
  const words = command();
  if (words === undefined) console.error(`${name} is left out`);
  return words === undefined ? [] : [{ name, engine: new Engine(words), rates: [] }];
}

function print(name: string, cells: readonly string[] = benchCases.map((benchCase) => benchCase.name)): void {
  console.log(`${name.padEnd(56)}${cells.map((cell) => cell.padStart(18)).join('')}`);
}

function rateText(rate: number): string {
  return Math.round(rate).toLocaleString('en');
}

/** The median of the rounds' ratios. */
function ratioText(own: readonly number[], peer: readonly number[]): string {
  const ratio = median(own.map((rate, round) => rate / (peer[round] ?? NaN)));
  return ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2);
}
