/**
 * What a plugin does with mail whose content cannot be read (see src/mail/content.ts); no plugin itself. It is an argument,
 * `unreadable=defer`, `unreadable=pass` or `unreadable=reject`.
 */
import { type Verdict, defer, pass, reject } from '../../src/hooks/check.js';

export type Unreadable = 'defer' | 'pass' | 'reject';

export interface WithUnreadable {
  readonly unreadable: Unreadable;
  /** The other arguments. */
  readonly rest: readonly string[];
}

/** Takes the argument out of the others. */
export function unreadableOf(args: readonly string[], byDefault: Unreadable): WithUnreadable {
  const isOne = (word: string): boolean => word.startsWith('unreadable=');
  const [given = `unreadable=${byDefault}`, ...more] = args.filter(isOne);
  const unreadable = given.slice('unreadable='.length);
  if (!isUnreadable(unreadable) || more.length > 0) throw new Error('unreadable is defer, pass or reject, once');
  return { unreadable, rest: args.filter((word) => !isOne(word)) };
}

const isUnreadable = (word: string): word is Unreadable => ['defer', 'pass', 'reject'].includes(word);

export function judgeUnreadable(unreadable: Unreadable, why: string): Verdict {
  const log = `unreadable: ${why}`;
  switch (unreadable) {
    case 'defer':
      return defer('The content of your mail cannot be examined', log);
    case 'reject':
      return reject('The content of your mail cannot be examined', log);
    case 'pass':
      return pass;
  }
}
