/** The embedded store with several workers: the primary process has it, the workers ask it. */
import cluster, { type Worker } from 'node:cluster';
import type { Embedded } from '../../store/embedded.js';
import type { Backend, Operation, StoreAnswer, Value } from '../../store/store.js';

type StoreQuestion = { readonly postern: 'store'; readonly id: number; readonly operation: Operation };
type StoredAnswer = { readonly postern: 'stored'; readonly id: number; readonly value: Value };

const answerMs = 1000;

/** In a worker. */
export function primaryStore(): Backend {
  const waiting = new Map<number, (answer: StoreAnswer<Value>) => void>();
  let last = 0;
  const hear = (answer: StoredAnswer): void => {
    if (answer.postern === 'stored') waiting.get(answer.id)?.({ ok: true, value: answer.value });
  };
  process.on('message', hear);
  return {
    run: (operation) =>
      new Promise((resolve) => {
        const id = ++last;
        const settle = (answer: StoreAnswer<Value>): void => {
          clearTimeout(timer);
          waiting.delete(id);
          resolve(answer);
        };
        const timer = setTimeout(() => settle({ ok: false, problem: 'the primary does not answer' }), answerMs);
        waiting.set(id, settle);
        const gone = (error: Error | null): void => void (error && settle({ ok: false, problem: error.message }));
        if (!process.connected) return gone(new Error('the primary is gone'));
        process.send?.({ postern: 'store', id, operation } satisfies StoreQuestion, undefined, undefined, gone);
      }),
    close() {
      process.off('message', hear);
      return Promise.resolve();
    },
  };
}

/** In the primary: opened when a worker first asks. */
export function storeForWorkers(open: () => Embedded): { close(): Promise<void> } {
  let store: Embedded | undefined;
  cluster.on('message', (worker: Worker, { postern, id, operation }: StoreQuestion) => {
    if (postern !== 'store') return;
    store ??= open();
    if (worker.isConnected())
      worker.send({ postern: 'stored', id, value: store.ask(operation) } satisfies StoredAnswer);
  });
  return { close: async () => store?.close() };
}
