/**
 * Finds everything in the tree that does not do what its name promises: names that can never match, markers that mean
 * nothing, links to nowhere, folders that others may write. It only reads, and is told which checks there are.
 */
import { lstatSync, readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { sep } from 'node:path';
import { domainToUnicode } from 'node:url';
import { parseDomain } from '../mail/domain.js';
import { entryName } from './entry-name.js';
import type { KnownCheck } from './known-check.js';
import { ipRule, namedKinds, nameRules, type NameRule } from './marker-names.js';

export interface MarkerFinding {
  /** It is relative to the root. */
  readonly path: string;
  readonly problem: string;
}

export interface MarkerLintOptions {
  readonly root: string;
  readonly checks: readonly KnownCheck[];
  /** Checks by their lists, also those that the operator's list of plugins has left out. */
  readonly shippedLists?: ReadonlyMap<string, string>;
  /** It tells whether a list may hold the line. */
  readonly isListLine: (list: string, line: string) => boolean;
  /** It says what is wrong with the lines of a domain's file `expire`. */
  readonly expiryProblem: (lines: readonly string[]) => string | undefined;
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
    const lists = this.#options.checks.flatMap(({ list }) => list ?? []);
    const known = ['users', 'checks', 'expire', 'blacklisted', 'whitelisted', ...lists];
    const names = yield* this.#names(domain);
    this.counts.domains++;
    for (const name of names) {
      const path = `${domain}/${name}`;
      if (lists.includes(name)) yield* this.#list(path, name);
      else if (name === 'expire') yield* this.#expiry(path);
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
      if (text !== undefined && text.trim().toLowerCase() !== 'log')
        yield { path, problem: 'is on; what it holds means nothing, but for the word log' };
    }
  }

  *#list(path: string, list: string): Generator<MarkerFinding> {
    const stats = yield* this.#look(path);
    if (!stats) return;
    if (!stats.isFile()) return yield { path, problem: 'must be a file: mail is deferred' };
    const lines = linesIn(this.#text(path) ?? '');
    if (lines.every((line) => line === '')) yield { path, problem: 'holds no zone' };
    for (const [i, line] of lines.entries())
      if (line !== '' && !this.#options.isListLine(list, line))
        yield {
          path: `${path}:${i + 1}`,
          problem: 'is no line that it may hold: zone, or zone=127.0.0.2,127.0.0.4/30',
        };
  }

  *#expiry(path: string): Generator<MarkerFinding> {
    const stats = yield* this.#look(path);
    if (!stats) return;
    const kept = 'no mail of the domain is too old until this is mended';
    if (!stats.isFile()) return yield { path, problem: `must be a file: ${kept}` };
    const problem = this.#options.expiryProblem(linesIn(this.#text(path) ?? '').filter((line) => line !== ''));
    if (problem !== undefined) yield { path, problem: `${problem}; ${kept}` };
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

/** The lines without comments. Empty ones stay, so that the numbers of the others are right. */
const linesIn = (text: string): readonly string[] =>
  text.split('\n').map((line) => line.replace(/(?:^|\s)#.*$/, '').trim());
