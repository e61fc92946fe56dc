/**
 * The time that handing over one mail may take in all: whoever it waits for at the moment is told when it is over. All
 * mails of a kind have the same, so that one timer, for the oldest of them, is enough.
 */

/** A mail waits for it. */
export interface Awaited {
  /** Time is over, and this is why. */
  close(problem: string): void;
}

export class Deadlines {
  readonly #ms: number;
  /** In any order. */
  readonly #open: MailDeadline[] = [];
  #isTicking = false;

  constructor(milliseconds: number) {
    this.#ms = milliseconds;
  }

  begin(): MailDeadline {
    const deadline = new MailDeadline(performance.now() + this.#ms, this.#open);
    if (!this.#isTicking) this.#tickIn(this.#ms);
    return deadline;
  }

  #tickIn(milliseconds: number): void {
    this.#isTicking = true;
    setTimeout(() => this.#tick(), milliseconds).unref();
  }

  #tick(): void {
    this.#isTicking = false;
    const now = performance.now();
    for (const deadline of this.#open.filter(({ at }) => at <= now))
      deadline.expire(`nothing came of it within ${this.#ms} ms`);
    if (this.#open.length > 0 && !this.#isTicking) this.#tickIn(Math.min(...this.#open.map(({ at }) => at)) - now);
  }
}

export class MailDeadline {
  /** In milliseconds of `performance.now()`. */
  readonly at: number;
  readonly #open: MailDeadline[];
  /** Its place among the open ones; -1 where it is none of them. */
  #place: number;
  #expired: string | undefined;
  #awaited: Awaited | undefined;

  constructor(at: number, open: MailDeadline[]) {
    this.at = at;
    this.#open = open;
    this.#place = open.push(this) - 1;
  }

  get isOver(): boolean {
    return this.#expired !== undefined;
  }

  /** `awaited` replaces the one before; it hears at once when the time is over already. */
  watch(awaited: Awaited): void {
    this.#awaited = awaited;
    if (this.#expired !== undefined) awaited.close(this.#expired);
  }

  /** The mail is settled. */
  done(): void {
    this.#awaited = undefined;
    this.#leave();
  }

  expire(problem: string): void {
    this.#leave();
    this.#expired = problem;
    this.#awaited?.close(problem);
  }

  /** The last one takes its place. */
  #leave(): void {
    if (this.#place < 0) return;
    const last = this.#open.pop();
    if (last !== undefined && last !== this) {
      this.#open[this.#place] = last;
      last.#place = this.#place;
    }
    this.#place = -1;
  }
}
