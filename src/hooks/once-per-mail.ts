/** What several plugins need to know of a mail and one of them finds out: whoever asks first has it computed. */
import type { Eventual } from '../mail/eventual.js';
import type { DataContext } from './plugin.js';

type MailKey = Pick<DataContext, 'message'>;

/**
 * The same function, which computes once for each mail. What its promise rejects with it rejects with for each that
 * asks; where it throws, the next one that asks has it computed again.
 */
export function oncePerMail<M extends MailKey, T>(compute: (mail: M) => Eventual<T>): (mail: M) => Eventual<T> {
  const known = new WeakMap<DataContext['message'], { readonly value: Eventual<T> }>();
  return (mail) => {
    const before = known.get(mail.message);
    if (before !== undefined) return before.value;
    const value = compute(mail);
    known.set(mail.message, { value });
    return value;
  };
}
