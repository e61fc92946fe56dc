/**
 * Writes and removes markers, for the quarantine page and the command line: the same files that an operator would
 * touch, below a hosted domain or `_global_`. Leaves names to marker-names.ts, links to inside-tree.ts, and what a
 * marker means to the plugins.
 */
import fs from 'node:fs';
import path from 'node:path';
import { entryName } from './entry-name.js';
import {
  createInside,
  inFolder,
  oldText,
  OutsideTree,
  readInside,
  removeInside,
  type TreeFolder,
} from './inside-tree.js';
import { type NamedKind, namedKinds, readName } from './marker-names.js';
import { linesIn } from './write-lines.js';

export type MarkerKind = 'checks' | NamedKind;

/** The kinds of marker that the page may make below a domain. */
export const markerKinds: readonly MarkerKind[] = ['checks', ...namedKinds];

export interface Marker {
  /** It is a hosted domain, or `_global_`. */
  readonly scope: string;
  readonly kind: MarkerKind;
  readonly key: string;
}

export const markerText = ({ scope, kind, key }: Marker): string => `${scope}/${kind}/${key}`;

export interface MarkerRules {
  readonly isHosted: (domain: string) => boolean;
  /** It tells why a check cannot be switched on for the domain; undefined: it can. */
  readonly checkProblem: (domain: string, check: string) => string | undefined;
}

export type MarkerReading =
  | { readonly kind: 'marker'; readonly marker: Marker }
  /** `right` is the marker that was most likely meant. */
  | { readonly kind: 'wrong'; readonly problem: string; readonly right?: Marker };

/** Reads a marker that shall be made; one that can never match is wrong. */
export function readMarker(text: string, rules: MarkerRules): MarkerReading {
  const place = placeIn(text, rules);
  if (!place) return { kind: 'wrong', problem: 'that can be no marker' };
  const { scope, kind, typed } = place;
  if (kind === 'checks') {
    const key = entryName(typed);
    if (key === undefined) return { kind: 'wrong', problem: 'that can be no marker' };
    const problem = rules.checkProblem(scope, key);
    return problem === undefined ? { kind: 'marker', marker: { scope, kind, key } } : { kind: 'wrong', problem };
  }
  const name = readName(kind, typed);
  if (name.kind === 'good') return { kind: 'marker', marker: { scope, kind, key: name.name } };
  const { why, right } = name;
  const isMeant = right !== undefined && readName(kind, right).kind === 'good';
  return { kind: 'wrong', problem: why, ...(isMeant && { right: { scope, kind, key: right } }) };
}

/** Reads a marker by its exact name, to look for it or take it away: it may be one that can never match. */
export function exactMarker(text: string, isHosted: MarkerRules['isHosted']): Marker | undefined {
  const place = placeIn(text, { isHosted });
  if (!place || place.typed === '' || place.typed === '.' || place.typed === '..') return undefined;
  if (/[/\p{Cc}]/u.test(place.typed) || Buffer.byteLength(place.typed) > 255) return undefined;
  return { scope: place.scope, kind: place.kind, key: place.typed };
}

interface MarkerPlace {
  readonly scope: string;
  readonly kind: MarkerKind;
  readonly typed: string;
}

function placeIn(text: string, { isHosted }: Pick<MarkerRules, 'isHosted'>): MarkerPlace | undefined {
  const [scope = '', ...rest] = text.split('/');
  const below = rest.join('/');
  const kind = markerKinds.find((one) => below.startsWith(`${one}/`));
  if (kind === undefined) return undefined;
  if (scope === '_global_' ? !mayBeGlobal(kind) : !isHosted(scope)) return undefined;
  return { scope, kind, typed: below.slice(kind.length + 1) };
}

/** Says why a marker of that name can never match; undefined when it can. Checks have rules of their own. */
export function neverMatches(kind: MarkerKind, name: string): string | undefined {
  if (kind === 'checks') return undefined;
  const read = readName(kind, name);
  if (read.kind === 'wrong') return read.why;
  return read.name === name ? undefined : `never matches: call it ${read.name}`;
}

/** There are lists for all domains; users and checks belong to one. */
export const mayBeGlobal = (kind: MarkerKind): boolean =>
  /^(?:black|white)listed/.test(kind) && kind !== 'whitelisted/recipients';

export interface MarkerNames {
  /** They are sorted. */
  readonly names: readonly string[];
  /** It is true when there are more. */
  readonly more: boolean;
  /** It is why none could be read. */
  readonly problem?: string;
}

/** Its methods throw on broken IO and OutsideTree; `names` tells of OutsideTree as a value. */
export class MarkerWriter {
  readonly #root: string;
  readonly #folderName: (domain: string) => string;

  /** `root` is /srv; `folderName` knows a domain's folder in it, whose name may be in Unicode. */
  constructor(root: string, folderName: (domain: string) => string) {
    this.#root = root;
    this.#folderName = folderName;
  }

  /** The folder of a hosted domain, or of `_global_`, in the tree. */
  treeFolder(scope: string, kind?: MarkerKind): TreeFolder {
    const name = scope === '_global_' ? scope : this.#folderName(scope);
    return { root: this.#root, names: [name, ...(kind?.split('/') ?? [])] };
  }

  /** The path of that folder, for people. */
  folderOf(scope: string): string {
    return path.join(this.#root, ...this.treeFolder(scope).names);
  }

  pathOf({ scope, kind, key }: Marker): string {
    return path.join(this.folderOf(scope), kind, key);
  }

  /** The text of a domain's own file; undefined where there is none. What is no file throws. */
  text(domain: string, file: string): string | undefined {
    return readInside(this.treeFolder(domain), file);
  }

  /** Its lines, without comments and empty ones. */
  lines(domain: string, file: string): readonly string[] | undefined {
    const text = this.text(domain, file);
    return text === undefined ? undefined : linesIn(text);
  }

  exists({ scope, kind, key }: Marker): boolean {
    return inFolder(this.treeFolder(scope, kind), (at) => fs.existsSync(`${at}/${key}`)) ?? false;
  }

  /** Makes a marker that holds the text. False when it was there already. */
  create({ scope, kind, key }: Marker, text = ''): boolean {
    return createInside(this.treeFolder(scope, kind), key, text);
  }

  /** Takes a marker away; false when it was not there. A folder with entries stays: it says more than a switch can. */
  remove({ scope, kind, key }: Marker): boolean {
    return removeInside(this.treeFolder(scope, kind), key);
  }

  /** What the marker holds: '' for most, `-> TARGET` for a link. */
  contentOf({ scope, kind, key }: Marker): string {
    const text = inFolder(this.treeFolder(scope, kind), (at) =>
      oldText(`${at}/${key}`, fs.lstatSync(`${at}/${key}`, { throwIfNoEntry: false })),
    );
    return text ?? '';
  }

  /** Returns at most `max` names below a kind. */
  names(scope: string, kind: MarkerKind, max: number): MarkerNames {
    try {
      const names = inFolder(this.treeFolder(scope, kind), (at) => namesIn(at, max + 1)) ?? [];
      return { names: names.slice(0, max).toSorted(), more: names.length > max };
    } catch (error) {
      if (error instanceof OutsideTree) return { names: [], more: false, problem: error.message };
      throw error;
    }
  }
}

function namesIn(at: string, max: number): readonly string[] {
  const names: string[] = [];
  const folder = fs.opendirSync(at);
  try {
    for (let entry = folder.readSync(); entry && names.length < max; entry = folder.readSync()) names.push(entry.name);
  } finally {
    folder.closeSync();
  }
  return names;
}
