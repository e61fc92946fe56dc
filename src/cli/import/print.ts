/** Prints what became of a plan: what a terminal shows in sections, or one JSON object a line for programs. */
import type { Line, Style } from '../../text/line.js';
import { jsonLine, shown } from '../terminal.js';
import type { CarriedOut } from './carry-out.js';
import type { Outcome } from './outcome.js';
import type { ImportNote, ImportPlan, NoteKind } from './plan.js';

const titles: Readonly<Record<NoteKind, string>> = {
  first: 'before anything else',
  'by hand': 'left to do by hand',
  differs: 'differs on purpose',
  none: 'has no counterpart',
};

/** `file` is the settings' own. */
export function linesOf({ notes }: ImportPlan, done: CarriedOut, file: string): readonly Line[] {
  const noted = (kind: NoteKind): readonly Line[] =>
    section(titles[kind], notes.filter((one) => one.kind === kind).map(noteLine));
  return [
    ...noted('first'),
    ...section('files and markers', done.outcomes.map(outcomeLine)),
    ...section(`the list of plugins, ${done.list}`, done.plugins.map(outcomeLine)),
    ...section(`settings, in ${file}`, done.settings.map(outcomeLine)),
    ...noted('by hand'),
    ...noted('differs'),
    ...noted('none'),
  ];
}

const section = (title: string, lines: readonly Line[]): readonly Line[] =>
  lines.length === 0 ? [] : [[[title, 'bold']], ...lines, [['']]];

const noteLine = ({ from, text }: ImportNote): Line => [[`  ${shown(from, 100)}: `, 'dim'], [shown(text, 1000)]];

const signs: Readonly<Record<Outcome['state'], readonly [sign: string, style: Style]>> = {
  made: ['+', 'green'],
  'to do': ['+', 'green'],
  there: ['=', 'dim'],
  left: ['!', 'yellow'],
};

function outcomeLine({ state, words, from, why }: Outcome): Line {
  const [sign, style] = signs[state];
  const reason = why === undefined ? '' : `  is left: ${shown(why, 400)}`;
  return [[`${sign} `, style], [shown(words, 1000)], [`${reason}  # ${shown(from, 100)}`, 'dim']];
}

export function jsonLines({ notes }: ImportPlan, { outcomes, plugins, settings }: CarriedOut): string {
  return [...notes, ...[...outcomes, ...plugins, ...settings].map((one) => ({ kind: 'step', ...one }))]
    .map((one) => jsonLine(one))
    .join('');
}

/** One line that sums up. */
export function summary({ outcomes, plugins, settings }: CarriedOut, isApplied: boolean): string {
  const all = [...outcomes, ...plugins, ...settings];
  const count = (state: Outcome['state']): number => all.filter((one) => one.state === state).length;
  const first = isApplied ? `${changes(count('made'))} made` : `${changes(count('to do'))} to make`;
  const end = isApplied || count('to do') === 0 ? '' : '; nothing is changed yet: --apply does it';
  return `${first}, ${count('there')} there already, ${count('left')} left alone${end}`;
}

const changes = (count: number): string => (count === 1 ? '1 change' : `${count} changes`);
