/**
 * Whom RCPT names: may it be a recipient of the transaction? Says the reply, and adds to the transaction whoever may.
 * What plugins say of one is theirs (session-plugins), what it means for the others the transaction's.
 */
import type { Recipient } from '../../hooks/plugin.js';
import type { PathArgument } from '../../mail/address.js';
import { type Eventual, after } from '../../mail/eventual.js';
import { type Reply, constant, reply } from '../../mail/reply.js';
import type { Result } from '../../mail/result.js';
import type { DestinationList } from '../../relay/destination/destination.js';
import { addressOf, recipientOf } from '../command/envelope.js';
import type { AboutTransaction } from '../journal-lines.js';
import type { Services } from '../services.js';
import type { SessionPlugins } from '../session/session-plugins.js';
import type { SessionRecord } from '../session/session-record.js';
import type { Objection, RecipientKind, SmtpTransaction } from '../transaction.js';
import { destinationsOf, isFull, routed } from './destinations.js';
import { RecipientJudgement } from './recipient-judgement.js';

interface RcptOfSession {
  readonly services: Services;
  readonly plugins: SessionPlugins;
  readonly record: SessionRecord;
  /** The client may relay to anywhere. */
  readonly relaying: boolean;
}

export class Rcpt {
  readonly #services: Services;
  readonly #plugins: SessionPlugins;
  readonly #record: SessionRecord;
  readonly #relaying: boolean;

  constructor({ services, plugins, record, relaying }: RcptOfSession) {
    this.#services = services;
    this.#plugins = plugins;
    this.#record = record;
    this.#relaying = relaying;
  }

  answer(transaction: SmtpTransaction, argument: Result<PathArgument>, offersDsn: boolean): Eventual<Reply> {
    if (!argument.ok)
      return this.#declined(reply(501, '5.1.3', `Bad recipient address: ${argument.problem}`), { transaction });
    const { path } = argument.value;
    if (transaction.recipients.length >= this.#services.settings.max_recipients)
      return this.#declined(tooMany, { transaction, recipient: addressOf(path) });
    const asked = recipientOf(argument.value, transaction.sender.smtpUtf8, offersDsn);
    if (!asked.ok) return this.#declined(asked.problem, { transaction, recipient: addressOf(path) });
    const { address, parameters, dsn } = asked.value;
    const recipient = address ?? this.#postmaster();
    const named = { transaction, recipient, parameters };
    const answer = address ? this.#admit(named) : this.#add(named, 'postmaster');
    return dsn === ''
      ? answer
      : after(answer, (said) => {
          if (said.code === 250) transaction.askDsn(recipient.text, dsn);
          return said;
        });
  }

  #declined(answer: Reply, about: AboutTransaction): Reply {
    return this.#record.declined('rcpt', answer, about);
  }

  #postmaster(): Recipient {
    const text = this.#services.settings.postmaster?.text ?? 'postmaster';
    return { text, localPart: 'postmaster', domain: '' };
  }

  #admit(named: NamedRecipient): Eventual<Reply> {
    if (!this.#relaying) return this.#local(named);
    return isFull(named.transaction, named.recipient.text, this.#services.settings.relay)
      ? this.#declined(otherTransaction, named)
      : this.#add(named, 'relay');
  }

  /**
   * A recipient that is not of a hosted domain is refused at once, whatever the whitelists say: never an open relay.
   */
  #local(named: NamedRecipient): Eventual<Reply> {
    const { transaction, recipient } = named;
    const services = this.#services;
    let to: DestinationList;
    try {
      if (!services.srv.isHosted(recipient.domain)) return this.#record.relayingDenied(relayingDenied, named);
      to = destinationsOf(recipient.domain, services);
      if (to !== services.settings.relay) services.dsn.met(to);
    } catch (error) {
      return this.#record.broken(error, 'rcpt', named);
    }
    const isOther = transaction.kind !== undefined && transaction.domain !== recipient.domain;
    if (isOther || isFull(transaction, recipient.text, to)) return this.#declined(otherTransaction, named);
    const known = services.refusals.recall(recipient.text, to.text);
    return known ? this.#record.refusedByMta(known, named) : this.#judged(named, to);
  }

  #judged(named: NamedRecipient, to: DestinationList): Eventual<Reply> {
    const { transaction, recipient, parameters } = named;
    const judgement = new RecipientJudgement(transaction, {
      recipient,
      parameters,
      askAhead: () => this.#services.relay.probe(recipient.text, to),
    });
    return after(this.#plugins.atRcpt(transaction, judgement), (stopped) => {
      if (stopped) return stopped;
      const { objection } = judgement;
      if (judgement.isApart || isFull(transaction, recipient.text, routed(judgement.route) ?? to))
        return this.#declined(otherTransaction, named);
      const answer = this.#add(named, objection ? 'refused' : 'deliverable', objection);
      if (answer.code === 250) judgement.apply();
      return answer;
    });
  }

  #add(named: NamedRecipient, kind: RecipientKind, objection?: Objection): Reply {
    const { text, localPart, domain } = named.recipient;
    const policyDomain = kind === 'relay' ? '' : domain;
    const added = named.transaction.add({ text, localPart, domain, objection }, kind, policyDomain);
    return added ? recipientOk : this.#declined(otherTransaction, named);
  }
}

/** A recipient as RCPT names it. */
interface NamedRecipient {
  readonly transaction: SmtpTransaction;
  readonly recipient: Recipient;
  readonly parameters: readonly string[] | undefined;
}

const recipientOk = constant(reply(250, '2.1.5', 'Recipient ok'));
const tooMany = reply(452, '4.5.3', 'Too many recipients');
const otherTransaction = reply(452, '4.5.3', 'Send this recipient in a transaction of its own');
const relayingDenied = reply(550, '5.7.1', 'Relaying denied');
