/** The contexts of a transaction before its mail is read, and of a mail that was relayed. */
import { deepFreeze } from '../../mail/frozen.js';
import type { Rejection } from '../../mail/verdict.js';
import type {
  EnvelopeContext,
  MailContext,
  PluginLog,
  PluginSaying,
  RcptContext,
  Recipient,
  RelayedContext,
} from '../contexts.js';
import { copyOf } from './copies.js';
import { pluginLog } from './plugin-log.js';
import type { RelayedFacts, SeenRecipient, SeenSession, SeenTransaction } from './seen.js';
import { SessionContextView } from './session-views.js';

export const mailContext = (seen: SeenSession, transaction: SeenTransaction): MailContext =>
  Object.freeze(new MailContextView(seen, transaction));

export const envelopeContext = (seen: SeenSession, transaction: SeenTransaction): EnvelopeContext =>
  Object.freeze(new EnvelopeContextView(seen, transaction));

export const rcptContext = (seen: SeenSession, transaction: SeenTransaction, judged: SeenRecipient): RcptContext =>
  Object.freeze(new RcptContextView(seen, transaction, judged));

export const relayedContext = (
  seen: SeenSession,
  transaction: SeenTransaction,
  relayed: RelayedFacts,
): RelayedContext => Object.freeze(new RelayedContextView(seen, transaction, relayed));

class MailContextView extends SessionContextView implements MailContext {
  readonly #transaction: SeenTransaction;
  readonly #seen: SeenSession;

  constructor(seen: SeenSession, transaction: SeenTransaction) {
    super(seen);
    this.#seen = seen;
    this.#transaction = transaction;
  }

  get id(): string {
    return this.#transaction.id;
  }
  get reversePath(): string {
    return this.#transaction.sender.reversePath;
  }
  get senderDomain(): string {
    return this.#transaction.sender.domain;
  }
  get parameters(): readonly string[] {
    return this.#transaction.sender.parameters ?? noParameters;
  }
  get notes(): Map<string, unknown> {
    return this.#transaction.notes;
  }
  override get found(): readonly PluginSaying[] {
    return this.#transaction.found;
  }
  override get log(): PluginLog {
    const [seen, { id }] = [this.#seen, this.#transaction];
    return pluginLog(seen.turn.plugin, () => seen.log(id));
  }
}

const noParameters: readonly string[] = Object.freeze([]);

export class EnvelopeContextView extends MailContextView implements EnvelopeContext {
  readonly #transaction: SeenTransaction;
  #recipients: readonly Recipient[] | undefined;

  constructor(seen: SeenSession, transaction: SeenTransaction) {
    super(seen, transaction);
    this.#transaction = transaction;
  }

  get domain(): string {
    return this.#transaction.domain;
  }
  get recipients(): readonly Recipient[] {
    return (this.#recipients ??= Object.freeze(this.#transaction.recipients.map(copyOf)));
  }
  get rejection(): Rejection | undefined {
    return this.#transaction.objection?.rejection;
  }
  get pardoned(): string | undefined {
    return this.#transaction.pardoned;
  }
}

class RcptContextView extends EnvelopeContextView implements RcptContext {
  readonly #judged: SeenRecipient;
  readonly #recipient: Recipient;

  constructor(seen: SeenSession, transaction: SeenTransaction, judged: SeenRecipient) {
    super(seen, transaction);
    this.#judged = judged;
    this.#recipient = copyOf(judged.recipient);
  }

  override get domain(): string {
    return this.#recipient.domain;
  }
  get recipient(): Recipient {
    return this.#recipient;
  }
  override get rejection(): Rejection | undefined {
    return this.#judged.rejection;
  }
  override get pardoned(): string | undefined {
    return this.#judged.pardoned;
  }
  get recipientParameters(): readonly string[] {
    return this.#judged.parameters ?? noParameters;
  }
  get askAhead(): RcptContext['askAhead'] {
    return async () => deepFreeze(await this.#judged.askAhead());
  }
}

class RelayedContextView extends EnvelopeContextView implements RelayedContext {
  readonly #relayed: RelayedFacts;

  constructor(seen: SeenSession, transaction: SeenTransaction, relayed: RelayedFacts) {
    super(seen, transaction);
    this.#relayed = relayed;
  }

  get answer(): string {
    return this.#relayed.answer;
  }
  get queueId(): string | undefined {
    return this.#relayed.queueId;
  }
  get destination(): string {
    return this.#relayed.destination;
  }
}

for (const view of [MailContextView, EnvelopeContextView, RcptContextView, RelayedContextView]) {
  Object.freeze(view);
  Object.freeze(view.prototype);
}
