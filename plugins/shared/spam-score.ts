/**
 * What becomes of a mail by its score, for rspamd and spamassassin; no plugin itself. With `join=0.5` its score joins
 * the points of other checks (see the plugin score), times so much.
 */
import { type Mail, type Verdict, pass, reject, score as givePoints } from '../../src/hooks/check.js';
import { maxPoints, rounded } from '../../src/mail/verdict.js';
import { splitOption } from './scanner.js';

export interface Thresholds {
  /** From this score on a mail is rejected. */
  readonly reject: number;
  /** From this score on it is marked. */
  readonly mark: number;
}

/** What a scorer does with its scores. */
export interface ScoreUse extends Thresholds {
  /** Points that one of its own is worth; undefined: they stay its own. */
  readonly join: number | undefined;
}

/** Takes reject= and mark=, which may be `never`, and join= out of the arguments. */
export function scoreUseOf(
  args: readonly string[],
  byDefault: Thresholds,
): { readonly use: ScoreUse; readonly rest: readonly string[] } {
  const isOurs = (word: string): boolean => /^(?:reject|mark|join)=/.test(word);
  const given = args.filter(isOurs).map((word) => {
    const [name, value] = splitOption(word, ['reject', 'mark', 'join']);
    if (name === 'join') return [name, factorOf(value)] as const;
    if (value !== 'never' && !/^\d{1,4}(?:\.\d{1,3})?$/.test(value)) throw new Error(`${name} is a score, or never`);
    return [name, value === 'never' ? Infinity : Number(value)] as const;
  });
  const use: ScoreUse = { join: undefined, ...byDefault, ...Object.fromEntries(given) };
  if (use.mark > use.reject && use.mark !== Infinity)
    throw new Error('mark is above reject: nothing would ever be marked');
  return { use, rest: args.filter((word) => !isOurs(word)) };
}

function factorOf(value: string): number {
  const factor = /^\d{1,2}(?:\.\d{1,3})?$/.test(value) ? Number(value) : 0;
  if (factor === 0) throw new Error('join is a number above 0, such as 1 or 0.5');
  return factor;
}

export interface ScorerAnswer {
  readonly score: number;
  /** For the operator. */
  readonly rules: string;
}

export function judgeScore(mail: Mail, by: string, { score, rules }: ScorerAnswer, use: ScoreUse): Verdict {
  const log = `${by} ${score}: ${rules}`;
  if (score >= use.reject) return reject('This looks like spam', log);
  if (score >= use.mark) mail.addField('X-SPAM-RESULT', `${score} ${by}`);
  const points = use.join === undefined ? 0 : rounded(score * use.join);
  return points === 0 ? pass : givePoints(Math.max(-maxPoints, Math.min(maxPoints, points)), log);
}
