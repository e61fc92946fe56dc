/**
 * Makes the markers of a plan, and the lines of domains' own files. A domain that is new appears whole: it is made
 * under a name that hosts nothing, and gets its own once all is there.
 */
import { existsSync, lstatSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { inFolder, readInside, replaceInside } from '../../srv/inside-tree.js';
import { linesIn } from '../../srv/write-lines.js';
import { recordCommand } from '../record.js';
import { make, quoted } from '../srv/change.js';
import { srvOf } from '../wire.js';
import { type CarryOutTask, type Outcome, type StepOf, stepsOf } from './outcome.js';
import type { ImportPlan } from './plan.js';

/** Broken IO and OutsideTree throw. */
export function treeSteps(plan: ImportPlan, task: CarryOutTask): readonly Outcome[] {
  const places = placesIn(task);
  const outcomes = [
    ...stepsOf(plan, 'marker').map((step) => marker(step, places.of(step.path.split('/')[0] ?? ''), task)),
    ...stepsOf(plan, 'line').map((step) => domainLine(step, places.of(step.domain), task)),
  ];
  if (task.isApplied) places.publish();
  return outcomes;
}

const hidden = (scope: string): string => `.${scope}.importing`;
const isHidden = (folder: string): boolean => folder.endsWith('.importing');

/** Where the folders of domains are; that of one that is there may be named in Unicode. */
function placesIn({ settings }: CarryOutTask) {
  const root = settings.srv;
  const tree = existsSync(root) ? srvOf(settings) : undefined;
  const known = new Map<string, string>([['_global_', '_global_']]);
  const placeOf = (scope: string): string => {
    const folder = tree?.folderName(scope) ?? scope;
    return existsSync(join(root, folder)) ? folder : hidden(scope);
  };
  return {
    of(scope: string): string {
      const place = known.get(scope) ?? placeOf(scope);
      known.set(scope, place);
      return place;
    },
    publish(): void {
      for (const [scope, place] of known)
        if (isHidden(place)) inFolder({ root, names: [] }, (at) => renameSync(`${at}/${place}`, `${at}/${scope}`));
    },
  };
}

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
  if (isThere && !isHidden(folder)) return { state: 'there', words, from };
  if (!isApplied) return { state: 'to do', words, from };
  make(settings.srv, [[folder, ...names].join('/')], text === '' ? undefined : text);
  recordCommand(settings, { what: 'marker made', target: where, result: 'done' });
  return { state: 'made', words, from };
}

const hasEntry = (root: string, names: readonly string[]): boolean =>
  inFolder({ root, names: names.slice(0, -1) }, (at) =>
    Boolean(lstatSync(`${at}/${names.at(-1) ?? ''}`, { throwIfNoEntry: false })),
  ) ?? false;

function domainLine(
  { domain, list, line, from }: StepOf<'line'>,
  place: string,
  { settings, isApplied }: CarryOutTask,
): Outcome {
  const folder = { root: settings.srv, names: [place] };
  const words = `echo ${quoted(line)} >>${quoted(join(settings.srv, domain, list))}`;
  const text = existsSync(join(settings.srv, ...folder.names)) ? (readInside(folder, list) ?? '') : '';
  const said = linesIn(text).find((one) => list === 'relay' || subjectOf(one) === subjectOf(line));
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
const subjectOf = (line: string): string =>
  line
    .split(line.includes('*') ? '*' : /[=\s]/)[0]
    ?.trim()
    .toLowerCase() ?? '';
