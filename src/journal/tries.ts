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
  readonly n: number;
  /** RFC 3339: it tells the mail from others of the same two. */
  readonly first: string;
  /** It is when the last one was, in milliseconds. */
  readonly last: number;
  /** A hash of its Message-ID; '' while no try was read to its end. */
  readonly mail: string;
}

/** So many clients, senders and recipients, and so many mails of each. */
const maxRemembered = 20_000;
const maxMails = 4;
const lifeMs = 3 * dayMs;

export class TriesMemory {
  /** By who, where from and to whom: the hash is made for those alone that have tries. */
  readonly #tries = new Map<string, readonly RememberedTries[]>();

  /** A line that is to be written; undefined where the mail is no second try, and there will be none. */
  next(line: JournalLine): MailTries | undefined {
    if (this.#tries.size === 0 && line.verdict !== 'deferred') return undefined;
    const who = whoOf(line);
    if (who === undefined) return undefined;
    const known = this.#recall(who, line);
    if (known === undefined && line.verdict !== 'deferred') return undefined;
    const key = hashText(who);
    const tries = known === undefined ? { key, n: 1 } : { key, n: known.n + 1, first: known.first };
    this.#hear(who, line, tries);
    return tries;
  }

  #recall(who: string, line: JournalLine): RememberedTries | undefined {
    const at = Date.parse(line.time);
    const all = this.#tries.get(who)?.filter(({ last }) => Math.abs(at - last) < lifeMs) ?? [];
    const mail = mailOf(line);
    const same = all.find((one) => one.mail === mail);
    // One of which no text was read may be either.
    return same ?? (mail === '' ? (all.length === 1 ? all[0] : undefined) : all.find((one) => one.mail === ''));
  }

  /** A line that has been written, by whichever process. An erased one has no key. */
  hear(line: JournalLine): void {
    const who = line.tries && line.tries.key !== '' ? whoOf(line) : undefined;
    if (line.tries !== undefined && who !== undefined) this.#hear(who, line, line.tries);
  }

  #hear(who: string, line: JournalLine, { n, first = line.time }: MailTries): void {
    const all = this.#tries.get(who) ?? [];
    const known = all.find((one) => one.first === first);
    if (known !== undefined && known.n > n) return; // heard late
    const left = all.filter((one) => one !== known);
    // What has been taken or refused for good does not come again.
    if (line.verdict === 'deferred')
      left.push({ n, first, last: Date.parse(line.time), mail: mailOf(line) || (known?.mail ?? '') });
    this.#tries.delete(who); // a Map keeps the place of a key, and the oldest shall stand first
    if (left.length > 0) this.#tries.set(who, left.slice(-maxMails));
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

/** Characters of a Message-ID that count: a longer one is cut in a line that gets too long. */
const knownLength = 200;

function mailOf(line: JournalLine): string {
  const id = line['message-id'] ?? '';
  return id === '' ? '' : hashText(id.slice(0, knownLength));
}

function hashText(text: string): string {
  const { high, low } = hash64(text);
  return high.toString(36) + low.toString(36);
}

/** An IPv4 /24 or an IPv6 /64, as greylisting takes them. */
function networkText(ip: string): string {
  if (!ip.includes(':')) return ip.slice(0, ip.lastIndexOf('.'));
  return parseIp(ip)?.words.slice(0, 2).join(':') ?? ip;
}
