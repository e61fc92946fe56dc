/**
 * mailers — rejects mail whose X-Mailer: is known-bad.
 *
 *     mailers              the list that ships with postern (mailers.txt)
 *     mailers /etc/x.txt   a list of your own: one name a line, # comments; matched without case, anywhere in the field
 */
import { type Plugin, defineCheck, pass, reject } from '../src/hooks/check.js';
import { readWordList, shippedList } from './shared/word-list.js';

export default function mailers([file = shippedList('mailers.txt'), ...more]: readonly string[]): Plugin {
  if (more.length > 0) throw new Error('takes one file');
  const bad = readWordList(file).map((name) => name.toLowerCase());
  return defineCheck({
    name: 'mailers',
    inspect({ header }) {
      const mailer = header.get('x-mailer')?.toLowerCase();
      const found = bad.find((name) => mailer?.includes(name));
      return found === undefined ? pass : reject('Sent by a known bulk mailer', `X-Mailer: ${found}`);
    },
  });
}
