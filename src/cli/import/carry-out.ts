/**
 * Does the steps of a plan, or says what it would do. What is there stays as it is, so that a second run changes
 * nothing. Leaves /srv, settings and the list of plugins to files of their own.
 */
import { existsSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readText } from '../../settings/read-text.js';
import { quoted } from '../srv/change.js';
import { replaceFile } from './conf-file.js';
import { type CarryOutTask, type Outcome, type StepOf, stepsOf } from './outcome.js';
import type { ImportPlan } from './plan.js';
import { pluginLines } from './plugin-lines.js';
import { settingLines } from './setting-lines.js';
import { treeSteps } from './tree-steps.js';

export interface CarriedOut {
  readonly outcomes: readonly Outcome[];
  readonly settings: readonly Outcome[];
  readonly plugins: readonly Outcome[];
  /** The list of plugins that lines go to. */
  readonly list: string;
}

/** Broken IO and OutsideTree throw. */
export async function carryOut(plan: ImportPlan, task: CarryOutTask): Promise<CarriedOut> {
  const { settings, file } = task;
  const list = settings.plugins === '' ? join(dirname(file), 'postern', 'plugins.list') : settings.plugins;
  const lines = stepsOf(plan, 'plugin');
  const listed = lines.length > 0 && settings.plugins === '';
  const wanted = [
    ...stepsOf(plan, 'setting'),
    ...(listed ? [{ kind: 'setting', name: 'plugins', value: list, from: 'the list of plugins' } as const] : []),
  ];
  const moves = stepsOf(plan, 'move').map((step) => move(step, task));
  const files = stepsOf(plan, 'file').map((step) => wholeFile(step, task));
  const plugins = await pluginLines(lines, list, task); // before the setting that names the list
  const said = settingLines(wanted, list, task);
  return { outcomes: [...moves, ...files, ...treeSteps(plan, task)], settings: said, plugins, list };
}

function wholeFile({ path, text, isSecret, from }: StepOf<'file'>, { isApplied }: CarryOutTask): Outcome {
  const words = `write ${quoted(path)}`;
  const said = existsSync(path) ? readText(path) : undefined;
  if (said === text) return { state: 'there', words, from };
  if (said !== undefined) return { state: 'left', words, from, why: 'it is there, and holds something else' };
  if (!isApplied) return { state: 'to do', words, from };
  replaceFile(path, text, isSecret ? 0o600 : 0o644);
  return { state: 'made', words, from };
}

function move({ path, to, from }: StepOf<'move'>, { isApplied }: CarryOutTask): Outcome {
  const words = `mv ${quoted(path)} ${quoted(to)}`;
  if (!existsSync(path)) return { state: 'there', words, from };
  if (isApplied && existsSync(to)) return { state: 'left', words, from, why: `${to} is there` };
  if (!isApplied) return { state: 'to do', words, from };
  renameSync(path, to);
  return { state: 'made', words, from };
}
