/**
 * The end of a transaction: judge the whole mail, then act. Rejected → archived, and only then 550; else → the local
 * MTA, and its verdict is ours. 250 never before the MTA's; what breaks is a 4xx.
 */
import { performance } from 'node:perf_hooks';
import type { ClientName, DataContext, SessionFacts } from '../hooks/plugin.js';
import type { HookOutcome } from '../hooks/run.js';
import { dataContext } from '../hooks/shown/data-view.js';
import { type Eventual, after } from '../mail/eventual.js';
import { type Header, parseHeader } from '../mail/header.js';
import { headlineOf } from '../mail/shown/headline.js';
import { type Reply, isTemporary, localProblem, reply, replyText, withLines } from '../mail/reply.js';
import { asciiText } from '../mail/text.js';
import type { Rejection } from '../mail/verdict.js';
import type { DestinationList } from '../relay/destination/destination.js';
import { queueIdOf } from '../relay/queue-id.js';
import type { RelayRequest, RelayResult } from '../relay/relay.js';
import { MailEdits } from './mail-edits.js';
import { type RelayRecipients, recipientsToRelay } from './recipients/new-recipients.js';
import type { IncomingMessage, IncomingProblem } from './message/incoming.js';
import { type Disposition, type EndedMail, mailLine, type RelayedAs } from './journal-lines.js';
import { logFields, pointsText } from './log-line.js';
import type { Services } from './services.js';
import type { SessionPlugins } from './session-plugins.js';
import type { TlsFacts } from './tls-facts.js';
import { type ClientFields, traceFields } from './trace-fields.js';
import type { Objection, SmtpTransaction, TransactionRecipient } from './transaction.js';

/** A mail that has been received to its end. */
export interface ReceivedMail {
  readonly transaction: SmtpTransaction;
  readonly message: IncomingMessage;
  readonly sawBareNewline: boolean;
  readonly services: Services;
  readonly plugins: SessionPlugins;
  /** SMTP, ESMTP, ESMTPS, UTF8SMTP, UTF8SMTPS (RFC 3848, RFC 6531 §4.3). */
  readonly protocol: string;
  readonly tls: TlsFacts | undefined;
  /** The client's part of the fields that go on top. */
  readonly clientFields: (name: ClientName) => ClientFields;
}

/**
 * Ends the transaction, logs its one line and writes that of the journal. May throw or reject where IO broke in a way
 * nobody foresaw: the caller defers.
 */
export function dispose(received: ReceivedMail): Eventual<Reply> {
  const mail = readMail(received);
  return after(unacceptable(mail) ?? judgeAndAct(mail), (disposition) => {
    const { log, journal } = received.services;
    const ended = endedMail(mail, disposition);
    log.infoMade(logFields(ended), disposition.verdict);
    count(mail, disposition);
    journal?.write(() => mailLine(ended));
    return disposition.reply;
  });
}

/** The same with its header parsed, once for all who look at it, and what plugins see of it. */
interface ReadMail extends ReceivedMail {
  readonly session: SessionFacts;
  readonly header: Header;
  readonly context: DataContext;
  readonly edits: MailEdits;
}

function readMail(received: ReceivedMail): ReadMail {
  const { transaction, services, message, plugins, sawBareNewline, protocol, tls, clientFields } = received;
  const header = parseHeader(message.header);
  const edits = new MailEdits({ transaction, header, message, authservId: services.settings.authserv_id });
  const context = dataContext(plugins, transaction, {
    header,
    message,
    editHeader: (edit) => edits.edit(edit),
    relayed: () => edits.shown(),
    isHosted: (domain) => services.srv.isHosted(domain),
    content: ({ archives }) => services.content.read(message, archives === true ? { kind: 'archives' } : undefined),
  });
  return {
    transaction,
    services,
    message,
    plugins,
    session: plugins.facts,
    sawBareNewline,
    protocol,
    tls,
    clientFields,
    header,
    context,
    edits,
  };
}

/** RFC 5321 §6.3: a mail that has been through so many servers is in a loop. */
const isLooping = ({ fields }: Header): boolean =>
  fields.length > maxHops && fields.filter(({ name }) => name === 'received').length > maxHops;

const maxHops = 100;

function unacceptable({ message, header, sawBareNewline, services }: ReadMail): Disposition | undefined {
  if (message.problem) return { ...problemDisposition(message.problem, services.settings.max_size) };
  if (sawBareNewline && services.settings.bare_newline === 'reject')
    return refused(reply(550, '5.6.0', 'Bare CR or LF in the message'));
  if (isLooping(header)) return refused(reply(554, '5.4.6', 'Too many hops'));
  return undefined;
}

const refused = (answer: Reply): Disposition => ({ verdict: 'refused', reply: answer, reason: answer.text });

function problemDisposition(problem: IncomingProblem, maxSize: number): Disposition {
  switch (problem.kind) {
    case 'too large':
      return refused(reply(552, '5.3.4', `Message too large, the limit is ${maxSize} octets`));
    case 'header too large':
      return refused(reply(552, '5.3.4', 'Message header too large'));
    case 'spool':
      return {
        verdict: 'deferred',
        reply: problem.full ? reply(452, '4.3.1', 'Insufficient system storage') : localProblem,
        reason: problem.log,
      };
  }
}

function judgeAndAct(mail: ReadMail): Eventual<Disposition> {
  // <postmaster> has no domain, no quarantine, and is never refused (RFC 5321 §4.5.1).
  if (mail.transaction.domain === '') return relay(mail);
  return after(
    settledBy('dataPost', mail),
    (settled) => settled ?? after(settledBy('queue', mail), (settledLate) => settledLate ?? relay(mail)),
  );
}

/** undefined: the mail may go on. */
function settledBy(hook: 'dataPost' | 'queue', mail: ReadMail): Eventual<Disposition | undefined> {
  const { transaction, context, plugins } = mail;
  return after(plugins.atEnd(hook, transaction, context), (outcome): Eventual<Disposition | undefined> => {
    const stopped = stopDisposition(outcome);
    const { objection } = transaction;
    if (stopped || objection || hook === 'queue') transaction.close();
    return stopped ?? (objection && archive(mail, objection));
  });
}

function stopDisposition(outcome: HookOutcome): Disposition | undefined {
  if (outcome.kind === 'go on') return undefined;
  if (outcome.kind === 'taken')
    return { verdict: 'taken', reply: outcome.reply, plugin: outcome.plugin, reason: outcome.log };
  return {
    verdict: isTemporary(outcome.reply) ? 'deferred' : 'refused',
    reply: outcome.reply,
    plugin: outcome.plugin,
    reason: outcome.log,
  };
}

/** One copy a recipient; the 550 is not said before all of it is on disk. */
async function archive(mail: ReadMail, objection: Objection, code = 550): Promise<Disposition> {
  const { transaction, services, session, header, edits } = mail;
  const clientName = session.knownClientName ?? (await session.clientName());
  const time = Date.now();
  const { reason, log, discards = false } = objection.rejection;
  const { spf } = transaction.authenticated;
  const { score } = transaction;
  const points = pointsText(transaction.points);
  const said = discards
    ? reply(250, '2.0.0', `Ok (${transaction.id})`)
    : refusal(objection.rejection, code, transaction.id);
  // Once for all copies.
  const archivedOnly = transaction.archivedFields.map(([name, value]) => [name, value()] as const);
  const added = [...transaction.fields, ...archivedOnly];
  const archived = await services.quarantine.archive({
    id: transaction.id,
    domain: transaction.domain,
    time: new Date(time),
    copies: transaction.recipients.map((recipient) => ({
      recipient: recipient.text,
      head: topFields(mail, { added, time, clientName, recipient, objection: recipient.objection ?? objection }),
    })),
    message: edits.archived(),
    about: {
      from: transaction.sender.reversePath,
      ...headlineOf(header),
      ip: session.clientIp.text,
      host: 'name' in clientName ? clientName.name : '',
      helo: session.helo,
      reason,
      plugin: objection.plugin,
      reply: replyText(said),
      ...(spf !== undefined && { spf }),
      ...(score !== undefined && { score }),
      ...(points !== undefined && { points }),
    },
  });
  if (archived.kind === 'archived') {
    return {
      verdict: discards ? 'discarded' : 'rejected',
      plugin: objection.plugin,
      reason: log,
      reply: said,
      ...(archived.filenames[0] !== undefined && { filename: archived.filenames[0] }),
    };
  }
  const answer = archived.full ? reply(452, '4.3.1', 'Insufficient system storage') : localProblem;
  return { verdict: 'deferred', plugin: objection.plugin, reason: `not archived: ${archived.problem}`, reply: answer };
}

/** A long reason does not cost the sender the ID, which stands at the end. */
function refusal({ enhanced, reason, further = [] }: Rejection, code: number, id: string): Reply {
  const lines = [reason, ...further].map((line) => asciiText(line, maxReason));
  const [first = '', ...more] = lines.map((line, i) => (i === further.length ? `${line} (${id})` : line));
  const answer = reply(code, enhanced, first);
  return more.length === 0 ? answer : withLines(answer, more);
}

/** It leaves room for the ID behind it. */
const maxReason = 380;

interface Top {
  /** Fields of plugins, in order. */
  readonly added: readonly (readonly [name: string, value: string])[];
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly clientName: ClientName;
  readonly recipient: TransactionRecipient | undefined;
  readonly objection?: Objection;
}

function topFields({ transaction, services, protocol, clientFields, edits }: ReadMail, top: Top): Buffer {
  const { recipient, objection } = top;
  const own = traceFields(clientFields(top.clientName), {
    id: transaction.id,
    time: top.time,
    protocol,
    reversePath: transaction.sender.reversePath,
    domain: transaction.domain,
    added: top.added,
    authservId: services.settings.authserv_id,
    authentication: transaction.authentication,
    recipient,
    dsn: objection && dsnText(transaction, recipient),
    rejection: objection && { plugin: objection.plugin, reason: objection.rejection.reason },
  });
  const { above } = edits;
  return above.length === 0 ? own : Buffer.concat([above, own]);
}

/** The words of MAIL and RCPT, a line for both. */
function dsnText({ dsn }: ReadMail['transaction'], recipient: TransactionRecipient | undefined): string | undefined {
  if (!dsn) return undefined;
  const ofRecipient = recipient && dsn.recipients.get(recipient.text);
  return [dsn.mail, ofRecipient ?? ''].flatMap((words) => words.trim() || []).join('\n\t');
}

const relay = (mail: ReadMail): Eventual<Disposition> =>
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

function endedMail(mail: ReadMail, disposition: Disposition): EndedMail {
  const { transaction, session, message, tls, header } = mail;
  const { id, clientIp, knownClientName, helo } = session;
  const client = { session: id, ip: clientIp.text, name: knownClientName, helo, tls };
  const ms = performance.now() - transaction.startedAt;
  return { client, transaction, header, size: message.size, ms, disposition };
}

function count(
  { transaction, services, message }: ReadMail,
  { verdict, reply: said, plugin, relayed }: Disposition,
): void {
  services.metrics.ended({
    verdict,
    reply: said,
    plugin,
    relayed,
    size: message.size,
    authenticated: transaction.authenticated,
    isNullSender: transaction.sender.reversePath === '',
    greylisted: transaction.greylisted,
  });
}
