/**
 * The signals of a long-running command, the same for all: HUP reloads, USR1 opens log files anew, TERM, INT and QUIT
 * stop, USR2, PIPE and ALRM are ignored. Heard from its first line on: a reload that is asked for during the start
 * comes behind it. Node opens its inspector on USR1 unless somebody else listens to it.
 */

const stopping = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
const ignored = ['SIGUSR2', 'SIGPIPE', 'SIGALRM'] as const;

export class Signals {
  /** The first signal to stop, or why else it is to stop; later ones change nothing. */
  readonly stop: Promise<string>;
  readonly #stopNow: (why: string) => void;
  #isStopping = false;
  readonly #reload = new Wish();
  readonly #reopen = new Wish();

  constructor() {
    const { promise, resolve } = withResolver<string>();
    this.stop = promise;
    this.#stopNow = resolve;
    for (const signal of stopping) process.on(signal, () => this.stopFor(signal));
    for (const signal of ignored) process.on(signal, () => {});
    process.on('SIGHUP', () => this.#reload.call());
    process.on('SIGUSR1', () => this.#reopen.call());
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  stopFor(why: string): void {
    this.#isStopping = true;
    this.#stopNow(why);
  }

  /** Told of each HUP from now on, and at once where one came before. */
  onReload(reload: () => void): void {
    this.#reload.hear(reload);
  }

  onReopen(reopen: () => void): void {
    this.#reopen.hear(reopen);
  }
}

/** Something that may be asked for before anybody can do it. */
class Wish {
  #grant: (() => void) | undefined;
  #isMissed = false;

  call(): void {
    this.#isMissed = this.#grant === undefined;
    this.#grant?.();
  }

  hear(grant: () => void): void {
    this.#grant = grant;
    if (this.#isMissed) this.call();
  }
}

function withResolver<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
