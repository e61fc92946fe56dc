/** The settings as text: `print-config`, the flags of `--help`, the rows of the manual page. All from the schema. */
import { type PrintedRow, printTable } from './print-table.js';
import { entries, type Settings, type Sources } from './schema.js';
import type { ValueKind } from './value-kind.js';

/** One `key = value  # source` line a setting; read as a file, they give the same settings again, but for passwords. */
export const printConfig = (settings: Settings, sources: Sources): string =>
  printTable(printedSettings(settings, sources), { equals: ' = ', place: 'behind' });

export const printedSettings = (settings: Settings, sources: Sources): readonly PrintedRow[] =>
  [...entries].map(([name, { kind }]) => ({ name, text: shownText(kind, settings[name]), place: sources[name] }));

function shownText(kind: ValueKind<unknown>, value: unknown): string {
  const text = kind.write(value);
  return kind.shown?.(text) ?? text;
}

/** The part of `--help` that lists the settings as flags. */
export function settingsHelp(): string {
  const rows = [...entries].map(([name, { kind, default: byDefault, doc }]) => ({
    flag: `--${name}=${kind.label}`,
    doc: byDefault === '' ? doc : `${doc} (${byDefault})`,
  }));
  const width = Math.max(...rows.map(({ flag }) => flag.length));
  return rows.map(({ flag, doc }) => `  ${flag.padEnd(width)}  ${doc}\n`).join('');
}

/** The rows of postern.conf(5), in man(7) macros. */
export function settingsManual(): string {
  return [...entries]
    .map(([name, { kind, default: byDefault, doc }]) =>
      [
        '.TP',
        `.BR ${name} " = \\fI${roff(kind.label)}\\fP"`,
        `${roff(doc[0]?.toUpperCase() ?? '')}${roff(doc.slice(1))}.`,
        kind.right === '' ? '' : `Must be ${roff(kind.right)}.`,
        byDefault === '' ? '' : `Default: ${roff(byDefault)}.`,
      ]
        .filter((line) => line !== '')
        .join('\n'),
    )
    .join('\n');
}

/** Text that man(7) takes as it is: backslashes and hyphens written out, no line that begins as a macro. */
export const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
