/**
 * Asks one server after the other, and those that were silent again in each further round. A server that was given up
 * for the next may still answer: the first answer of any counts.
 */
import { abortProblem } from '../deadline.js';
import type { RecordType } from '../resolver.js';
import { askServer, type Asked, type ServerAnswer } from './ask-server.js';
import type { Gate } from './gate.js';
import type { Server, ServerList } from './servers.js';

/** How servers are asked. */
export interface HowToAsk {
  readonly list: ServerList;
  /** Milliseconds that a server may say nothing, before the next one is asked. */
  readonly tryMs: number;
  /** How often a silent server is asked; if more than once, the last time without EDNS, which some drop. */
  readonly tries: number;
  readonly overTcp: boolean;
  /** Bounds the sockets of all look-ups together. */
  readonly gate: Gate;
}

export interface AskedFor {
  /** It is in wire form. */
  readonly name: Buffer;
  readonly type: RecordType;
}

export async function askInTurn(asking: HowToAsk, question: AskedFor, signal: AbortSignal): Promise<ServerAnswer> {
  const entered = await asking.gate.enter(signal);
  if (!entered) return failed(abortProblem(signal));
  return new Promise((resolve) => new Inquiry(asking, question, { signal, resolve }).start());
}

const failed = (problem: string): ServerAnswer => ({ kind: 'failed', problem, silent: false });

interface Asker {
  readonly signal: AbortSignal;
  readonly resolve: (answer: ServerAnswer) => void;
}

class Inquiry {
  readonly #asking: HowToAsk;
  readonly #question: AskedFor;
  readonly #asker: Asker;
  readonly #turns: Iterator<ServerTurn>;
  /** The servers that were asked and may still answer, in this order. */
  readonly #listening = new Map<Server, Asked>();
  /** The servers whose answer is of no use: they are not asked twice. */
  readonly #refused = new Set<Server>();
  /** The server that is waited for. */
  #current: Server | undefined;
  #silence: NodeJS.Timeout | undefined;
  #problem = 'no name server';
  /** Places inside the gate: one for each socket. */
  #places = 1;

  constructor(asking: HowToAsk, question: AskedFor, asker: Asker) {
    this.#asking = asking;
    this.#question = question;
    this.#asker = asker;
    this.#turns = turns(asking.list.inOrder(), asking.tries);
  }

  start(): void {
    const { signal } = this.#asker;
    if (signal.aborted) return this.#onAbort();
    signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#silence = setTimeout(() => this.#onSilence(), this.#asking.tryMs);
    this.#askNext();
  }

  #askNext(): void {
    const { value, done } = this.#turns.next();
    if (done === true) return this.#finish(failed(this.#problem));
    if (this.#refused.has(value.server)) return this.#askNext();
    this.#current = value.server;
    this.#silence?.refresh();
    this.#ask(value);
  }

  #ask({ server, last }: ServerTurn): void {
    const asked = this.#listening.get(server);
    if (asked) return asked.again({ edns: !last });
    this.#makePlace();
    const { list, overTcp } = this.#asking;
    const how = { ...this.#question, server, edns: !last && list.knowsEdns(server), overTcp };
    const heard = (): void => void this.#silence?.refresh();
    this.#listening.set(
      server,
      askServer({ ...how, heard }, (answer) => this.#hear(server, answer)),
    );
  }

  /** When the gate is full, nobody waits for a second place: we stop listening to the server that was asked first. */
  #makePlace(): void {
    const [first] = this.#listening;
    if (!first || this.#listening.size < this.#places) return;
    if (this.#asking.gate.tryEnter()) this.#places++;
    else this.#forget(...first);
  }

  #forget(server: Server, asked: Asked): void {
    asked.end();
    this.#listening.delete(server);
  }

  #hear(server: Server, answer: ServerAnswer): void {
    this.#listening.delete(server);
    const isCurrent = server === this.#current;
    // A server that answers late stays among the silent ones: otherwise each look-up would wait for it.
    if (isCurrent) this.#asking.list.note(server, outcomeOf(answer));
    if (answer.kind === 'answered') return this.#finish(answer);
    if (!answer.silent) this.#refused.add(server);
    this.#problem = answer.problem;
    if (isCurrent) this.#askNext();
  }

  #onSilence(): void {
    if (this.#current) this.#asking.list.note(this.#current, 'silent');
    this.#problem = 'timed out';
    this.#askNext();
  }

  readonly #onAbort = (): void => this.#finish(failed(abortProblem(this.#asker.signal)));

  #finish(answer: ServerAnswer): void {
    clearTimeout(this.#silence);
    this.#asker.signal.removeEventListener('abort', this.#onAbort);
    for (const [server, asked] of this.#listening) this.#forget(server, asked);
    for (; this.#places > 0; this.#places--) this.#asking.gate.leave();
    this.#asker.resolve(answer);
  }
}

interface ServerTurn {
  readonly server: Server;
  /** It is true in the last of several rounds. */
  readonly last: boolean;
}

function* turns(servers: readonly Server[], tries: number): Generator<ServerTurn, undefined> {
  for (let round = 1; round <= tries; round++)
    for (const server of servers) yield { server, last: round > 1 && round === tries };
}

function outcomeOf(answer: ServerAnswer) {
  if (answer.kind === 'answered') return answer.plain ? 'answered without EDNS' : 'answered';
  return answer.silent ? 'silent' : 'refused';
}
