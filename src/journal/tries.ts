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
  readonly #tries = new Map<string, RememberedTries>();

  /** A line that is to be written; undefined where it is no mail's. */
  next(line: JournalLine): MailTries | undefined {
    const key = keyOf(line);
    if (key === undefined) return undefined;
    const known = this.#recall(key, line.time);
    const tries = known === undefined ? { key, n: 1 } : { key, n: known.n + 1, first: known.first };
    this.#hear(line, tries);
    return tries;
  }

  #recall(key: string, time: string): RememberedTries | undefined {
    const known = this.#tries.get(key);
    return known !== undefined && Math.abs(Date.parse(time) - known.last) < lifeMs ? known : undefined;
  }

  /** A line that has been written, by whichever process. */
  hear(line: JournalLine): void {
    if (line.tries !== undefined) this.#hear(line, line.tries);
  }

  #hear({ time, verdict }: JournalLine, tries: MailTries): void {
    const known = this.#tries.get(tries.key);
    if (known !== undefined && known.n > tries.n) return; // heard late
    // What has been taken or refused for good does not come again.
    if (verdict !== 'deferred') {
      if (known !== undefined) this.#tries.delete(tries.key);
      return;
    }
    this.#tries.delete(tries.key); // a Map keeps the place of a key, and the oldest shall stand first
    this.#tries.set(tries.key, { n: tries.n, first: tries.first ?? time, last: Date.parse(time) });
    if (this.#tries.size <= maxRemembered) return;
    for (const oldest of this.#tries.keys()) {
      this.#tries.delete(oldest);
      return;
    }
  }
}

function keyOf({ verdict, from, to = [], ip = '' }: JournalLine): string | undefined {
  if (from === undefined || to.length === 0 || verdict === 'turned away') return undefined;
  let recipients = '';
  if (to.length === 1) recipients = to[0]?.address.toLowerCase() ?? '';
  else
    recipients = to
      .map(({ address }) => address.toLowerCase())
      .toSorted()
      .join(' ');
  const { high, low } = hash64(`${networkText(ip)} ${from.toLowerCase()} ${recipients}`);
  return high.toString(36) + low.toString(36);
}

/** An IPv4 /24 or an IPv6 /64, as greylisting takes them. */
function networkText(ip: string): string {
  if (!ip.includes(':')) return ip.slice(0, ip.lastIndexOf('.'));
  return parseIp(ip)?.words.slice(0, 2).join(':') ?? ip;
}
