/** What is told of a filter of somebody else's: counts, and one line of the log at the end of each message. */
import type { MilterObservation } from '../../../milter/dialogue.js';
import type { FinalAnswer } from '../../../milter/policy.js';
import type { FilterTools } from '../process.js';

const texts = {
  passed: 'message passed',
  held: 'message held',
  refused: 'message refused',
  deferred: 'message deferred',
  discarded: 'message discarded',
} as const;

type MessageEnd = keyof typeof texts;

function verdictOf(answer: FinalAnswer): MessageEnd {
  switch (answer.kind) {
    case 'reject':
      return 'refused';
    case 'tempfail':
      return 'deferred';
    case 'reply':
      return answer.code < 500 ? 'deferred' : 'refused';
    case 'discard':
      return 'discarded';
    case 'continue':
    case 'accept':
      return answer.edits?.some(({ kind }) => kind === 'quarantine') === true ? 'held' : 'passed';
  }
}

/** Counts what a server observes, and logs each message. */
export const countedBy =
  ({ log, counts }: Pick<FilterTools, 'log' | 'counts'>) =>
  (event: MilterObservation): void => {
    if (event.kind === 'session') return counts.session(event.change);
    const { transaction, answer } = event;
    const verdict = verdictOf(answer);
    counts.message(verdict);
    const { session, sender, queueId } = transaction;
    const said = answer.kind === 'reply' ? { code: answer.code, reply: answer.text } : {};
    return log.info({ id: queueId, ip: session.client.ip?.text, from: sender.address, ...said }, texts[verdict]);
  };
