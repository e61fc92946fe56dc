/**
 * A store that is read from and never written to: what is changed is changed in a copy beside it, which is forgotten.
 */
import { Embedded } from './embedded.js';
import type { Backend, Operation, StoreAnswer, Value } from './store.js';

/** Long enough for whoever tries something out. */
const copyMs = 3_600_000;

export class Overlay implements Backend {
  readonly #below: Backend;
  readonly #copy = new Embedded({ file: undefined });

  constructor(below: Backend) {
    this.#below = below;
  }

  async run(operation: Operation): Promise<StoreAnswer<Value>> {
    const { key } = operation;
    if (this.#copy.ask({ kind: 'get', key }) === undefined) {
      const known = await this.#below.run({ kind: 'get', key });
      if (!known.ok) return known;
      if (known.value !== undefined) this.#copy.ask({ kind: 'claim', key, value: known.value, lifeMs: copyMs });
    }
    return this.#copy.run(operation);
  }

  close(): Promise<void> {
    return this.#below.close();
  }
}
