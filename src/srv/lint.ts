/**
 * Finds everything in the tree that does not do what its name promises: names that can never match, markers that mean
 * nothing, links to nowhere, folders that others may write. It only reads, and is told which checks there are.
 */
import { lstatSync, readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { sep } from 'node:path';
import { domainToUnicode } from 'node:url';
import { parseDomain } from '../mail/domain.js';
import { readCheckMode } from './check-mode.js';
import { entryName } from './entry-name.js';
import type { KnownCheck } from './known-check.js';
import { maxListOctets, maxMarkerOctets } from './folder.js';
import { linesIn, linesWithin } from './write-lines.js';
import { ipRule, namedKinds, nameRules, type NameRule } from './marker-names.js';

export interface MarkerFinding {
  /** It is relative to the root. */
  readonly path: string;
  readonly problem: string;
}

export interface MarkerLintOptions {
  readonly root: string;
  /** In the order in which they are asked. */
  readonly checks: readonly KnownCheck[];
  /** Checks by their lists, also those that the operator's list of plugins has left out. */
  readonly shippedLists?: ReadonlyMap<string, string>;
  /** It says what is wrong with the lines of a domain's file `expire`. */
  readonly expiryProblem: (lines: readonly string[]) => string | undefined;
  /** It says what is wrong with the text of a domain's file `relay`. */
  readonly relayProblem: (text: string) => string | undefined;
  /** It guesses which of the known words was meant by one that is none of them. */
  readonly nearest: (word: string, known: readonly string[]) => string | undefined;
  /** It tells whether the user that postern runs as may read it, and enter it if it is a folder. */
  readonly mayRead: (stats: Stats) => boolean;
}

/** What there is in the tree. */
export interface TreeCounts {
  domains: number;
  /** Markers of one valid user each. */
  users: number;
  /** Domains whose every user is valid. */
  open: number;
}

/** Yields findings in the order of the tree. A root that cannot be read is a finding. */
export function* lintTree(options: MarkerLintOptions): Generator<MarkerFinding, TreeCounts> {
  const lint = new MarkerLint(options);
  yield* lint.tree();
  return lint.counts;
}

/** A domain whose checks are looked at. */
interface MarkedDomain {
  readonly domain: string;
  /** Names of what is in its folder. */
  readonly there: readonly string[];
}

const markerLists: readonly string[] = ['blacklisted', 'whitelisted'];

class MarkerLint {
  readonly #options: MarkerLintOptions;
  /** It holds the paths below one entry of the root that have been looked at, whose findings are told once. */
  readonly #seen = new Set<string>();
  readonly counts: TreeCounts = { domains: 0, users: 0, open: 0 };
  #realRoot = '';

  constructor(options: MarkerLintOptions) {
    this.#options = options;
  }

  *tree(): Generator<MarkerFinding> {
    const { root } = this.#options;
    if (!this.#stat('')) return yield { path: '', problem: `${root} is not there` };
    this.#realRoot = realpathSync(root);
    for (const name of yield* this.#names('')) {
      this.#seen.clear();
      if (name.startsWith('.')) continue;
      if (name === '_global_') yield* this.#lists(name);
      else yield* this.#topEntry(name);
    }
  }

  *#topEntry(name: string): Generator<MarkerFinding> {
    const stats = yield* this.#look(name);
    if (!stats) return;
    if (!stats.isDirectory()) {
      if (stats.size === 0) yield { path: name, problem: 'is a file: a hosted domain is a folder' };
      return;
    }
    if (this.#leadsOut(name)) return yield { path: name, problem: 'is a link out of the tree: no hosted domain' };
    const ascii = parseDomain(name);
    const isWritten = ascii === name || (ascii !== undefined && domainToUnicode(ascii) === name);
    if (!isWritten)
      yield { path: name, problem: `never matches: ${ascii === undefined ? 'no domain' : `call it ${ascii}`}` };
    yield* this.#domain(name);
  }

  *#domain(domain: string): Generator<MarkerFinding> {
    const { checks } = this.#options;
    const lists = checks.flatMap(({ list }) => list ?? []);
    const known = ['users', 'checks', 'expire', 'relay', 'blacklisted', 'whitelisted', ...lists];
    const names = yield* this.#names(domain);
    this.counts.domains++;
    for (const name of names) {
      const path = `${domain}/${name}`;
      if (lists.includes(name)) yield* this.#list(path, names, checks.find(({ list }) => list === name)?.listProblems);
      else if (name === 'expire') yield* this.#expiry(path);
      else if (name === 'relay') yield* this.#relay(path);
      else if (!known.includes(name) && !name.startsWith('.')) yield { path, problem: this.#unlisted(name, known) };
    }
    yield* this.#users(`${domain}/users`);
    if (names.includes('checks')) yield* this.#checks(domain, names);
    yield* this.#lists(domain, names);
  }

  *#users(path: string): Generator<MarkerFinding> {
    const names = yield* this.#names(path);
    for (const name of names)
      if (name !== 'valid' && name !== 'invalid')
        yield { path: `${path}/${name}`, problem: this.#meaningless(name, ['valid', 'invalid']) };
    const invalid = names.includes('invalid') ? new Set(yield* this.#names(`${path}/invalid`)) : new Set<string>();
    for (const name of invalid) yield* this.#named(`${path}/invalid`, name, nameRules['users/invalid']);
    let valid = 0;
    if (names.includes('valid')) {
      for (const name of yield* this.#names(`${path}/valid`)) {
        valid++;
        this.counts[name === '*' ? 'open' : 'users']++;
        if (name === '*') continue;
        yield* this.#named(`${path}/valid`, name, nameRules['users/valid']);
        if (invalid.has(name))
          yield { path: `${path}/valid/${name}`, problem: 'is in users/invalid as well, which wins' };
        yield* this.#clientsOf(`${path}/valid/${name}`);
      }
    }
    if (valid === 0) yield { path: `${path}/valid`, problem: 'is empty: no marker makes a recipient valid' };
  }

  *#clientsOf(path: string): Generator<MarkerFinding> {
    if (!this.#stat(path)?.isDirectory()) return;
    const names = yield* this.#names(path);
    if (names.length === 0) yield { path, problem: 'is an empty folder: mail for it is taken from no client' };
    for (const name of names) yield* this.#named(path, name, ipRule);
  }

  *#checks(domain: string, there: readonly string[]): Generator<MarkerFinding> {
    const { checks } = this.#options;
    for (const name of yield* this.#names(`${domain}/checks`)) {
      const path = `${domain}/checks/${name}`;
      const check = checks.find((one) => one.name === name);
      if (name !== 'all' && check === undefined) {
        const meant = this.#options.nearest(name, ['all', ...checks.map((one) => one.name)]);
        const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
        yield { path, problem: `does nothing: no plugin "${name}" is in the list of plugins${hint}` };
        continue;
      }
      if (check?.list !== undefined && !there.includes(check.list))
        yield { path, problem: `does nothing without the file ${domain}/${check.list}` };
      const stats = yield* this.#look(path);
      const text = stats?.isFile() && stats.size > 0 ? this.#text(path) : undefined;
      const problem = text === undefined ? undefined : this.#contentProblem(text, name, { domain, there });
      if (problem !== undefined) yield { path, problem };
    }
  }

  #contentProblem(text: string, name: string, { domain, there }: MarkedDomain): string | undefined {
    const mode = readCheckMode(text);
    if (mode === 'log') return undefined;
    if (mode === undefined) return `holds no number of points, such as score 2.5: mail is deferred`;
    if (mode === 'on' || text.length > maxMarkerOctets)
      return 'is on; what it holds means nothing, but for the word log, or score and points';
    if (name === 'score') return `judges points, and gives none: the thresholds are lines of ${domain}/score`;
    const names = this.#options.checks.map((check) => check.name);
    if (!names.includes('score')) return 'gives points that do nothing: no plugin "score" is in the list of plugins';
    if (names.indexOf(name) > names.indexOf('score'))
      return `gives points that do nothing: ${name} stands behind score in the list of plugins`;
    return there.includes('score') ? undefined : `gives points that do nothing without the file ${domain}/score`;
  }

  *#list(path: string, there: readonly string[], problemsOf: KnownCheck['listProblems']): Generator<MarkerFinding> {
    const stats = yield* this.#look(path);
    if (!stats) return;
    if (!stats.isFile()) return yield { path, problem: 'must be a file: mail is deferred' };
    if (stats.size > maxListOctets)
      return yield { path, problem: `is larger than ${maxListOctets} octets: mail is deferred` };
    // A zone that makes no sense is passed over, and the others are asked.
    const then = path.endsWith('/score') ? '; until this is mended the mail of the domain is deferred' : '';
    for (const { line, problem, unless } of problemsOf?.(linesWithin(this.#text(path) ?? '')) ?? [])
      if (unless === undefined || !there.includes(unless))
        yield { path: line === undefined ? path : `${path}:${line}`, problem: `${problem}${then}` };
  }

  *#expiry(path: string): Generator<MarkerFinding> {
    const stats = yield* this.#look(path);
    if (!stats) return;
    const kept = 'no mail of the domain is too old until this is mended';
    if (!stats.isFile()) return yield { path, problem: `must be a file: ${kept}` };
    const problem = this.#options.expiryProblem(linesIn(this.#text(path) ?? ''));
    if (problem !== undefined) yield { path, problem: `${problem}; ${kept}` };
  }

  *#relay(path: string): Generator<MarkerFinding> {
    const stats = yield* this.#look(path);
    const deferred = 'the mail of the domain is deferred';
    if (!stats?.isFile()) return yield { path, problem: `must be a file: ${deferred}` };
    const problem = this.#options.relayProblem(this.#text(path) ?? '');
    if (problem !== undefined) yield { path, problem: `${problem}; until this is mended ${deferred}` };
  }

  *#lists(scope: string, there?: readonly string[]): Generator<MarkerFinding> {
    if (there === undefined) {
      for (const name of yield* this.#names(scope))
        if (!markerLists.includes(name) && !name.startsWith('.'))
          yield { path: `${scope}/${name}`, problem: this.#meaningless(name, markerLists) };
    }
    for (const list of markerLists) {
      if (there?.includes(list) === false) continue;
      const kinds = namedKinds.filter((one) => one.startsWith(`${list}/`));
      for (const kind of yield* this.#names(`${scope}/${list}`)) {
        const path = `${scope}/${list}/${kind}`;
        const known = kinds.find((one) => one === `${list}/${kind}`);
        if (known === undefined)
          yield {
            path,
            problem: this.#meaningless(
              kind,
              kinds.map((one) => one.slice(list.length + 1)),
            ),
          };
        else for (const name of yield* this.#names(path)) yield* this.#named(path, name, nameRules[known]);
      }
    }
  }

  *#named(folder: string, name: string, rule: NameRule): Generator<MarkerFinding> {
    const path = `${folder}/${name}`;
    yield* this.#look(path);
    const entry = name === '*' ? undefined : entryName(name);
    if (name === '*') yield { path, problem: 'never matches: the wildcard is for users/valid' };
    else if (entry !== name)
      yield { path, problem: `never matches: names are looked up in lower case${entry ? `, as ${entry}` : ''}` };
    else {
      const problem = rule(name);
      if (problem) yield { path, problem: problem.why };
    }
  }

  #unlisted(name: string, known: readonly string[]): string {
    const check = this.#options.shippedLists?.get(name);
    return check === undefined
      ? this.#meaningless(name, known)
      : `does nothing: no plugin "${check}" is in the list of plugins`;
  }

  #meaningless(name: string, known: readonly string[]): string {
    const meant = this.#options.nearest(name, known);
    return `means nothing here${meant === undefined ? `: there are ${known.join(', ')}` : `; did you mean ${meant}?`}`;
  }

  /** Returns what is there; a link to nowhere and what we may not read are findings. */
  *#look(path: string): Generator<MarkerFinding, Stats | undefined> {
    const stats = this.#stat(path);
    if (this.#seen.has(path)) return stats;
    this.#seen.add(path);
    if (!stats) {
      if (lstatSync(this.#at(path), { throwIfNoEntry: false })) yield { path, problem: 'is a link to nowhere' };
      return undefined;
    }
    if (stats.isDirectory() && (stats.mode & 0o002) !== 0 && (stats.mode & 0o1000) === 0)
      yield { path, problem: 'is a folder that anybody may write: so may anybody decide' };
    if ((stats.isDirectory() || (stats.isFile() && stats.size > 0)) && !this.#options.mayRead(stats))
      yield { path, problem: 'may not be read by the user that postern runs as: mail is deferred' };
    return stats;
  }

  /** Returns the sorted names in a folder; none for what is not there. What is no folder is a finding. */
  *#names(path: string): Generator<MarkerFinding, readonly string[]> {
    const stats = yield* this.#look(path);
    if (!stats) return [];
    if (!stats.isDirectory()) {
      yield { path, problem: 'must be a folder' };
      return [];
    }
    try {
      return readdirSync(this.#at(path)).toSorted();
    } catch (error) {
      yield { path, problem: `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})` };
      return [];
    }
  }

  #stat(path: string): Stats | undefined {
    try {
      return statSync(this.#at(path), { throwIfNoEntry: false });
    } catch {
      return undefined;
    }
  }

  #text(path: string): string | undefined {
    try {
      return readFileSync(this.#at(path), 'utf8');
    } catch {
      return undefined;
    }
  }

  #leadsOut(path: string): boolean {
    if (!lstatSync(this.#at(path), { throwIfNoEntry: false })?.isSymbolicLink()) return false;
    return !`${realpathSync(this.#at(path))}${sep}`.startsWith(`${this.#realRoot}${sep}`);
  }

  #at(path: string): string {
    return path === '' ? this.#options.root : `${this.#options.root}/${path}`;
  }
}
