/**
 * Which try of a mail is this? The tries of one mail have their client's network, sender and recipients in common.
 * Those that were put off are remembered for three days; without this memory a try counts as the first.
 */
import { parseIp } from '../mail/ip.js';
import { hash64 } from './hash.js';
import { dayMs } from './hours.js';
import type { JournalLine, MailTries } from './line.js';

interface RememberedTries {
  n: number;
  /** RFC 3339. */
  readonly first: string;
  /** It is when the last one was, in milliseconds. */
  last: number;
}

const maxRemembered = 20_000;
const lifeMs = 3 * dayMs;

export class TriesMemory {
  /** By who, where from and to whom: the hash is made for those alone that have tries. */
  readonly #tries = new Map<string, RememberedTries>();

  /** A line that is to be written; undefined where the mail is no second try, and there will be none. */
  next(line: JournalLine): MailTries | undefined {
    if (this.#tries.size === 0 && line.verdict !== 'deferred') return undefined;
    const who = whoOf(line);
    if (who === undefined) return undefined;
    const known = this.#recall(who, line.time);
    if (known === undefined && line.verdict !== 'deferred') return undefined;
    const key = keyOf(who);
    const tries = known === undefined ? { key, n: 1 } : { key, n: known.n + 1, first: known.first };
    this.#hear(who, line, tries);
    return tries;
  }

  #recall(who: string, time: string): RememberedTries | undefined {
    const known = this.#tries.get(who);
    return known !== undefined && Math.abs(Date.parse(time) - known.last) < lifeMs ? known : undefined;
  }

  /** A line that has been written, by whichever process. */
  hear(line: JournalLine): void {
    const who = line.tries && whoOf(line);
    if (line.tries !== undefined && who !== undefined) this.#hear(who, line, line.tries);
  }

  #hear(who: string, { time, verdict }: JournalLine, tries: MailTries): void {
    const known = this.#tries.get(who);
    if (known !== undefined && known.n > tries.n) return; // heard late
    this.#tries.delete(who); // a Map keeps the place of a key, and the oldest shall stand first
    // What has been taken or refused for good does not come again.
    if (verdict !== 'deferred') return;
    this.#tries.set(who, { n: tries.n, first: tries.first ?? time, last: Date.parse(time) });
    if (this.#tries.size <= maxRemembered) return;
    for (const oldest of this.#tries.keys()) {
      this.#tries.delete(oldest);
      return;
    }
  }
}

/** Network, sender and recipients; undefined for what is no mail. */
function whoOf({ verdict, from, to = [], ip = '' }: JournalLine): string | undefined {
  const [first] = to;
  if (from === undefined || first === undefined || verdict === 'turned away') return undefined;
  const recipients =
    to.length === 1
      ? first.address
      : to
          .map(({ address }) => address)
          .toSorted()
          .join(' ');
  return `${networkText(ip)} ${from} ${recipients}`.toLowerCase();
}

function keyOf(who: string): string {
  const { high, low } = hash64(who);
  return high.toString(36) + low.toString(36);
}

/** An IPv4 /24 or an IPv6 /64, as greylisting takes them. */
function networkText(ip: string): string {
  if (!ip.includes(':')) return ip.slice(0, ip.lastIndexOf('.'));
  return parseIp(ip)?.words.slice(0, 2).join(':') ?? ip;
}
