/** The embedded store of workers: the primary process has it, the workers ask it. */
import type { Embedded } from '../../store/embedded.js';
import type { Backend, Operation, StoreAnswer, Value } from '../../store/store.js';
import { type Channel, question } from '../service/channel.js';
import type { Child } from '../service/child.js';

const remembering = question<Operation, StoreAnswer<Value>>('store');

/** The store as a worker has it: it asks the primary. Where that does not answer, the store is down. */
export const primaryStore = (channel: Channel): Backend => ({
  run: (operation) =>
    channel.ask(remembering, operation, { otherwise: { ok: false, problem: 'the primary does not answer' } }),
  close: () => Promise.resolve(),
});

/** Answers workers, in the primary; the store is opened when one first asks. */
export function storeForWorkers(open: () => Embedded): {
  readonly answer: (worker: Child) => void;
  close(): Promise<void>;
} {
  let store: Embedded | undefined;
  return {
    answer: ({ channel }) =>
      channel.answer(remembering, (operation): StoreAnswer<Value> => ({
        ok: true,
        value: (store ??= open()).ask(operation),
      })),
    close: async () => store?.close(),
  };
}
