/**
 * What `postern milter --policy FILE` is told beside the filter: the service's parameters of spf-milter.conf(5), by
 * options or in a file that holds nothing else.
 */
import type { Problems, Result } from '../../../mail/result.js';
import { printable } from '../../../mail/text.js';
import { type ReadFile, tryRead } from '../../../settings/cross-checks.js';
import { printTable } from '../../../settings/print-table.js';
import {
  type GivenText,
  GivenTexts,
  readLines,
  TableReader,
  unknownName,
  usualComplaint,
} from '../../../settings/read-table.js';
import { type ServiceConfig, serviceParameters } from '../service-config.js';
import { entries } from '../verify-sender/schema.js';

const table = new Map([...entries].filter(([name]) => serviceParameters.some((one) => one === name)));

export interface ServiceInput {
  /** No file is read where none is named. */
  readonly file: string | undefined;
  readonly options: readonly GivenText[];
  readonly readFile: ReadFile;
  /** A socket that was handed over: `fd:3`. */
  readonly inherited: string | undefined;
}

export interface ReadService {
  readonly config: ServiceConfig;
  /** All parameters as a file that reads back to the same. */
  readonly text: string;
}

export function loadService({ file, options, readFile, inherited }: ServiceInput): Result<ReadService, Problems> {
  const reader = new TableReader({ table, complaint: usualComplaint });
  reader.takeDefaults();
  if (file !== undefined) takeFile(reader, file, readFile);
  for (const given of options) {
    if (table.has(given.name)) reader.take(given);
    else reader.problems.push(`${given.place} has no place here: the filter decides by itself`);
  }
  if (inherited !== undefined) reader.take({ name: 'socket', text: inherited, place: 'LISTEN_FDS' });
  if (!reader.held('socket') && !reader.isWrong('socket'))
    reader.problems.push('where does the MTA connect? -p unix:/run/filter.sock, or socket in the file of -c, says it');
  if (reader.problems.length > 0) return { ok: false, problem: reader.problems };
  // Complete, for there are no problems.
  const values = reader.values() as unknown as ServiceConfig;
  const config = { ...values, socket_mode: values.socket_mode, metrics: values.metrics };
  const rows = reader.all().toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { ok: true, value: { config, text: printTable(rows, { equals: ' = ', place: 'above' }) } };
}

function takeFile(reader: TableReader, file: string, readFile: ReadFile): void {
  const read = tryRead(file, readFile);
  if (!read.ok) return void reader.problems.push(`${file}: must be a file that can be read (${read.problem})`);
  const texts = new GivenTexts(table.keys(), unknownText);
  readLines(read.value, texts, { file, comments: 'line' });
  reader.problems.push(...texts.problems);
  for (const given of texts.given) reader.take(given);
}

const unknownText = (name: string): string =>
  entries.has(name)
    ? `${name} is a parameter of --policy verify alone; the settings of a filter of your own are words behind --`
    : unknownName(name, {
        names: table.keys(),
        what: 'parameter',
        otherwise: `there are ${[...table.keys()].map((one) => printable(one, 60)).join(', ')}`,
      });
