/**
 * Recipients that the MTA refused beside others that it took: nothing of such a mail was handed over, so each of them
 * shall hear its own answer at RCPT when the client comes again. A memory, not a truth: losing it costs one more 451.
 */
import { isTemporary, type Reply } from '../mail/reply.js';

export interface RefusalsOptions {
  /** Milliseconds since any fixed moment. */
  readonly now: () => number;
  /** The oldest are forgotten beyond so many recipients; 10,000 unless told. */
  readonly max?: number;
}

const permanentMs = 3_600_000;
const temporaryMs = 300_000;

interface RefusedRecipient {
  /** The text of the destinations, which alone it tells of. */
  readonly where: string;
  readonly reply: Reply;
  readonly until: number;
}

export class Refusals {
  readonly #entries = new Map<string, RefusedRecipient>();
  readonly #now: () => number;
  readonly #max: number;

  constructor({ now, max = 10_000 }: RefusalsOptions) {
    this.#now = now;
    this.#max = max;
  }

  /** Keeps each recipient's own reply: 5xx for an hour, 4xx for five minutes. `where`: the text of the destinations. */
  remember(refused: ReadonlyMap<string, Reply>, where: string): void {
    for (const [recipient, reply] of refused) {
      this.forget(recipient); // a Map keeps the place of a key, and the oldest shall stand first
      const until = this.#now() + (isTemporary(reply) ? temporaryMs : permanentMs);
      this.#entries.set(keyOf(recipient), { where, reply, until });
      if (this.#entries.size > this.#max) this.#forgetOldest();
    }
  }

  /** Addresses are compared without case. What was said elsewhere says nothing. */
  recall(recipient: string, where: string): Reply | undefined {
    const entry = this.#entries.get(keyOf(recipient));
    if (entry && entry.until <= this.#now()) this.forget(recipient);
    else if (entry?.where === where) return entry.reply;
    return undefined;
  }

  forget(recipient: string): void {
    this.#entries.delete(keyOf(recipient));
  }

  #forgetOldest(): void {
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }
}

const keyOf = (recipient: string): string => recipient.toLowerCase();
