/**
 * Makes one frozen, typed value of what the operator gave (file < environment < flags), or says all that is wrong with
 * it. The settings themselves are a table in settings/schema.ts; what they are for is the business of whoever is handed
 * them.
 */
import { hostname as systemHostname } from 'node:os';
import type { Problems, Result } from '../mail/result.js';
import { withoutPasswords } from '../mail/secret.js';
import { printable } from '../mail/text.js';
import { crossChecks, type ReadFile, tryRead } from './cross-checks.js';
import { type SettingsPlace, readEnvironment, readFileText, readFlags } from './places.js';
import { TableReader } from './read-table.js';
import { entries, schema, type SettingName, type Settings, type Sources } from './schema.js';

export type { Settings, Sources } from './schema.js';

/** Read where it exists and no other file is named. */
export const defaultFile = '/etc/postern.conf';

export interface SettingsInput {
  /** The words behind the command. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of a file; throws as `node:fs` does. */
  readonly readFile: ReadFile;
  /** Flags (without `--`) that are the command's own. */
  readonly otherFlags?: readonly string[];
  /** Defaults of a trial run, as text. A trial does not read the system's own file. */
  readonly trial?: Readonly<Partial<Record<SettingName, string>>>;
  /** This machine's name; a test gives one. */
  readonly hostname?: string;
}

export interface ReadSettings {
  readonly settings: Settings;
  readonly sources: Sources;
  /** The file that was read, or undefined. */
  readonly file: string | undefined;
}

export type LoadedSettings = Result<ReadSettings, Problems>;

/** Reads all places, and checks everything before it gives up. */
export function loadSettings(input: SettingsInput): LoadedSettings {
  const flags = readFlags(input.argv, input.otherFlags ?? []);
  const file = fileOf(input, flags.config);
  const places = [file, readEnvironment(input.env), flags];
  const reader = readTable(places, input);
  crossCheck(reader, input.readFile);
  const problem = [...places.flatMap((place) => place.problems), ...reader.problems];
  if (problem.length > 0) return { ok: false, problem };
  const settings = deepFreeze(settingsOf(reader));
  const sources = Object.freeze(reader.places() as unknown as Sources);
  return { ok: true, value: { settings, sources, file: file.file } };
}

interface FilePlace extends SettingsPlace {
  /** Its name, where it could be read. */
  readonly file?: string;
}

function fileOf(input: SettingsInput, configFlag: string | undefined): FilePlace {
  const variable = input.env['POSTERN_CONFIG'];
  if (configFlag) return readNamedFile(configFlag, '--config', input.readFile);
  if (variable) return readNamedFile(variable, 'POSTERN_CONFIG', input.readFile);
  const file = input.trial ? undefined : tryRead(defaultFile, input.readFile);
  if (!file || (!file.ok && file.problem === 'ENOENT')) return { given: [], problems: [] };
  return file.ok ? textOf(file.value, defaultFile) : unreadable('settings', defaultFile, file.problem);
}

function readNamedFile(path: string, place: string, readFile: ReadFile): FilePlace {
  const file = tryRead(path, readFile);
  return file.ok ? textOf(file.value, path) : unreadable(place, path, file.problem);
}

function textOf(text: string, file: string): FilePlace {
  const { given, problems } = readFileText(text, file);
  return { given, problems, file };
}

const unreadable = (place: string, path: string, why: string): FilePlace => ({
  given: [],
  problems: [`${place}: ${printable(path)}: must be a file that can be read (${why})`],
});

/** Empty stands for the default, and a name that is given nowhere for another. */
function readTable(places: readonly SettingsPlace[], input: SettingsInput): TableReader {
  const reader = new TableReader({
    table: entries,
    complaint: ({ name, text, place }, problem) =>
      `${printable(place)}: ${name} = ${printable(withoutPasswords(text), 80)}: ${problem}`,
    check: ({ kind }, value) => unwritable(kind.write(value)),
  });
  reader.takeDefaults(input.trial, 'trial');
  for (const given of places.flatMap((place) => place.given))
    reader.take({ ...given, text: given.text || schema[given.name as SettingName].default });
  fallBack(reader, 'hostname', input.hostname ?? systemHostname());
  fallBack(reader, 'authserv_id', settingsOf(reader).hostname);
  return reader;
}

/** Complete, for each has its default at least. */
const settingsOf = (reader: TableReader): Settings => reader.values() as unknown as Settings;

function fallBack(reader: TableReader, name: SettingName, text: string): void {
  const held = reader.held(name);
  if (held?.value === '' && !reader.isWrong(name)) reader.take({ name, text, place: held.place });
}

function crossCheck(reader: TableReader, readFile: ReadFile): void {
  const isWrong = new Map([...entries.keys()].map((name) => [name, reader.isWrong(name)]));
  for (const check of crossChecks) {
    if ([check.name, ...check.beside].some((name) => isWrong.get(name))) continue;
    const problem = check.problem(settingsOf(reader), readFile);
    const held = reader.held(check.name);
    if (problem !== undefined && held) reader.blame(held, problem);
  }
}

/** print-config must be able to write each value as one line of the file that reads back to the same. */
function unwritable(text: string): string | undefined {
  if (printable(text, Infinity) !== text.replaceAll('\t', '?')) return 'must not hold control or invisible characters';
  if (/(?:^|\s)#/.test(text)) return 'must not hold # at its start or behind a space: there a comment begins';
  return undefined;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
