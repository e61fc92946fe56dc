/** A trace as a tree for people: every term with its outcome, and what was asked of DNS and answered. */
import { printable } from '../../mail/text.js';
import { caretLines } from '../../text/caret.js';
import { type Line, type Span, type Style, widthOf } from '../../text/line.js';
import { draw, leaf, type TreeNode } from '../../text/tree.js';
import type { SpfOutcome } from '../check-host.js';
import { defaultLimits } from '../limits.js';
import { isSpfRecord, parseRecord, parseTerm } from '../parse.js';
import type { SpfResultCode } from '../record.js';
import type { LookupTrace, RecordTrace, TermTrace } from './trace.js';

export const styleOfResult: Readonly<Record<SpfResultCode, Style>> = {
  pass: 'green',
  fail: 'red',
  softfail: 'yellow',
  neutral: 'cyan',
  none: 'cyan',
  temperror: 'magenta',
  permerror: 'magenta',
};

/** The records of one answer that are shown; all are in the JSON. */
const maxRecords = 6;
/** A record's text gets at least so many columns, however little room there is: its terms stand in full below it. */
const minRecord = 40;

/**
 * Who was asked what, and how much of the limits was used; no line where no trace was collected. `width`: columns
 * there are.
 */
export function traceLines(outcome: SpfOutcome, width: number): readonly Line[] {
  return outcome.trace === undefined ? [] : draw(traceTree(outcome.trace, `  (${countsOf(outcome)})`, width));
}

export const countsOf = ({ lookups, voids }: Pick<SpfOutcome, 'lookups' | 'voids'>): string =>
  `${lookups} of ${defaultLimits.lookups} look-ups, ${voids} of ${defaultLimits.voids} void`;

function traceTree(trace: RecordTrace, remark: string, width: number): TreeNode {
  const { lines, children } = recordNode(trace, { width, reserved: remark.length, decides: true });
  const [first = [], ...more] = lines;
  return { lines: [[...first, [remark, 'dim']], ...more], children };
}

interface Room {
  /** Columns from here to the right. */
  readonly width: number;
  /** Columns of the first line that are taken already. */
  readonly reserved?: number;
  /** Does the outcome of this record make the result? What matches elsewhere has no colour. */
  readonly decides: boolean;
}

/** A term is indented by so many columns below its record, and a nested record below its term. */
const indent = 3;

function recordNode(trace: RecordTrace, { width, decides, reserved = 0 }: Room): TreeNode {
  const { domain, record, result } = trace;
  const head: Span[] = [[domain === '' ? '(no domain)' : printable(domain, 260), 'bold'], ['  ']];
  if (record === undefined) return leaf([...head, ...withoutRecord(trace)], ...rivals(trace));
  const room = Math.max(minRecord, width - widthOf(head) - reserved);
  const line: Line = [...head, [printable(record, room), 'cyan']];
  const parsed = parseRecord(record);
  if (parsed.kind === 'problem') {
    const caret = caretLines({ text: record, at: parsed.at, width: width - indent }, parsed.problem);
    return leaf([...head, ['syntax error: permerror', 'magenta']], ...caret);
  }
  const children = termNodes(trace, { width: width - indent, decides });
  return { lines: [line], children: result === 'neutral' && !isDecided(trace) ? [...children, fellThrough] : children };
}

const isDecided = ({ terms }: RecordTrace): boolean =>
  terms.some(({ term, outcome }) => outcome === 'match' || (outcome === 'followed' && kindOf(term) === 'redirect'));

const fellThrough = leaf([['(the end)', 'dim'], ['  no term matched → '], ['neutral', styleOfResult.neutral]]);

/** Says what DNS answered in place of a record. */
function withoutRecord({ lookups: [txt], result, problem }: RecordTrace): Line {
  if (result === undefined) return [['not finished in time', 'magenta']];
  const style = styleOfResult[result];
  if (txt === undefined || txt.answer === 'found')
    return [[`${result}: `, style], [printable(problem ?? 'no SPF record')]];
  return [[`${result}  `, style], ...lookupSpans(txt)];
}

/** The records of a domain that has several. */
const rivals = ({ lookups: [txt] }: RecordTrace): readonly Line[] =>
  (txt?.records ?? [])
    .filter(isSpfRecord)
    .slice(0, maxRecords)
    .map((record): Line => [['  '], [printable(record, 200), 'cyan']]);

/** Terms about which there is nothing more to tell share a line with neighbours that ended in the same way. */
function termNodes({ terms, result, problem }: RecordTrace, { width, decides }: Room): readonly TreeNode[] {
  const runs: TermTrace[][] = [];
  for (const term of terms) {
    const last = runs.at(-1);
    if (last?.[0] !== undefined && isPlain(term) && isPlain(last[0]) && last[0].outcome === term.outcome)
      last.push(term);
    else runs.push([term]);
  }
  const inlined = terms.filter(({ term, lookups }) => lookups.length === 1 && kindOf(term) !== 'exp').map(headWidth);
  const inlineAt = Math.max(0, ...inlined.filter((columns) => columns <= width / 2));
  return runs.map((run) => {
    const [term] = run;
    if (term === undefined || isPlain(term)) return plainNode(run, width);
    const isLast = term === terms.at(-1);
    return termNode(term, { inlineAt, width, decides, problem, isUnfinished: isLast && result === undefined });
  });
}

const isPlain = ({ term, outcome, lookups, nested, note }: TermTrace): boolean =>
  lookups.length === 0 &&
  nested === undefined &&
  note === undefined &&
  (outcome === 'not reached' || (outcome === 'no match' && /^ip[46]$/.test(kindOf(term))));

const widestOutcome = '  not reached'.length;

/** The terms of a line, as many as fit, and their one outcome at the end. */
function plainNode(run: readonly TermTrace[], width: number): TreeNode {
  const lines: string[] = [];
  for (const { term } of run) {
    const text = printable(term, 200);
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + text.length < width - widestOutcome)
      lines[lines.length - 1] = `${last} ${text}`;
    else lines.push(text);
  }
  const style: Style | undefined = run[0]?.outcome === 'not reached' ? 'dim' : undefined;
  return leaf(
    ...lines.map((text, i): Line => [
      style === undefined ? [text] : [text, style],
      ...(i === lines.length - 1 ? ([['  '], [run[0]?.outcome ?? '', 'dim']] as const) : []),
    ]),
  );
}

interface TermPlace extends Room {
  /** Column of the answers that stand on the lines of their terms. */
  readonly inlineAt: number;
  /** Why the record has the result it has, as far as that has to be told. */
  readonly problem: string | undefined;
  /** Time ran out while it was looked at. */
  readonly isUnfinished: boolean;
}

function termNode(term: TermTrace, { inlineAt, width, decides, problem, isUnfinished }: TermPlace): TreeNode {
  const { lookups, nested, note } = term;
  const outcome: Span = isUnfinished ? ['not finished in time', 'magenta'] : outcomeSpan(term, decides);
  const head: Line = [termSpan(term, decides), ['  '], outcome, ...reasonSpans(term, problem)];
  const [only] = lookups;
  const isInline = lookups.length === 1 && only !== undefined;
  const first: Line = isInline
    ? [...head, [' '.repeat(Math.max(0, inlineAt - widthOf(head)) + 3)], ...lookupSpans(only)]
    : head;
  const below = isInline ? [] : lookups.map(lookupSpans);
  const remark: readonly Line[] = note === undefined ? [] : [[[printable(note), 'yellow']]];
  return {
    lines: [first, ...below, ...remark],
    children:
      nested === undefined
        ? []
        : [recordNode(nested, { width: width - indent, decides: decides && term.outcome !== 'no match' })],
  };
}

const headWidth = (term: TermTrace): number => widthOf([termSpan(term, false), ['  '], outcomeSpan(term, false)]);

function termSpan({ term, outcome }: TermTrace, decides: boolean): Span {
  const text = printable(term, 200);
  return decides && (outcome === 'match' || outcome === 'followed') ? [text, 'bold'] : [text];
}

function outcomeSpan({ term, outcome }: TermTrace, decides: boolean): Span {
  switch (outcome) {
    case 'match':
      return resultSpan(term, decides);
    case 'no match':
    case 'not reached':
      return [outcome, 'dim'];
    case 'followed':
      return [kindOf(term) === 'exp' ? 'gives the explanation' : 'followed', 'bold'];
    case 'ignored':
      return [kindOf(term) === 'unknown' ? 'ignored: unknown' : 'not used', 'dim'];
    case 'temperror':
    case 'permerror':
      return [outcome, 'magenta'];
  }
}

/** A match makes the result what the qualifier says (RFC 7208 §4.6.2). */
function resultSpan(text: string, decides: boolean): Span {
  const term = parseTerm(text, 0);
  if (!('result' in term)) return ['match'];
  return decides ? [`match → ${term.result}`, styleOfResult[term.result]] : [`match → ${term.result}`];
}

const kindOf = (text: string): string => parseTerm(text, 0).kind;

/** Says why a term ended as it did, where its look-ups do not show it. */
function reasonSpans({ term, outcome, nested, lookups }: TermTrace, problem: string | undefined): readonly Span[] {
  if (nested !== undefined)
    return outcome === 'no match' && nested.result ? [[` (it says ${nested.result})`, 'dim']] : [];
  if ((outcome !== 'temperror' && outcome !== 'permerror') || problem === undefined) return [];
  if (lookups.some(({ answer }) => answer === 'failed')) return [];
  return [[`: ${printable(problem.startsWith(`${term}: `) ? problem.slice(term.length + 2) : problem)}`]];
}

/** `A mail.example.org → 192.0.2.1, 192.0.2.2` */
function lookupSpans({ name, type, answer, records, problem }: LookupTrace): readonly Span[] {
  const question: Span = [`${type} ${printable(name, 260)} → `, 'dim'];
  switch (answer) {
    case 'found': {
      const more = records.length > maxRecords ? `, … ${records.length} in all` : '';
      const some = records.slice(0, maxRecords).map((record) => printable(record === '' ? '""' : record, 120));
      return [question, [`${some.join(', ')}${more}`]];
    }
    case 'void':
      return [question, [problem === 'nxdomain' ? 'no such name' : `no ${type} record`, 'yellow']];
    case 'failed':
      return [question, [`failed: ${printable(problem ?? '')}`, 'magenta']];
  }
}
