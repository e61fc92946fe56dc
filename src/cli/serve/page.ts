/** The quarantine page's process as `serve` keeps it. */
import type { Logger } from '../../log.js';
import type { Settings } from '../../settings/settings.js';
import type { WorkersNumbers } from '../metrics/workers-numbers.js';
import { news } from '../service/channel.js';
import { rotated } from '../service/child.js';
import { KeptChild } from './kept-child.js';
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

export interface PageToStart {
  readonly argv: readonly string[];
  readonly port: Port;
  readonly log: Logger;
  /** They are told what the page counts. */
  readonly numbers: WorkersNumbers;
}

export function startPage({ argv, port, log, numbers }: PageToStart): PageChild {
  let tell: (url: string | undefined) => void = () => {};
  const url = new Promise<string | undefined>((resolve) => (tell = resolve));
  const kept = new KeptChild({
    name: 'the quarantine page',
    program: { argv: ['web', ...argv], ports: [port] },
    log,
    started(page) {
      numbers.started(page, 'page');
      page.channel.hear(pageUp, tell);
    },
    ended: (page) => numbers.ended(page),
    gaveUp: () => tell(undefined),
  });
  return {
    url,
    reload: (settings) => kept.child?.channel.tell(newSettings, settings),
    reopen: () => kept.child?.channel.tell(rotated, undefined),
    stop: (withinMs) => kept.stop(withinMs),
  };
}
