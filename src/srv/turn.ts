/**
 * A turn: for how long what was looked at in /srv need not be looked at again. It ends when turn-end.ts has it end, and
 * where a client speaks after one was replied to: a marker may have been set behind the reply.
 */
import { behindTurnEnd } from '../turn-end.js';

export class Turn {
  #number = 0;
  #isEnding = false;
  #isReplied = false;
  /** How often a client has spoken in this turn. */
  #heard = 0;
  /** It is false where every question shall look afresh, as in a command that writes markers and reads them again. */
  readonly #lasts: boolean;

  constructor(lasts: boolean) {
    this.#lasts = lasts;
  }

  /** The turn that it is: another number whenever folders must be looked at again. To be asked once a question. */
  now(): number {
    if (!this.#lasts) this.#number++;
    else if (!this.#isEnding) {
      this.#isEnding = true;
      behindTurnEnd(this.#end);
    }
    return this.#number;
  }

  /** The same without a question. */
  get number(): number {
    return this.#number;
  }

  /** A client is replied to. What is looked at until one speaks may be older than a marker behind the reply. */
  replies(): void {
    this.#isReplied = true;
  }

  /** A client has said something. */
  heard(): void {
    this.#heard++;
    if (!this.#isReplied && this.#heard < maxHeard) return;
    this.#isReplied = false;
    this.#number++;
  }

  readonly #end = (): void => {
    this.#isEnding = false;
    this.#heard = 0;
    this.#number++;
  };
}

/**
 * Behind so many clients the loop may have looked for octets again in the same turn, as it does where 1,024 descriptors
 * were ready: whoever speaks then may have been replied to, and have set a marker, since the first of them spoke.
 */
const maxHeard = 256;
