/**
 * One connection of an MTA: octets and a policy in, octets out. Knows neither sockets nor time, and of the protocol
 * only the order of things; what commands mean is `dialogue`.
 *
 * Answers go out in the order of the commands, in one write for all that one read brought. Behind a handler that
 * answers by promise later commands wait; ABORT, QUIT and the end of the connection do not, they cancel it.
 */
import { defaultFrameLimit, FrameReader } from './codec.js';
import { parseCommand } from './command.js';
import { Dialogue, type DialogueStep, type Floor, type MilterObservation } from './dialogue.js';
import type { PreparedPolicy } from './negotiation.js';

/** What a session does to the outside. */
export interface Outlet {
  /** One frame or several. */
  write(octets: Buffer): void;
  /** The MTA has said goodbye: the connection is closed behind what is written. */
  close(): void;
  /** The MTA has broken the protocol: the connection is dropped. `problem` holds no text of a client. */
  drop(problem: string): void;
  /** A handler threw, or answered what cannot be said; the MTA is told to try again later. */
  failed(event: string, error: unknown): void;
  /** A pending answer has come, and the commands that `backlog` counts were handled. */
  resumed(): void;
  readonly observe?: ((event: MilterObservation) => void) | undefined;
}

/** Octets that a waiting command is counted for, beside its data. */
const waitingOverhead = 100;

export class MilterSession<S, T> implements Floor {
  readonly #outlet: Outlet;
  readonly #reader: FrameReader;
  readonly #frameLimit: number;
  readonly #dialogue: Dialogue<S, T>;
  /** A question to the filter that is not answered yet. */
  #pending: { readonly ofMessage: boolean } | undefined;
  /** Commands that came meanwhile. */
  #waiting: DialogueStep[] = [];
  #waitingOctets = 0;
  #out: Buffer[] = [];
  /** A read, or a late answer, is being worked on: what is said goes out at its end. */
  #collecting = false;
  #over = false;

  readonly observe: Floor['observe'];

  constructor(policy: PreparedPolicy<S, T>, outlet: Outlet, frameLimit = defaultFrameLimit) {
    this.#outlet = outlet;
    this.observe = outlet.observe;
    this.#frameLimit = frameLimit;
    this.#reader = new FrameReader(frameLimit);
    this.#dialogue = new Dialogue(policy, this);
  }

  /** Is a message under way, or an answer due? */
  get busy(): boolean {
    return this.#pending !== undefined || this.#dialogue.inMessage;
  }

  /** Octets, roughly, that wait behind a pending answer: a reason not to read on. */
  get backlog(): number {
    return this.#waitingOctets;
  }

  /** Takes what one read brought; the octets must not change afterwards. */
  receive(octets: Buffer): void {
    if (this.#over) return;
    this.#collecting = true;
    this.#reader.push(octets);
    this.#readFrames();
    this.#flush();
  }

  #readFrames(): void {
    const reader = this.#reader;
    while (!this.#over && reader.next()) {
      const command = parseCommand(reader);
      if (command.kind === 'broken') return this.drop(command.problem);
      const octets = reader.end - reader.start;
      if (command.kind === 'eom' && command.chunk.length > 0)
        this.#take({ kind: 'last-chunk', chunk: command.chunk }, octets);
      this.#take(command, octets);
    }
    if (!this.#over && reader.broken !== undefined) this.drop(reader.broken);
  }

  /** The connection is gone, for whatever reason: nothing is said any more. */
  end(): void {
    this.#over = true;
    this.#forget();
    this.#dialogue.endSession();
  }

  #take(step: DialogueStep, octets: number): void {
    if (!this.#pending) return this.#dialogue.perform(step);
    switch (step.kind) {
      case 'quit':
      case 'next-session':
      case 'negotiate':
        this.#forget();
        return this.#dialogue.perform(step);
      case 'abort':
        return this.#abort(step);
      default:
        this.#waiting.push(step);
        this.#waitingOctets += octets + waitingOverhead;
    }
  }

  #forget(): void {
    this.#pending = undefined;
    this.#waiting = [];
    this.#waitingOctets = 0;
  }

  /** What waits of the message is dropped with it; what waits of the session is not. */
  #abort(step: DialogueStep): void {
    this.#waiting = this.#waiting.filter(isOfSession);
    if (this.#pending?.ofMessage) this.#pending = undefined;
    this.#dialogue.perform(step);
    this.#performWaiting();
  }

  #performWaiting(): void {
    while (!this.#pending && !this.#over) {
      const step = this.#waiting.shift();
      if (!step) break;
      this.#dialogue.perform(step);
    }
    if (this.#waiting.length === 0) this.#waitingOctets = 0;
  }

  #flush(): void {
    this.#collecting = false;
    const [first, second] = this.#out;
    if (first === undefined) return;
    const octets = second === undefined ? first : Buffer.concat(this.#out);
    this.#out = [];
    this.#outlet.write(octets);
  }

  say(frame: Buffer): void {
    if (this.#over) return;
    this.#out.push(frame);
    if (!this.#collecting) this.#flush();
  }

  /** An answer that nobody waits for any more is dropped. */
  wait(answer: Promise<() => void>, ofMessage: boolean): void {
    const pending = { ofMessage };
    this.#pending = pending;
    void answer.then((settle) => {
      if (this.#pending !== pending) return;
      this.#pending = undefined;
      this.#collecting = true;
      settle();
      this.#performWaiting();
      this.#flush();
      if (!this.#over) this.#outlet.resumed();
    });
  }

  failed(event: string, error: unknown): void {
    this.#outlet.failed(event, error);
  }

  /** With its code, a frame holds one octet more. */
  agreedOn(maxData: number): void {
    this.#reader.limit = Math.max(this.#frameLimit, maxData + 1);
  }

  close(): void {
    this.#flush();
    this.end();
    this.#outlet.close();
  }

  drop(problem: string): void {
    this.#flush();
    this.end();
    this.#outlet.drop(problem);
  }
}

/**
 * Does a waiting command outlive the message? Macros do: some are the session's, and the next message replaces the
 * rest.
 */
const isOfSession = ({ kind }: DialogueStep): boolean => ['connect', 'helo', 'unknown', 'macros'].includes(kind);
