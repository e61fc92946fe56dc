/**
 * `postern milter`: verifies senders for an MTA by the milter protocol, in the place of spf-milter(8): its options, its
 * file. One process, or a primary that keeps `workers` of them.
 */
import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { printable } from '../mail/text.js';
import { exit } from './exit-codes.js';
import { type CommandLine, complain } from './load.js';
import { loadMilterConfig } from './milter-config.js';
import { milterHelp, type MilterOptions, readMilterOptions } from './milter-options.js';
import { runMilter } from './milter-process.js';
import { superviseMilter } from './milter-workers.js';
import { version } from './package-root.js';

const defaultFile = '/etc/spf-milter.conf';

/** Runs until it is stopped; the exit code. */
export async function milter({ argv, env }: CommandLine): Promise<number> {
  const read = readMilterOptions(argv);
  if (!read.ok) return failed(exit.usage, read.problems);
  const { options } = read;
  if (options.action === 'help') return say(milterHelp);
  if (options.action === 'version') return say(`postern ${version}\n`);
  if (options.policy !== 'verify') return failed(exit.usage, [policyProblem(options)]);
  const file = options.file ?? (env['SPF_MILTER_CONFIG_FILE'] || defaultFile);
  const load = () =>
    loadMilterConfig({
      file,
      options: options.given,
      readFile: (path) => readFileSync(path, 'utf8'),
      ...(hasInheritedSocket(env) && { inherited: 'fd:3' }),
    });
  const loaded = load();
  if (!loaded.ok) return failed(exit.config, loaded.problems);
  if (options.action === 'check') return say(`postern: ${file} is good\n`);
  if (options.action === 'print') return say(loaded.text);
  const run = { config: loaded.config, file, load };
  return cluster.isPrimary && loaded.config.workers > 1 ? superviseMilter(run) : runMilter(run);
}

const policyProblem = ({ policy }: MilterOptions): string =>
  policy === 'submission'
    ? 'milter --policy submission is not part of this version; verify is the only policy'
    : `milter has no policy "${printable(policy, 60)}"; verify is the only one`;

/** sd_listen_fds(3): the first is 3. A worker's socket is its primary's. */
function hasInheritedSocket(env: CommandLine['env']): boolean {
  const owner = cluster.isWorker ? process.ppid : process.pid;
  return Number(env['LISTEN_FDS']) >= 1 && Number(env['LISTEN_PID']) === owner;
}

function say(text: string): number {
  process.stdout.write(text);
  return exit.ok;
}

function failed(code: number, problems: readonly string[]): number {
  complain(problems);
  return code;
}
