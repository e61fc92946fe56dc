/**
 * A password on the command line stands in /proc and in ps, also those of all children. Here it leaves both as soon as
 * we run: children have it by environment. Whoever wants it seen for no moment gives it in a file.
 */
import { entries } from '../settings/schema.js';

/**
 * Takes what is secret out of the words that children are started with, and puts it into their environment; true where
 * there was any.
 */
export function hideSecrets(words: string[], env: Record<string, string | undefined>): boolean {
  let isAny = false;
  for (const [name, { kind }] of entries) {
    const flag = `--${name}`;
    const end = words.indexOf('--');
    const at = words.findIndex((word, i) => (end < 0 || i < end) && (word === flag || word.startsWith(`${flag}=`)));
    const word = words[at];
    if (word === undefined || kind.shown === undefined) continue;
    const text = word === flag ? words[at + 1] : word.slice(flag.length + 1);
    if (text === undefined || kind.shown(text) === text) continue;
    env[`POSTERN_${name.toUpperCase()}`] = text;
    words.splice(at, word === flag ? 2 : 1);
    isAny = true;
  }
  return isAny;
}
