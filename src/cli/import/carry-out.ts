/**
 * Does the steps of a plan, or says what it would do. What is there stays as it is, so that a second run changes
 * nothing. A domain that is new appears whole: its markers are made beside, under a name that hosts nothing.
 */
import { existsSync, lstatSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readText } from '../../settings/read-text.js';
import type { Settings } from '../../settings/settings.js';
import { inFolder, readInside, replaceInside } from '../../srv/inside-tree.js';
import { linesIn } from '../../srv/write-lines.js';
import { recordCommand } from '../record.js';
import { make, quoted } from '../srv/change.js';
import { srvOf } from '../wire.js';
import { replaceFile } from './conf-file.js';
import type { ImportPlan, ImportStep } from './plan.js';
import { pluginLines } from './plugin-lines.js';
import { settingLines } from './setting-lines.js';

export interface Outcome {
  /** `left`: something else is there, which stays; `why` says what. */
  readonly state: 'made' | 'to do' | 'there' | 'left';
  /** What a shell would say, or the line of a file. */
  readonly words: string;
  readonly from: string;
  readonly why?: string;
}

export interface CarryOutTask {
  readonly settings: Settings;
  /** The file of settings that is written to. */
  readonly file: string;
  readonly isApplied: boolean;
  /** `haraka` */
  readonly source: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface CarriedOut {
  readonly outcomes: readonly Outcome[];
  readonly settings: readonly Outcome[];
  readonly plugins: readonly Outcome[];
  /** The list of plugins that lines go to. */
  readonly list: string;
}

export type StepOf<K extends ImportStep['kind']> = Extract<ImportStep, { readonly kind: K }>;

const stepsOf = <K extends ImportStep['kind']>({ steps }: ImportPlan, kind: K): StepOf<K>[] =>
  steps.filter((step): step is StepOf<K> => step.kind === kind);

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
  const tree = [...markers(plan, task), ...stepsOf(plan, 'zone').map((step) => zone(step, task))];
  return { outcomes: [...moves, ...files, ...tree], settings: said, plugins, list };
}

/** Markers of new domains are made in folders that are renamed once all are there. */
function markers(plan: ImportPlan, task: CarryOutTask): readonly Outcome[] {
  const { srv } = task.settings;
  const fresh = new Set<string>();
  const outcomes = stepsOf(plan, 'marker').map((step) => {
    const [scope = ''] = step.path.split('/');
    const folder = folderOf(scope, task);
    if (scope !== '_global_' && !existsSync(join(srv, folder))) fresh.add(scope);
    return marker(step, fresh.has(scope) ? `.${scope}.importing` : folder, task);
  });
  if (task.isApplied)
    for (const scope of fresh)
      inFolder({ root: srv, names: [] }, (at) => renameSync(`${at}/.${scope}.importing`, `${at}/${scope}`));
  return outcomes;
}

/** It may be named in Unicode. */
const folderOf = (scope: string, { settings }: CarryOutTask): string =>
  existsSync(settings.srv) && scope !== '_global_' ? srvOf(settings).folderName(scope) : scope;

function marker(
  { path, text, from }: StepOf<'marker'>,
  folder: string,
  { settings, isApplied }: CarryOutTask,
): Outcome {
  const [, ...names] = path.split('/');
  const where = join(settings.srv, path).replace(/\/$/, '');
  const words = path.endsWith('/')
    ? `mkdir -p ${quoted(where)}`
    : text === ''
      ? `touch ${quoted(where)}`
      : `echo ${text.trim()} >${quoted(where)}`;
  const isThere = existsSync(settings.srv) && hasEntry(settings.srv, [folder, ...names.filter((name) => name !== '')]);
  if (isThere && !folder.endsWith('.importing')) return { state: 'there', words, from };
  if (!isApplied) return { state: 'to do', words, from };
  make(settings.srv, [[folder, ...names].join('/')], text === '' ? undefined : text);
  recordCommand(settings, { what: 'marker made', target: where, result: 'done' });
  return { state: 'made', words, from };
}

const hasEntry = (root: string, names: readonly string[]): boolean =>
  inFolder({ root, names: names.slice(0, -1) }, (at) =>
    Boolean(lstatSync(`${at}/${names.at(-1) ?? ''}`, { throwIfNoEntry: false })),
  ) ?? false;

function zone({ domain, list, line, from }: StepOf<'zone'>, task: CarryOutTask): Outcome {
  const { settings, isApplied } = task;
  const folder = { root: settings.srv, names: [folderOf(domain, task)] };
  const words = `echo ${quoted(line)} >>${quoted(join(settings.srv, domain, list))}`;
  const text = existsSync(join(settings.srv, ...folder.names)) ? (readInside(folder, list) ?? '') : '';
  const said = linesIn(text).find((one) => nameOf(one) === nameOf(line));
  if (said === line) return { state: 'there', words, from };
  if (said !== undefined) return { state: 'left', words, from, why: `it has ${said}` };
  if (!isApplied) return { state: 'to do', words, from };
  replaceInside(folder, list, `${text === '' || text.endsWith('\n') ? text : `${text}\n`}${line}\n`);
  recordCommand(settings, {
    what: 'file written',
    target: join(settings.srv, domain, list),
    detail: line,
    result: 'done',
  });
  return { state: 'made', words, from };
}

/** What may stand in the file once: a zone, with the answers that have a weight of their own; or reject, or mark. */
const nameOf = (line: string): string =>
  line
    .split(line.includes('*') ? '*' : /[=\s]/)[0]
    ?.trim()
    .toLowerCase() ?? '';

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
