/**
 * A turn: for how long what was looked at in /srv need not be looked at again. It ends when turn-end.ts has it end, and
 * where a client speaks after one was replied to: a marker may have been set behind the reply.
 */
import { behindTurnEnd, turnsOfLoop } from '../turn-end.js';

export class Turn {
  #number = 0;
  #isEnding = false;
  /** The turn of the loop in which the last reply went out that nobody has spoken behind for certain. */
  #repliedIn: number | undefined;
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
    this.#repliedIn = turnsOfLoop();
  }

  /** A client has said something. */
  heard(): void {
    if (this.#repliedIn === undefined) return;
    // Where the reply went out in this very turn of the loop, whoever speaks next in it may have heard it as well.
    if (this.#repliedIn < turnsOfLoop()) this.#repliedIn = undefined;
    this.#number++;
  }

  readonly #end = (): void => {
    this.#isEnding = false;
    this.#number++;
  };
}
