/**
 * Wrong tokens, counted by the address they came from. Only wrong ones are ever slowed: a right token is looked at
 * first and lets its owner in, whatever strangers have tried. A token has too many bits to be guessed: slowing spares
 * the log.
 */
import { networkBase, parseIp } from '../../mail/ip.js';

const windowMs = 60_000;
/** So many wrong tokens a minute, from one address, are answered without a wait. */
const maxInWindow = 10;
/** So many addresses are remembered; the one that was quiet longest is forgotten first. */
const maxAddresses = 10_000;

/**
 * `waitSeconds` is 0 as long as the address is not slowed. `isFirst` marks the first slowed one, which is worth a line
 * in the log.
 */
export interface WrongToken {
  readonly waitSeconds: number;
  readonly isFirst: boolean;
}

interface Failures {
  readonly times: number[];
  isSlowed: boolean;
}

export class WrongTokens {
  readonly #now: () => number;
  readonly #byAddress = new Map<string, Failures>();

  /** `now` returns milliseconds of a clock that nobody sets. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Counts one more wrong token from that address. */
  failed(address: string): WrongToken {
    const now = this.#now();
    const failures = this.#of(placeOf(address));
    const { times } = failures;
    while (times.length > 0 && now - (times[0] ?? 0) > windowMs) times.shift();
    const isFull = times.length >= maxInWindow;
    const isFirst = isFull && !failures.isSlowed;
    failures.isSlowed = isFull;
    if (!isFull) times.push(now);
    return { waitSeconds: isFull ? Math.ceil((windowMs - (now - (times[0] ?? 0))) / 1000) || 1 : 0, isFirst };
  }

  #of(place: string): Failures {
    const failures = this.#byAddress.get(place) ?? { times: [], isSlowed: false };
    this.#byAddress.delete(place);
    this.#byAddress.set(place, failures);
    const [quietest] = this.#byAddress.keys();
    if (this.#byAddress.size > maxAddresses && quietest !== undefined) this.#byAddress.delete(quietest);
    return failures;
  }
}

/** Whoever has one IPv6 address has the whole /64 around it, which therefore counts as one place. */
function placeOf(address: string): string {
  const ip = parseIp(address);
  return ip?.family === 6 ? networkBase(ip, 64).text : address;
}
