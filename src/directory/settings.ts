/**
 * The settings of a directory: which there are, how they are read, and the file that holds them, for those who are not told
 * by environment. A file is `key = value`, one a line, # comments, as postern.conf.
 */
import { parseServerUri } from './server-uri.js';
import type { DirectoryOptions } from './directory.js';
import { type FilterTemplate, parseFilter, type Placeholder } from './filter.js';
import type { FailedPart } from './problem.js';
import { printable } from '../mail/text.js';
import { nearest } from '../settings/nearest.js';
import { duration, integer, yesNo, type ValueKind } from '../settings/value-kind.js';

export const directoryKeys = [
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
  /** Throws as node:fs does. */
  readonly readFile: (path: string) => string;
}

export type ReadDirectory =
  | { readonly ok: true; readonly options: DirectoryOptions }
  /** One line each, safe to print; no value of a secret in it. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Which setting a problem at run time is about. */
export const keyOf: Readonly<Record<FailedPart, DirectoryKey>> = {
  server: 'uri',
  tls: 'ca_file',
  bind: 'bind_dn',
  base: 'base',
  filter: 'filter',
  answer: 'uri',
};

/** Reads them all; every problem names its setting. */
export function readDirectory(given: GivenSettings): ReadDirectory {
  const problems: string[] = [];
  const blame = (key: DirectoryKey, problem: string): undefined =>
    void problems.push(`${given.nameOf(key)}: ${printable(problem, 300)}`);
  const text = (key: DirectoryKey): string => given.values[key]?.trim() ?? '';
  const read = <T>(key: DirectoryKey, kind: ValueKind<T>, byDefault: string): T | undefined => {
    const parsed = kind.parse(text(key) || byDefault);
    return parsed.ok ? parsed.value : blame(key, parsed.problem);
  };
  const servers = readServers(text('uri'), (problem) => blame('uri', problem));
  if (text('base') === '') blame('base', 'is missing: where in the directory to look, such as dc=example,dc=org');
  const filter = readFilter(text('filter'), given.places, (problem) => blame('filter', problem));
  const bind = readBind(text('bind_dn'), given.values.bind_password ?? '', blame);
  const startTls = read('start_tls', yesNo, 'no');
  const timeoutMs = read('timeout', duration(100, 60_000), '5s');
  const foundMs = read('cache', duration(0, 86_400_000), '5m');
  const absentMs = read('cache_negative', duration(0, 86_400_000), '1m');
  const connections = read('connections', integer(1, 64), '4');
  const ca = readCa(text('ca_file'), given.readFile, (problem) => blame('ca_file', problem));
  if (
    problems.length > 0 ||
    !servers ||
    !filter ||
    startTls === undefined ||
    timeoutMs === undefined ||
    foundMs === undefined ||
    absentMs === undefined ||
    connections === undefined
  )
    return { ok: false, problems };
  const options = {
    servers,
    base: text('base'),
    filter,
    bind,
    startTls,
    ca,
    timeoutMs,
    foundMs,
    absentMs,
    connections,
  };
  return { ok: true, options };
}

type Blame = (problem: string) => undefined;

function readServers(text: string, blame: Blame): DirectoryOptions['servers'] | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (words.length === 0) return blame('is missing: a server, such as ldaps://ldap.example.org');
  const servers = words.map(parseServerUri);
  const wrong = words.find((_, i) => servers[i] === undefined);
  if (wrong !== undefined)
    return blame(`"${wrong}" must be ldap://HOST, ldaps://HOST, with :PORT if need be, or ldapi://%2FPATH`);
  return servers.filter((server) => server !== undefined);
}

function readFilter(text: string, places: readonly Placeholder[], blame: Blame): FilterTemplate | undefined {
  const example = places.includes('d') && places.length === 1 ? '(dc=%d)' : '(mail=%s)';
  if (text === '') return blame(`is missing: what to look for, such as ${example}`);
  const parsed = parseFilter(text, places);
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
  let text: string;
  try {
    text = readFile(file);
  } catch (error) {
    return {
      ok: false,
      problems: [`${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'bad file'})`],
    };
  }
  const values: { [K in DirectoryKey]?: string } = {};
  const problems: string[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [, key = '', value = ''] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const known = directoryKeys.find((name) => name === key);
    // The line is not shown: it may be a password.
    if (known === undefined) problems.push(`${file}:${i + 1}: ${unknownText(key)}`);
    else if (values[known] !== undefined) problems.push(`${file}:${i + 1}: ${known} is given twice`);
    else values[known] = value;
  }
  if (problems.length > 0) return { ok: false, problems };
  return readDirectory({ values, nameOf: (key) => `${file}: ${key}`, places, readFile });
}

function unknownText(key: string): string {
  if (key === '') return 'must be KEY = VALUE, or begin with #';
  const meant = nearest(key, directoryKeys);
  return `${printable(key, 40)} is no setting of a directory; ${meant === undefined ? `there are ${directoryKeys.join(', ')}` : `did you mean ${meant}?`}`;
}
