/** How long and how much of a domain's mail is kept: by its own file, else by the settings. */
import type { OwnLimits } from '../../srv/expiry.js';

export interface KeepingOptions {
  /** 0: none is ever too old. */
  readonly expireDays: number;
  /** What a domain has of its own; undefined: nothing. */
  readonly ownLimits?: (domain: string) => OwnLimits | undefined;
}

export class KeepingLimits {
  readonly #options: KeepingOptions;
  /** Each domain is asked for once. */
  readonly #own = new Map<string, OwnLimits | undefined>();
  /** For the log: files that cannot be read. Their domains' mail stays. */
  readonly problems: string[] = [];

  constructor(options: KeepingOptions) {
    this.#options = options;
  }

  /** 0: never. */
  days(domain: string): number {
    const own = this.#of(domain);
    return own?.kind === 'broken' ? 0 : (own?.days ?? this.#options.expireDays);
  }

  /** 0: no limit of its own. */
  octets(domain: string): number {
    const own = this.#of(domain);
    return own?.kind === 'limits' ? (own.octets ?? 0) : 0;
  }

  #of(domain: string): OwnLimits | undefined {
    if (this.#own.has(domain)) return this.#own.get(domain);
    const own = this.#options.ownLimits?.(domain);
    this.#own.set(domain, own);
    if (own?.kind === 'broken') this.problems.push(own.problem);
    return own;
  }
}
