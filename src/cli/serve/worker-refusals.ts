/**
 * Refusals of the MTA with several workers: what one remembers, the primary tells the others, for a client may come
 * again to any.
 */
import type { Reply } from '../../mail/reply.js';
import type { Refusals } from '../../relay/refusals.js';
import { type Channel, news } from '../service/channel.js';
import type { Child } from '../service/child.js';

const refusing = news<readonly (readonly [recipient: string, reply: Reply])[]>('refused');

/**
 * The refusals as a worker has them: it tells the primary those that it hears from the MTA, and hears those of the
 * others.
 */
export function sharedRefusals(channel: Channel, own: Refusals): Pick<Refusals, 'remember' | 'recall'> {
  channel.hear(refusing, (refused) => own.remember(new Map(refused)));
  return {
    remember(refused) {
      own.remember(refused);
      channel.tell(refusing, [...refused]);
    },
    recall: (recipient) => own.recall(recipient),
  };
}

/** Passes refusals on, in the primary. */
export function passOnRefusals(from: Child, workers: () => readonly Child[]): void {
  from.channel.hear(refusing, (refused) => {
    for (const worker of workers()) if (worker !== from) worker.channel.tell(refusing, refused);
  });
}
