/**
 * `postern serve`: one process, or a primary that keeps `workers` of them. Start: settings, plugins, folders,
 * certificate, port, and only then the user. A problem stops the start with one line each and a code of sysexits.h.
 */
import cluster from 'node:cluster';
import { consoleToLog } from '../../hooks/plugin-console.js';
import { type Logger, createLogger } from '../../log.js';
import type { Settings } from '../../settings/settings.js';
import type { Services } from '../../smtp/services.js';
import { completeExample } from '../../trial/example.js';
import { sinkFolder } from '../../trial/trial-settings.js';
import { startSink } from '../../trial/sink.js';
import { banner } from './banner.js';
import { exit } from '../exit-codes.js';
import { listenProblem } from '../service/listen-problem.js';
import { type CommandLine, load } from '../load.js';
import { startWeb, type WebChild } from './web-child.js';
import { runProcess } from './process.js';
import { superviseWorkers } from './supervise.js';
import { failed } from '../complain.js';

/** Runs until it is stopped; the exit code. */
export async function serve(command: CommandLine): Promise<number> {
  const loaded = load(command);
  if (!loaded.ok) return failed(exit.config, loaded.problem);
  const [extra] = loaded.value.rest.filter((word) => word !== '--trial');
  if (extra !== undefined) return failed(exit.usage, [`serve takes no "${extra}"`]);
  const { settings } = loaded.value;
  const log = createLogger(settings);
  consoleToLog(log);
  const trial = command.argv.includes('--trial');
  const sink = trial && cluster.isPrimary ? await trialSink(settings, log) : undefined;
  if (typeof sink === 'number') return sink;
  const says = trial && (cluster.worker?.id ?? 1) === 1;
  const page = cluster.isPrimary && settings.web !== undefined ? startWeb(process.argv.slice(3), log) : undefined;
  const url = says ? pageUrl(page) : undefined;
  const listening = (services: Services, bound: readonly string[]): void =>
    void url?.then((address) => process.stdout.write(banner(services, bound, address)));
  const code =
    cluster.isPrimary && settings.workers > 1
      ? await superviseWorkers({ command, settings, log })
      : await runProcess({ command, settings, log, listening });
  page?.stop();
  await sink?.close();
  return code;
}

type PageMessage = { readonly postern: 'page'; readonly url: string | undefined };

/** The page's address, with the trial's token; a worker is told it by the primary, which has the page. */
function pageUrl(page: WebChild | undefined): Promise<string | undefined> {
  if (cluster.isWorker)
    return new Promise((resolve) => {
      process.on('message', (message: PageMessage) => message.postern === 'page' && resolve(message.url));
    });
  const url = page?.url ?? Promise.resolve(undefined);
  cluster.on('online', (worker) => {
    void url.then((text) => worker.isConnected() && worker.send({ postern: 'page', url: text } satisfies PageMessage));
  });
  return url;
}

async function trialSink({ relay, srv }: Settings, log: Logger): Promise<{ close(): Promise<void> } | number> {
  if (relay.kind !== 'tcp') return failed(exit.config, ['--trial runs the local MTA itself: relay must be host:port']);
  completeExample(srv);
  try {
    return await startSink({
      host: relay.host,
      port: relay.port,
      dir: sinkFolder(),
      log: (line) => log.debug({}, line),
    });
  } catch (error) {
    return failed(exit.unavailable, [
      `relay = ${relay.host}:${relay.port}: the trial's local MTA cannot listen there: ${listenProblem(error)}; is a trial running already?`,
    ]);
  }
}
