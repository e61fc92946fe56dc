/**
 * What an MTA's commands mean to a filter, and what the filter's answers mean to the MTA. One command at a time: the
 * order of things, and waiting, is `session`.
 *
 * The order of commands is taken leniently, switched-off ones are simply absent. But a piece of a message without
 * MAIL is answered `tempfail`: no mail passes that the filter has not seen.
 */
import type { MilterCommand } from './command.js';
import { type ContextConnection, MilterSessionContext, TransactionContext } from './contexts.js';
import { Macros } from './macros.js';
import {
  type Agreement,
  agree,
  editActions,
  eventFlags,
  maxDataOf,
  type MilterFilter,
  type PreparedPolicy,
  protocol,
} from './negotiation.js';
import {
  type MilterClient,
  type EditKind,
  type FinalAnswer,
  type HeaderField,
  type MilterEvent,
  type Reaction,
  type Skip,
  type Transaction,
  proceed,
  tempfail,
} from './policy.js';
import { encodeAgreement, encodeAnswer, encodeEdits, frames } from './response.js';

/** Where a dialogue speaks. */
export interface Floor {
  say(frame: Buffer): void;
  /**
   * Waits for the filter's answer: the promise, which never rejects, brings the function that settles it. Until then no
   * command is performed.
   */
  wait(answer: Promise<() => void>, ofMessage: boolean): void;
  failed(event: string, error: unknown): void;
  close(): void;
  drop(problem: string): void;
  /** Octets of data that a frame may hold from now on. */
  agreedOn(maxData: number): void;
  readonly observe?: ((event: MilterObservation) => void) | undefined;
}

/** What is worth counting of every filter. */
export type MilterObservation =
  /** An SMTP session has begun, or is over. */
  | { readonly kind: 'session'; readonly change: 1 | -1 }
  /** The filter has settled a message; where a handler threw, the answer is `tempfail`. */
  | { readonly kind: 'message'; readonly transaction: Transaction; readonly answer: FinalAnswer };

/** A piece of the body that comes with the end of the message is a step of its own, without an answer of its own. */
export type DialogueStep = MilterCommand | { readonly kind: 'last-chunk'; readonly chunk: Uint8Array };

type DialogueStepOf<K extends DialogueStep['kind']> = Extract<DialogueStep, { kind: K }>;
type MessageStep = DialogueStepOf<'rcpt' | 'data' | 'header' | 'eoh' | 'body' | 'last-chunk' | 'eom'>;
type AskedEvent = MilterEvent | 'last-chunk';
type AnyAnswer = FinalAnswer | Skip;

/** A question to the filter that concerns the session. */
interface SessionQuestion {
  readonly step: DialogueStepOf<'connect' | 'helo' | 'unknown'>;
  readonly about: undefined;
}

/** A question to the filter about a message. */
interface MessageQuestion<S, T> {
  readonly step: DialogueStepOf<'mail'> | MessageStep;
  readonly about: TransactionContext<S, T>;
}

type FilterQuestion<S, T> = SessionQuestion | MessageQuestion<S, T>;

/** The octets of SMFIC_CONNECT, SMFIC_HELO and SMFIC_MAIL. */
const code = { connect: 0x43, helo: 0x48, mail: 0x4d } as const;
const nobody: MilterClient = { kind: 'unknown', name: '', ip: undefined };

export class Dialogue<S, T> implements ContextConnection {
  readonly macros = new Macros();
  readonly #filter: MilterFilter<S, T>;
  readonly #wished: Agreement;
  readonly #floor: Floor;
  #agreed: Agreement | undefined;
  #session: MilterSessionContext<S> | undefined;
  #transaction: TransactionContext<S, T> | undefined;
  /** The transaction whose end the filter is working on. Only while there is one may PROGRESS be said. */
  #ending: object | undefined;

  constructor({ filter, wished }: PreparedPolicy<S, T>, floor: Floor) {
    this.#filter = filter;
    this.#wished = wished;
    this.#floor = floor;
  }

  get inMessage(): boolean {
    return this.#transaction !== undefined && this.#transaction.settled === undefined;
  }

  offers(edit: EditKind): boolean {
    return ((this.#agreed?.actions ?? 0) & editActions[edit][0]) !== 0;
  }

  progressOf(transaction: object): void {
    if (this.#ending === transaction) this.#floor.say(frames.progress);
  }

  perform(step: DialogueStep): void {
    if (step.kind === 'negotiate') return this.#negotiate(step);
    if (!this.#agreed) return this.#floor.drop('a command before the negotiation');
    switch (step.kind) {
      case 'macros':
        return this.macros.set(step.code, step.definitions);
      case 'connect':
        return this.#connect(step);
      case 'helo':
        return this.#helo(step);
      case 'unknown':
        this.#begun();
        return this.#ask({ step, about: undefined });
      case 'mail':
        return this.#mail(step);
      case 'abort':
        this.#dropTransaction();
        return this.macros.clearBehind(code.helo);
      case 'quit':
        return this.#floor.close();
      case 'next-session':
        this.endSession();
        return this.macros.clear();
      default:
        return this.#ofMessage(step);
    }
  }

  #negotiate(offer: DialogueStepOf<'negotiate'>): void {
    this.endSession();
    this.macros.clear();
    this.#agreed = agree(this.#wished, offer);
    if (this.#agreed) {
      this.#floor.agreedOn(maxDataOf(this.#agreed));
      this.#floor.say(encodeAgreement(this.#agreed));
    } else this.#floor.drop(`protocol version ${offer.version}`);
  }

  #connect(step: DialogueStepOf<'connect'>): void {
    this.endSession();
    this.macros.clearBehind(code.connect);
    this.#begun(step.client);
    this.#ask({ step, about: undefined });
  }

  /** The session; where the MTA never said CONNECT, it begins here. */
  #begun(client: MilterClient = nobody): MilterSessionContext<S> {
    if (this.#session) return this.#session;
    const session = new MilterSessionContext<S>(this, client);
    this.#session = session;
    try {
      if (this.#filter.newSession) session.state = this.#filter.newSession();
      session.made = true;
      this.#floor.observe?.({ kind: 'session', change: 1 });
    } catch (error) {
      session.failed = true;
      this.#floor.failed('newSession', error);
    }
    return session;
  }

  #helo(step: DialogueStepOf<'helo'>): void {
    this.#dropTransaction();
    this.macros.clearBehind(code.helo);
    this.#begun().helo = step.name;
    this.#ask({ step, about: undefined });
  }

  #mail(step: DialogueStepOf<'mail'>): void {
    this.#dropTransaction();
    this.macros.clearBehind(code.mail);
    const about = new TransactionContext<S, T>(this.#begun(), step.sender);
    this.#transaction = about;
    this.#ask({ step, about });
  }

  #ofMessage(step: MessageStep): void {
    const about = this.#transaction;
    if (!about) return this.#say(step.kind, frames.tempfail);
    if (about.settled) return this.#say(step.kind, about.settled);
    return this.#ask({ step, about });
  }

  #handleOfSession({ step }: SessionQuestion): Reaction<AnyAnswer> {
    const filter = this.#filter;
    const session = this.#begun();
    switch (step.kind) {
      case 'connect':
        return filter.connect?.(session);
      case 'helo':
        return filter.helo?.(session);
      case 'unknown':
        return filter.unknown?.(session, step.line);
    }
  }

  #handleOfMessage({ step, about: transaction }: MessageQuestion<S, T>): Reaction<AnyAnswer> {
    const filter = this.#filter;
    switch (step.kind) {
      case 'mail':
        if (filter.newTransaction) transaction.state = filter.newTransaction(transaction.session);
        return filter.mail?.(transaction);
      case 'rcpt':
        return filter.rcpt?.(transaction, step.recipient);
      case 'data':
        return filter.data?.(transaction);
      case 'header':
        return transaction.skipsHeader ? proceed : filter.header?.(transaction, this.#asWished(step.field));
      case 'eoh':
        return filter.eoh?.(transaction);
      case 'body':
      case 'last-chunk':
        return transaction.skipsBody ? proceed : filter.body?.(transaction, step.chunk);
      case 'eom':
        this.#ending = transaction;
        return filter.eom?.(transaction);
    }
  }

  /** An MTA that does not offer leading spaces has taken one away. */
  #asWished(field: HeaderField): HeaderField {
    const lost = this.#filter.leadingSpace === true && !this.#granted(protocol.leadingSpace);
    return lost ? { name: field.name, value: ` ${field.value}` } : field;
  }

  #ask(question: FilterQuestion<S, T>): void {
    if (this.#session?.failed) return this.#settle(question, tempfail);
    let reaction: Reaction<AnyAnswer>;
    try {
      reaction = question.about ? this.#handleOfMessage(question) : this.#handleOfSession(question);
    } catch (error) {
      return this.#fail(question, error);
    }
    if (!(reaction instanceof Promise)) return this.#settle(question, reaction ?? proceed);
    const settled = reaction.then(
      (answer) => () => this.#settle(question, answer ?? proceed),
      (error: unknown) => () => this.#fail(question, error),
    );
    this.#floor.wait(settled, question.about !== undefined);
  }

  #settle(question: FilterQuestion<S, T>, answer: AnyAnswer): void {
    const {
      step: { kind: event },
      about,
    } = question;
    const goesOn = answer.kind === 'continue' && event !== 'eom';
    if (goesOn || this.#isSilent(event)) return this.#say(event, frames.continue);
    let said: readonly Buffer[];
    try {
      if (answer.kind === 'skip') {
        if (!isSkippable(event)) throw new Error(`skip is no answer to ${event}`);
        return this.#skip(question);
      }
      if (answer.kind === 'discard' && !about) throw new Error(`discard is no answer to ${event}`);
      said = event === 'eom' ? this.#final(answer) : [encodeAnswer(answer)];
    } catch (error) {
      return this.#fail(question, error);
    }
    const settles = about && endsMessage(event, answer);
    if (settles) this.#floor.observe?.({ kind: 'message', transaction: about, answer });
    if (event === 'eom') return this.#finish(said);
    const [frame = frames.tempfail] = said;
    if (settles) about.settled = frame;
    this.#say(event, frame);
  }

  /** SKIP is said for the body only: Sendmail knows it nowhere else. */
  #skip({ step: { kind: event }, about }: FilterQuestion<S, T>): void {
    if (about && event === 'header') about.skipsHeader = true;
    if (about && event === 'body') about.skipsBody = true;
    this.#say(event, event === 'body' && this.#granted(protocol.skip) ? frames.skip : frames.continue);
  }

  /** Where the MTA does not wait for this answer, it is told of the failure with the next answer that it waits for. */
  #fail({ step: { kind: event }, about }: FilterQuestion<S, T>, error: unknown): void {
    this.#floor.failed(event, error);
    const ends = event !== 'rcpt' || this.#isSilent(event);
    if (about && ends) this.#floor.observe?.({ kind: 'message', transaction: about, answer: tempfail });
    if (event === 'eom') return this.#finish([frames.tempfail]);
    if (about && ends) about.settled = frames.tempfail;
    if (!about && this.#isSilent(event) && this.#session) this.#session.failed = true;
    this.#say(event, frames.tempfail);
  }

  #final(answer: FinalAnswer): readonly Buffer[] {
    const verdict = encodeAnswer(answer);
    const { kind, edits = [] } = answer;
    if (edits.length === 0 || !this.#agreed || (kind !== 'continue' && kind !== 'accept')) return [verdict];
    const undeclared = edits.find((edit) => (editActions[edit.kind][0] & this.#wished.actions) === 0);
    if (undeclared) throw new Error(`the edit ${undeclared.kind} is not among the edits of the policy`);
    return [...encodeEdits(edits, this.#agreed), verdict];
  }

  #finish(said: readonly Buffer[]): void {
    this.#ending = undefined;
    this.#transaction = undefined;
    this.macros.clearBehind(code.helo);
    for (const frame of said) this.#floor.say(frame);
  }

  #say(event: AskedEvent, frame: Buffer): void {
    if (event !== 'last-chunk' && !this.#granted(eventFlags[event].unanswered)) this.#floor.say(frame);
  }

  #granted(bit: number): boolean {
    return ((this.#agreed?.protocol ?? 0) & bit) !== 0;
  }

  #isSilent(event: AskedEvent): boolean {
    return (this.#wished.protocol & eventFlags[event === 'last-chunk' ? 'body' : event].unanswered) !== 0;
  }

  #dropTransaction(): void {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    this.#ending = undefined;
    if (!transaction || transaction.settled) return;
    transaction.settled = frames.tempfail;
    transaction.end();
    this.#tell('abort', () => this.#filter.abort?.(transaction));
  }

  /** Cancels what is under way. */
  endSession(): void {
    this.#dropTransaction();
    const session = this.#session;
    this.#session = undefined;
    if (!session) return;
    session.end();
    if (session.made) this.#floor.observe?.({ kind: 'session', change: -1 });
    if (session.made) this.#tell('close', () => this.#filter.close?.(session));
  }

  #tell(event: string, handler: () => unknown): void {
    const failed = (error: unknown): void => this.#floor.failed(event, error);
    try {
      const told = handler();
      if (told instanceof Promise) told.catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}

/** Are there several of them in a message? */
const isSkippable = (event: AskedEvent): boolean => ['header', 'body', 'last-chunk'].includes(event);

/** A refusal at RCPT concerns that recipient. */
function endsMessage(event: AskedEvent, { kind }: AnyAnswer): boolean {
  if (event === 'eom') return true;
  if (kind === 'continue') return false;
  return event !== 'rcpt' || kind === 'accept' || kind === 'discard';
}
