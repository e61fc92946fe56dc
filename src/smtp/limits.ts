/** How many connections there may be, in all and from one address. With several workers the primary process counts. */
import { type Eventual, after } from '../mail/eventual.js';
import type { Ip } from '../mail/ip.js';
import { type Reply, reply } from '../mail/reply.js';

export interface ConnectionLimits {
  /** Counts a connection, or says why there is no room for it. */
  admit(ip: Ip): Eventual<Reply | undefined>;
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

/** The place that one connection has among all; a client that XCLIENT names takes another one. */
export class Admission {
  readonly #limits: ConnectionLimits;
  #admitted: Ip | undefined;
  #over = false;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** Returns why there is no place; undefined where there is one. */
  enter(ip: Ip): Eventual<Reply | undefined> {
    this.#release();
    return after(this.#limits.admit(ip), (full) => (full ? this.#enterLater(ip) : this.#take(ip)));
  }

  /** Asks once more: a client that hangs up and comes back at once may be heard in the other order. */
  async #enterLater(ip: Ip): Promise<Reply | undefined> {
    await new Promise((resolve) => setTimeout(resolve, secondTryMs));
    return (await this.#limits.admit(ip)) ?? this.#take(ip);
  }

  #take(ip: Ip): undefined {
    this.#admitted = ip;
    if (this.#over) this.#release(); // the client left while the answer was on its way
  }

  /** The connection is gone for good. */
  leave(): void {
    this.#over = true;
    this.#release();
  }

  #release(): void {
    if (this.#admitted) this.#limits.leave(this.#admitted);
    this.#admitted = undefined;
  }
}

const secondTryMs = 100;
