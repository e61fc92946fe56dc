/** Adds the settings of a plan to postern.conf, as far as postern would start with them and the file has no others. */
import { existsSync } from 'node:fs';
import { printable } from '../../mail/text.js';
import { readText } from '../../settings/read-text.js';
import { loadSettings } from '../../settings/settings.js';
import { pluginList } from '../package-root.js';
import { recordCommand } from '../record.js';
import type { CarryOutTask, Outcome, StepOf } from './outcome.js';
import { replaceFile, saidIn, type WantedSetting, withSettings } from './conf-file.js';

/** What comes of the settings in the file; what postern would not start with is left out. */
export function settingLines(
  steps: readonly StepOf<'setting'>[],
  list: string,
  task: CarryOutTask,
): readonly Outcome[] {
  const { file, isApplied, source, settings } = task;
  const text = existsSync(file) ? readText(file) : '';
  const isNew = ({ name }: WantedSetting): boolean => saidIn(text, name) === undefined;
  const problems = problemsOf(steps.filter(isNew), { text, list }, task);
  const taken = steps.filter((step) => isNew(step) && !problems.has(step.name));
  if (isApplied && taken.length > 0) {
    replaceFile(file, withSettings(text, taken, source));
    recordCommand(settings, { what: 'file written', target: file, result: 'done' });
  }
  return steps.map(({ name, value, from }): Outcome => {
    const words = `${name} = ${value}`;
    const said = saidIn(text, name);
    if (said === value) return { state: 'there', words, from };
    if (said !== undefined) return { state: 'left', words, from, why: `${file} says ${name} = ${said}` };
    const problem = problems.get(name);
    if (problem !== undefined) return { state: 'left', words, from, why: problem };
    return { state: isApplied ? 'made' : 'to do', words, from };
  });
}

/** What postern would say to each of these in its file; a start must not fail for what was imported. */
function problemsOf(
  wanted: readonly WantedSetting[],
  { text, list }: { readonly text: string; readonly list: string },
  { file, source, env }: CarryOutTask,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let rest = wanted; rest.length > 0;) {
    const loaded = loadSettings({
      argv: ['-c', file],
      env,
      readFile: (path) =>
        path === file
          ? withSettings(text, rest, source)
          : readText(path === list && !existsSync(list) ? pluginList : path),
    });
    if (loaded.ok) break;
    const blamed = rest.filter(({ name }) => loaded.problem.some((problem) => problem.includes(` ${name} = `)));
    for (const { name } of blamed.length > 0 ? blamed : rest) {
      const problem = loaded.problem.find((one) => one.includes(` ${name} = `)) ?? loaded.problem[0] ?? '';
      found.set(name, printable(problem.replace(/^.*?:\d+: /, ''), 300));
    }
    rest = rest.filter(({ name }) => !found.has(name));
  }
  return found;
}
