/**
 * What a plugin does with mail whose content cannot be read (see src/mail/content/content.ts); no plugin itself. It is
 * an argument, `unreadable=reject` or `unreadable=pass`. Mail that might be readable at the next try is deferred,
 * unless unreadable mail passes.
 */
import { type Verdict, defer, pass, reject } from '../../src/hooks/check.js';
import type { Content } from '../../src/mail/content/content.js';

export type WhenUnreadable = 'pass' | 'reject';

export interface WithUnreadable {
  readonly unreadable: WhenUnreadable;
  /** The other arguments. */
  readonly rest: readonly string[];
}

/** Takes the argument out of the others. */
export function unreadableOf(args: readonly string[], byDefault: WhenUnreadable): WithUnreadable {
  const isOne = (word: string): boolean => word.startsWith('unreadable=');
  const [given = `unreadable=${byDefault}`, ...more] = args.filter(isOne);
  const unreadable = given.slice('unreadable='.length);
  if (unreadable === 'defer') throw new Error('unreadable is pass or reject: such mail would be deferred for ever');
  if (!isWhenUnreadable(unreadable) || more.length > 0) throw new Error('unreadable is pass or reject, once');
  return { unreadable, rest: args.filter((word) => !isOne(word)) };
}

const isWhenUnreadable = (word: string): word is WhenUnreadable => ['pass', 'reject'].includes(word);

export function judgeUnreadable(
  unreadable: WhenUnreadable,
  { why, isLasting }: Extract<Content, { readonly kind: 'unreadable' }>,
): Verdict {
  const log = `unreadable: ${why}`;
  if (unreadable === 'pass') return pass;
  const text = 'The content of your mail cannot be examined';
  return isLasting ? reject(text, log) : defer(text, log);
}
