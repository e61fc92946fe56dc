/** The rows of postern-milter.conf(5), in man(7) macros, from the table of parameters. */
import { roff } from '../../../settings/describe.js';
import { type ParameterEntry, entries } from './schema.js';

/** What spf-milter has, or what it has not. */
export function milterManual(which: 'of spf-milter' | 'beyond'): string {
  return [...entries]
    .filter(([, { beyond }]) => (beyond ?? false) === (which === 'beyond'))
    .map(([name, entry]) => row(name, entry))
    .join('\n');
}

function row(name: string, { kind, default: byDefault, doc }: ParameterEntry<unknown>): string {
  return [
    '.TP',
    `.BR ${name} " = \\fI${roff(kind.label)}\\fP"`,
    `${roff(doc)}.`,
    kind.right === '' ? '' : `Must be ${roff(kind.right)}.`,
    byDefault === undefined || byDefault === '' ? '' : `Default: ${roff(byDefault)}.`,
  ]
    .filter((line) => line !== '')
    .join('\n');
}
