/** `postern print-config`: what would be used, and where each value comes from. */
import { readDirectoryRows } from '../../directory/settings.js';
import { printConfig, printedSettings } from '../../settings/describe.js';
import { type PrintedRow, printTable } from '../../settings/print-table.js';
import { readText } from '../../settings/read-text.js';
import type { SettingsTask } from '../command/command.js';
import { failed } from '../complain.js';
import { exit } from '../exit-codes.js';
import { jsonLine } from '../terminal.js';

export function printConfigCommand({ settings, sources, file, options }: SettingsTask): number {
  const isJson = options.has('json');
  const directory = options.get('directory');
  if (directory === undefined) {
    const text = isJson ? asJson(file, printedSettings(settings, sources)) : printConfig(settings, sources);
    process.stdout.write(text);
    return exit.ok;
  }
  const read = readDirectoryRows(directory, readText);
  if (!read.ok) return failed(exit.config, read.problem);
  process.stdout.write(
    isJson ? asJson(directory, read.value) : printTable(read.value, { equals: ' = ', place: 'above' }),
  );
  return exit.ok;
}

const asJson = (file: string | undefined, rows: readonly PrintedRow[]): string =>
  jsonLine({
    file: file ?? null,
    settings: Object.fromEntries(rows.map(({ name, text, place }) => [name, { value: text, source: place }])),
  });
