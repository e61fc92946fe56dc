/**
 * One connection to a filter, and what both sides agreed on: sends what the filter wants to see, and waits only where
 * it answers. Leaves what an answer means for a mail to `filter-session`.
 */
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
import { type FilterMacros, commands, encodeMacros, encodeOffer } from './commands.js';
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
  readonly #wire: SocketWire;
  readonly #limits: FilterLimits;
  readonly #agreed: FilterAgreement;
  #held: Buffer[] = [];
  #heldOctets = 0;

  private constructor(wire: SocketWire, limits: FilterLimits, agreed: FilterAgreement) {
    this.#wire = wire;
    this.#limits = limits;
    this.#agreed = agreed;
  }

  static async open(wire: SocketWire, limits: FilterLimits): Promise<FilterConversation> {
    await wire.send(encodeOffer(clientOffer), limits.timeoutMs);
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

  /** Macros go even where the command itself does not: with the next one that does. */
  tell(stage: MacroStage, values: FilterMacros): void {
    const macros = encodeMacros(stage, this.#agreed.lists, values);
    if (macros) this.#hold(macros);
  }

  /** Says a command before the end of the message. */
  async ask(event: Exclude<MilterEvent, 'eom' | 'unknown'>, command: Buffer): Promise<FilterSaid> {
    if (!this.wants(event)) return going;
    this.#hold(command);
    const limitMs = isContent(event) ? this.#limits.contentMs : this.#limits.timeoutMs;
    if ((this.#agreed.protocol & eventFlags[event].unanswered) !== 0) {
      if (this.#heldOctets > maxHeld) await this.#flush(limitMs);
      return going;
    }
    await this.#flush(limitMs);
    const answer = await this.#answer(limitMs, performance.now() + this.#limits.contentMs);
    return answer.kind === 'edit' ? this.#breakOff(`an edit in answer to ${event}`) : answer;
  }

  /** Says that the message is over: the edits, and then the verdict. */
  async end(): Promise<{ readonly said: FilterSaid; readonly edits: readonly Edit[] }> {
    const { contentMs } = this.#limits;
    this.#hold(commands.eom);
    this.#wire.atEnd = true;
    await this.#flush(contentMs);
    const edits: Edit[] = [];
    const lateAt = performance.now() + contentMs;
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
      edits.push(edit);
    }
  }

  /** A recipient with parameters has an action of its own. */
  #addsRecipient({ kind }: Edit): boolean {
    return editActions[kind].some((action) => (action & this.#agreed.actions) !== 0);
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

  #hold(frame: Buffer): void {
    this.#held.push(frame);
    this.#heldOctets += frame.length;
  }

  async #flush(limitMs: number): Promise<void> {
    const [only, ...more] = this.#held;
    if (only === undefined) return;
    const octets = more.length === 0 ? only : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldOctets = 0;
    await this.#wire.send(octets, limitMs);
  }

  /** The message is over, for whatever reason: the filter forgets it. */
  async abort(): Promise<void> {
    this.#hold(commands.abort);
    await this.#flush(this.#limits.timeoutMs);
  }

  quit(): void {
    this.#wire.close(Buffer.concat([...this.#held, commands.quit]));
  }

  drop(): void {
    this.#wire.drop();
  }
}

const isContent = (event: MilterEvent): boolean => event === 'header' || event === 'eoh' || event === 'body';
