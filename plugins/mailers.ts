/**
 * mailers — rejects mail whose X-Mailer: is known-bad.
 *
 *     mailers              the list that ships with postern (mailers.txt)
 *     mailers /etc/x.txt   a list of your own: one name a line, # comments; matched without case, anywhere in the field
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Plugin, defineCheck, pass, reject } from '../src/hooks/check.js';

export default function mailers([file = shipped(), ...more]: readonly string[]): Plugin {
  if (more.length > 0) throw new Error('takes one file');
  const bad = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) =>
      line
        .replace(/(^|\s)#.*$/, '')
        .trim()
        .toLowerCase(),
    )
    .filter((name) => name !== '');
  return defineCheck({
    name: 'mailers',
    inspect({ header }) {
      const mailer = header.get('x-mailer')?.toLowerCase();
      const found = bad.find((name) => mailer?.includes(name));
      return found === undefined ? pass : reject('Sent by a known bulk mailer', `X-Mailer: ${found}`);
    },
  });
}

/** Beside this file in the sources; one folder further up once compiled. */
function shipped(): string {
  const [source, compiled] = ['./mailers.txt', '../../plugins/mailers.txt'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  return existsSync(source ?? '') ? (source ?? '') : (compiled ?? '');
}
