/**
 * Refusals of the MTA with several workers: what one remembers, the primary tells the others, for a client may come
 * again to any.
 */
import cluster, { type Worker } from 'node:cluster';
import type { Reply } from '../../mail/reply.js';
import type { Refusals } from '../../relay/refusals.js';

type News = { readonly postern: 'refused'; readonly refused: readonly (readonly [recipient: string, reply: Reply])[] };

/** In a worker: tells of what it is told, and hears of what others were. */
export function sharedRefusals(own: Refusals): Pick<Refusals, 'remember' | 'recall'> {
  process.on('message', ({ postern, refused }: News) => {
    if (postern === 'refused') own.remember(new Map(refused));
  });
  return {
    remember(refused) {
      own.remember(refused);
      if (process.connected) process.send?.({ postern: 'refused', refused: [...refused] } satisfies News);
    },
    recall: (recipient) => own.recall(recipient),
  };
}

/** In the primary. */
export function passOnRefusals(): void {
  cluster.on('message', (from: Worker, news: News) => {
    if (news.postern !== 'refused') return;
    for (const worker of Object.values(cluster.workers ?? {}))
      if (worker !== from && worker?.isConnected() === true) worker.send(news);
  });
}
