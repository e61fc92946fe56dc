/** The time that handing over one mail may take in all: whoever it waits for at the moment is told when it is over. */

export class MailDeadline {
  readonly #timer: NodeJS.Timeout;
  #expired: string | undefined;
  #action: (problem: string) => void = () => undefined;

  constructor(milliseconds: number) {
    this.#timer = setTimeout(() => this.#expire(`nothing came of it within ${milliseconds} ms`), milliseconds);
    this.#timer.unref();
  }

  get isOver(): boolean {
    return this.#expired !== undefined;
  }

  /** `action` replaces the one before; it runs at once when the time is over already. */
  watch(action: (problem: string) => void): void {
    this.#action = action;
    if (this.#expired !== undefined) action(this.#expired);
  }

  /** The mail is settled. */
  done(): void {
    clearTimeout(this.#timer);
    this.#action = () => undefined;
  }

  #expire(problem: string): void {
    this.#expired = problem;
    this.#action(problem);
  }
}
