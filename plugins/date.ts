/**
 * date — rejects mail without a Date: field, which RFC 5322 §3.6 makes mandatory, or with an empty one.
 *
 *     date            the field must be there
 *     date 30         … and parse, and lie at most 30 days in the past
 *     date 30 2       … and at most 2 days in the future
 */
import { type Plugin, defineCheck, pass, reject } from '../src/hooks/check.js';

const dayMs = 24 * 60 * 60 * 1000;

export default function date(args: readonly string[]): Plugin {
  const [past, future] = args.map(days);
  if (args.length > 2) throw new Error('takes at most two numbers of days: past and future');
  return defineCheck({
    name: 'date',
    inspect({ header }) {
      const value = header.get('date');
      if (value === undefined) return reject('Missing header - Date:');
      if (value === '') return reject('Invalid header - Date:', 'it is empty');
      if (past === undefined) return pass;
      const time = Date.parse(value.slice(0, 200).replace(/\([^()]*\)/g, ''));
      if (Number.isNaN(time)) return reject('Invalid header - Date:', `does not parse: ${value}`);
      if (time < Date.now() - past * dayMs) return reject('Date: too far in the past', value);
      if (time > Date.now() + (future ?? Infinity) * dayMs) return reject('Date: too far in the future', value);
      return pass;
    },
  });
}

function days(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new Error(`"${text}" is no number of days`);
  return Number(text);
}
