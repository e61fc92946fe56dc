/** What lint found, for people: a headline, the findings, and the tree of look-ups with numbers. */
import { defaultLimits as limits } from '../../spf/limits.js';
import type { Finding, LintBranch, LintReport } from '../../spf/lint/lint.js';
import { caretLines } from '../../text/caret.js';
import { shown } from '../terminal.js';
import { type Line, type Span, type Style, widthOf } from '../../text/line.js';
import { draw, type TreeNode } from '../../text/tree.js';

/** `width`: columns. `findings` are told without the record and the tree, where many domains are judged. */
export function lintText(
  report: LintReport,
  { width, form = 'whole' }: { readonly width: number; readonly form?: 'whole' | 'findings' },
): readonly Line[] {
  const { findings, tree } = report;
  const records = recordsOf(tree);
  if (form === 'findings')
    return [headline(report), ...findings.flatMap((finding) => findingLines(finding, { tree, records, width }))];
  return [
    headline(report),
    ...recordLines(report, width),
    ...findings.flatMap((finding) => findingLines(finding, { tree, records, width })),
    ...(tree.branches.length > 0 ? [[['']] as Line, ...lookupTree(tree, width)] : []),
  ];
}

function headline({ findings, tree }: LintReport): Line {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const words = [counted(errors, 'error'), counted(warnings, 'warning')].filter((text) => text !== '').join(', ');
  const verdict: Span = errors > 0 ? [words, 'red'] : warnings > 0 ? [words, 'yellow'] : ['good', 'green'];
  return [
    [shown(tree.domain ?? 'the record', 260), 'bold'],
    ['  '],
    verdict,
    [tree.record === undefined ? '' : `  ${tree.lookups} of ${limits.lookups} look-ups${voidText(tree)}`, 'dim'],
  ];
}

/** The record, unless a caret is about to point into it. */
function recordLines({ findings, tree: { domain, record } }: LintReport, width: number): readonly Line[] {
  if (record === undefined || findings.some((finding) => finding.at !== undefined && finding.domain === domain))
    return [];
  return wrapped(shown(record, maxRecord), width - 2).map((text): Line => [['  '], [text, 'cyan']]);
}

/** Characters of a record that are shown. */
const maxRecord = 1000;

const counted = (count: number, word: string): string =>
  count === 0 ? '' : `${count} ${word}${count === 1 ? '' : 's'}`;

function voidText({ voids: { ip4, ip6 } }: LintBranch): string {
  if (ip4 === ip6) return `, ${ip4} of ${limits.voids} void`;
  return `, void for IPv4 clients ${ip4}, for IPv6 clients ${ip6} of ${limits.voids}`;
}

/** The text of each domain's record, to point into. */
function recordsOf(branch: LintBranch): ReadonlyMap<string | undefined, string> {
  const own: [string | undefined, string][] = branch.record === undefined ? [] : [[branch.domain, branch.record]];
  return new Map([...own, ...branch.branches.flatMap((below) => [...recordsOf(below)])]);
}

interface Surroundings {
  readonly tree: LintBranch;
  readonly records: ReadonlyMap<string | undefined, string>;
  readonly width: number;
}

const styles: Readonly<Record<Finding['severity'], Style>> = { error: 'red', warning: 'yellow' };
const indent = '           ';

function findingLines({ severity, problem, domain, at, section }: Finding, around: Surroundings): readonly Line[] {
  const where = domain === undefined || domain === around.tree.domain ? '' : `${shown(domain, 260)}: `;
  const cited: Span = [section === undefined ? '' : `  RFC 7208 §${section}`, 'dim'];
  const label: Span = [`  ${severity}`.padEnd(indent.length), styles[severity]];
  const record = around.records.get(domain);
  const width = around.width - indent.length;
  if (at === undefined || record === undefined) {
    const [first = '', ...more] = wrapped(`${where}${shown(problem)}`, width - widthOf([cited]));
    const last = more.length === 0 ? [cited] : [];
    return [
      [label, [first], ...last],
      ...more.map((text, i): Line => [[indent], [text], ...(i === more.length - 1 ? [cited] : [])]),
    ];
  }
  const caret = caretLines({ text: record, at, width: width - 4 }, problem);
  return [[label, [`${where}syntax`], cited], ...caret.map((line): Line => [[indent], ...line])];
}

/** Broken at spaces, where there are any. */
function wrapped(text: string, width: number): readonly string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

/** The terms that ask DNS, and how many look-ups each costs with all below it. */
function lookupTree(tree: LintBranch, width: number): readonly Line[] {
  const drawn = draw(branchNode(tree, width));
  const drawnCounts = countsOf(tree);
  const column = Math.max(...drawn.map(widthOf)) + 2;
  return drawn.map((line, i) => {
    const [count, note] = drawnCounts[i] ?? [0, undefined];
    const style: Style = count > limits.lookups ? 'red' : 'dim';
    const gap = ' '.repeat(Math.max(1, column - widthOf(line)));
    return [...line, [gap], [String(count).padStart(3), style], noteSpan(note)];
  });
}

const branchNode = ({ term, domain, branches }: LintBranch, width: number): TreeNode => ({
  lines: [
    [term === undefined ? [shown(domain ?? 'the record', 100), 'bold'] : [shown(term, Math.max(40, width - 50))]],
  ],
  children: branches.map((branch) => branchNode(branch, width)),
});

/** Line by line as they are drawn. */
const countsOf = ({ lookups, note, branches }: LintBranch): readonly (readonly [number, string | undefined])[] => [
  [lookups, note],
  ...branches.flatMap(countsOf),
];

const noteSpan = (note: string | undefined): Span => {
  const isBad = note !== undefined && /^(finds nothing|a loop|no |look-up failed|\d+ SPF)/.test(note);
  return [note === undefined ? '' : `  ${shown(note, 120)}`, isBad ? 'yellow' : 'dim'];
};
