/**
 * The only reader of /srv: markers by kind, looked up afresh at every call or, by `forOneCommand`, once a command, so that
 * a dropped or removed file counts from the next command on. Look-ups are synchronous: one takes about 2 µs, a trip through
 * the thread pool ten times that. Paths are put together as text: join() would normalize what entryName has made safe.
 */
import { lstatSync, opendirSync, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { sep } from 'node:path';
import { domainToUnicode } from 'node:url';
import type { Ip } from '../mail/ip.js';
import { networkNames } from './network-names.js';
import { entryName } from './entry-name.js';

/** /srv cannot be read (anything but "no such entry"): the mail must be deferred. Caught by the hook runner and the session. */
export class BrokenMarker extends Error {
  readonly path: string;
  constructor(path: string, cause: unknown) {
    super(`${path}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`);
    this.path = path;
  }
}

export type RecipientMarker =
  | { readonly kind: 'valid'; readonly marker: string }
  /** A marker says so, or the local-part is one that only a marker of just that name may permit. */
  | { readonly kind: 'refused'; readonly why: string }
  /** No marker says anything. `names`: what the mailbox may be called, the likeliest first. */
  | { readonly kind: 'unknown'; readonly why: string; readonly names: readonly string[] };

export type List = 'blacklisted' | 'whitelisted';

/** `log`: what the check would reject is logged, and taken. */
export type CheckMode = 'off' | 'on' | 'log';

export interface SrvOptions {
  readonly root: string;
  /** `foo+bar` is looked up as itself, then as `foo`; '' for never. */
  readonly recipientDelimiter: string;
  /** A directory of files named by address beside `blacklisted/ips`; '' for none. */
  readonly blacklistDir: string;
}

/** What an MTA might route elsewhere, or read as a list (srv-and-spam §1.6): deliverable by a marker of just that name only. */
const routed = /[%!@:,;()<>\\ ]/;

/** Holds what is neither a domain of its own nor ever hosted: the lists for all domains. */
const globalName = '_global_';

type Kind = 'directory' | 'file' | undefined;

export class Srv {
  readonly #options: SrvOptions;
  /** What was found under each path; none is kept where every call shall look afresh. */
  readonly #found: Map<string, Kind> | undefined;
  readonly #modes: Map<string, CheckMode> | undefined;
  readonly #domains: Map<string, string | undefined> | undefined;

  constructor(options: SrvOptions, remembers = false) {
    this.#options = options;
    if (!remembers) return;
    this.#found = new Map();
    this.#modes = new Map();
    this.#domains = new Map();
  }

  /**
   * The same tree for the length of one command: nothing is looked up twice. A dozen checks ask for the same folder and for
   * `checks/all`; without this a mail costs 70 look-ups, most of them repeated.
   */
  forOneCommand(): Srv {
    return new Srv(this.#options, true);
  }

  /**
   * Is the domain (A-labels) hosted: a directory in the tree, or a link to one that stays in it? Without a tree nobody knows:
   * a mistyped path, or a disk that is not mounted, shall not turn all mail away for good.
   */
  isHosted(domain: string): boolean {
    if (this.#directory(domain) !== undefined) return true;
    this.#needTree();
    return false;
  }

  #needTree(): void {
    const { root } = this.#options;
    if (kindOf(root) !== 'directory') throw new BrokenMarker(root, 'is no directory');
  }

  /** Names of all hosted domains, sorted. */
  domains(): string[] {
    this.#needTree();
    return readNames(this.#options.root).filter((name) => this.isHosted(name));
  }

  /** What the folder of a hosted domain is called below the root: its A-labels, or its Unicode name. */
  folderName(domain: string): string {
    return this.#insideTree(`${this.#options.root}/${domain}`) === undefined ? domainToUnicode(domain) : domain;
  }

  /** Names below `checks/` of a domain, sorted. */
  checks(domain: string): string[] {
    const directory = this.#directory(domain);
    return directory === undefined ? [] : readNames(`${directory}/checks`);
  }

  /** Is the check switched on, by its own name or, where `inAll`, by `checks/all`? `log`: the marker holds that word. */
  checkMode(domain: string, check: string, inAll: boolean): CheckMode {
    const directory = this.#directory(domain);
    if (directory === undefined) return 'off';
    const own = this.#modeOf(`${directory}/checks/${check}`);
    return own === 'off' && inAll ? this.#modeOf(`${directory}/checks/all`) : own;
  }

  /** The lines of the domain's own file of that name, without comments and empty ones; undefined where there is none. */
  lines(domain: string, file: string): readonly string[] | undefined {
    const directory = this.#directory(domain);
    return directory === undefined ? undefined : linesOf(`${directory}/${file}`);
  }

  /** Does the domain have a mailbox of that local-part, for this client? `invalid` beats every `valid`. */
  recipient(domain: string, localPart: string, client: Ip): RecipientMarker {
    const directory = this.#directory(domain);
    const users = directory === undefined ? undefined : `${directory}/users`;
    if (users === undefined || entryName(localPart) === undefined) return { kind: 'refused', why: 'no such marker' };
    const names = this.#lookupNames(localPart);
    for (const name of names) {
      if (this.#exists(`${users}/invalid/${name}`)) return { kind: 'refused', why: `users/invalid/${name}` };
      const valid = `${users}/valid/${name}`;
      const found = this.#kindOf(valid);
      if (found === 'directory' && !this.#addressIn(valid, client))
        return { kind: 'refused', why: `users/valid/${name}/ has no ${client.text}` };
      if (found !== undefined) return { kind: 'valid', marker: `users/valid/${name}` };
    }
    const why = 'no marker in users/valid';
    if (routed.test(localPart)) return { kind: 'refused', why };
    return this.#exists(`${users}/valid/*`)
      ? { kind: 'valid', marker: 'users/valid/*' }
      : { kind: 'unknown', why, names };
  }

  /** A local-part by itself and then without its extension; what an MTA might route has no second name. */
  #lookupNames(localPart: string): string[] {
    const delimiter = this.#options.recipientDelimiter;
    const at = delimiter === '' || routed.test(localPart) ? -1 : localPart.indexOf(delimiter, 1);
    const names = at > 0 ? [localPart, localPart.slice(0, at)] : [localPart];
    return names.map(entryName).filter((name) => name !== undefined);
  }

  /** The marker that lists `key` under `list/kind/` of the domain or of `_global_`; undefined when none does. */
  listed(domain: string, list: List, kind: string, key: string): string | undefined {
    const name = entryName(key);
    if (name === undefined) return undefined;
    return this.#scopes(domain)
      .find(({ path }) => this.#exists(`${path}/${list}/${kind}/${name}`))
      ?.marker(`${list}/${kind}/${name}`);
  }

  /** Does `list/kind/` of the domain or of `_global_` hold anything? */
  anyListed(domain: string, list: List, kind: string): boolean {
    return this.#scopes(domain).some(({ path }) => hasEntries(`${path}/${list}/${kind}`));
  }

  /** The marker of a whitelisted recipient; what an MTA might route elsewhere is never one. */
  recipientWhitelisted(domain: string, localPart: string): string | undefined {
    if (routed.test(localPart)) return undefined;
    for (const name of this.#lookupNames(localPart)) {
      const marker = this.listed(domain, 'whitelisted', 'recipients', name);
      if (marker !== undefined) return marker;
    }
    return undefined;
  }

  /** Like `listed`, for an address and the networks around it (`192.0.2.0_24`); `blacklist_dir` counts as blacklisted. */
  addressListed(domain: string, list: List, client: Ip): string | undefined {
    for (const { path, marker } of this.#scopes(domain)) {
      const name = this.#addressIn(`${path}/${list}/ips`, client);
      if (name !== undefined) return marker(`${list}/ips/${name}`);
    }
    const extra = this.#options.blacklistDir;
    const name = list === 'blacklisted' && extra !== '' ? this.#addressIn(extra, client) : undefined;
    return name === undefined ? undefined : `${extra}/${name}`;
  }

  #scopes(domain: string): { path: string; marker: (name: string) => string }[] {
    const own = this.#directory(domain);
    const scopes = own === undefined ? [] : [{ path: own, marker: (name: string) => `${domain}/${name}` }];
    return [...scopes, { path: `${this.#options.root}/${globalName}`, marker: (name) => `${globalName}/${name}` }];
  }

  #kindOf(path: string): Kind {
    return remembered(this.#found, path, kindOf);
  }

  #modeOf(path: string): CheckMode {
    return remembered(this.#modes, path, modeOf);
  }

  #exists(path: string): boolean {
    return this.#kindOf(path) !== undefined;
  }

  /** The entry of a directory that names the address or a network around it. */
  #addressIn(directory: string, client: Ip): string | undefined {
    if (!this.#exists(directory)) return undefined;
    if (this.#exists(`${directory}/${client.text}`)) return client.text;
    return networkNames(client).find((name) => this.#exists(`${directory}/${name}`));
  }

  /** Where the domain's markers are: under its A-labels or, as operators write it too, under its Unicode name. */
  #directory(domain: string): string | undefined {
    return remembered(this.#domains, domain, () => this.#findDirectory(domain));
  }

  #findDirectory(domain: string): string | undefined {
    if (domain === globalName || entryName(domain) !== domain) return undefined;
    const own = this.#insideTree(`${this.#options.root}/${domain}`);
    if (own !== undefined || !domain.includes('xn--')) return own;
    const unicode = entryName(domainToUnicode(domain));
    return unicode === undefined || unicode === domain
      ? undefined
      : this.#insideTree(`${this.#options.root}/${unicode}`);
  }

  #insideTree(path: string): string | undefined {
    return attempt(path, () => {
      const entry = lstatSync(path);
      if (entry.isDirectory()) return path;
      if (!entry.isSymbolicLink()) return undefined;
      const target = realpathSync(path);
      return target.startsWith(realpathSync(this.#options.root) + sep) && statSync(target).isDirectory()
        ? target
        : undefined;
    });
  }
}

function remembered<T>(memory: Map<string, T> | undefined, key: string, look: (key: string) => T): T {
  if (memory === undefined) return look(key);
  const known = memory.get(key);
  if (known !== undefined || memory.has(key)) return known as T;
  const found = look(key);
  memory.set(key, found);
  return found;
}

/** ENOENT and ENOTDIR mean "no marker" (also a link to nowhere); any other error is broken, never absent. */
function attempt<T>(path: string, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new BrokenMarker(path, error);
  }
}

/** `stat`, never `open`: a marker may be a FIFO or a device. */
function kindOf(path: string): Kind {
  const found = attempt(path, () => statSync(path, { throwIfNoEntry: false }));
  if (found === undefined) return undefined;
  return found.isDirectory() ? 'directory' : 'file';
}

/** An empty marker, as most are, costs one `stat`. */
function modeOf(path: string): CheckMode {
  const found = attempt(path, () => statSync(path, { throwIfNoEntry: false }));
  if (found === undefined) return 'off';
  if (!found.isFile() || found.size === 0 || found.size > 64) return 'on';
  return attempt(path, () => readFileSync(path, 'latin1'))
    ?.trim()
    .toLowerCase() === 'log'
    ? 'log'
    : 'on';
}

const maxListOctets = 65_536;

function linesOf(path: string): readonly string[] | undefined {
  const found = attempt(path, () => statSync(path, { throwIfNoEntry: false }));
  if (found === undefined) return undefined;
  if (!found.isFile()) throw new BrokenMarker(path, 'no file');
  if (found.size > maxListOctets) throw new BrokenMarker(path, `larger than ${maxListOctets} octets`);
  return attempt(path, () => readFileSync(path, 'utf8'))
    ?.split('\n')
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}

/** Reads one entry: there may be a million. */
function hasEntries(directory: string): boolean {
  const handle = attempt(directory, () => opendirSync(directory));
  if (handle === undefined) return false;
  try {
    return (attempt(directory, () => handle.readSync()) ?? null) !== null;
  } finally {
    handle.closeSync();
  }
}

function readNames(directory: string): string[] {
  return (attempt(directory, () => readdirSync(directory)) ?? []).toSorted();
}
