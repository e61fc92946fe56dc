/**
 * The settings of a directory: which there are, how they are read, and the file that holds them, for those who are
 * not told by environment. A file is `key = value`, one a line, # comments, as postern.conf.
 */
import { parseServerUri } from './server-uri.js';
import type { DirectoryOptions } from './directory.js';
import { type FilterTemplate, parseFilter, type Placeholder } from './filter.js';
import type { FailedPart } from './problem.js';
import { type Problems, type Result, wrong } from '../mail/result.js';
import { hidden, withoutPasswords } from '../mail/secret.js';
import { printable } from '../mail/text.js';
import { tryRead } from '../settings/cross-checks.js';
import type { PrintedRow } from '../settings/print-table.js';
import {
  type GivenText,
  GivenTexts,
  readLines,
  type TableRow,
  TableReader,
  unknownName,
} from '../settings/read-table.js';
import { duration, integer, yesNo } from '../settings/value-kind.js';

const directoryKeys = [
  'uri',
  'base',
  'filter',
  'bind_dn',
  'bind_password',
  'start_tls',
  'ca_file',
  'timeout',
  'cache',
  'cache_negative',
  'connections',
] as const;

export type DirectoryKey = (typeof directoryKeys)[number];

/** What the operator gave. */
export interface GivenSettings {
  readonly values: { readonly [K in DirectoryKey]?: string };
  /** As the operator knows it: `LDAP_SERVER_URI`, `/etc/postern/users.ldap: uri`. */
  readonly nameOf: (key: DirectoryKey) => string;
  /** What may stand in the filter. */
  readonly places: readonly Placeholder[];
  /** The filter may do without, so that all questions are one; default false. */
  readonly constantFilter?: boolean;
  /** Throws as node:fs does. */
  readonly readFile: (path: string) => string;
}

/** No value of a secret is in the problems. */
export type ReadDirectory = Result<DirectoryOptions, Problems>;

/** Which setting a problem at run time is about. */
export const keyOf: Readonly<Record<FailedPart, DirectoryKey>> = {
  server: 'uri',
  tls: 'ca_file',
  bind: 'bind_dn',
  base: 'base',
  filter: 'filter',
  answer: 'uri',
};

/** Reads them all; every problem names its setting, and shows no secret. */
export function readDirectory(given: GivenSettings): ReadDirectory {
  const reader = new TableReader({
    table: directoryTable,
    complaint: ({ name }, problem) =>
      `${given.nameOf(name as DirectoryKey)}: ${printable(withoutPasswords(problem), 300)}`,
  });
  const text = (key: DirectoryKey): string => given.values[key]?.trim() ?? '';
  const blame = (key: DirectoryKey, problem: string): undefined => {
    reader.blame({ name: key, text: '', place: '' }, problem);
    return undefined;
  };
  for (const [name, { default: byDefault }] of directoryTable)
    reader.take({ name, text: text(name) || byDefault, place: '' });
  const servers = readServers(text('uri'), (problem) => blame('uri', problem));
  if (text('base') === '') blame('base', 'is missing: where in the directory to look, such as dc=example,dc=org');
  const filter = readFilter(text('filter'), given, (problem) => blame('filter', problem));
  const bind = readBind(text('bind_dn'), given.values.bind_password ?? '', blame);
  const ca = readCa(text('ca_file'), given.readFile, (problem) => blame('ca_file', problem));
  if (reader.problems.length > 0 || !servers || !filter) return { ok: false, problem: reader.problems };
  const { start_tls, timeout, cache, cache_negative, connections } = reader.values() as unknown as PlainValues;
  return {
    ok: true,
    value: {
      servers,
      base: text('base'),
      filter,
      bind,
      startTls: start_tls,
      ca,
      timeoutMs: timeout,
      foundMs: cache,
      absentMs: cache_negative,
      connections,
    },
  };
}

/** Those whose value needs nothing beside it. Durations are milliseconds. */
interface PlainValues {
  readonly start_tls: boolean;
  readonly timeout: number;
  readonly cache: number;
  readonly cache_negative: number;
  readonly connections: number;
}

const directoryTable: ReadonlyMap<keyof PlainValues, TableRow & { readonly default: string }> = new Map([
  ['start_tls', { kind: yesNo, default: 'no' }],
  ['timeout', { kind: duration(100, 60_000), default: '5s' }],
  ['cache', { kind: duration(0, 86_400_000), default: '5m' }],
  ['cache_negative', { kind: duration(0, 86_400_000), default: '1m' }],
  ['connections', { kind: integer(1, 64), default: '4' }],
] as readonly (readonly [keyof PlainValues, TableRow & { readonly default: string }])[]);

type Blame = (problem: string) => undefined;

function readServers(text: string, blame: Blame): DirectoryOptions['servers'] | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (words.length === 0) return blame('is missing: a server, such as ldaps://ldap.example.org');
  const servers = words.map(parseServerUri);
  const bad = words.find((_, i) => servers[i] === undefined);
  if (bad !== undefined)
    return blame(`"${bad}" must be ldap://HOST, ldaps://HOST, with :PORT if need be, or ldapi://%2FPATH`);
  return servers.filter((server) => server !== undefined);
}

function readFilter(
  text: string,
  { places, constantFilter = false }: GivenSettings,
  blame: Blame,
): FilterTemplate | undefined {
  const example = places.includes('d') && places.length === 1 ? '(dc=%d)' : '(mail=%s)';
  if (text === '') return blame(`is missing: what to look for, such as ${example}`);
  const parsed = parseFilter(text, places, constantFilter);
  return parsed.ok ? parsed.value : blame(`"${text}" ${parsed.problem}`);
}

/** A name without a password would be an anonymous bind that looks like a success (RFC 4513 §5.1.2). */
function readBind(
  dn: string,
  password: string,
  blame: (key: DirectoryKey, problem: string) => undefined,
): DirectoryOptions['bind'] {
  if (dn === '' && password === '') return undefined;
  if (password === '') return blame('bind_password', 'is missing, while there is a name to bind with');
  if (password === hidden) return blame('bind_password', `must be the password itself: ${hidden} stands for one`);
  if (dn === '') return blame('bind_dn', 'is missing, while there is a password');
  return { dn, password };
}

function readCa(path: string, readFile: GivenSettings['readFile'], blame: Blame): string | undefined {
  if (path === '') return undefined;
  try {
    const text = readFile(path);
    return /^-----BEGIN CERTIFICATE-----$/m.test(text) ? text : blame(`${path} holds no certificate in PEM form`);
  } catch (error) {
    return blame(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'bad file'})`);
  }
}

/** The text of a settings file; `file` is its name, for messages. */
export function readDirectoryFile(
  file: string,
  { places, readFile }: Pick<GivenSettings, 'places' | 'readFile'>,
): ReadDirectory {
  const texts = readTexts(file, readFile);
  if (!texts.ok) return texts;
  const values = Object.fromEntries(texts.value.map((given) => [given.name, given.text]));
  return readDirectory({ values, nameOf: (key) => `${file}: ${key}`, places, readFile });
}

function readTexts(file: string, readFile: GivenSettings['readFile']): Result<readonly GivenText[], Problems> {
  const read = tryRead(file, readFile);
  if (!read.ok) return wrong([`${file}: cannot be read (${read.problem})`]);
  const texts = new GivenTexts(directoryKeys, unknownText);
  readLines(read.value, texts, { file, comments: 'line', isSecret: true });
  return texts.problems.length > 0 ? wrong(texts.problems) : { ok: true, value: texts.given };
}

/** All settings of the file as people may see them, for print-config. */
export function readDirectoryRows(
  file: string,
  readFile: GivenSettings['readFile'],
): Result<readonly PrintedRow[], Problems> {
  const texts = readTexts(file, readFile);
  if (!texts.ok) return texts;
  const rows = directoryKeys.map((name) => {
    const given = texts.value.find((one) => one.name === name);
    const byDefault = (directoryTable as ReadonlyMap<string, TableRow>).get(name)?.default ?? '';
    return { name, text: shownDirectoryText(name, given?.text || byDefault), place: given?.place ?? 'default' };
  });
  return { ok: true, value: rows };
}

/** What people may see of a setting's text. */
export const shownDirectoryText = (key: DirectoryKey, text: string): string =>
  key === 'bind_password' && text !== '' ? hidden : withoutPasswords(text);

const unknownText = (name: string): string =>
  unknownName(name, {
    names: directoryKeys,
    what: 'setting of a directory',
    otherwise: `there are ${directoryKeys.join(', ')}`,
  });
