/**
 * One recipient while plugins look at it. What they say counts for the transaction only once the recipient is taken.
 */
import type { SeenRecipient } from '../../hooks/shown/seen.js';
import type { Recipient } from '../../hooks/plugin.js';
import type { NotedVerdict } from '../../hooks/run.js';
import type { Rejection } from '../../mail/verdict.js';
import type { Objection, SmtpTransaction } from '../transaction.js';

type RecipientFacts = Pick<SeenRecipient, 'recipient' | 'parameters' | 'askAhead'>;

export class RecipientJudgement implements SeenRecipient {
  readonly recipient: Recipient;
  readonly parameters: readonly string[] | undefined;
  readonly askAhead: SeenRecipient['askAhead'];
  readonly #transaction: SmtpTransaction;
  readonly #said: NotedVerdict[] = [];
  #objection: Objection | undefined;
  #route: string | undefined;

  constructor(transaction: SmtpTransaction, { recipient, parameters, askAhead }: RecipientFacts) {
    this.#transaction = transaction;
    this.recipient = recipient;
    this.parameters = parameters;
    this.askAhead = askAhead;
  }

  /** Why the recipient is refused. */
  get objection(): Objection | undefined {
    return this.#objection;
  }

  get rejection(): Rejection | undefined {
    return this.#objection?.rejection ?? this.#transaction.objection?.rejection;
  }

  get pardoned(): string | undefined {
    return this.#transaction.pardoned;
  }

  /** Where a plugin has sent this recipient. */
  get route(): string | undefined {
    return this.#route;
  }

  /** Those that were taken go another way, and one mail has one destination. */
  get isApart(): boolean {
    const { recipients, routeOfRecipients } = this.#transaction;
    return recipients.length > 0 && this.#route !== routeOfRecipients;
  }

  note(said: NotedVerdict): void {
    const { plugin, verdict } = said;
    if (verdict.kind === 'reject' && verdict.about === 'recipient') {
      this.#objection ??= { plugin, rejection: verdict };
      return;
    }
    if (verdict.kind === 'route') this.#route = verdict.to;
    if (verdict.kind === 'pardon' && verdict.lifts === 'all') this.#objection = undefined;
    this.#said.push(said);
  }

  /** The recipient is taken. */
  apply(): void {
    for (const said of this.#said) this.#transaction.noteOfRecipient(said);
  }
}
