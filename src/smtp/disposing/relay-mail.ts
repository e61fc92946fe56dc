/** A mail that nobody objects to, on its way to the local MTA, whose verdict is ours. */
import { performance } from 'node:perf_hooks';
import type { ClientName } from '../../hooks/plugin.js';
import { type Eventual, after } from '../../mail/eventual.js';
import { type Reply, isTemporary, reply, replyText } from '../../mail/reply.js';
import type { DestinationList } from '../../relay/destination/destination.js';
import { queueIdOf } from '../../relay/queue-id.js';
import type { RelayRequest, RelayResult } from '../../relay/relay.js';
import type { Disposition, RelayedAs } from '../journal-lines.js';
import { type RelayRecipients, recipientsToRelay } from '../recipients/new-recipients.js';
import type { Objection } from '../transaction.js';
import { archive } from './archive-mail.js';
import type { ReadMail } from './received-mail.js';
import { topFields } from './top-fields.js';

export const relay = (mail: ReadMail): Eventual<Disposition> =>
  after(mail.session.knownClientName ?? mail.session.clientName(), (clientName) => relayFrom(clientName, mail));

function relayFrom(clientName: ClientName, mail: ReadMail): Eventual<Disposition> {
  return after(recipientsToRelay(mail), (known) => {
    switch (known.kind) {
      case 'recipients':
        return relayTo(known, clientName, mail);
      case 'nobody':
        return archive(mail, nobodyLeft(known.plugin));
      case 'unknown':
        return { verdict: 'deferred', reply: known.reply, reason: known.problem };
    }
  });
}

const nobodyLeft = (plugin: string): Objection => {
  const reason = 'No recipient is left';
  return {
    plugin,
    rejection: { kind: 'reject', about: 'mail', enhanced: '5.7.1', reason, log: reason, discards: true },
  };
};

type KnownRecipients = Extract<RelayRecipients, { readonly kind: 'recipients' }>;

function relayTo({ recipients, to }: KnownRecipients, clientName: ClientName, mail: ReadMail): Eventual<Disposition> {
  const { transaction, services, session, edits } = mail;
  const { reversePath = transaction.sender.reversePath, body } = transaction.rewritten;
  const since = performance.now();
  if (to !== services.settings.relay) services.dsn.met(to); // a plugin may have named it
  const request: RelayRequest = {
    to,
    clientIp: session.clientIp,
    clientName: clientName.kind === 'confirmed' ? clientName.name : '',
    helo: session.helo,
    protocol: mail.protocol === 'SMTP' ? 'SMTP' : 'ESMTP',
    reversePath,
    recipients,
    smtputf8: transaction.sender.smtpUtf8,
    eightBit: transaction.sender.eightBit || (body?.some((octet) => octet > 127) ?? false),
    dsn: transaction.dsn,
    head: topFields(mail, {
      added: transaction.fields,
      time: Date.now(),
      clientName,
      recipient: transaction.recipients.length === 1 ? transaction.recipients[0] : undefined,
    }),
    message: edits.relayed(),
  };
  return after(services.relay.send(request), (result) => {
    const relayed = relayedAs(result, performance.now() - since, to);
    services.metrics.relayed(relayed.destination, relayEnd(result), relayed.ms / 1000);
    if (result.kind === 'accepted') tellRelayed(mail, result.text, relayed);
    if (result.kind === 'partly') services.refusals.remember(result.refused, to.text);
    if (result.kind !== 'message refused') return relayDisposition(result, relayed);
    return after(keepRefused(mail, result.reply), (kept) => ({ ...kept, relayed }));
  });
}

function tellRelayed({ transaction, plugins }: ReadMail, answer: string, { queue, destination }: RelayedAs): void {
  if (transaction.domain !== '') plugins.relayed(transaction, { answer, queueId: queue, destination });
}

/** Where the MTA takes only some recipients the mail is put off, for those it refuses. */
function relayEnd(result: RelayResult): 'accepted' | 'refused' | 'deferred' | 'unreachable' {
  switch (result.kind) {
    case 'refused':
      return isTemporary(result.reply) ? 'deferred' : 'refused';
    case 'message refused':
    case 'partly':
      return 'refused';
    case 'accepted':
    case 'unreachable':
      return result.kind;
  }
}

const relayedAs = (result: RelayResult, ms: number, to: DestinationList): RelayedAs => ({
  ms,
  destination: result.destination ?? to.text,
  queue: result.kind === 'accepted' ? queueIdOf(result.text) : undefined,
  refused: result.kind === 'partly' ? result.refused : undefined,
});

/**
 * What the local MTA will not have for what it holds is kept like what we refuse; mail without a hosted domain has no
 * quarantine.
 */
function keepRefused(mail: ReadMail, answer: Reply): Disposition | Promise<Disposition> {
  if (mail.transaction.domain === '') return refusedByMta(answer);
  const { code, enhanced, text } = answer;
  const log = `the local MTA refuses it: ${replyText(answer)}`;
  const rejection = { kind: 'reject', about: 'mail', enhanced, reason: text, log } as const;
  return archive(mail, { plugin: 'relay', rejection }, code);
}

const refusedByMta = (answer: Reply): Disposition => ({
  verdict: isTemporary(answer) ? 'deferred' : 'refused',
  reply: answer,
  reason: 'by the local MTA',
});

function relayDisposition(result: Exclude<RelayResult, { kind: 'message refused' }>, relayed: RelayedAs): Disposition {
  switch (result.kind) {
    case 'accepted':
      return { verdict: 'relayed', reply: reply(250, '2.0.0', result.text), relayed };
    case 'refused':
      return { ...refusedByMta(result.reply), relayed };
    case 'partly':
      return {
        verdict: 'deferred',
        reply: reply(451, '4.5.3', 'Some recipients cannot be served together, try again'),
        reason: `the local MTA refuses ${refusedText(result.refused)}`,
        relayed,
      };
    case 'unreachable':
      return {
        verdict: 'deferred',
        reply: reply(451, '4.4.1', 'Cannot deliver now, try again later'),
        reason: result.problem,
        relayed,
      };
  }
}

const refusedText = (replies: ReadonlyMap<string, Reply>): string =>
  [...replies].map(([to, answer]) => `${to}: ${replyText(answer)}`).join('; ');
