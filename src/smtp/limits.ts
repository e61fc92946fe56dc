/** How many connections there may be, in all and from one address. With several workers the primary process counts. */
import type { Ip } from '../mail/ip.js';
import { type Reply, reply } from '../mail/reply.js';

export interface ConnectionLimits {
  /** Counts a connection, or says why there is no room for it. */
  admit(ip: Ip): Reply | undefined | Promise<Reply | undefined>;
  leave(ip: Ip): void;
}

export interface MaxConnections {
  readonly all: number;
  readonly perAddress: number;
}

/** IPv6 clients count by /64: that is what one customer gets, and may draw addresses from at will (our choice). */
const keyOf = (ip: Ip): string => (ip.family === 4 ? ip.text : ip.words.slice(0, 2).join(':'));

const tooMany = reply(421, '4.7.0', 'Too many connections, try again later');
const tooManyFromOne = reply(421, '4.7.0', 'Too many connections from your address');

/** The count of one process. */
export class LocalLimits implements ConnectionLimits {
  readonly #max: () => MaxConnections;
  readonly #byAddress = new Map<string, number>();
  #all = 0;

  constructor(max: () => MaxConnections) {
    this.#max = max;
  }

  admit(ip: Ip): Reply | undefined {
    const { all, perAddress } = this.#max();
    const key = keyOf(ip);
    const count = this.#byAddress.get(key) ?? 0;
    if (this.#all >= all) return tooMany;
    if (count >= perAddress) return tooManyFromOne;
    this.#all++;
    this.#byAddress.set(key, count + 1);
    return undefined;
  }

  leave(ip: Ip): void {
    const key = keyOf(ip);
    const count = this.#byAddress.get(key);
    if (count === undefined) return;
    this.#all--;
    if (count > 1) this.#byAddress.set(key, count - 1);
    else this.#byAddress.delete(key);
  }
}
