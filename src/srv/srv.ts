/**
 * The only reader of /srv: what its markers say of a domain, a recipient, a client or a sender. A dropped or removed
 * file counts from the next command on: folder.ts remembers listings, and how long they hold. Look-ups are
 * synchronous: one takes about 2 µs, a trip through the thread pool ten times that. Paths are put together as text:
 * join() would normalize what entryName has made safe.
 */
import { readdirSync, statSync } from 'node:fs';
import { domainToUnicode } from 'node:url';
import { mayBeRouted } from '../mail/address.js';
import { printable } from '../mail/text.js';
import type { Ip } from '../mail/ip.js';
import type { Result } from '../mail/result.js';
import { type DestinationList, readDestinations } from '../relay/destination/destination.js';
import { type CheckMode, readCheckMode } from './check-mode.js';
import { attempt, BrokenMarker, type MarkerFolder, MarkerFolders } from './folder.js';
import { entryName } from './entry-name.js';
import { networkName, networkNames } from './network-names.js';
import { Turn } from './turn.js';

export { BrokenMarker };

export type RecipientMarker =
  | { readonly kind: 'valid'; readonly marker: string }
  /** A marker says so, or the local-part is one that only a marker of just that name may permit. */
  | { readonly kind: 'refused'; readonly why: string }
  /** No marker says anything. `names`: what the mailbox may be called, the likeliest first. */
  | { readonly kind: 'unknown'; readonly why: string; readonly names: readonly string[] };

export type List = 'blacklisted' | 'whitelisted';

export interface SrvOptions {
  readonly root: string;
  /** `foo+bar` is looked up as itself, then as `foo`; '' for never. */
  readonly recipientDelimiter: string;
  /** A directory of files named by address beside `blacklisted/ips`; '' for none. */
  readonly blacklistDir: string;
  /**
   * Each folder is looked at once in a turn, for listeners, who end it where a client speaks again. Otherwise at each
   * question, for whoever writes markers and reads them again.
   */
  readonly oncePerTurn: boolean;
}

/** The file of a domain that says where its mail goes. */
const relayFile = 'relay';

/** Holds what is neither a domain of its own nor ever hosted: the lists for all domains. */
const globalName = '_global_';

/** How many answers are remembered; with one more all are forgotten. */
const maxValid = 1_000;

const noMarker: RecipientMarker = Object.freeze({ kind: 'refused', why: 'no such marker' });
const noNames: ReadonlySet<string> = new Set();
const noneIsOn = (): CheckMode => 'off';

export class Srv {
  readonly #options: SrvOptions;
  readonly turn: Turn;
  readonly #folders: MarkerFolders;
  readonly #extra: MarkerFolders | undefined;
  readonly #globalPath: string;
  /** By the names in users/valid that made them valid. */
  readonly #valid = new Map<string, RecipientMarker>();
  /** What files say of destinations, by their lines, which stay the same while the file does. */
  readonly #destinations = new WeakMap<readonly string[], Result<DestinationList>>();
  /** The last domain that was asked about: nearly always the next one as well. */
  #last: KnownDomain = { turn: -1, domain: '', folder: undefined, scopes: undefined };

  constructor(options: SrvOptions) {
    this.#options = options;
    this.turn = new Turn(options.oncePerTurn);
    this.#folders = new MarkerFolders(options.root, this.turn);
    this.#extra = options.blacklistDir === '' ? undefined : new MarkerFolders(options.blacklistDir, this.turn);
    this.#globalPath = `${options.root}/${globalName}`;
  }

  /**
   * Is the domain (A-labels) hosted: a directory in the tree, or a link to one that stays in it? Without a tree
   * nobody knows: a mistyped path, or a disk that is not mounted, shall not turn all mail away for good.
   */
  isHosted(domain: string): boolean {
    if (this.#folder(domain) !== undefined) return true;
    this.#needTree();
    return false;
  }

  #needTree(): void {
    const { root } = this.#options;
    const found = attempt(root, () => statSync(root, { throwIfNoEntry: false }));
    if (found === undefined)
      throw new BrokenMarker(root, 'is not there; mkdir makes it, the setting srv names another');
    if (!found.isDirectory()) throw new BrokenMarker(root, 'is no directory');
  }

  /** Names of all hosted domains, sorted. */
  domains(): string[] {
    this.#needTree();
    return readNames(this.#options.root).filter((name) => this.isHosted(name));
  }

  /** What the folder of a hosted domain is called below the root: its A-labels, or its Unicode name. */
  folderName(domain: string): string {
    this.turn.now();
    return this.#folders.inRoot(domain) === undefined ? domainToUnicode(domain) : domain;
  }

  /** Names below `checks/` of a domain, sorted. */
  checks(domain: string): string[] {
    const folder = this.#folder(domain);
    return folder === undefined ? [] : readNames(`${folder.path}/checks`);
  }

  /** Is the check switched on, by its own name or, where `inAll`, by `checks/all`? The marker says how. */
  checkMode(domain: string, check: string, inAll: boolean): CheckMode {
    return this.checkModes(domain)(check, inAll);
  }

  /** The same for any check of the domain, whose folder is looked at once. */
  checkModes(domain: string): (check: string, inAll: boolean) => CheckMode {
    const checks = this.#folder(domain)?.sub('checks');
    if (checks === undefined) return noneIsOn;
    const mayBeAll = checks.mayHave('all');
    return (check, inAll) => modeIn(checks, check) ?? (inAll && mayBeAll ? modeIn(checks, 'all') : undefined) ?? 'off';
  }

  /** The names of the markers of a domain's checks, the same set while they are the same; undefined: nobody knows. */
  checkNames(domain: string): ReadonlySet<string> | undefined {
    const checks = this.#folder(domain)?.sub('checks');
    return checks === undefined ? noNames : checks.names;
  }

  /**
   * The lines of the domain's own file of that name, without comments and empty ones; undefined where there is none.
   */
  lines(domain: string, file: string): readonly string[] | undefined {
    return this.#folder(domain)?.lines(file);
  }

  /**
   * Where the domain's mail goes by its own file; undefined where it has none. Throws BrokenMarker where the file makes
   * no sense: nobody knows then where the mail belongs, and elsewhere it might be refused for good.
   */
  destinations(domain: string): DestinationList | undefined {
    const folder = this.#folder(domain);
    const lines = folder?.lines(relayFile);
    if (folder === undefined) return undefined;
    if (lines === undefined) {
      if (folder.isLinkToNowhere(relayFile)) throw new BrokenMarker(`${folder.path}/${relayFile}`, 'a link to nowhere');
      return undefined;
    }
    let read = this.#destinations.get(lines);
    if (read === undefined) this.#destinations.set(lines, (read = readDestinations(lines.join('\n'))));
    if (!read.ok) throw new BrokenMarker(`${folder.path}/${relayFile}`, read.problem);
    return read.value;
  }

  /** Does the domain have a mailbox of that local-part, for this client? `invalid` beats every `valid`. */
  recipient(domain: string, localPart: string, client: Ip): RecipientMarker {
    const users = this.#folder(domain)?.sub('users')?.whereThere();
    const names = users === undefined ? [] : this.#lookupNames(localPart);
    if (users === undefined || names.length === 0) return noMarker;
    const invalid = users.sub('invalid');
    const valid = users.sub('valid');
    for (const name of names) {
      if (invalid?.has(name) === true) return { kind: 'refused', why: `users/invalid/${name}` };
      const found = valid?.kindOf(name);
      if (found === 'directory' && addressIn(valid?.sub(name), client) === undefined)
        return { kind: 'refused', why: `users/valid/${name}/ has no ${client.text}` };
      if (found !== undefined) return this.#validBy(name);
    }
    const why = 'no marker in users/valid';
    if (mayBeRouted(localPart))
      return { kind: 'refused', why: `${why} of just that name, and an MTA might route it elsewhere` };
    return valid?.has('*') === true ? this.#validBy('*') : { kind: 'unknown', why, names };
  }

  #validBy(name: string): RecipientMarker {
    let marker = this.#valid.get(name);
    if (marker === undefined) {
      if (this.#valid.size >= maxValid) this.#valid.clear();
      marker = Object.freeze({ kind: 'valid', marker: `users/valid/${name}` });
      this.#valid.set(name, marker);
    }
    return marker;
  }

  /**
   * A local-part by itself and then without its extension; what an MTA might route has no second name. None where the
   * local-part can have no marker.
   */
  #lookupNames(localPart: string): readonly string[] {
    const whole = entryName(localPart);
    if (whole === undefined) return [];
    const delimiter = this.#options.recipientDelimiter;
    const at = delimiter === '' || mayBeRouted(localPart) ? -1 : localPart.indexOf(delimiter, 1);
    const short = at > 0 ? entryName(localPart.slice(0, at)) : undefined;
    return short === undefined ? [whole] : [whole, short];
  }

  /** The marker that lists `key` under `list/kind/` of the domain or of `_global_`; undefined when none does. */
  listed(domain: string, list: List, kind: string, key: string): string | undefined {
    if (key === '') return undefined;
    for (const { folder, name: scope } of this.#scopes(domain)) {
      const entries = folder.sub(list)?.sub(kind);
      if (entries === undefined || !entries.mayHaveAny()) continue;
      const name = entryName(key);
      if (name === undefined) return undefined;
      if (entries.has(name)) return `${scope}/${list}/${kind}/${name}`;
    }
    return undefined;
  }

  /** Does `list/kind/` of the domain or of `_global_` hold anything? */
  anyListed(domain: string, list: List, kind: string): boolean {
    return this.#scopes(domain).some(({ folder }) => folder.sub(list)?.sub(kind)?.isEmpty() === false);
  }

  /** The marker of a whitelisted recipient; what an MTA might route elsewhere is never one. */
  recipientWhitelisted(domain: string, localPart: string): string | undefined {
    if (mayBeRouted(localPart)) return undefined;
    const isAny = this.#scopes(domain).some(({ folder }) => folder.sub('whitelisted')?.sub('recipients')?.mayHaveAny());
    if (!isAny) return undefined;
    for (const name of this.#lookupNames(localPart)) {
      const marker = this.listed(domain, 'whitelisted', 'recipients', name);
      if (marker !== undefined) return marker;
    }
    return undefined;
  }

  /**
   * Like `listed`, for an address and the networks around it (`192.0.2.0_24`); `blacklist_dir` counts as blacklisted.
   */
  addressListed(domain: string, list: List, client: Ip): string | undefined {
    for (const { folder, name } of this.#scopes(domain)) {
      const entry = addressIn(folder.sub(list)?.sub('ips'), client);
      if (entry !== undefined) return `${name}/${list}/ips/${entry}`;
    }
    return list === 'blacklisted' ? this.#listedBeside(client) : undefined;
  }

  #listedBeside(client: Ip): string | undefined {
    if (this.#extra === undefined) return undefined;
    this.turn.now();
    const entry = addressIn(this.#extra.at(this.#extra.root), client);
    return entry && `${this.#extra.root}/${entry}`;
  }

  /** The domain's own folder, and that for all domains. */
  #scopes(domain: string): readonly Scope[] {
    const known = this.#known(domain);
    return (known.scopes ??= this.#scopesOf(known));
  }

  #scopesOf({ domain, folder }: KnownDomain): readonly Scope[] {
    const scopes: Scope[] = [];
    if (folder !== undefined) scopes.push({ name: domain, folder });
    const global = this.#folders.at(this.#globalPath);
    if (global !== undefined) scopes.push({ name: globalName, folder: global });
    return scopes;
  }

  #folder(domain: string): MarkerFolder | undefined {
    return this.#known(domain).folder;
  }

  #known(domain: string): KnownDomain {
    const turn = this.turn.now();
    const last = this.#last;
    if (last.turn === turn && last.domain === domain) return last;
    return (this.#last = { turn, domain, folder: this.#lookFor(domain), scopes: undefined });
  }

  /** Where the domain's markers are: under its A-labels or, as operators write it too, under its Unicode name. */
  #lookFor(domain: string): MarkerFolder | undefined {
    if (domain === globalName || entryName(domain) !== domain) return undefined;
    const own = this.#folders.inRoot(domain);
    if (own !== undefined || !domain.includes('xn--')) return own;
    const unicode = entryName(domainToUnicode(domain));
    return unicode === undefined || unicode === domain ? undefined : this.#folders.inRoot(unicode);
  }
}

interface Scope {
  readonly name: string;
  readonly folder: MarkerFolder;
}

/** What is known of a domain in a turn. */
interface KnownDomain {
  readonly turn: number;
  readonly domain: string;
  readonly folder: MarkerFolder | undefined;
  /** They are looked for when somebody asks for a list. */
  scopes: readonly Scope[] | undefined;
}

/** How the check is on by the marker of that name; undefined: by that it is not. */
function modeIn(checks: MarkerFolder, name: string): CheckMode | undefined {
  const words = checks.word(name);
  if (words === undefined) return undefined;
  const mode = readCheckMode(words);
  if (mode !== undefined) return mode;
  const problem = `"${printable(words.trim(), 60)}" must be a number of points, such as score 2.5`;
  throw new BrokenMarker(`${checks.path}/${name}`, problem);
}

/** The entry of a folder that names the address or a network around it. */
function addressIn(folder: MarkerFolder | undefined, client: Ip): string | undefined {
  if (folder === undefined || !folder.mayHaveAny()) return undefined;
  if (folder.has(client.text)) return client.text;
  const lengths = folder.networkLengths;
  if (lengths === undefined) return networkNames(client).find((name) => folder.has(name));
  for (const length of lengths) {
    const name = networkName(client, length);
    if (name !== undefined && folder.has(name)) return name;
  }
  return undefined;
}

function readNames(directory: string): string[] {
  return (attempt(directory, () => readdirSync(directory)) ?? []).toSorted();
}
