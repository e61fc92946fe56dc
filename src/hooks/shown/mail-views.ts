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
import { behind, type BehindSession, SessionContextView } from './session-views.js';

export const mailContext = (seen: SeenSession, transaction: SeenTransaction): MailContext =>
  Object.freeze(new MailContextView({ seen, transaction }));

export const envelopeContext = (seen: SeenSession, transaction: SeenTransaction): EnvelopeContext =>
  Object.freeze(new EnvelopeContextView({ seen, transaction, recipients: undefined }));

export const rcptContext = (seen: SeenSession, transaction: SeenTransaction, judged: SeenRecipient): RcptContext =>
  Object.freeze(new RcptContextView({ seen, transaction, recipients: undefined, judged, recipient: undefined }));

export const relayedContext = (
  seen: SeenSession,
  transaction: SeenTransaction,
  relayed: RelayedFacts,
): RelayedContext => Object.freeze(new RelayedContextView({ seen, transaction, recipients: undefined, relayed }));

interface BehindMail extends BehindSession {
  readonly transaction: SeenTransaction;
}

class MailContextView<B extends BehindMail = BehindMail> extends SessionContextView<B> implements MailContext {
  get id(): string {
    return behind(this).transaction.id;
  }
  get reversePath(): string {
    return behind(this).transaction.sender.reversePath;
  }
  get senderDomain(): string {
    return behind(this).transaction.sender.domain;
  }
  get parameters(): readonly string[] {
    return behind(this).transaction.sender.parameters ?? noParameters;
  }
  get notes(): Map<string, unknown> {
    return behind(this).transaction.notes;
  }
  override get found(): readonly PluginSaying[] {
    return behind(this).transaction.found;
  }
  override get log(): PluginLog {
    const { seen, transaction } = behind(this);
    return pluginLog(seen.turn.plugin, () => seen.log(transaction.id));
  }
}

const noParameters: readonly string[] = Object.freeze([]);

export interface BehindEnvelope extends BehindMail {
  /** The copies, once a plugin has asked for them. */
  recipients: readonly Recipient[] | undefined;
}

export class EnvelopeContextView<B extends BehindEnvelope = BehindEnvelope>
  extends MailContextView<B>
  implements EnvelopeContext
{
  get domain(): string {
    return behind(this).transaction.domain;
  }
  get recipients(): readonly Recipient[] {
    const own = behind(this);
    return (own.recipients ??= Object.freeze(own.transaction.recipients.map(copyOf)));
  }
  get rejection(): Rejection | undefined {
    return behind(this).transaction.objection?.rejection;
  }
  get pardoned(): string | undefined {
    return behind(this).transaction.pardoned;
  }
}

interface BehindRecipient extends BehindEnvelope {
  readonly judged: SeenRecipient;
  /** The copy, once a plugin has asked for it. */
  recipient: Recipient | undefined;
}

class RcptContextView extends EnvelopeContextView<BehindRecipient> implements RcptContext {
  override get domain(): string {
    return behind(this).judged.recipient.domain;
  }
  get recipient(): Recipient {
    const own = behind(this);
    return (own.recipient ??= copyOf(own.judged.recipient));
  }
  override get rejection(): Rejection | undefined {
    return behind(this).judged.rejection;
  }
  override get pardoned(): string | undefined {
    return behind(this).judged.pardoned;
  }
  get recipientParameters(): readonly string[] {
    return behind(this).judged.parameters ?? noParameters;
  }
  get askAhead(): RcptContext['askAhead'] {
    const { judged } = behind(this);
    return async () => deepFreeze(await judged.askAhead());
  }
}

interface BehindRelayed extends BehindEnvelope {
  readonly relayed: RelayedFacts;
}

class RelayedContextView extends EnvelopeContextView<BehindRelayed> implements RelayedContext {
  get answer(): string {
    return behind(this).relayed.answer;
  }
  get queueId(): string | undefined {
    return behind(this).relayed.queueId;
  }
  get destination(): string {
    return behind(this).relayed.destination;
  }
}

for (const view of [MailContextView, EnvelopeContextView, RcptContextView, RelayedContextView]) {
  Object.freeze(view);
  Object.freeze(view.prototype);
}
