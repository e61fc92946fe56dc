/**
 * Changes a list of plugins by lines that a plan has: a line takes the place of the one that ships with postern, as
 * long as the operator has not written another in its place, and postern would start with it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPlugins } from '../../hooks/loading/load.js';
import { readText } from '../../settings/read-text.js';
import type { Settings } from '../../settings/settings.js';
import { pluginList } from '../package-root.js';
import { recordCommand } from '../record.js';
import { foldersOf } from '../wire.js';
import type { CarryOutTask, Outcome, StepOf } from './outcome.js';
import { replaceFile } from './conf-file.js';

/** What comes of the lines in that list; a list that is not there is begun with the one that ships with postern. */
export async function pluginLines(
  steps: readonly StepOf<'plugin'>[],
  list: string,
  { settings, isApplied }: CarryOutTask,
): Promise<readonly Outcome[]> {
  if (steps.length === 0) return [];
  const shipped = readFileSync(pluginList, 'utf8');
  const before = existsSync(list) ? readText(list) : undefined;
  let text = before ?? shipped;
  const problems = await Promise.all(steps.map(({ line }) => lineProblem(line, settings)));
  const outcomes = steps.map(({ line, from }, i): Outcome => {
    const problem = problems[i];
    if (problem !== undefined) return { state: 'left', words: line, from, why: problem };
    const changed = withPluginLine(text, line, shipped);
    text = changed.text;
    if (changed.state === 'left') return { state: 'left', words: line, from, why: 'the list has another line for it' };
    return { state: changed.state === 'there' ? 'there' : isApplied ? 'made' : 'to do', words: line, from };
  });
  if (isApplied && text !== before) {
    replaceFile(list, text);
    recordCommand(settings, { what: 'file written', target: list, result: 'done' });
  }
  return outcomes;
}

/** Why postern would not start with that line in its list of plugins. */
async function lineProblem(line: string, settings: Settings): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-import-'));
  try {
    const file = join(folder, 'plugins');
    writeFileSync(file, `${line}\n`);
    const loaded = await loadPlugins(file, foldersOf(settings));
    return loaded.ok ? undefined : loaded.problem[0]?.replace(/^\S*:\d+: /, '');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface ListedLine {
  /** `there`: it was; `left`: the operator's own line for that plugin stays. */
  readonly state: 'there' | 'changed' | 'left';
  readonly text: string;
}

/** `shipped` is the text of the list that ships with postern. */
function withPluginLine(text: string, line: string, shipped: string): ListedLine {
  const name = nameIn(line);
  const lines = text.split('\n');
  const own = lines.findIndex((one) => nameIn(one) === name && (!isFilter(name) || sameFilter(one, line)));
  if (own >= 0 && contentOf(lines[own] ?? '') === line) return { state: 'there', text };
  if (own >= 0 && !shipped.split('\n').includes(lines[own] ?? '')) return { state: 'left', text };
  const shown = isFilter(name) ? -1 : lines.findIndex((one) => one.startsWith(`# ${name} `));
  const place = own >= 0 ? own : shown;
  if (place >= 0) return { state: 'changed', text: lines.with(place, line).join('\n') };
  return { state: 'changed', text: inserted(lines, line).join('\n') };
}

/** Before the blacklist and the whitelist, which are asked last; at the end where there are none. */
function inserted(lines: readonly string[], line: string): readonly string[] {
  const last = lines.findIndex((one) => nameIn(one) === 'blacklist');
  const end = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  return lines.toSpliced(last < 0 || /^(?:greylisting|ratelimit)$/.test(nameIn(line)) ? end : last, 0, line);
}

/** There may be many lines of it, one for each filter. */
const isFilter = (name: string): boolean => name === 'milter';
const sameFilter = (one: string, other: string): boolean => one.split(/\s+/)[1] === other.split(/\s+/)[1];

const contentOf = (line: string): string => line.replace(/(^|\s)#.*$/, '').trim();
const nameIn = (line: string): string => contentOf(line).split(/\s+/)[0] ?? '';
