/**
 * score — judges many weak signs together: the sum of the points that checks have given a mail. A check gives points
 * where its marker says so: checks/helo holding `score 2.5` does not reject what it finds, but adds 2.5. Lines of
 * dnsbl's and rhsbl's zones have weights (`bl.example.org*3`), and rspamd and spamassassin can join in with `join=`.
 * Switched on for a domain by the file /srv/DOMAIN/score:
 *
 *     reject 8      # from 8 points on the mail is rejected
 *     mark 4        # from 4 points on it is taken with the fields X-Spam-Score: 4.5 and X-Spam-Flag: YES
 *
 * Either line may be left out. With `mark`, fields of these names that came with a mail are taken out of it. The reply
 * names the checks and their points, `score 9.5: helo 3, rdns 2, dnsbl 4.5`; what they found stands in the log. A file
 * that is empty or makes no sense defers the domain's mail. checks/score holding the word log: what would be rejected
 * is only logged.
 *
 * It stands behind all that give points, for later ones are not counted, and before whitelist, which lifts its
 * rejection as any other. Mail that is rejected or pardoned already is not judged. Where a domain has no such file, the
 * points stand in log and journal, and nothing comes of them.
 */
import {
  type DataContext,
  defer,
  type ListProblem,
  note,
  pass,
  type Plugin,
  reject,
  skip,
} from '../src/hooks/check.js';
import { localProblem } from '../src/mail/reply.js';
import { printable } from '../src/mail/text.js';
import { parsePoints, rounded, type Verdict } from '../src/mail/verdict.js';
import type { Thresholds } from './shared/spam-score.js';

const plugin: Plugin = {
  name: 'score',
  inAll: false,
  list: 'score',
  listProblems: (lines) => readThresholds(lines).problems,
  switches: ['score'],
  dataPost(context) {
    const lines = context.markers.lines(context.domain, 'score');
    if (lines === undefined) return skip('not enabled');
    const { thresholds, problems } = readThresholds(lines);
    if (thresholds?.mark !== Infinity) takeOutForged(context);
    if (context.rejection !== undefined) return skip('rejected already');
    if (context.pardoned !== undefined) return skip(context.pardoned);
    if (thresholds !== undefined) return judge(context, thresholds);
    return defer('', `${context.domain}/score: ${problemText(lines, problems)}`, localProblem);
  },
};
export default plugin;

function judge({ points, addField }: DataContext, thresholds: Thresholds): Verdict {
  if (points.length === 0) return pass;
  const sum = rounded(points.reduce((all, given) => all + given.points, 0));
  const why = points.map((given) => `${given.plugin} ${given.points} (${given.log})`).join(', ');
  if (sum >= thresholds.reject) {
    const public_ = [...pointsByPlugin(points)].map(([name, all]) => `${name} ${all}`).join(', ');
    return reject(`score ${sum}: ${public_}`, `score ${sum} of ${thresholds.reject}: ${why}`);
  }
  if (sum < thresholds.mark) return pass;
  addField(fields.score, String(sum));
  addField(fields.flag, 'YES');
  return note(`marked, score ${sum}: ${why}`);
}

const fields = { score: 'X-Spam-Score', flag: 'X-Spam-Flag' } as const;

/** A filter of others that writes them has looked at the mail itself. */
function takeOutForged({ header, editHeader }: DataContext): void {
  for (const name of Object.values(fields)) if (header.get(name) !== undefined) editHeader({ kind: 'remove', name });
}

function pointsByPlugin(points: DataContext['points']): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const given of points) sums.set(given.plugin, rounded((sums.get(given.plugin) ?? 0) + given.points));
  return sums;
}

interface ReadThresholds {
  /** undefined where anything is wrong. */
  readonly thresholds: Thresholds | undefined;
  readonly problems: readonly ListProblem[];
}

/** The lines of the file; empty ones stand for comments. */
function readThresholds(lines: readonly string[]): ReadThresholds {
  const problems: ListProblem[] = [];
  const read = new Map<string, number>();
  for (const [i, line] of lines.entries()) {
    const [, name = '', value = ''] = /^(reject|mark)\s+(\S+)$/.exec(line) ?? [];
    const points = parsePoints(value) ?? 0;
    if (line === '') continue;
    if (points <= 0) problems.push({ line: i + 1, problem: 'must be reject or mark and points, such as reject 8' });
    else if (read.has(name)) problems.push({ line: i + 1, problem: `must not be there: ${name} stands above already` });
    else read.set(name, points);
  }
  const { reject: rejects = Infinity, mark = Infinity } = Object.fromEntries(read) as Partial<Thresholds>;
  if (problems.length === 0 && read.size === 0) problems.push({ problem: 'holds neither reject nor mark' });
  if (read.size === 2 && mark >= rejects)
    problems.push({ problem: `marks from ${mark} on, which is rejected already` });
  return { thresholds: problems.length === 0 ? { reject: rejects, mark } : undefined, problems };
}

/** The first: a file of something else has one in each line. */
function problemText(lines: readonly string[], [first, ...more]: readonly ListProblem[]): string {
  if (first === undefined) return '';
  const { line, problem } = first;
  const where = line === undefined ? '' : `"${printable(lines[line - 1] ?? '', 80)}" `;
  return `${where}${problem}${more.length === 0 ? '' : ` (and ${more.length} more)`}`;
}
