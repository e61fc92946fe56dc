/**
 * One connection to a filter, and what both sides agreed on: sends what the filter wants to see, and waits only where
 * it answers. Leaves what an answer means for a mail to `filter-session`.
 */
import type { Eventual } from '../../mail/eventual.js';
import { editActions, eventFlags, protocol } from '../negotiation.js';
import type { Edit, MacroStage, MilterEvent } from '../policy.js';
import {
  type FilterAgreement,
  type FilterAnswer,
  type FilterSaid,
  clientOffer,
  parseAgreement,
  parseAnswer,
} from './answer.js';
import {
  type FilterMacros,
  type MacroLists,
  commands,
  encodeChunkHead,
  encodeMacros,
  encodeOffer,
  macroLists,
} from './commands.js';
import { FilterProblem, type SocketWire } from './socket-wire.js';

export interface FilterLimits {
  /** For an answer up to DATA. */
  readonly timeoutMs: number;
  /** For an answer behind DATA, and for any that the filter makes us wait for by PROGRESS. */
  readonly contentMs: number;
  /** Octets of a new body. */
  readonly maxBody: number;
}

/** Edits beside pieces of a new body. */
const maxEdits = 100;

/** Octets that are put together before they are sent, where no answer is due. */
const maxHeld = 65_536;

const going: FilterSaid = { kind: 'continue' };

export class FilterConversation {
  /** No answer is waited for beyond this moment, by performance.now(). */
  deadline = Infinity;
  readonly #wire: SocketWire;
  readonly #limits: FilterLimits;
  readonly #agreed: FilterAgreement;
  readonly #lists: MacroLists;
  /** What is said with the next write; texts are octets, one to a character. */
  #held: (string | Buffer)[] = [];
  #heldOctets = 0;

  private constructor(wire: SocketWire, limits: FilterLimits, agreed: FilterAgreement) {
    this.#wire = wire;
    this.#limits = limits;
    this.#agreed = agreed;
    this.#lists = macroLists(agreed.lists);
  }

  static async open(wire: SocketWire, limits: FilterLimits): Promise<FilterConversation> {
    await wire.send([encodeOffer(clientOffer)], limits.timeoutMs);
    const agreed = parseAgreement(await wire.hear(limits.timeoutMs));
    if (agreed.ok) return new FilterConversation(wire, limits, agreed.value);
    wire.drop();
    throw new FilterProblem('wrong', agreed.problem);
  }

  get alive(): boolean {
    return this.#wire.alive;
  }

  /** Header values are sent with the blank behind the colon, and come with it. */
  get leadingSpace(): boolean {
    return (this.#agreed.protocol & protocol.leadingSpace) !== 0;
  }

  get wantsRefusedRecipients(): boolean {
    return (this.#agreed.protocol & protocol.refusedRecipients) !== 0;
  }

  /** Is it shown such events? */
  wants(event: MilterEvent): boolean {
    if (event === 'data' && this.#agreed.version < 4) return false;
    return (this.#agreed.protocol & eventFlags[event].unsent) === 0;
  }

  /** Macros go even where the command itself does not: with the next one that does. The last value counts. */
  tell(stage: MacroStage, ...values: readonly FilterMacros[]): void {
    const macros = encodeMacros(stage, this.#lists, values);
    if (macros !== '') this.#hold(macros);
  }

  /**
   * Says a command before the end of the message, at once where the filter answers it, else with the next that it does
   * answer. `command` is made where the filter wants to see it.
   */
  ask(event: Exclude<MilterEvent, 'eom' | 'body' | 'unknown'>, command: () => string): Eventual<FilterSaid> {
    if (!this.wants(event)) return going;
    this.#hold(command());
    return this.#asked(event);
  }

  /** A piece of the body, where the filter wants to see it. */
  askPiece(octets: Buffer): Eventual<FilterSaid> {
    this.#hold(encodeChunkHead(octets.length));
    this.#hold(octets);
    return this.#asked('body');
  }

  #asked(event: Exclude<MilterEvent, 'eom' | 'unknown'>): Eventual<FilterSaid> {
    const isAnswered = (this.#agreed.protocol & eventFlags[event].unanswered) === 0;
    return isAnswered || this.#heldOctets > maxHeld ? this.#said(event, isAnswered) : going;
  }

  async #said(event: Exclude<MilterEvent, 'eom' | 'unknown'>, isAnswered: boolean): Promise<FilterSaid> {
    const limitMs = isContent(event) ? this.#limits.contentMs : this.#limits.timeoutMs;
    await this.#flush(limitMs);
    if (!isAnswered) return going;
    const answer = await this.#answer(limitMs, this.#latest());
    return answer.kind === 'edit' ? this.#breakOff(`an edit in answer to ${event}`) : answer;
  }

  /** Says that the message is over: the edits, and then the verdict. */
  async end(): Promise<{ readonly said: FilterSaid; readonly edits: readonly Edit[] }> {
    const { contentMs } = this.#limits;
    this.#hold(commands.eom);
    this.#wire.atEnd = true;
    await this.#flush(contentMs);
    const edits: Edit[] = [];
    const lateAt = this.#latest();
    let [count, octets] = [0, 0];
    for (;;) {
      const answer = await this.#answer(contentMs, lateAt);
      if (answer.kind !== 'edit') {
        this.#wire.atEnd = false;
        return { said: answer, edits };
      }
      const { edit } = answer;
      if ((editActions[edit.kind][0] & this.#agreed.actions) === 0 && !this.#addsRecipient(edit))
        return this.#breakOff(`the edit ${edit.kind}, which it had not asked for`);
      if (edit.kind === 'replace-body') octets += edit.body.length;
      else count++;
      if (octets > this.#limits.maxBody) return this.#breakOff(`a new body of over ${this.#limits.maxBody} octets`);
      if (count > maxEdits) return this.#breakOff(`over ${maxEdits} edits`);
      edits.push(this.#whole(edit));
    }
  }

  /** Header values with the blank behind the colon, which a filter leaves out where it has not asked for it. */
  #whole(edit: Edit): Edit {
    if (this.leadingSpace || !('value' in edit) || edit.value === '') return edit;
    return { ...edit, value: ` ${edit.value}` };
  }

  /** A recipient with parameters has an action of its own. */
  #addsRecipient({ kind }: Edit): boolean {
    return editActions[kind].some((action) => (action & this.#agreed.actions) !== 0);
  }

  /** When the answer to what is said now has to be there, however often PROGRESS comes. */
  #latest(): number {
    return Math.min(performance.now() + this.#limits.contentMs, this.deadline);
  }

  /** The next answer that is not PROGRESS; each PROGRESS sets the timer anew, but not beyond `lateAt`. */
  async #answer(limitMs: number, lateAt: number): Promise<Exclude<FilterAnswer, { kind: 'progress' | 'broken' }>> {
    for (;;) {
      const left = lateAt - performance.now();
      if (left <= 0) return this.#breakOff(`no answer within ${this.#limits.contentMs} ms`);
      const answer = parseAnswer(await this.#wire.hear(Math.min(limitMs, Math.ceil(left))));
      if (answer.kind === 'broken') return this.#breakOff(answer.problem);
      if (answer.kind !== 'progress') return answer;
    }
  }

  #breakOff(problem: string): never {
    this.#wire.drop();
    throw new FilterProblem('wrong', problem);
  }

  #hold(octets: string | Buffer): void {
    this.#heldOctets += octets.length;
    const last = this.#held.at(-1);
    if (typeof last === 'string' && typeof octets === 'string') this.#held[this.#held.length - 1] = last + octets;
    else this.#held.push(octets);
  }

  async #flush(limitMs: number): Promise<void> {
    if (this.#held.length === 0) return;
    await this.#wire.send(this.#take(), Math.min(limitMs, this.deadline - performance.now()));
  }

  #take(): readonly (string | Buffer)[] {
    const held = this.#held;
    this.#held = [];
    this.#heldOctets = 0;
    return held;
  }

  /** The message is broken off, and the filter forgets it. */
  async abort(): Promise<void> {
    this.#hold(commands.abort);
    await this.#flush(this.#limits.timeoutMs);
  }

  /**
   * The message is over, of which the filter has seen the end: it keeps nothing of it, and so is told with what comes
   * next. False where it makes no sense to go on.
   */
  abortLater(): boolean {
    if (this.#wire.isTalking) this.#wire.drop();
    this.#hold(commands.abort);
    return this.alive;
  }

  quit(): void {
    this.#hold(commands.quit);
    this.#wire.close(this.#take());
  }

  drop(): void {
    this.#wire.drop();
  }
}

const isContent = (event: MilterEvent): boolean => event === 'header' || event === 'eoh' || event === 'body';
