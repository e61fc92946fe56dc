/** `postern import`: reads what another program was configured by, and makes, or says, what is its like here. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { defaultFile } from '../../settings/settings.js';
import { OutsideTree } from '../../srv/inside-tree.js';
import { misused, type SettingsTask } from '../command/command.js';
import { failed, say } from '../complain.js';
import { exit } from '../exit-codes.js';
import { render, shown, terminalOf } from '../terminal.js';
import { srvOf } from '../wire.js';
import { carryOut } from './carry-out.js';
import { type ImportSource, sources } from './commands.js';
import { readHaraka } from './from/haraka.js';
import { readMsLite } from './from/ms-lite.js';
import { readPostfix } from './from/postfix.js';
import { readPyspfMilter } from './from/pyspf-milter.js';
import { readRspamd } from './from/rspamd.js';
import { readSosMilter } from './from/sos-milter.js';
import { readSpfMilter } from './from/spf-milter.js';
import { PlanDraft } from './plan.js';
import { jsonLines, linesOf, summary } from './print.js';

/** What a source is given. */
export interface ImportTask {
  /** The folder or file to read. */
  readonly path: string;
  /** The file of settings of a milter; '' where the source writes none. */
  readonly to: string;
  readonly settings: SettingsTask['settings'];
}

/** Writes into the plan. Broken IO throws. */
export type SourceReader = (plan: PlanDraft, task: ImportTask) => void | Promise<void>;

const readers: Readonly<Record<ImportSource, SourceReader>> = {
  'ms-lite': readMsLite,
  haraka: readHaraka,
  postfix: readPostfix,
  rspamd: readRspamd,
  'spf-milter': readSpfMilter,
  'pyspf-milter': readPyspfMilter,
  'sos-milter': readSosMilter,
};

const noInput = 66; // EX_NOINPUT

/** The exit code; broken IO is told in a line. */
export async function importFrom(source: ImportSource, task: SettingsTask): Promise<number> {
  const { settings, words, options } = task;
  if (words.length > 1) return misused(task, 'name one folder or file');
  const row = sources[source];
  const path = resolve(words[0] ?? row.path);
  const problem = missing(path, words.length > 0 || source !== 'ms-lite', row.to !== undefined);
  if (problem !== undefined) return failed(noInput, [`${task.name}: ${problem}`]);
  const to = row.to === undefined ? '' : resolve(options.get('to') ?? row.to);
  try {
    const plan = new PlanDraft(existsSync(settings.srv) ? srvOf(settings).domains() : []);
    await readers[source](plan, { path, to, settings });
    return await report(plan, source, task);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof OutsideTree || code !== undefined) return failed(exit.ioError, [`${task.name}: ${message}`]);
    throw error;
  }
}

/** ms-lite's tree is worth reading where nobody names a folder, and nothing of qpsmtpd is there any more. */
function missing(path: string, isNeeded: boolean, isFile: boolean): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined)
    return isNeeded ? `${shown(path)} is not there; name the ${isFile ? 'file' : 'folder'}` : undefined;
  if (isFile && !stats.isFile() && !stats.isDirectory()) return `${shown(path)} is no regular file`;
  if (stats.isDirectory() === isFile) return `${shown(path)} is ${isFile ? 'a folder, not a file' : 'no folder'}`;
  return undefined;
}

async function report(plan: PlanDraft, source: ImportSource, task: SettingsTask): Promise<number> {
  const { settings, options, env } = task;
  const file = task.file ?? defaultFile;
  const isApplied = options.has('apply');
  const needsTree = plan.steps.some(({ kind }) => kind === 'marker');
  if (isApplied && needsTree && !existsSync(settings.srv))
    return failed(exit.ioError, [`${task.name}: ${settings.srv} is not there; make it, or set srv`]);
  const done = await carryOut(plan, { settings, file, isApplied, source, env });
  if (options.has('json')) process.stdout.write(jsonLines(plan, done));
  else {
    process.stdout.write(render(linesOf(plan, done, file), terminalOf(process.stdout, env)));
    say(summary(done, isApplied));
  }
  return exit.ok;
}
