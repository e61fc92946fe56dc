/**
 * The operator's LDAP directory, asked one thing: is there an entry for this domain, or this address? An answer that is
 * known is a value, one that has to be asked for a promise, as with the resolver of dns/.
 *
 *     const asked = directory.has({ d: 'example.org' });
 *     const answer = asked instanceof Promise ? await asked : asked;
 */
import { errorText } from '../mail/error-text.js';
import { boundedStore } from '../dns/bounded-store.js';
import type { FilterTemplate, FilterValues } from './filter.js';
import { LdapPool, type LdapPoolOptions } from './pool.js';
import type { DirectoryProblem } from './problem.js';

export interface DirectoryOptions extends LdapPoolOptions {
  readonly filter: FilterTemplate;
  /** How long an answer holds: that there is an entry, and that there is none. */
  readonly foundMs: number;
  readonly absentMs: number;
}

export type DirectoryAnswer =
  | { readonly kind: 'found' }
  | { readonly kind: 'absent' }
  /** Down, late, or broken; nothing may be concluded of it. */
  | { readonly kind: 'failed'; readonly problem: string };

const found: DirectoryAnswer = { kind: 'found' };
const absent: DirectoryAnswer = { kind: 'absent' };

const maxEntries = 50_000;
const maxOctets = 16_777_216;

/** Longer than any address; nothing in a directory is found by more. */
const maxValueLength = 512;

/**
 * A directory drops control characters and folds spaces before it compares (RFC 4518 §2.2, §2.6): this would find
 * another.
 */
const ignoredByServers = /[\p{C}\p{Z}]/u;

const isUnasked = (value: string): boolean => value.length > maxValueLength || ignoredByServers.test(value);

export class Directory {
  readonly #options: DirectoryOptions;
  readonly #pool: LdapPool;
  readonly #known = boundedStore<{ readonly answer: DirectoryAnswer; readonly until: number }>({
    maxEntries,
    maxOctets,
  });
  readonly #asking = new Map<string, Promise<DirectoryAnswer>>();

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#pool = new LdapPool(options);
  }

  /** Never rejects. */
  has(values: FilterValues): DirectoryAnswer | Promise<DirectoryAnswer> {
    if (Object.values(values).some(isUnasked)) return absent;
    const filter = this.#options.filter.expand(values);
    const known = this.#known.get(filter);
    if (known && performance.now() < known.until) return known.answer;
    return this.#asking.get(filter) ?? this.#ask(filter);
  }

  #ask(filter: string): Promise<DirectoryAnswer> {
    const asked = this.#pool.hasEntry(filter).then(
      (has) => this.#remember(filter, has),
      (error: unknown): DirectoryAnswer => ({ kind: 'failed', problem: errorText(error) }),
    );
    this.#asking.set(filter, asked);
    return asked.finally(() => this.#asking.delete(filter));
  }

  #remember(filter: string, has: boolean): DirectoryAnswer {
    const answer = has ? found : absent;
    const until = performance.now() + (has ? this.#options.foundMs : this.#options.absentMs);
    this.#known.set(filter, { answer, until }, 200 + 2 * filter.length);
    return answer;
  }

  /** Can it be asked at all? What is wrong, and with which setting. */
  async probe(): Promise<DirectoryProblem | undefined> {
    try {
      await this.#pool.hasEntry(this.#options.filter.expand({ d: 'invalid', u: 'nobody', s: 'nobody@invalid' }));
      return undefined;
    } catch (error) {
      return error as DirectoryProblem;
    }
  }

  close(): void {
    this.#pool.close();
  }
}
