/**
 * Which try of a mail is this? The tries of one mail have their client's network, sender and recipients in common, and
 * the Message-ID of those that were read to their end. Those that were put off are remembered for three days; without
 * this memory a try counts as the first.
 */
import { parseIp } from '../mail/ip.js';
import { hash64 } from './hash.js';
import { dayMs } from './hours.js';
import type { JournalLine, MailTries } from './line.js';

interface RememberedTries {
  readonly key: string;
  n: number;
  /** RFC 3339. */
  readonly first: string;
  /** It is when the last one was, in milliseconds. */
  last: number;
}

const maxRemembered = 20_000;
const lifeMs = 3 * dayMs;

export class TriesMemory {
  /** By who, where from, to whom and which mail: the hash is made for those alone that have tries. */
  readonly #tries = new Map<string, RememberedTries>();

  /** A line that is to be written; undefined where the mail is no second try, and there will be none. */
  next(line: JournalLine): MailTries | undefined {
    if (this.#tries.size === 0 && line.verdict !== 'deferred') return undefined;
    const who = whoOf(line);
    if (who === undefined) return undefined;
    const mail = mailOf(who, line);
    // A try that was put off before the mail was read may have been any mail's.
    const known = this.#recall(mail, line.time) ?? this.#recall(who, line.time);
    if (known === undefined && line.verdict !== 'deferred') return undefined;
    const tries =
      known === undefined ? { key: keyOf(mail), n: 1 } : { key: known.key, n: known.n + 1, first: known.first };
    this.#hear(who, line, tries);
    return tries;
  }

  #recall(mail: string, time: string): RememberedTries | undefined {
    const known = this.#tries.get(mail);
    return known !== undefined && Math.abs(Date.parse(time) - known.last) < lifeMs ? known : undefined;
  }

  /** A line that has been written, by whichever process. */
  hear(line: JournalLine): void {
    const who = line.tries && whoOf(line);
    if (line.tries !== undefined && who !== undefined) this.#hear(who, line, line.tries);
  }

  #hear(who: string, line: JournalLine, { key, n, first }: MailTries): void {
    const { time, verdict } = line;
    const mail = mailOf(who, line);
    const known = this.#tries.get(mail);
    if (known !== undefined && known.n > n) return; // heard late
    if (this.#tries.get(who)?.key === key) this.#tries.delete(who); // by now it is known which mail it was
    this.#tries.delete(mail); // a Map keeps the place of a key, and the oldest shall stand first
    // What has been taken or refused for good does not come again.
    if (verdict !== 'deferred') return;
    this.#tries.set(mail, { key, n, first: first ?? time, last: Date.parse(time) });
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

/** The same with its Message-ID where that is known. */
function mailOf(who: string, line: JournalLine): string {
  const id = line['message-id'] ?? '';
  return id === '' ? who : `${who} ${id}`;
}

function keyOf(mail: string): string {
  const { high, low } = hash64(mail);
  return high.toString(36) + low.toString(36);
}

/** An IPv4 /24 or an IPv6 /64, as greylisting takes them. */
function networkText(ip: string): string {
  if (!ip.includes(':')) return ip.slice(0, ip.lastIndexOf('.'));
  return parseIp(ip)?.words.slice(0, 2).join(':') ?? ip;
}
