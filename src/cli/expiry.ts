/**
 * How long refused mail is kept: for all by the settings, for a domain by its file /srv/DOMAIN/expire, which holds the same
 * lines (`expire = 90d`, `expire_size = 1g`). A file that cannot be understood keeps the domain's mail: no typo deletes.
 * `postern srv expire` and the quarantine page write it here.
 */
import path from 'node:path';
import type { Quarantine } from '../quarantine/archive.js';
import type { OwnLimits } from '../quarantine/expire.js';
import type { Logger } from '../log.js';
import { schema } from '../settings/schema.js';
import { BrokenMarker, type Srv } from '../srv/srv.js';
import { writeLines } from '../srv/write-lines.js';
import type { ExpiryWords } from '../web/domains-page.js';
import type { ExpiryChange } from '../web/parts.js';

export const expiryFile = 'expire';

export const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** What the domain's own file says; undefined where there is none. */
export function ownLimits(srv: Srv, domain: string): OwnLimits | undefined {
  const broken = (problem: string): OwnLimits => ({
    kind: 'broken',
    problem: `${domain}/${expiryFile}: ${problem}; no mail of the domain is too old until this is mended`,
  });
  try {
    const lines = srv.lines(domain, expiryFile);
    const read = lines && readExpiry(lines);
    return typeof read === 'string' ? broken(read) : read;
  } catch (error) {
    return broken(`cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** Lines without comments; a string: what is wrong. */
export function readExpiry(lines: readonly string[]): OwnLimits | string {
  const found = new Map<string, string>();
  for (const line of lines) {
    const [name, value] = nameAndValue(line);
    if (name !== 'expire' && name !== 'expire_size')
      return `"${line}" must be expire = DURATION or expire_size = SIZE, as in the settings`;
    if (found.has(name)) return `${name} is there twice`;
    found.set(name, value);
  }
  const days = numberOf('expire', found);
  const octets = numberOf('expire_size', found);
  if (typeof days === 'string') return days;
  if (typeof octets === 'string') return octets;
  return {
    kind: 'limits',
    ...(days !== undefined && { days: days / dayMs }),
    ...(octets !== undefined && { octets }),
  };
}

function nameAndValue(line: string): readonly [name: string, value: string] {
  const [, name = '', value = ''] = /^([^=]*?)\s*=\s*(.*)$/.exec(line) ?? [];
  return [name, value];
}

const names = ['expire', 'expire_size'] as const;

/** What the file says in its own words, as far as it can be understood. Throws BrokenMarker where it cannot be read. */
function expiryWords(srv: Srv, domain: string): ExpiryWords {
  const said = (srv.lines(domain, expiryFile) ?? []).map(nameAndValue);
  const wordOf = (name: string): string => said.find(([one, value]) => one === name && value !== '')?.[1] ?? '';
  return { expire: wordOf('expire'), expire_size: wordOf('expire_size') };
}

/** For a page that says by itself what is wrong with the file. */
export function readableWords(srv: Srv, domain: string): ExpiryWords {
  try {
    return expiryWords(srv, domain);
  } catch (error) {
    if (error instanceof BrokenMarker) return { expire: '', expire_size: '' };
    throw error;
  }
}

/** For a hosted domain, whose folder is `folder`; what is not given stays as it is. Comments on lines of their own stay. Broken IO throws. */
export function changeExpiry(words: Partial<ExpiryWords>, { srv, domain, folder }: ExpiryPlace): ExpiryChange {
  const file = path.join(folder, expiryFile);
  const all = { ...expiryWords(srv, domain), ...words };
  const lines = names.flatMap((name) => (all[name] === '' ? [] : [`${name} = ${all[name]}`]));
  const read = readExpiry(lines);
  if (typeof read === 'string') return { kind: 'wrong', problem: read };
  // Half a file would let the settings count, and mail be deleted: it is replaced whole.
  writeLines(file, lines);
  if (lines.length === 0) return { kind: 'removed', file };
  return { kind: 'written', file, lines };
}

export interface ExpiryPlace {
  readonly srv: Srv;
  readonly domain: string;
  readonly folder: string;
}

function numberOf(name: 'expire' | 'expire_size', found: ReadonlyMap<string, string>): number | string | undefined {
  const text = found.get(name);
  if (text === undefined) return undefined;
  const parsed = schema[name].kind.parse(text);
  return parsed.ok ? parsed.value : `${name} ${parsed.problem}`;
}

/** What comes of it goes to the log. */
export async function expireAndTell(quarantine: Quarantine, log: Logger): Promise<void> {
  const { removed, problems } = await quarantine.expire();
  if (removed.length > 0) log.info({ removed }, 'quarantine expired');
  for (const problem of problems) log.error({ problem }, 'quarantine not expired');
}

/** Until the timer is cleared. */
export function expireHourly(quarantine: () => Quarantine, log: Logger): NodeJS.Timeout {
  return setInterval(() => void expireAndTell(quarantine(), log), hourMs).unref();
}
