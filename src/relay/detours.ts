/** The destinations that a mail has tried in vain, and why. */
import { replyText } from '../mail/reply.js';
import type { AttemptOutcome } from './attempt.js';
import type { Way } from './destination/ways.js';

export class Detours {
  readonly tried: Way[] = [];
  readonly #problems: string[] = [];

  add(way: Way, outcome: AttemptOutcome): void {
    this.tried.push(way);
    const problem = outcome.kind === 'refused' ? replyText(outcome.reply) : 'problem' in outcome ? outcome.problem : '';
    this.#problems.push(`${way.destination.text}: ${problem}`);
  }

  get lastProblem(): string {
    return this.#problems.at(-1) ?? '';
  }

  /** Where none is left: what the last one said; where it said nothing, why each could not be reached. */
  settled(last: AttemptOutcome): AttemptOutcome {
    const isSilent = last.kind === 'unreachable' && this.tried.length > 1;
    return isSilent ? { ...last, problem: this.#problems.join('; ') } : last;
  }
}
