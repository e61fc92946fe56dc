/**
 * The quarantine page's process as `serve` keeps it: started when privileges are gone, started anew when it dies.
 */
import type { Logger } from '../../log.js';
import type { Settings } from '../../settings/settings.js';
import { exit } from '../exit-codes.js';
import type { WorkersNumbers } from '../metrics/workers-numbers.js';
import { news } from '../service/channel.js';
import { Child, rotated } from '../service/child.js';
import type { Port } from '../service/ports.js';

/** The page is up: its address, in a trial with a one-time token. */
export const pageUp = news<string>('page');
/** The settings as they were read anew. */
export const newSettings = news<Settings>('page settings');

export interface PageChild {
  /** The page's address, once it is up; undefined when it will not be. */
  readonly url: Promise<string | undefined>;
  reload(settings: Settings): void;
  /** Log files were rotated. */
  reopen(): void;
  stop(withinMs: number): Promise<void>;
}

const againMs = 5_000;

export interface PageToStart {
  readonly argv: readonly string[];
  readonly port: Port;
  readonly log: Logger;
  /** They are told what the page counts. */
  readonly numbers: WorkersNumbers;
}

export function startPage({ argv, port, log, numbers }: PageToStart): PageChild {
  let isStopping = false;
  let child: Child | undefined;
  let tell: (url: string | undefined) => void = () => {};
  const url = new Promise<string | undefined>((resolve) => (tell = resolve));
  const start = (): void => {
    if (isStopping) return;
    const page = new Child({ argv: ['web', ...argv], ports: [port] });
    child = page;
    numbers.started(page, 'page');
    child.channel.hear(pageUp, tell);
    void child.ended.then(({ code, signal }) => {
      child = undefined;
      numbers.ended(page);
      if (isStopping) return;
      // What its own complaint says will not go away by itself, such as a wrong setting.
      const isHopeless = code !== null && code >= exit.usage;
      log.error({ code, signal }, `the quarantine page ended: it is ${isHopeless ? 'not ' : ''}started again`);
      if (isHopeless) return tell(undefined);
      setTimeout(start, againMs).unref();
    });
  };
  start();
  return {
    url,
    reload: (settings) => child?.channel.tell(newSettings, settings),
    reopen: () => child?.channel.tell(rotated, undefined),
    async stop(withinMs) {
      isStopping = true;
      await child?.end(withinMs);
    },
  };
}
