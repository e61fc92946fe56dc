/** `postern srv list` and `show`: what there is in /srv, as a table of all domains, or line by line of one. */
import { readdirSync } from 'node:fs';
import type { Plugin } from '../../hooks/plugin.js';
import { parseDomain } from '../../mail/domain.js';
import { schema } from '../../settings/schema.js';
import type { Settings } from '../../settings/settings.js';
import { ownLimits } from '../../srv/expiry.js';
import { inFolder } from '../../srv/inside-tree.js';
import { namedKinds } from '../../srv/marker-names.js';
import { modeText } from '../../srv/check-mode.js';
import type { Srv } from '../../srv/srv.js';
import { sizeText } from '../../text/size.js';
import type { Line } from '../../text/line.js';
import { shown } from '../terminal.js';
import { checkSteps, type ExplainStep, relayStep, written } from './explain.js';

export interface DomainRow {
  /** In A-labels; `_global_` for the lists of all. */
  readonly domain: string;
  readonly users: number;
  /** Is every user valid? */
  readonly all_users: boolean;
  /** By name, in the order of their markers: `on`, `log` or `score 2.5`. */
  readonly checks: Readonly<Record<string, string>>;
  /** How many lines or entries there are, by file or folder. */
  readonly lists: Readonly<Record<string, number>>;
}

/** Folders and files whose entries are told by their number. */
const listKinds = namedKinds.filter((kind) => kind !== 'users/valid');
const zoneFiles = ['zones', 'domain_zones', 'uri_zones'];

/** Throws where the tree cannot be read. */
export function* domainRows(srv: Srv, root: string): Generator<DomainRow> {
  const names = srv.domains();
  for (const folder of names) {
    const domain = parseDomain(folder);
    if (domain !== undefined) yield rowOf(domain, { folder, srv, root });
  }
  const global = listsOf('_global_', root);
  if (Object.keys(global).length > 0)
    yield { domain: '_global_', users: 0, all_users: false, checks: {}, lists: global };
}

interface DomainPlace {
  readonly folder: string;
  readonly srv: Srv;
  readonly root: string;
}

function rowOf(domain: string, { folder, srv, root }: DomainPlace): DomainRow {
  const users = namesIn(root, [folder, 'users', 'valid']);
  const checks = srv.checks(domain).map((check) => [check, srv.checkMode(domain, check, false)] as const);
  const zones = zoneFiles.flatMap((file) => {
    const lines = srv.lines(domain, file);
    return lines === undefined ? [] : [[file, lines.length] as const];
  });
  return {
    domain,
    users: users.filter((name) => name !== '*').length,
    all_users: users.includes('*'),
    checks: Object.fromEntries(checks.map(([check, mode]) => [check, modeText(mode)])),
    lists: { ...Object.fromEntries(zones), ...listsOf(folder, root) },
  };
}

function listsOf(folder: string, root: string): Readonly<Record<string, number>> {
  const counts = listKinds.map((kind) => [kind, namesIn(root, [folder, ...kind.split('/')]).length] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

const namesIn = (root: string, names: readonly string[]): readonly string[] =>
  inFolder({ root, names }, (at) => readdirSync(at).toSorted()) ?? [];

export function domainTable(rows: readonly DomainRow[]): readonly Line[] {
  const cells = rows.map(({ domain, users, all_users: all, checks, lists }) => [
    shown(domain, 260),
    domain === '_global_' ? '-' : all ? (users === 0 ? 'all' : `all, ${users} by name`) : String(users),
    Object.entries(checks)
      .map(([check, mode]) => (mode === 'on' ? shown(check, 60) : `${shown(check, 60)} (${mode})`))
      .join(' ') || '-',
    Object.entries(lists)
      .map(([list, count]) => `${list} ${count}`)
      .join(', '),
  ]);
  const table = [['DOMAIN', 'USERS', 'CHECKS', 'LISTS'], ...cells];
  const widths = [0, 1, 2].map((column) => Math.min(60, Math.max(...table.map((row) => row[column]?.length ?? 0))));
  return table.map((row, i): Line => {
    const text = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
    return [i === 0 ? [text.trimEnd(), 'dim'] : [text.trimEnd()]];
  });
}

interface ShownIn {
  readonly srv: Srv;
  readonly root: string;
  readonly plugins: readonly Plugin[];
  readonly settings: Settings;
}

/** So many names of a folder are shown. */
const maxNames = 12;

export function showDomain(domain: string, { srv, root, plugins, settings }: ShownIn): readonly Line[] {
  const folder = srv.folderName(domain);
  return written([
    { question: 'domain', marker: `${folder}/`, meaning: 'hosted' },
    userStep(folder, root),
    relayStep(domain, { srv, settings }),
    ...checkSteps(domain, { srv, plugins }),
    ...zoneFiles.flatMap((file) => zoneStep(domain, { file, folder, srv })),
    expiryStep(domain, { folder, srv, settings }),
    ...[folder, '_global_'].flatMap((scope) => listKinds.flatMap((kind) => listStep(scope, { kind, root }))),
  ]);
}

function userStep(folder: string, root: string): ExplainStep {
  const names = namesIn(root, [folder, 'users', 'valid']);
  const marker = `${folder}/users/valid/`;
  if (names.includes('*')) return { question: 'users', marker: `${marker}*`, meaning: 'every recipient is valid' };
  if (names.length === 0)
    return { question: 'users', marker: undefined, meaning: 'nobody is valid by a marker', style: 'yellow' };
  return { question: 'users', marker, meaning: someOf(names) };
}

function zoneStep(
  domain: string,
  { file, folder, srv }: { readonly file: string; readonly folder: string; readonly srv: Srv },
): readonly ExplainStep[] {
  const lines = srv.lines(domain, file);
  return lines === undefined ? [] : [{ question: file, marker: `${folder}/${file}`, meaning: someOf(lines) }];
}

const dayMs = 86_400_000;

function expiryStep(
  domain: string,
  { folder, srv, settings }: Pick<ShownIn, 'srv' | 'settings'> & { readonly folder: string },
): ExplainStep {
  const own = ownLimits(srv, domain);
  const question = 'refused mail';
  if (own?.kind === 'broken') return { question, marker: `${folder}/expire`, meaning: own.problem, style: 'red' };
  const days = own?.days ?? settings.expire / dayMs;
  const size = own?.octets === undefined || own.octets === 0 ? '' : `, and at most ${sizeText(own.octets)}`;
  const time = Number.isInteger(days) ? `${days} days` : schema.expire.kind.write(Math.round(days * dayMs));
  const meaning = `${days === 0 ? 'is kept for ever' : `is kept for ${time}`}${size}`;
  return { question, marker: own === undefined ? undefined : `${folder}/expire`, meaning };
}

function listStep(
  scope: string,
  { kind, root }: { readonly kind: string; readonly root: string },
): readonly ExplainStep[] {
  const names = namesIn(root, [scope, ...kind.split('/')]);
  if (names.length === 0) return [];
  const isGood = kind.startsWith('whitelisted');
  const question = kind === 'users/invalid' ? 'refused users' : isGood ? 'always taken' : 'never taken';
  return [{ question, marker: `${scope}/${kind}/`, meaning: someOf(names), style: isGood ? 'green' : 'red' }];
}

function someOf(names: readonly string[]): string {
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : '';
  return `${names
    .slice(0, maxNames)
    .map((name) => shown(name, 80))
    .join(', ')}${more}`;
}
