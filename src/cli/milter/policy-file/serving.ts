/**
 * A filter of somebody else's, as a process serves it. It may throw, hang, or end the process: so it runs in workers,
 * however few, and a worker that does not know its state any more is replaced.
 */
import { consoleToLog } from '../../../hooks/plugin-console.js';
import { retiring } from '../../service/child.js';
import { keepAlive, outliveLateMistakes } from '../../service/late-mistakes.js';
import type { FilterTools, MilterRun, ServedFilter } from '../process.js';
import type { ServiceConfig } from '../service-config.js';
import { countedBy } from './counted.js';
import { loadPolicy, loadPolicyAnew, type PolicySource } from './load.js';
import type { AnyPolicy } from './read-policy.js';

export const servedFile = (config: ServiceConfig, source: PolicySource): MilterRun<unknown, unknown> => ({
  config,
  observe: countedBy,
  filter: async (tools) => {
    const release = guard(tools);
    const loaded = await loadPolicy(source);
    if (!loaded.ok) release();
    return loaded.ok
      ? { ok: true, value: new FilterFile({ source, policy: loaded.value, log: tools.log, release }) }
      : { ok: false, problem: [loaded.problem] };
  },
});

/**
 * From now on what the filter writes to the console is logged, and neither it nor its late mistakes end the process.
 * Returns what lets the process end.
 */
function guard({ log, side }: FilterTools): () => void {
  consoleToLog(log);
  outliveLateMistakes(log, () => side?.channel.tell(retiring, undefined));
  return keepAlive();
}

interface FilterParts {
  readonly source: PolicySource;
  readonly policy: AnyPolicy;
  readonly log: FilterTools['log'];
  /** Lets the process end. */
  readonly release: () => void;
}

class FilterFile implements ServedFilter<unknown, unknown> {
  readonly policy: AnyPolicy;
  readonly #source: PolicySource;
  readonly #log: FilterTools['log'];
  readonly close: () => void;

  constructor({ source, policy, log, release }: FilterParts) {
    this.#source = source;
    this.policy = policy;
    this.#log = log;
    this.close = release;
  }

  async reload(): Promise<AnyPolicy | undefined> {
    const loaded = await loadPolicyAnew(this.#source);
    if (loaded.ok) this.#log.info({}, `filter loaded anew from ${this.#source.file}`);
    else this.#log.error({}, `not reloaded, the old filter stays: ${loaded.problem}`);
    return loaded.ok ? loaded.value : undefined;
  }
}
