/** `postern srv add-domain`, `allow`, `block`, `enable`: the marker that an operator would touch, under the name that counts. */
import { lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../../mail/address.js';
import { parseDomain } from '../../mail/domain.js';
import { networkBase, parseNetwork } from '../../mail/ip.js';
import { nearest } from '../../settings/nearest.js';
import { entryName } from '../../srv/entry-name.js';
import type { KnownCheck } from '../../srv/lint.js';
import { touch } from '../../srv/markers.js';
import type { Srv } from '../../srv/srv.js';

/** Markers below the root; a string: what is wrong. */
export type MarkerPaths = readonly string[] | string;

/** `users`: local-parts; `*` for all. */
export function domainMarkers(domain: string, users: readonly string[]): MarkerPaths {
  const name = parseDomain(domain);
  if (name === undefined) return `"${domain}" is no domain`;
  const wrong = users.find((user) => user !== '*' && entryName(user.split('@')[0] ?? '') === undefined);
  if (wrong !== undefined) return `"${wrong}" can be no user`;
  const foreign = users.find((user) => user.includes('@') && parseAddress(user)?.domain !== name);
  if (foreign !== undefined) return `"${foreign}" is of another domain`;
  return [
    `${name}/users/valid/`,
    ...users.map((user) => `${name}/users/valid/${user === '*' ? '*' : entryName(user.split('@')[0] ?? '')}`),
  ];
}

export interface Listing {
  readonly list: 'whitelisted' | 'blacklisted';
  /** A hosted domain, or `_global_`. */
  readonly scope: string;
  readonly what: readonly string[];
  /** What the words are, where they do not tell by themselves. */
  readonly kind: 'recipient' | 'host' | 'tld' | undefined;
}

export function listMarkers({ list, scope, what, kind }: Listing, srv: Srv): MarkerPaths {
  const place = scopeOf(scope, srv);
  if (place === undefined) return `"${scope}" is no hosted domain; postern srv add-domain makes it one`;
  const markers: string[] = [];
  for (const word of what) {
    const marker = markerOf(word, list, kind);
    if (marker === undefined) return `"${word}" is no ${kind ?? 'address, network, sender or domain'}`;
    if (place === '_global_' && /^users|recipients/.test(marker)) return 'a recipient is of one domain, not of all';
    markers.push(`${place}/${marker}`);
  }
  return markers;
}

function scopeOf(scope: string, srv: Srv): string | undefined {
  if (scope === '_global_') return scope;
  const domain = parseDomain(scope);
  return domain !== undefined && srv.isHosted(domain) ? srv.folderName(domain) : undefined;
}

function markerOf(word: string, list: Listing['list'], kind: Listing['kind']): string | undefined {
  switch (kind) {
    case 'recipient': {
      const name = entryName(word.replace(/@[^@]*$/, ''));
      if (name === undefined) return undefined;
      return list === 'whitelisted' ? `whitelisted/recipients/${name}` : `users/invalid/${name}`;
    }
    case 'host':
      return below(`${list}/hosts`, parseDomain(word));
    case 'tld':
      return word.includes('.', 1) ? undefined : below(`${list}/tld`, parseDomain(word.replace(/^\./, '')));
    case undefined:
      return bySight(word, list);
  }
}

function bySight(word: string, list: Listing['list']): string | undefined {
  const network = parseNetwork(word.replace('_', '/'));
  if (network) {
    const whole = network.prefix === (network.base.family === 4 ? 32 : 128);
    const base = networkBase(network.base, network.prefix).text;
    return `${list}/ips/${base}${whole ? '' : `_${network.prefix}`}`;
  }
  if (word.includes('@')) {
    const address = parseAddress(word);
    return below(`${list}/senders`, address && entryName(address.text));
  }
  return below(`${list}/domains`, parseDomain(word));
}

const below = (folder: string, name: string | undefined): string | undefined =>
  name === undefined ? undefined : `${folder}/${name}`;

export function checkMarkers(
  scope: string,
  names: readonly string[],
  { srv, checks }: { readonly srv: Srv; readonly checks: readonly KnownCheck[] },
): MarkerPaths {
  const place = scope === '_global_' ? undefined : scopeOf(scope, srv);
  if (place === undefined) return `"${scope}" is no hosted domain; checks are switched on domain by domain`;
  for (const name of names) {
    const check = checks.find((one) => one.name === name);
    if (check?.list !== undefined && srv.lines(scope, check.list) === undefined)
      return `${name} is switched on by the file ${place}/${check.list}, which holds its zones`;
    if (check === undefined && name !== 'all') {
      const known = ['all', ...checks.map((one) => one.name)];
      return `there is no check "${name}"; ${hint(name, known)}`;
    }
  }
  return names.map((name) => `${place}/checks/${name}`);
}

function hint(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === undefined ? `there are ${known.join(', ')}` : `did you mean ${meant}?`;
}

/** Makes them; each as the shell's own command. `text`: what a file is to hold; undefined: what is there stays. */
export function make(root: string, markers: readonly string[], text?: string): string[] {
  return markers.map((marker) => {
    const path = join(root, marker);
    if (marker.endsWith('/')) {
      mkdirSync(path, { recursive: true });
      return `mkdir -p ${quoted(path)}`;
    }
    const isNew = touch(path);
    if (text !== undefined && !lstatSync(path).isDirectory()) writeFileSync(path, text);
    if (text !== undefined && text !== '') return `echo ${text.trim()} >${quoted(path)}`;
    return isNew ? `touch ${quoted(path)}` : `# is there already: ${path}`;
  });
}

/** For a shell. */
export const quoted = (path: string): string =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
