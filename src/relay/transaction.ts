/**
 * One mail over one connection to the MTA: who the client was, the envelope, the message, and the outcome. All
 * recipients or none: the end of data is never sent when one was refused. Connections and second tries are relay.ts's.
 */
import { errorText } from '../mail/error-text.js';
import type { MessageSource } from '../mail/message.js';
import { isTemporary, type Reply } from '../mail/reply.js';
import { repeatableHelo, xclientCommand, xforwardCommands, type ClientIdentity } from './client-identity.js';
import { mailCommand, rcptCommand, unsendable, type Envelope } from './envelope.js';
import { judgeEnvelope, type Refusal } from './judgement.js';
import { ConnectionLost, type MtaConnection } from './connection/mta-connection.js';
import { mtaReplyText, refusal, type MtaReply } from './connection/mta-reply.js';
import { sendMessage } from './send-message.js';

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

/**
 * Never rejects. Leaves `inTransaction` set where the MTA still has an open transaction. `report` gets what does not
 * stop the mail.
 */
export const handOver = (
  connection: MtaConnection,
  mail: RelayMail,
  report: (problem: string) => void,
): Promise<RelayOutcome> => new Handover(connection, mail, report).run();

class Handover {
  readonly #connection: MtaConnection;
  readonly #mail: RelayMail;
  readonly #report: (problem: string) => void;
  readonly #kept: boolean;
  /** How many replies the connection has heard when MAIL is answered. */
  #mailAnswered = Infinity;
  #begun = false;

  constructor(connection: MtaConnection, mail: RelayMail, report: (problem: string) => void) {
    this.#connection = connection;
    this.#mail = mail;
    this.#report = report;
    this.#kept = connection.uses++ > 0;
  }

  /** All steps are in this one function, so that a mail waits for the MTA's answers and for nothing else. */
  async run(): Promise<RelayOutcome> {
    const connection = this.#connection;
    try {
      if (!connection.extensions.has('XFORWARD')) await this.#impersonate();
      const size = this.#mail.head.length + this.#mail.message.size;
      const impossible = unsendable(this.#mail, size, connection.extensions);
      if (impossible) return { kind: 'refused', reply: impossible };
      const opening = this.#opening(size);
      const replies = await this.#converse(opening);
      const stopped = this.#stoppedBy(opening, replies);
      if (stopped) return stopped;
      const data = opening.isPipelined ? replies[opening.length] : (await connection.ask(['DATA']))[0];
      const refused = this.#refusedData(data);
      if (refused) return refused;
      this.#begun = true;
      return this.#judgeMessage(await sendMessage(connection, withHead(this.#mail)));
    } catch (error) {
      return this.#lost(error);
    }
  }

  #lost(error: unknown): RelayOutcome {
    const problem = errorText(error);
    // Not the MTA's fault: the message could not be read. Without its end of data the mail does not exist.
    if (!(error instanceof ConnectionLost)) this.#connection.drop(`cannot read the message: ${problem}`);
    const isStale = this.#kept && this.#connection.heard < this.#mailAnswered; // MAIL has no answer
    return isStale ? { kind: 'stale', problem } : { kind: 'unreachable', problem, elsewhere: !this.#begun };
  }

  /**
   * XCLIENT where there is no XFORWARD. A refusal does not stop the mail, but it may not go under another client's
   * name.
   */
  async #impersonate(): Promise<void> {
    const connection = this.#connection;
    if (connection.impersonation === undefined) return;
    const command = xclientCommand(this.#mail, connection.extensions.get('XCLIENT') ?? '');
    if (command === connection.impersonation) return;
    const [answer] = command === '' ? [] : await connection.ask([command]);
    const asAnother = answer?.code !== 220 && connection.impersonation !== '';
    if (asAnother) throw connection.drop('the MTA takes us for another client');
    if (answer && answer.code !== 220) this.#report(`XCLIENT was answered ${mtaReplyText(answer)}`);
    connection.impersonation = answer?.code === 220 ? command : undefined;
    // Whatever it answered: its session may have started anew (XCLIENT_README), and an EHLO too many does no harm.
    await connection.introduceAnew([this.#mail.helo].filter(repeatableHelo));
  }

  /**
   * All that is said before the message. DATA is pipelined (RFC 2920) for a single recipient only: with several, an
   * MTA that refused some of them answers it 354, and the connection would have to be thrown away.
   */
  #opening(size: number): Opening {
    const { extensions } = this.#connection;
    const { recipients } = this.#mail;
    const commands = [...xforwardCommands(this.#mail, extensions.get('XFORWARD') ?? '')];
    const forwards = commands.length;
    commands.push(mailCommand(this.#mail, size, extensions));
    for (const recipient of recipients) commands.push(rcptCommand(recipient, this.#mail.dsn, extensions));
    const isPipelined = recipients.length === 1 && extensions.has('PIPELINING');
    const length = commands.length;
    if (isPipelined) commands.push('DATA');
    return { commands, forwards, length, isPipelined };
  }

  /** Sends the commands in one go, or one by one where the MTA has no PIPELINING. */
  #converse({ commands, forwards }: Opening): Promise<readonly MtaReply[]> {
    const connection = this.#connection;
    this.#mailAnswered = connection.heard + forwards + 1;
    connection.inTransaction = true;
    return connection.extensions.has('PIPELINING') ? connection.ask(commands) : this.#oneByOne(commands);
  }

  /** Ends early behind a 421, or when MAIL is refused. */
  async #oneByOne(commands: readonly string[]): Promise<readonly MtaReply[]> {
    const connection = this.#connection;
    const replies: MtaReply[] = [];
    for (const command of commands) {
      const [answer] = await connection.ask([command]);
      if (answer) replies.push(answer);
      if (answer?.code === 421 || (connection.heard === this.#mailAnswered && refusal(answer))) break;
    }
    return replies;
  }

  /** Undefined where all of the envelope was taken. */
  #stoppedBy({ forwards, length }: Opening, replies: readonly MtaReply[]): RelayOutcome | undefined {
    if (this.#isFarewell(replies.at(-1))) return { kind: 'stale', problem: 'the MTA ended the idle session' };
    this.#reportRefused(replies.slice(0, forwards));
    const data = replies[length];
    if (this.#isUsedUp(replies[forwards])) return this.#leave(data);
    const first = Math.min(forwards, replies.length - 1); // a 421 to XFORWARD is the answer to all
    const refused = judgeEnvelope(replies.slice(first, length), this.#mail.recipients);
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
    if (refused && this.#connection.uses === 1) this.#report(`XFORWARD was answered ${mtaReplyText(refused)}`);
  }

  /** An MTA that took DATA all the same waits for a message that nobody may have, not even an empty one. */
  #withdraw(refused: Refusal, data: MtaReply | undefined): RelayOutcome {
    if (data?.code === 354) this.#connection.drop('DATA was accepted without a recipient');
    return refused;
  }

  #refusedData(answer: MtaReply | undefined): RelayOutcome | undefined {
    if (answer?.code === 354) return undefined;
    // RFC 5321 §4.3.2: 354 or a refusal. Whether an MTA that says 250 here waits for a message is anybody's guess.
    const ruling = refusal(answer);
    if (!ruling) throw this.#connection.drop('DATA was answered with success');
    return { kind: 'refused', reply: ruling, elsewhere: answer?.code === 421 };
  }

  #judgeMessage([answer]: readonly MtaReply[]): RelayOutcome {
    if (!answer) throw new ConnectionLost('no reply');
    this.#connection.inTransaction = false;
    if (answer.code === 250) return { kind: 'accepted', text: answer.text };
    const ruling = refusal(answer, '5.6.0');
    if (!ruling) throw this.#connection.drop(`the end of data was answered ${mtaReplyText(answer)}`);
    return { kind: isTemporary(ruling) ? 'refused' : 'message refused', reply: ruling };
  }
}

/** What is said to the MTA before the message. */
interface Opening {
  readonly commands: readonly string[];
  /** How many of them are XFORWARD. */
  readonly forwards: number;
  /** How many there are before DATA. */
  readonly length: number;
  /** DATA is one of them. */
  readonly isPipelined: boolean;
}

function withHead({ head, message }: RelayMail): readonly Buffer[] | AsyncIterable<Buffer> {
  const parts = message.parts();
  return Symbol.asyncIterator in parts ? headThen(head, parts) : [head, ...parts];
}

async function* headThen(head: Buffer, parts: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  yield head;
  yield* parts;
}
