/**
 * The trace: why an evaluation came to its result, as a tree of values. One `RecordTrace` for each
 * record, one `TermTrace` for each term of it, each with what was asked of DNS and answered.
 *
 * It is collected only when asked for; the evaluator then holds a `RecordTrace`, else undefined.
 */
import type { Ip } from '../../mail/ip.js';
import type { DnsAnswer, Mx, RecordType } from '../../dns/resolver.js';
import type { SpfRecord, SpfResultCode } from '../record.js';

export interface LookupTrace {
  readonly name: string;
  readonly type: RecordType;
  readonly answer: 'found' | 'void' | 'failed';
  /** The records as text, as far as they were found. */
  readonly records: readonly string[];
  /** Why there are none: nxdomain, nodata, or what failed. */
  readonly problem: string | undefined;
}

/** How a term ended: a directive matched or not, a modifier was followed or not, or the term was the error. */
export type TermOutcome = 'match' | 'no match' | 'followed' | 'ignored' | 'not reached' | 'temperror' | 'permerror';

export interface TermTrace {
  /** As written. */
  readonly term: string;
  outcome: TermOutcome;
  /** The target-name after macro expansion; undefined when the term has none or it could not be made. */
  target: string | undefined;
  readonly lookups: LookupTrace[];
  /** The record that an include or a redirect led to. */
  nested: RecordTrace | undefined;
  /** A remark, such as why a name was not asked for. */
  note: string | undefined;
}

export interface RecordTrace {
  readonly domain: string;
  readonly lookups: LookupTrace[];
  /** The record's text; undefined when none was selected. */
  record: string | undefined;
  result: SpfResultCode | undefined;
  problem: string | undefined;
  readonly terms: TermTrace[];
}

/** The root of a trace is the record of the domain that was checked. */
export type SpfTrace = RecordTrace;

export function recordTrace(domain: string): RecordTrace {
  return { domain, lookups: [], record: undefined, result: undefined, problem: undefined, terms: [] };
}

function termTrace(term: string, outcome: TermOutcome): TermTrace {
  return { term, outcome, target: undefined, lookups: [], nested: undefined, note: undefined };
}

export function lookupTrace(name: string, type: RecordType, answer: DnsAnswer<unknown>): LookupTrace {
  switch (answer.kind) {
    case 'found':
      return {
        name,
        type,
        answer: 'found',
        records: answer.records.map((record) => recordText(record)),
        problem: undefined,
      };
    case 'void':
      return { name, type, answer: 'void', records: [], problem: answer.why };
    case 'failed':
      return { name, type, answer: 'failed', records: [], problem: answer.problem };
  }
}

/** Record data as text: an address, a name, `10 mail.example.org`, or the joined strings of a TXT. */
function recordText(record: unknown): string {
  if (typeof record === 'string') return record;
  if (Array.isArray(record)) return record.join('');
  const data = record as Ip | Mx;
  return 'text' in data ? data.text : `${data.preference} ${data.exchange}`;
}

/** Appends a term to a record's trace. */
export function openTerm(record: RecordTrace, text: string): TermTrace {
  const term = termTrace(text, 'no match');
  record.terms.push(term);
  return term;
}

/** Completes the trace of a record: its result, and the terms that were not reached or do not count. */
export function closeRecord(
  trace: RecordTrace,
  result: SpfResultCode,
  record: SpfRecord | string,
  problem: string | undefined,
): void {
  trace.result = result;
  trace.problem = problem;
  if (typeof record === 'string') return;
  const reached = trace.terms.length;
  let directives = 0;
  for (const term of record.terms) {
    const isDirective = 'result' in term;
    if (isDirective && directives++ < reached) continue;
    if (term.kind === 'redirect' && trace.terms.at(-1)?.term === term.text) continue;
    trace.terms.push(termTrace(term.text, isDirective ? 'not reached' : 'ignored'));
  }
}

/** The record whose directive decided: the last of the redirects. */
export function decidingRecord(root: RecordTrace): RecordTrace {
  const next = root.terms.find((term) => term.outcome === 'followed')?.nested;
  return next ? decidingRecord(next) : root;
}
