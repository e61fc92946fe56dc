/**
 * Writes and removes markers, for the quarantine page and the command line: the same files that an operator would touch. A name becomes a path by
 * entry-name.ts, and only below a hosted domain or `_global_`. Leaves what a marker means to srv.ts and the plugins.
 */
import fs from 'node:fs';
import path from 'node:path';
import { entryName } from './entry-name.js';

/** Below a domain: what the page may switch. */
export const markerKinds = [
  'checks',
  'users/valid',
  'users/invalid',
  'blacklisted/ips',
  'blacklisted/hosts',
  'blacklisted/tld',
  'blacklisted/senders',
  'blacklisted/domains',
  'whitelisted/ips',
  'whitelisted/senders',
  'whitelisted/domains',
  'whitelisted/recipients',
] as const;

export type MarkerKind = (typeof markerKinds)[number];

export interface Marker {
  /** A hosted domain, or `_global_`. */
  readonly scope: string;
  readonly kind: MarkerKind;
  readonly key: string;
}

export const markerText = ({ scope, kind, key }: Marker): string => `${scope}/${kind}/${key}`;

/** From text of a client; undefined for what can be no marker. `isHosted` knows the domains. */
export function parseMarker(text: string, isHosted: (domain: string) => boolean): Marker | undefined {
  const [scope = '', ...rest] = text.split('/');
  const kind = markerKinds.find((one) => rest.join('/').startsWith(`${one}/`));
  if (kind === undefined) return undefined;
  const isGlobal = scope === '_global_' && /^(?:black|white)listed/.test(kind) && kind !== 'whitelisted/recipients';
  if (!isGlobal && !isHosted(scope)) return undefined;
  const written = rest.join('/').slice(kind.length + 1);
  // The wildcard is the operator's to give; no client can name it.
  const key = written === '*' && kind === 'users/valid' ? '*' : entryName(written);
  return key === undefined ? undefined : { scope, kind, key };
}

/** Makes an empty file, and the folders above it. False when something of that name was there already, which stays as it is. */
export function touch(file: string): boolean {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  try {
    fs.closeSync(fs.openSync(file, 'wx'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Broken IO throws; the error names the path. */
export class MarkerWriter {
  readonly #root: string;
  readonly #folderName: (domain: string) => string;

  /** `root` is /srv; `folderName` knows a domain's folder in it, whose name may be in Unicode. */
  constructor(root: string, folderName: (domain: string) => string) {
    this.#root = root;
    this.#folderName = folderName;
  }

  /** Of a hosted domain, or of `_global_`. */
  folderOf(scope: string): string {
    return path.join(this.#root, scope === '_global_' ? scope : this.#folderName(scope));
  }

  pathOf({ scope, kind, key }: Marker): string {
    return path.join(this.folderOf(scope), kind, key);
  }

  exists(marker: Marker): boolean {
    return fs.existsSync(this.pathOf(marker));
  }

  /** False when it was there already. */
  create(marker: Marker): boolean {
    return touch(this.pathOf(marker));
  }

  /** False when it was not there. A marker that is a folder with entries stays: it says more than a switch can. */
  remove(marker: Marker): boolean {
    const file = this.pathOf(marker);
    const stat = fs.lstatSync(file, { throwIfNoEntry: false });
    if (!stat) return false;
    if (stat.isDirectory()) fs.rmdirSync(file);
    else fs.rmSync(file);
    return true;
  }

  /** Names below a kind, sorted, at most `most`. */
  names(scope: string, kind: MarkerKind, most: number): { readonly names: readonly string[]; readonly more: boolean } {
    const names: string[] = [];
    let folder;
    try {
      folder = fs.opendirSync(this.pathOf({ scope, kind, key: '' }));
      for (let entry = folder.readSync(); entry && names.length <= most; entry = folder.readSync())
        names.push(entry.name);
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    } finally {
      folder?.closeSync();
    }
    return { names: names.slice(0, most).toSorted(), more: names.length > most };
  }
}
