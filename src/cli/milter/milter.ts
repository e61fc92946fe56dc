/**
 * `postern milter`: filters for an MTA by the milter protocol. `verify` is in the place of spf-milter(8): its
 * options, its file; one process, or a primary that keeps `workers` of them. `submission` is in the place of
 * sos-milter. The name of a file stands for the filter in it.
 */
import { resolve } from 'node:path';
import { printable } from '../../mail/text.js';
import { readText } from '../../settings/read-text.js';
import { exit } from '../exit-codes.js';
import type { CommandLine } from '../load.js';
import { loadMilterConfig } from './verify-sender/config.js';
import { milterHelp, type MilterOptions, readMilterOptions } from './options.js';
import { runMilter } from './process.js';
import { servedVerification } from './verify-sender/serving.js';
import { superviseMilter } from './workers.js';
import { version } from '../package-root.js';
import { handedOver } from '../service/handed-over.js';
import { Signals } from '../service/signals.js';
import { isChild } from '../service/worker-side.js';
import { loadService } from './policy-file/config.js';
import { loadPolicy } from './policy-file/load.js';
import { servedFile } from './policy-file/serving.js';
import { loadSubmission } from './submission/config.js';
import { submissionHelp } from './submission/help.js';
import { runSubmission } from './submission/process.js';
import { complain, failed } from '../complain.js';

const defaultFile = '/etc/spf-milter.conf';

/** Runs until it is stopped; returns the exit code. */
export async function milter({ argv, env }: CommandLine): Promise<number> {
  const signals = new Signals();
  const read = readMilterOptions(argv);
  if (!read.ok) return failed(exit.usage, read.problem);
  const { value: options } = read;
  if (options.action === 'version') return say(`postern ${version}\n`);
  if (/[./]/.test(options.policy)) return fileMilter(options, env, signals);
  if (options.words.length > 0)
    return failed(exit.usage, ['words behind -- are for a filter of your own, --policy FILE']);
  if (options.policy === 'submission') return submissionMilter(options, env, signals);
  if (options.policy !== 'verify') return failed(exit.usage, [policyProblem(options)]);
  if (options.action === 'help') return say(milterHelp);
  const file = options.file ?? (env['SPF_MILTER_CONFIG_FILE'] || defaultFile);
  const [inherited] = handedOver(env);
  const load = () =>
    loadMilterConfig({
      file,
      options: options.given,
      readFile: readText,
      ...(inherited !== undefined && { inherited: `fd:${inherited}` }),
    });
  const loaded = load();
  if (!loaded.ok) return failed(exit.config, loaded.problem);
  if (options.action === 'check') return say(`postern: ${printable(file)} is good\n`);
  if (options.action === 'print') return say(loaded.value.text);
  const { config } = loaded.value;
  if (!isChild && config.workers > 1) return superviseMilter(config, signals);
  return runMilter(servedVerification({ config, file, load }), signals);
}

const policyProblem = ({ policy }: MilterOptions): string =>
  `milter has no policy "${printable(policy, 60)}"; there are verify and submission, and files, such as ./${printable(policy, 60)}.mjs`;

/** A filter of somebody else's: there is always a primary, which replaces a worker that dies or hangs. */
async function fileMilter(options: MilterOptions, env: CommandLine['env'], signals: Signals): Promise<number> {
  if (options.action === 'help') return say(milterHelp);
  const [inherited] = handedOver(env);
  const loaded = loadService({
    file: options.file,
    options: options.given,
    readFile: readText,
    inherited: inherited === undefined ? undefined : `fd:${inherited}`,
  });
  if (!loaded.ok) return failed(exit.config, loaded.problem);
  const { config, text } = loaded.value;
  if (options.action === 'print') return say(text);
  const source = { file: resolve(options.policy), words: options.words };
  if (options.action === 'run' && !isChild) return superviseMilter(config, signals);
  if (options.action === 'run') return runMilter(servedFile(config, source), signals);
  const policy = await loadPolicy(source);
  return policy.ok ? say(`postern: ${printable(source.file)} is good\n`) : failed(exit.config, [policy.problem]);
}

/** sos-milter's place: it is told everything by environment. */
async function submissionMilter(
  { action, file, given }: MilterOptions,
  env: CommandLine['env'],
  signals: Signals,
): Promise<number> {
  if (action === 'help') return say(submissionHelp);
  const place = file === undefined ? given[0]?.place : '-c';
  if (place !== undefined)
    return failed(exit.usage, [`${place} has no place with --policy submission, which is told by environment`]);
  const [inherited] = handedOver(env);
  const loaded = loadSubmission({
    env,
    readFile: readText,
    ...(inherited !== undefined && { inherited: `fd:${inherited}` }),
  });
  if (!loaded.ok) return failed(exit.config, loaded.problem);
  if (action === 'print') return say(loaded.value.text);
  if (action === 'run') return runSubmission(loaded.value, signals);
  complain(loaded.value.warnings.map((warning) => `warning: ${warning}`));
  return say('postern: the environment is good\n');
}

function say(text: string): number {
  process.stdout.write(text);
  return exit.ok;
}
