/**
 * The one way in which the processes of a service talk: questions, which are answered or settled without an answer
 * after a time, and news, which need none. What is asked is the business of those who ask.
 */

declare const kind: unique symbol;

/** A question by its name on the wire: `V` is what is asked, `A` what is answered, both as JSON has them. */
export interface ChannelQuestion<V, A> {
  readonly name: string;
  readonly [kind]?: (value: V) => A;
}

/** News by its name on the wire. */
export interface News<V> {
  readonly name: string;
  readonly [kind]?: (value: V) => void;
}

export const question = <V, A>(name: string): ChannelQuestion<V, A> => ({ name });
export const news = <V = undefined>(name: string): News<V> => ({ name });

export interface AskOptions<A> {
  /** It is 1,000 by default. */
  readonly withinMs?: number;
  /** It is taken for the answer where none comes: the other process is gone, stopped, or busy. */
  readonly otherwise: A;
}

/** One end of the pipe between two processes: `process` in a child, a `ChildProcess` in its parent. */
export interface ChannelEnd {
  readonly connected: boolean;
  send?(message: unknown, handle: undefined, options: undefined, done: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

const answerWithinMs = 1000;

type ChannelMessage =
  | { readonly postern: 'ask'; readonly name: string; readonly id: number; readonly value?: unknown }
  | { readonly postern: 'answer'; readonly id: number; readonly value?: unknown }
  | { readonly postern: 'tell'; readonly name: string; readonly value?: unknown };

export class Channel {
  readonly #end: ChannelEnd;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  readonly #answers = new Map<string, (value: never) => unknown>();
  readonly #hears = new Map<string, (value: never) => void>();
  #last = 0;

  constructor(end: ChannelEnd) {
    this.#end = end;
    end.on('message', (message) => void this.#take(message as ChannelMessage));
  }

  /** Never rejects; resolves with `otherwise` where no answer comes in time. */
  ask<V, A>(
    { name }: ChannelQuestion<V, A>,
    value: V,
    { withinMs = answerWithinMs, otherwise }: AskOptions<A>,
  ): Promise<A> {
    return new Promise((resolve) => {
      const id = ++this.#last;
      const settle = (answer: unknown): void => {
        clearTimeout(timer);
        if (this.#waiting.delete(id)) resolve(answer as A);
      };
      const timer = setTimeout(settle, withinMs, otherwise);
      this.#waiting.set(id, settle);
      this.#send({ postern: 'ask', name, id, value }, () => settle(otherwise));
    });
  }

  tell<V>({ name }: News<V>, value: V): void {
    this.#send({ postern: 'tell', name, value }, () => {});
  }

  /**
   * Answers these questions from now on. A question without an answerer gets no answer, so whoever asked goes on with
   * `otherwise`.
   */
  answer<V, A>({ name }: ChannelQuestion<V, A>, answerOf: (value: V) => A | Promise<A>): void {
    this.#answers.set(name, answerOf);
  }

  hear<V>({ name }: News<V>, heard: (value: V) => void): void {
    this.#hears.set(name, heard);
  }

  async #take(message: ChannelMessage): Promise<void> {
    switch (message?.postern) {
      case 'answer':
        return this.#waiting.get(message.id)?.(message.value);
      case 'tell':
        return this.#hears.get(message.name)?.(message.value as never);
      case 'ask': {
        const answerOf = this.#answers.get(message.name);
        if (answerOf === undefined) return undefined;
        const given = answerOf(message.value as never);
        const value = given instanceof Promise ? await given : given;
        return this.#send({ postern: 'answer', id: message.id, value }, () => {});
      }
    }
  }

  /** Never throws: `failed` is called where the other process is gone or the message cannot be sent. */
  #send(message: ChannelMessage, failed: () => void): void {
    if (!this.#end.connected || this.#end.send === undefined) return failed();
    try {
      this.#end.send(message, undefined, undefined, (error) => error && failed());
    } catch {
      failed();
    }
  }
}
