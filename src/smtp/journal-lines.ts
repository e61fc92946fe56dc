/**
 * What the journal says of a mail when it is dealt with, and of a client that is turned away before that. Leaves files,
 * floods and counting tries to the journal.
 */
import { performance } from 'node:perf_hooks';
import type { ClientName, SessionFacts } from '../hooks/plugin.js';
import type { JournalLine, JournalStage, JournalVerdict } from '../journal/line.js';
import type { Header } from '../mail/header.js';
import { isoTime } from '../lines/iso-time.js';
import { type Reply, isTemporary, replyText } from '../mail/reply.js';
import { headlineOf } from '../mail/shown/headline.js';
import { tlsLogText } from './tls-facts.js';
import type { SmtpTransaction } from './transaction.js';

/** What is known of a client at any time. */
export type JournalSession = Pick<SessionFacts, 'id' | 'clientIp' | 'knownClientName' | 'helo' | 'tls'>;

/** A mail that has been read to its end, and what became of it. */
export interface EndedMail {
  readonly session: JournalSession;
  readonly transaction: SmtpTransaction;
  readonly header: Header;
  /** Octets. */
  readonly size: number;
  /** How long it took, from the beginning of the transaction. */
  readonly ms: number;
  readonly disposition: Disposition;
}

/** What became of a mail. */
export interface Disposition {
  readonly verdict: 'relayed' | 'taken' | 'rejected' | 'discarded' | 'deferred' | 'refused';
  readonly reply: Reply;
  readonly plugin?: string;
  readonly reason?: string;
  /** In the quarantine. */
  readonly filename?: string;
  /** Set where the local MTA was asked. */
  readonly relayed?: RelayedAs;
}

export interface RelayedAs {
  readonly ms: number;
  readonly destination: string;
  readonly queue?: string | undefined;
  /** Recipients that the MTA refused by themselves. */
  readonly refused?: ReadonlyMap<string, Reply> | undefined;
}

/** All keys are there, in one order: an object made so costs a tenth of one that is put together. */
export function mailLine({ session, transaction, header, size, ms, disposition }: EndedMail): JournalLine {
  const { verdict, plugin, reason, relayed, filename } = disposition;
  const { subject, headerFrom, messageId } = headlineOf(header);
  const { spf, dkim, dmarc } = transaction.authenticated;
  return {
    time: isoTime(Date.now() - (performance.now() - transaction.startedAt)),
    id: transaction.id,
    session: session.id,
    node: undefined,
    verdict,
    stage: 'dot',
    domain: transaction.domain,
    from: transaction.sender.reversePath,
    header_from: headerFrom === '' ? undefined : headerFrom,
    to: transaction.recipients.map(({ text }) => ({ address: text, reply: rcptReply(relayed?.refused?.get(text)) })),
    subject: subject === '' ? undefined : subject,
    'message-id': messageId === '' ? undefined : messageId,
    ip: session.clientIp.text,
    host: hostOf(session.knownClientName),
    helo: session.helo === '' ? undefined : session.helo,
    tls: session.tls ? tlsLogText(session.tls) : 'no',
    sni: session.tls?.sni,
    plugin,
    reason,
    reply: replyText(disposition.reply),
    said: transaction.said.length === 0 ? undefined : transaction.said,
    spf,
    dkim,
    dmarc,
    score: transaction.score,
    size,
    ms: Math.round(ms),
    relay_ms: relayed && Math.round(relayed.ms),
    queue: relayed?.queue,
    destination: relayed?.destination,
    tries: undefined,
    filename,
  };
}

const rcptReply = (refused: Reply | undefined): string =>
  refused === undefined ? '250 2.1.5 Recipient ok' : replyText(refused);

const hostOf = (name: ClientName | undefined): string | undefined =>
  name?.kind === 'confirmed' ? name.name : undefined;

/** Whom the words were about, where there is somebody. */
export interface AboutTransaction {
  readonly transaction?: SmtpTransaction | undefined;
  readonly recipient?: { readonly text: string; readonly domain: string } | undefined;
  /** The reverse-path, where there is no transaction yet. */
  readonly from?: string | undefined;
}

export interface TurnedAway extends AboutTransaction {
  readonly stage: JournalStage;
  readonly verdict: JournalVerdict;
  readonly reply: Reply;
  readonly plugin?: string | undefined;
  readonly reason: string;
}

export function turnedAwayLine(session: JournalSession, away: TurnedAway): JournalLine {
  const { stage, verdict, transaction, recipient, plugin, reason } = away;
  const reply = replyText(away.reply);
  return {
    time: isoTime(Date.now()),
    id: transaction?.id,
    session: session.id,
    node: undefined,
    verdict,
    stage,
    // Where we are no server for the domain, it is nobody's here.
    domain: recipient && (verdict === 'turned away' ? '' : recipient.domain),
    from: transaction?.sender.reversePath ?? away.from,
    to: recipient && [{ address: recipient.text, reply }],
    ip: session.clientIp.text,
    host: hostOf(session.knownClientName),
    helo: session.helo === '' ? undefined : session.helo,
    tls: session.tls ? tlsLogText(session.tls) : 'no',
    sni: session.tls?.sni,
    plugin,
    reason,
    reply,
    said: transaction?.said,
    score: transaction?.score,
    tries: undefined,
  };
}

/** At RCPT the mail is one of ours, and is put off or refused; whoever does not come that far is turned away. */
export function verdictAt(stage: JournalStage, answer: Reply): JournalVerdict {
  if (stage !== 'rcpt' && stage !== 'data') return 'turned away';
  return isTemporary(answer) ? 'deferred' : 'refused';
}
