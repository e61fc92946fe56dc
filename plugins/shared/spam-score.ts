/** What becomes of a mail by its score, for rspamd and spamassassin; no plugin itself. */
import { type Mail, type Verdict, pass, reject } from '../../src/hooks/check.js';
import { splitOption } from './scanner.js';

export interface Thresholds {
  /** From this score on a mail is rejected. */
  readonly reject: number;
  /** From this score on it is marked. */
  readonly mark: number;
}

/** Takes reject= and mark= out of the arguments; `never` for none. */
export function thresholdsOf(
  args: readonly string[],
  byDefault: Thresholds,
): { readonly thresholds: Thresholds; readonly rest: readonly string[] } {
  const isOurs = (word: string): boolean => /^(?:reject|mark)=/.test(word);
  const given = args.filter(isOurs).map((word) => {
    const [name, value] = splitOption(word, ['reject', 'mark']);
    if (value !== 'never' && !/^\d{1,4}(?:\.\d{1,3})?$/.test(value)) throw new Error(`${name} is a score, or never`);
    return [name, value === 'never' ? Infinity : Number(value)] as const;
  });
  const thresholds: Thresholds = { ...byDefault, ...Object.fromEntries(given) };
  if (thresholds.mark > thresholds.reject && thresholds.mark !== Infinity)
    throw new Error('mark is above reject: nothing would ever be marked');
  return { thresholds, rest: args.filter((word) => !isOurs(word)) };
}

/** `rules`: for the operator. */
export function judgeScore(mail: Mail, by: string, score: number, rules: string, thresholds: Thresholds): Verdict {
  if (score >= thresholds.reject) return reject('This looks like spam', `${by} ${score}: ${rules}`);
  if (score >= thresholds.mark) mail.addField('X-SPAM-RESULT', `${score} ${by}`);
  return pass;
}
