/**
 * The page's process as `serve` keeps it: started once the ports are open and privileges are gone, started anew when
 * it dies.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from '../../log.js';
import { exit } from '../exit-codes.js';
import type { WebReady } from '../web.js';

export interface WebChild {
  /** The page's address, once it is up; undefined when it will not be. */
  readonly url: Promise<string | undefined>;
  stop(): void;
}

const againMs = 5_000;

export function startWeb(argv: readonly string[], log: Logger): WebChild {
  let stopping = false;
  let child: ChildProcess | undefined;
  let tell: (url: string | undefined) => void = () => {};
  const url = new Promise<string | undefined>((resolve) => {
    tell = resolve;
  });
  const start = (): void => {
    if (stopping) return;
    child = fork(process.argv[1] ?? '', ['web', ...argv], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.on('message', (message: WebReady) => tell(message.url));
    child.on('exit', (code, signal) => {
      if (stopping) return;
      // What its own complaint says will not go away by itself: a port in use, a wrong setting.
      const isHopeless = code !== null && code >= exit.usage;
      log.error({ code, signal }, `the quarantine page ended: it is ${isHopeless ? 'not ' : ''}started again`);
      if (isHopeless) return tell(undefined);
      setTimeout(start, againMs).unref();
    });
    child.on('error', (error) => log.error({ err: error }, 'the quarantine page'));
  };
  start();
  return {
    url,
    stop() {
      stopping = true;
      child?.kill('SIGTERM');
    },
  };
}
