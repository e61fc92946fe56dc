/**
 * `postern serve`: a primary that keeps `workers` processes. Start: settings, folders, certificate, ports, and only
 * then the user; plugins are the workers'. A problem stops the start with one line each and a code of sysexits.h.
 */
import { type Logger, createLogger } from '../../log.js';
import { loadPlugins } from '../../hooks/loading/load.js';
import { listenProblem } from '../service/listen-problem.js';
import { live } from '../service/life.js';
import { Signals } from '../service/signals.js';
import { isChild } from '../service/worker-side.js';
import { everyDestination } from '../../relay/destination/destination.js';
import type { Settings } from '../../settings/settings.js';
import { completeExample } from '../../trial/example.js';
import { sinkFolder } from '../../trial/trial-settings.js';
import { startSink } from '../../trial/sink.js';
import { banner } from './banner.js';
import { failed } from '../complain.js';
import { exit } from '../exit-codes.js';
import { type CommandLine, load } from '../load.js';
import { makeLogFile } from '../service/privileges.js';
import { foldersOf, listOf } from '../wire.js';
import { Primary } from './primary.js';
import { runWorker } from './worker.js';

/** Runs until it is stopped; returns the exit code. */
export async function serve(command: CommandLine): Promise<number> {
  const signals = new Signals();
  if (isChild) return runWorker(signals);
  const loaded = load(command);
  if (!loaded.ok) return failed(exit.config, loaded.problem);
  const { settings } = loaded.value;
  const unwritable = makeLogFile(settings);
  if (unwritable !== undefined) return failed(exit.config, [unwritable]);
  const log = createLogger(settings);
  const primary = new Primary({ command, settings, log });
  if (!command.argv.includes('--trial')) return live(primary, signals);
  const sink = await trialSink(settings, log);
  if (typeof sink === 'number') return sink;
  const code = await live(
    {
      account: settings,
      open: () => primary.open(),
      start: async () => (await primary.start()) ?? (await sayWhereItIs(settings, primary)),
      reload: () => primary.reload(),
      reopen: () => primary.reopen(),
      close: () => primary.close(),
    },
    signals,
  );
  await sink.close();
  return code;
}

async function sayWhereItIs(settings: Settings, primary: Primary): Promise<undefined> {
  const plugins = await loadPlugins(listOf(settings), foldersOf(settings));
  const page = await primary.pageUrl;
  process.stdout.write(banner({ settings, plugins: plugins.ok ? plugins.value : [], bound: primary.bound, page }));
}

async function trialSink({ relay, srv }: Settings, log: Logger): Promise<{ close(): Promise<void> } | number> {
  const [only, another] = everyDestination(relay);
  const at = another === undefined && only?.protocol === 'smtp' ? only.at : undefined;
  if (at?.kind !== 'tcp') return failed(exit.config, ['--trial runs the local MTA itself: relay must be host:port']);
  completeExample(srv);
  try {
    return await startSink({
      host: at.host,
      port: at.port,
      dir: sinkFolder(),
      log: (line) => log.debug({}, line),
    });
  } catch (error) {
    return failed(exit.unavailable, [
      `relay = ${relay.text}: the trial's local MTA cannot listen there: ${listenProblem(error)}; is a trial running already?`,
    ]);
  }
}
