/** How long and how much of a domain's mail is kept: by its own file, else by the settings. */
import type { OwnLimits } from '../../srv/expiry.js';

export interface KeepingOptions {
  /** 0 means that no mail is ever too old. */
  readonly expireDays: number;
  /** It tells what limits a domain has of its own; undefined where it has none. */
  readonly ownLimits?: (domain: string) => OwnLimits | undefined;
}

export class KeepingLimits {
  readonly #options: KeepingOptions;
  /** Each domain is asked for once. */
  readonly #own = new Map<string, OwnLimits | undefined>();
  /** They name for the log the files that cannot be read; their domains' mail stays. */
  readonly problems: string[] = [];

  constructor(options: KeepingOptions) {
    this.#options = options;
  }

  /** Returns after how many days mail goes; 0 means never. */
  days(domain: string): number {
    const own = this.#of(domain);
    return own?.kind === 'broken' ? 0 : (own?.days ?? this.#options.expireDays);
  }

  /** Returns how many octets the domain may have; 0 means that it has no limit of its own. */
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
