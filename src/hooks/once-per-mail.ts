/** What several plugins need to know of a mail and one of them finds out: whoever asks first has it computed. */
import type { DataContext } from './plugin.js';

type MailKey = Pick<DataContext, 'message'>;

/** The same function, which computes once for each mail. What it throws or rejects with, it does so to each that asks. */
export function oncePerMail<M extends MailKey, T>(compute: (mail: M) => Promise<T>): (mail: M) => Promise<T> {
  const known = new WeakMap<DataContext['message'], Promise<T>>();
  return (mail) => {
    const before = known.get(mail.message);
    if (before !== undefined) return before;
    const now = compute(mail);
    known.set(mail.message, now);
    return now;
  };
}
