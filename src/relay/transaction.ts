/**
 * One mail over one connection to the MTA: who the client was, the envelope, the message, and the outcome. All
 * recipients or none: the end of data is never sent when one was refused. Connections and second tries are errand.ts's.
 */
import { errorText } from '../mail/error-text.js';
import type { MessageSource } from '../mail/message.js';
import { isTemporary, type Reply } from '../mail/reply.js';
import { repeatableHelo, xclientCommand, xforwardCommands, type ClientIdentity } from './client-identity.js';
import { mailCommand, rcptCommand, unsendable, type Envelope } from './envelope.js';
import { judgeEnvelope, type Refusal } from './judgement.js';
import { type ReplyTaker, ConnectionLost, type MtaConnection } from './connection/mta-connection.js';
import { mtaReplyText, refusal, type MtaReply } from './connection/mta-reply.js';
import { sendInPieces, sendMessage, tooEarly } from './send-message.js';

export interface RelayMail extends ClientIdentity, Envelope {
  /** Our own fields, lines ending in CRLF, to stand on top of the message. */
  readonly head: Buffer;
  readonly message: MessageSource;
}

export type RelayOutcome =
  | { readonly kind: 'accepted'; readonly text: string }
  | Refusal
  /** A 5xx behind the message. */
  | { readonly kind: 'message refused'; readonly reply: Reply }
  /** `elsewhere`: the message had not been begun, so that another MTA may be tried. */
  | { readonly kind: 'unreachable'; readonly problem: string; readonly elsewhere: boolean }
  /** A kept connection turned out to be dead before the MTA said a word to MAIL: a fresh one may be tried. */
  | { readonly kind: 'stale'; readonly problem: string };

export interface HandoverOwner {
  /** What does not stop the mail. */
  report(problem: string): void;
  /** Once, perhaps at once. */
  done(outcome: RelayOutcome): void;
}

/** Leaves `inTransaction` set where the MTA still has an open transaction. */
export const handOver = (connection: MtaConnection, mail: RelayMail, owner: HandoverOwner): void =>
  new Handover(connection, mail, owner).begin();

/** What is answered next. */
type Awaits = 'nothing' | 'envelope' | 'DATA' | 'message';

/** It goes on whenever the MTA has answered: a mail waits for that, and for nothing else. */
class Handover implements ReplyTaker {
  readonly #connection: MtaConnection;
  readonly #mail: RelayMail;
  readonly #owner: HandoverOwner;
  #isOver = false;
  readonly #kept: boolean;
  #step: Awaits = 'nothing';
  /** How many replies the connection has heard when MAIL is answered. */
  #mailAnswered = 0;
  /** How many commands are XFORWARD, and how many there are before DATA. */
  #forwards = 0;
  #length = 0;

  constructor(connection: MtaConnection, mail: RelayMail, owner: HandoverOwner) {
    this.#connection = connection;
    this.#mail = mail;
    this.#owner = owner;
    this.#kept = connection.uses++ > 0;
  }

  begin(): void {
    try {
      const { offers, impersonation } = this.#connection;
      // XCLIENT is for where there is no XFORWARD.
      const wanted = offers.extensions.has('XFORWARD') ? '' : xclientCommand(this.#mail, offers.xclient);
      if (impersonation === wanted || impersonation === undefined) this.answered([]);
      else this.#goOn(this.#impersonate(wanted));
    } catch (error) {
      this.#broken(error);
    }
  }

  answered(replies: readonly MtaReply[]): void {
    try {
      const outcome = this.#proceed(replies);
      if (outcome) this.#end(outcome);
    } catch (error) {
      this.#broken(error);
    }
  }

  /** What does not go through `answered`: MTAs without PIPELINING, XCLIENT, and messages on disk. */
  #goOn(replies: Promise<readonly MtaReply[]>): void {
    replies.then(
      (answers) => this.answered(answers),
      (error: unknown) => this.#broken(error),
    );
  }

  lost(problem: string): void {
    const isBeforeMail = this.#step === 'nothing' || this.#connection.heard < this.#mailAnswered;
    const isStale = this.#kept && isBeforeMail;
    this.#end(
      isStale ? { kind: 'stale', problem } : { kind: 'unreachable', problem, elsewhere: this.#step !== 'message' },
    );
  }

  #broken(error: unknown): void {
    const problem = errorText(error);
    // Not the MTA's fault: the message could not be read. Without its end of data the mail does not exist.
    if (!(error instanceof ConnectionLost)) this.#connection.close(`cannot read the message: ${problem}`);
    this.lost(problem);
  }

  #end(outcome: RelayOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.done(outcome);
  }

  /** Undefined where more is to come. */
  #proceed(replies: readonly MtaReply[]): RelayOutcome | undefined {
    switch (this.#step) {
      case 'nothing':
        return this.#sayEnvelope();
      case 'envelope':
        return this.#stoppedBy(replies) ?? this.#sayData(replies[this.#length]);
      case 'DATA':
        return this.#sayMessage(replies[0]);
      case 'message':
        return this.#judgeMessage(replies[0]);
    }
  }

  /** A refusal does not stop the mail, but it may not go under another client's name. Nothing is awaited behind it. */
  async #impersonate(command: string): Promise<readonly MtaReply[]> {
    const connection = this.#connection;
    const answer = command === '' ? undefined : await connection.ask(command);
    const asAnother = answer?.code !== 220 && connection.impersonation !== '';
    if (asAnother) throw connection.drop('the MTA takes us for another client');
    if (answer && answer.code !== 220) this.#owner.report(`XCLIENT was answered ${mtaReplyText(answer)}`);
    connection.impersonation = answer?.code === 220 ? command : undefined;
    // Whatever it answered: its session may have started anew (XCLIENT_README), and an EHLO too many does no harm.
    await connection.introduceAnew([this.#mail.helo].filter(repeatableHelo));
    return [];
  }

  /**
   * All that is said before the message. DATA is pipelined (RFC 2920) for a single recipient only: with several, an
   * MTA that refused some of them answers it 354, and the connection would have to be thrown away.
   */
  #sayEnvelope(): RelayOutcome | undefined {
    const connection = this.#connection;
    const { offers } = connection;
    const { recipients, head, message, dsn } = this.#mail;
    const size = head.length + message.size;
    const impossible = unsendable(this.#mail, size, offers);
    if (impossible) return { kind: 'refused', reply: impossible };
    const commands = xforwardCommands(this.#mail, offers.xforward);
    this.#forwards = commands.length;
    commands.push(mailCommand(this.#mail, size, offers));
    for (const recipient of recipients) commands.push(rcptCommand(recipient, dsn, offers));
    this.#length = commands.length;
    this.#mailAnswered = connection.heard + this.#forwards + 1;
    connection.inTransaction = true;
    this.#step = 'envelope';
    if (!offers.pipelining) this.#goOn(this.#oneByOne(commands));
    else {
      if (recipients.length === 1) commands.push('DATA');
      connection.say(`${commands.join('\r\n')}\r\n`, commands.length, this);
    }
    return undefined;
  }

  /** Ends early behind a 421, or when MAIL is refused. */
  async #oneByOne(commands: readonly string[]): Promise<readonly MtaReply[]> {
    const connection = this.#connection;
    const replies: MtaReply[] = [];
    for (const command of commands) {
      const answer = await connection.ask(command);
      replies.push(answer);
      if (answer.code === 421 || (connection.heard === this.#mailAnswered && refusal(answer))) break;
    }
    return replies;
  }

  /** Undefined where all of the envelope was taken. */
  #stoppedBy(replies: readonly MtaReply[]): RelayOutcome | undefined {
    if (this.#isFarewell(replies.at(-1))) return { kind: 'stale', problem: 'the MTA ended the idle session' };
    if (this.#connection.uses === 1) this.#reportRefused(replies.slice(0, this.#forwards));
    const data = replies[this.#length];
    if (this.#isUsedUp(replies[this.#forwards])) return this.#leave(data);
    const first = Math.min(this.#forwards, replies.length - 1); // a 421 to XFORWARD is the answer to all
    const refused = judgeEnvelope(replies.slice(first, this.#length), this.#mail.recipients);
    return refused && this.#withdraw(refused, data);
  }

  /** A 421 that the MTA said to the idle session, and that crossed our commands. */
  #isFarewell(last: MtaReply | undefined): boolean {
    return this.#kept && last?.code === 421 && this.#connection.heard <= this.#mailAnswered;
  }

  /**
   * A 4xx to MAIL on a kept connection is no verdict on the mail: MTAs limit the mails of a session and leave it open
   * (OpenSMTPD says 452 after a hundred). A fresh connection is asked; what it says counts.
   */
  #isUsedUp(mail: MtaReply | undefined): boolean {
    return this.#kept && mail !== undefined && mail.code >= 400 && mail.code < 500;
  }

  #leave(data: MtaReply | undefined): RelayOutcome {
    if (data?.code === 354) this.#connection.drop('DATA was accepted without a sender');
    return { kind: 'stale', problem: 'the MTA takes no more mails in this session' };
  }

  /** XFORWARD, once a connection: the mail goes on without. */
  #reportRefused(forward: readonly MtaReply[]): void {
    const refused = forward.find(({ code }) => code !== 250);
    if (refused) this.#owner.report(`XFORWARD was answered ${mtaReplyText(refused)}`);
  }

  /** An MTA that took DATA all the same waits for a message that nobody may have, not even an empty one. */
  #withdraw(refused: Refusal, data: MtaReply | undefined): RelayOutcome {
    if (data?.code === 354) this.#connection.drop('DATA was accepted without a recipient');
    return refused;
  }

  #sayData(answer: MtaReply | undefined): RelayOutcome | undefined {
    if (answer) return this.#sayMessage(answer);
    this.#step = 'DATA';
    this.#connection.say('DATA\r\n', 1, this);
    return undefined;
  }

  #sayMessage(invitation: MtaReply | undefined): RelayOutcome | undefined {
    if (invitation?.code !== 354) return this.#refusedData(invitation);
    this.#step = 'message';
    const { head, message } = this.#mail;
    const parts = message.parts();
    if (Symbol.asyncIterator in parts) this.#goOn(sendInPieces(this.#connection, { head, parts }));
    else sendMessage(this.#connection, { head, parts, isDotless: message.isDotless === true }, this);
    return undefined;
  }

  #refusedData(answer: MtaReply | undefined): RelayOutcome {
    // RFC 5321 §4.3.2: 354 or a refusal. Whether an MTA that says 250 here waits for a message is anybody's guess.
    const ruling = refusal(answer);
    if (!ruling) throw this.#connection.drop('DATA was answered with success');
    return { kind: 'refused', reply: ruling, elsewhere: answer?.code === 421 };
  }

  #judgeMessage(answer: MtaReply | undefined): RelayOutcome {
    if (!answer) throw new ConnectionLost('no reply');
    if (this.#connection.isSending) tooEarly(this.#connection, answer);
    this.#connection.inTransaction = false;
    if (answer.code === 250) return { kind: 'accepted', text: answer.text };
    const ruling = refusal(answer, '5.6.0');
    if (!ruling) throw this.#connection.drop(`the end of data was answered ${mtaReplyText(answer)}`);
    return { kind: isTemporary(ruling) ? 'refused' : 'message refused', reply: ruling };
  }
}
