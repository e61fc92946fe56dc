/**
 * `postern srv add-domain`, `allow`, `block`, `enable`: the marker that an operator would touch, under the name that
 * counts.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../../mail/address.js';
import { parseDomain } from '../../mail/domain.js';
import { networkBase, parseNetwork } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';
import { entryName } from '../../srv/entry-name.js';
import { createInside, inFolder, readInside, replaceInside, type TreeFolder } from '../../srv/inside-tree.js';
import { checkProblem, type KnownCheck } from '../../srv/known-check.js';
import { namedKinds, readName } from '../../srv/marker-names.js';
import type { Srv } from '../../srv/srv.js';

/** Markers relative to the root. */
export type MarkerPaths = Result<readonly string[]>;

/** `users` are local-parts, addresses of the domain, or `*` for everybody. */
export function domainMarkers(domain: string, users: readonly string[]): MarkerPaths {
  const name = parseDomain(domain);
  if (name === undefined) return wrong(`"${domain}" is no domain`);
  const odd = users.find((user) => user !== '*' && entryName(user.split('@')[0] ?? '') === undefined);
  if (odd !== undefined) return wrong(`"${odd}" can be no user`);
  const foreign = users.find((user) => user.includes('@') && parseAddress(user)?.domain !== name);
  if (foreign !== undefined) return wrong(`"${foreign}" is of another domain`);
  const markers = [
    `${name}/users/valid/`,
    ...users.map((user) => `${name}/users/valid/${user === '*' ? '*' : entryName(user.split('@')[0] ?? '')}`),
  ];
  return { ok: true, value: markers };
}

export interface Listing {
  readonly list: 'whitelisted' | 'blacklisted';
  /** It is a hosted domain, or `_global_`. */
  readonly scope: string;
  readonly what: readonly string[];
  /** It says what the words are, where they do not tell by themselves. */
  readonly kind: 'recipient' | 'host' | 'tld' | undefined;
}

export function listMarkers({ list, scope, what, kind }: Listing, srv: Srv): MarkerPaths {
  const place = scopeOf(scope, srv);
  if (place === undefined) return wrong(`"${scope}" is no hosted domain; postern srv add-domain makes it one`);
  const markers: string[] = [];
  for (const word of what) {
    const marker = markerOf(word, list, kind);
    if (marker === undefined) return wrong(`"${word}" is no ${kind ?? 'address, network, sender or domain'}`);
    if (place === '_global_' && /^users|recipients/.test(marker))
      return wrong('a recipient is of one domain, not of all');
    const problem = nameProblem(marker);
    if (problem !== undefined) return wrong(`"${word}" ${problem}`);
    markers.push(`${place}/${marker}`);
  }
  return { ok: true, value: markers };
}

/** Says why the marker can never match; the page refuses the same names. */
function nameProblem(marker: string): string | undefined {
  const kind = namedKinds.find((one) => marker.startsWith(`${one}/`));
  const read = kind && readName(kind, marker.slice(kind.length + 1));
  return read?.kind === 'wrong' ? read.why : undefined;
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

export interface Checks {
  readonly srv: Srv;
  readonly checks: readonly KnownCheck[];
}

export function checkMarkers(scope: string, names: readonly string[], { srv, checks }: Checks): MarkerPaths {
  const place = scope === '_global_' ? undefined : scopeOf(scope, srv);
  if (place === undefined) return wrong(`"${scope}" is no hosted domain; checks are switched on domain by domain`);
  const rules = { checks, hasList: (domain: string, list: string) => srv.lines(domain, list) !== undefined };
  const problem = names.map((name) => checkProblem(scope, name, rules)).find((one) => one !== undefined);
  if (problem !== undefined) return wrong(problem);
  return { ok: true, value: names.map((name) => `${place}/checks/${name}`) };
}

/** One marker that was made, or was there. */
export interface MadeMarker {
  /** It is the shell's own command for it. */
  readonly command: string;
  readonly path: string;
  /** It is what a file held that was written over. */
  readonly old?: string;
  readonly isChanged: boolean;
}

/**
 * Makes the markers, with that text; without a text, files that are there stay as they are. Broken IO and OutsideTree
 * throw.
 */
export function make(root: string, markers: readonly string[], text?: string): readonly MadeMarker[] {
  return markers.map((marker) => {
    const names = marker.split('/').filter((name) => name !== '');
    return marker.endsWith('/') ? makeFolder({ root, names }) : makeFile({ root, names }, text);
  });
}

function makeFolder(folder: TreeFolder): MadeMarker {
  const path = join(folder.root, ...folder.names);
  const wasThere = inFolder(folder, () => true) ?? false;
  inFolder(folder, () => undefined, { make: true });
  return { command: `mkdir -p ${quoted(path)}`, path, isChanged: !wasThere };
}

function makeFile({ root, names }: TreeFolder, text: string | undefined): MadeMarker {
  const folder = { root, names: names.slice(0, -1) };
  const name = names.at(-1) ?? '';
  const path = join(root, ...names);
  const isNew = createInside(folder, name, text);
  const old = isNew || text === undefined || isFolder(folder, name) ? undefined : replaced(folder, name, text);
  const command =
    text !== undefined && text !== ''
      ? `echo ${text.trim()} >${quoted(path)}`
      : isNew
        ? `touch ${quoted(path)}`
        : old !== undefined
          ? `: >${quoted(path)}`
          : `# is there already: ${path}`;
  return { command, path, isChanged: isNew || old !== undefined, ...(old !== undefined && { old }) };
}

const isFolder = (folder: TreeFolder, name: string): boolean =>
  inFolder(folder, (at) => statSync(`${at}/${name}`, { throwIfNoEntry: false })?.isDirectory()) === true;

/** Writes the text; returns what the file held before, or undefined where it held just that. */
function replaced(folder: TreeFolder, name: string, text: string): string | undefined {
  const old = readInside(folder, name) ?? '';
  if (old === text) return undefined;
  replaceInside(folder, name, text);
  return old;
}

/** The path as a word of a shell. */
export const quoted = (path: string): string =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
