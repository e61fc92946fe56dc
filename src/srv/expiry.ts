/**
 * How long refused mail is kept. The settings say so for all domains; a domain's own file /srv/DOMAIN/expire, with the
 * same lines (`expire = 90d`, `expire_size = 1g`), says so for it. No typo deletes: while a file cannot be understood,
 * the domain's mail is kept. `postern srv expire` and the quarantine page write the file by this one.
 */
import path from 'node:path';
import { errorText } from '../mail/error-text.js';
import { type Result, wrong } from '../mail/result.js';
import { schema } from '../settings/schema.js';
import type { TreeFolder } from './inside-tree.js';
import { writeLines } from './write-lines.js';

const expiryFile = 'expire';

export interface ExpiryLimits {
  readonly kind: 'limits';
  /** They count in the place of the settings' own; 0 means no limit. */
  readonly days?: number;
  /** They limit this domain's mails, besides the limit of all; 0 means no limit. */
  readonly octets?: number;
}

export type OwnLimits =
  | ExpiryLimits
  /** Nobody knows what was meant, so no mail of the domain is too old. */
  | { readonly kind: 'broken'; readonly problem: string };

/** The values of the file in the operator's own spelling; '' for what it does not say. */
export interface ExpiryWords {
  readonly expire: string;
  readonly expire_size: string;
}

/** Whoever reads the lines of a domain's own file: for the listener that is Srv, for the page its writer of markers. */
export interface LineReader {
  lines(domain: string, file: string): readonly string[] | undefined;
}

export type ExpiryChange =
  /** `old`: what the file held before. */
  | { readonly kind: 'written'; readonly file: string; readonly old: string; readonly lines: readonly string[] }
  /** The file said nothing any more, so the settings count. */
  | { readonly kind: 'removed'; readonly file: string; readonly old: string }
  | { readonly kind: 'wrong'; readonly problem: string };

export const dayMs = 86_400_000;

/** What the domain's own file says; undefined where there is none. */
export function ownLimits(srv: LineReader, domain: string): OwnLimits | undefined {
  const broken = (problem: string): OwnLimits => ({
    kind: 'broken',
    problem: `${domain}/${expiryFile}: ${problem}; no mail of the domain is too old until this is mended`,
  });
  try {
    const lines = srv.lines(domain, expiryFile);
    const read = lines && readExpiry(lines);
    return read && (read.ok ? read.value : broken(read.problem));
  } catch (error) {
    return broken(`cannot be read (${errorText(error)})`);
  }
}

/** Is mail with such limits of its own kept longer than that, or does nobody know? */
export const keepsLonger = (own: OwnLimits | undefined, expireMs: number): boolean =>
  own?.kind === 'broken' || (own?.days !== undefined && (own.days === 0 || own.days * dayMs > expireMs));

/** Reads lines without comments. */
export function readExpiry(lines: readonly string[]): Result<ExpiryLimits> {
  const found = new Map<string, string>();
  for (const line of lines) {
    const [name, value] = nameAndValue(line);
    if (name !== 'expire' && name !== 'expire_size')
      return wrong(`"${line}" must be expire = DURATION or expire_size = SIZE, as in the settings`);
    if (found.has(name)) return wrong(`${name} is there twice`);
    found.set(name, value);
  }
  const days = numberOf('expire', found);
  const octets = numberOf('expire_size', found);
  if (!days.ok) return days;
  if (!octets.ok) return octets;
  return {
    ok: true,
    value: {
      kind: 'limits',
      ...(days.value !== undefined && { days: days.value / dayMs }),
      ...(octets.value !== undefined && { octets: octets.value }),
    },
  };
}

function nameAndValue(line: string): readonly [name: string, value: string] {
  const [, name = '', value = ''] = /^([^=]*?)\s*=\s*(.*)$/.exec(line) ?? [];
  return [name, value];
}

const names = ['expire', 'expire_size'] as const;

/** What the file says in its own words, as far as it can be understood. Throws where it cannot be read. */
function expiryWords(srv: LineReader, domain: string): ExpiryWords {
  const said = (srv.lines(domain, expiryFile) ?? []).map(nameAndValue);
  const wordOf = (name: string): string => said.find(([one, value]) => one === name && value !== '')?.[1] ?? '';
  return { expire: wordOf('expire'), expire_size: wordOf('expire_size') };
}

/** The words, or none where the file cannot be read: for a page that says by itself what is wrong with it. */
export function readableWords(srv: LineReader, domain: string): ExpiryWords {
  try {
    return expiryWords(srv, domain);
  } catch {
    return { expire: '', expire_size: '' };
  }
}

/**
 * Changes the file of a hosted domain; what is not given stays as it is. Comments on lines of their own stay. Broken IO
 * and OutsideTree throw, and nothing is changed then.
 */
export function changeExpiry(words: Partial<ExpiryWords>, { tree, domain }: ExpiryPlace): ExpiryChange {
  const folder = tree.treeFolder(domain);
  const file = path.join(folder.root, ...folder.names, expiryFile);
  const all = { ...expiryWords(tree, domain), ...words };
  const lines = names.flatMap((name) => (all[name] === '' ? [] : [`${name} = ${all[name]}`]));
  const read = readExpiry(lines);
  if (!read.ok) return { kind: 'wrong', problem: read.problem };
  // The file is replaced whole: while half of it was there, the settings would count, and mail might be deleted.
  const old = writeLines(folder, expiryFile, lines);
  return lines.length === 0 ? { kind: 'removed', file, old } : { kind: 'written', file, old, lines };
}

export interface ExpiryPlace {
  readonly tree: LineReader & { treeFolder(domain: string): TreeFolder };
  readonly domain: string;
}

function numberOf(name: 'expire' | 'expire_size', found: ReadonlyMap<string, string>): Result<number | undefined> {
  const text = found.get(name);
  if (text === undefined) return { ok: true, value: undefined };
  const parsed = schema[name].kind.parse(text);
  return parsed.ok ? parsed : wrong(`${name} ${parsed.problem}`);
}
