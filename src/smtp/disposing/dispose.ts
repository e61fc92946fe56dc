/**
 * The end of a transaction: judge the whole mail, then act. Rejected → archived, and only then 550 (archive-mail);
 * else → the local MTA, and its verdict is ours (relay-mail). 250 never before the MTA's; what breaks is a 4xx.
 */
import { performance } from 'node:perf_hooks';
import type { HookOutcome } from '../../hooks/run.js';
import { type Eventual, after } from '../../mail/eventual.js';
import type { Header } from '../../mail/header.js';
import { type Reply, isTemporary, localProblem, reply } from '../../mail/reply.js';
import { type Disposition, type EndedMail, mailLine } from '../journal-lines.js';
import { logFields } from '../log-line.js';
import type { IncomingProblem } from '../message/incoming.js';
import { archive } from './archive-mail.js';
import { type ReadMail, type ReceivedMail, readMail } from './received-mail.js';
import { relay } from './relay-mail.js';

/** What the client is told, and what writes the mail's line to the log and to the journal. */
export interface Disposed {
  readonly reply: Reply;
  readonly tell: () => void;
}

/** Ends the transaction. May throw or reject where IO broke in a way nobody foresaw: the caller defers. */
export function dispose(received: ReceivedMail): Eventual<Disposed> {
  const mail = readMail(received);
  return after(unacceptable(mail) ?? judgeAndAct(mail), (disposition) => {
    const { log, journal } = received.services;
    const ended = endedMail(mail, disposition);
    count(mail, disposition);
    return {
      reply: disposition.reply,
      tell: () => {
        journal?.write(() => mailLine(ended));
        log.infoMade(logFields(ended), disposition.verdict);
      },
    };
  });
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

function endedMail(mail: ReadMail, disposition: Disposition): EndedMail {
  const { transaction, session, message, header } = mail;
  const ms = performance.now() - transaction.startedAt;
  return { session, transaction, header, size: message.size, ms, disposition };
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
