/** What handlers see of a session and of a transaction. The protocol's side of them is `session`. */
import type { Macros } from './macros.js';
import type { MilterClient, EditKind, EnvelopePath, Session, Transaction } from './policy.js';

/** What a context asks of the connection it belongs to. */
export interface ContextConnection {
  readonly macros: Macros;
  offers(edit: EditKind): boolean;
  progressOf(transaction: object): void;
}

/** An abort signal that is made only for those who ask. */
class Ending {
  #controller: AbortController | undefined;
  #over = false;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#over) this.#controller.abort();
    return this.#controller.signal;
  }

  end(): void {
    this.#over = true;
    this.#controller?.abort();
  }
}

export class MilterSessionContext<S> extends Ending implements Session<S> {
  readonly client: MilterClient;
  helo: string | undefined;
  /** Given by the filter's `newSession`, before any handler sees it. */
  state!: S;
  /** Its state has been made, so the filter is told when it ends. */
  made = false;
  /** Something broke that the MTA could not be told at once: no mail of this session passes. */
  failed = false;
  readonly #connection: ContextConnection;

  constructor(connection: ContextConnection, client: MilterClient) {
    super();
    this.#connection = connection;
    this.client = client;
  }

  macro(name: string): string | undefined {
    return this.#connection.macros.get(name);
  }

  offers(edit: EditKind): boolean {
    return this.#connection.offers(edit);
  }

  progressOf(transaction: object): void {
    this.#connection.progressOf(transaction);
  }
}

export class TransactionContext<S, T> extends Ending implements Transaction<S, T> {
  readonly session: MilterSessionContext<S>;
  readonly sender: EnvelopePath;
  /** Given by the filter's `newTransaction`, before any handler sees it. */
  state!: T;
  /** The answer that settled it, as a frame: given again to whatever the MTA still sends of this message. */
  settled: Buffer | undefined;
  /** The filter wants to see no more header fields. */
  skipsHeader = false;
  skipsBody = false;

  constructor(session: MilterSessionContext<S>, sender: EnvelopePath) {
    super();
    this.session = session;
    this.sender = sender;
  }

  macro(name: string): string | undefined {
    return this.session.macro(name);
  }

  get queueId(): string | undefined {
    return this.session.macro('i');
  }

  progress(): void {
    this.session.progressOf(this);
  }
}
