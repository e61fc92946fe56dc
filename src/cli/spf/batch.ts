/**
 * `postern spf check --batch`: a JSON line in, a JSON line out, in order. Lines are read as they come and answered as
 * soon as those before them are; those that wait for DNS are evaluated side by side. A line that cannot be read has its
 * answer in its place, and is told on standard error as well, where a person looks.
 */
import type { Readable, Writable } from 'node:stream';
import type { Resolver } from '../../dns/resolver.js';
import { readZone } from '../../dns/zone.js';
import { type Result, wrong } from '../../mail/result.js';
import { checkHost, type SpfOutcome, type SpfQuery } from '../../spf/check-host.js';
import { spfExit } from './exit.js';
import { spfJson } from './json.js';
import { type InputLine, linesOf } from './lines.js';
import { OrderedOutput } from './ordered-output.js';
import { shown } from '../terminal.js';
import { queryOf } from './query.js';
import { complain } from '../complain.js';

export interface Batch {
  readonly input: Readable;
  readonly output: Writable;
  /** For lines without zone data of their own. */
  readonly resolver: Resolver;
  /** Milliseconds for each evaluation. */
  readonly totalMs: number;
  /** Put a trace into each answer. */
  readonly trace: boolean;
  readonly receiver: string | undefined;
}

/** The exit code: EX_DATAERR when a line was bad. */
export async function runBatch(batch: Batch): Promise<number> {
  const output = new OrderedOutput(batch.output);
  const bad = new BadLines();
  try {
    for await (const lines of linesOf(batch.input)) {
      for (const line of lines) {
        const read = readCase(line, batch);
        const full = output.put(read.ok ? answerTo(read.value, batch) : bad.answer(line.number, read.problem));
        if (full) await full;
      }
      await output.flush();
    }
  } catch (error) {
    complain([`spf check: the cases cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`]);
    return spfExit.ioError;
  }
  await output.end();
  return bad.end();
}

/** Lines that are told one by one; of the others only the number is. */
const maxTold = 20;

class BadLines {
  #count = 0;

  /** Tells of a line on standard error; the line that is its answer. */
  answer(number: number, problem: string): string {
    const text = `line ${number}: ${shown(problem, 300)}`;
    if (++this.#count <= maxTold) complain([`spf check: ${text}`]);
    return spfJson({ result: null, explanation: null, mechanism: null, problem: text, lookups: null, voids: null });
  }

  /** The exit code. */
  end(): number {
    const more = this.#count - maxTold;
    if (more > 0) complain([`spf check: ${more} more ${more === 1 ? 'line' : 'lines'} could not be read`]);
    return this.#count > 0 ? spfExit.dataError : spfExit.ok;
  }
}

interface Case {
  readonly query: SpfQuery;
  readonly resolver: Resolver;
}

function readCase(line: InputLine, batch: Batch): Result<Case> {
  if (line.kind === 'bad') return wrong(line.problem);
  if (line.text.trim() === '') return wrong('empty');
  let value: unknown;
  try {
    value = JSON.parse(line.text);
    return caseOf(value, batch);
  } catch (error) {
    // What nests deeper than the stack is JSON, but nothing that zone data could be.
    const { message } = error as Error;
    return wrong(value === undefined ? `not JSON: ${message}` : `cannot be read: ${message}`);
  }
}

function caseOf(value: unknown, batch: Batch): Result<Case> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('not a JSON object');
  const { ip, helo, from, zonedata } = value as Readonly<Record<string, unknown>>;
  const odd = Object.entries({ ip, helo, from }).find(([, given]) => typeof (given ?? '') !== 'string');
  if (odd) return wrong(`"${odd[0]}" must be a string`);
  const texts = { ip: textOf(ip), helo: textOf(helo), from: textOf(from), receiver: batch.receiver };
  const query = queryOf(texts, (name) => `"${name}"`);
  if (!query.ok) return query;
  const zone = (zonedata ?? undefined) === undefined ? undefined : readZone(zonedata);
  if (zone?.ok === false) return wrong(`"zonedata": ${zone.problem}`);
  return { ok: true, value: { query: query.value, resolver: zone?.value ?? batch.resolver } };
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function answerTo({ query, resolver }: Case, { totalMs, trace }: Batch): string | Promise<string> {
  const checked = checkHost(query, { resolver, limits: { totalMs }, trace });
  return checked instanceof Promise ? checked.then(answerOf) : answerOf(checked);
}

const answerOf = ({ result, explanation, mechanism, problem, lookups, voids, trace }: SpfOutcome): string =>
  spfJson({ result, explanation, mechanism, problem, lookups, voids, ...(trace && { trace }) });
