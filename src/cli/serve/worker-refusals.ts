/**
 * Refusals of the MTA with several workers: what one remembers, the primary tells the others, for a client may come
 * again to any.
 */
import type { Reply } from '../../mail/reply.js';
import type { Refusals } from '../../relay/refusals.js';
import { type Channel, news } from '../service/channel.js';
import type { Child } from '../service/child.js';

interface HeardRefusals {
  readonly refused: readonly (readonly [recipient: string, reply: Reply])[];
  readonly where: string;
}

const refusing = news<HeardRefusals>('refused');

/**
 * The refusals as a worker has them: it tells the primary those that it hears from the MTA, and hears those of the
 * others.
 */
export function sharedRefusals(channel: Channel, own: Refusals): Pick<Refusals, 'remember' | 'recall'> {
  channel.hear(refusing, ({ refused, where }) => own.remember(new Map(refused), where));
  return {
    remember(refused, where) {
      own.remember(refused, where);
      channel.tell(refusing, { refused: [...refused], where });
    },
    recall: (recipient, where) => own.recall(recipient, where),
  };
}

/** Passes refusals on, in the primary. */
export function passOnRefusals(from: Child, workers: () => readonly Child[]): void {
  from.channel.hear(refusing, (heard) => {
    for (const worker of workers()) if (worker !== from) worker.channel.tell(refusing, heard);
  });
}
