/** Makes the help of all commands, and of each, from their rows. */
import { settingsHelp } from '../../settings/describe.js';
import { exit } from '../exit-codes.js';
import type { CommandRow } from './command.js';

export function helpOfAll(commands: readonly CommandRow[]): string {
  const first = commands.filter(({ name }) => !name.includes(' '));
  return `usage: postern COMMAND ...

commands
${table(first.map(({ name, doc }) => [name, doc]))}
postern COMMAND --help says more of each, and postern serve --help lists the settings
`;
}

/** Commands whose names begin with this one's have a line each in it. */
export function helpOf(command: CommandRow, commands: readonly CommandRow[]): string {
  const below = commands.filter(({ name }) => name.startsWith(`${command.name} `));
  const usage = (command.run ? [command] : below).flatMap(({ name, usage: forms = [''] }) =>
    forms.map((form) => `postern ${name} ${form}`.trimEnd()),
  );
  return [
    usage.map((line, i) => `${i === 0 ? 'usage: ' : '       '}${line}\n`).join(''),
    `${command.doc}\n`,
    table(optionsOf(command)),
    below.length > 0 ? table(below.map(({ name, doc }) => [name.slice(command.name.length + 1), doc])) : '',
    command.details?.() ?? '',
    command.settings === 'listed' ? `settings\n${settingsHelp()}` : '',
    below.length > 0 ? `postern ${command.name} COMMAND --help says more of each\n` : '',
    command.run ? exitCodes(command) : '',
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function optionsOf({ options = {}, settings }: CommandRow): (readonly [string, string])[] {
  const own = Object.entries(options).map(
    ([name, { label, doc }]) => [`--${name}${label === undefined ? '' : `=${label}`}`, doc] as const,
  );
  const usual = [
    ['-c, --config=FILE', 'settings of FILE, in the place of /etc/postern.conf'],
    ['--SETTING=VALUE', settings === 'listed' ? 'a setting, as below' : 'a setting: postern serve --help lists them'],
    ['--trial', 'the settings of the trial run (npm start)'],
  ] as const;
  return settings === undefined ? own : [...own, ...usual];
}

const maxLeft = 28;

/** Two columns; what is too long for the left one has a line of its own. */
function table(rows: readonly (readonly [left: string, right: string])[]): string {
  const width = Math.max(0, ...rows.map(([left]) => left.length).filter((length) => length <= maxLeft));
  return rows
    .map(([left, right]) => {
      const [first = '', ...more] = wrapped(right, 116 - width).map((line) => line.trimEnd());
      const lead = left.length > width ? `  ${left}\n  ${''.padEnd(width)}` : `  ${left.padEnd(width)}`;
      return [`${lead}  ${first}`, ...more.map((line) => `  ${''.padEnd(width)}  ${line}`)].join('\n').concat('\n');
    })
    .join('');
}

function wrapped(text: string, width: number): readonly string[] {
  return text.match(new RegExp(`.{1,${width}}(?: |$)`, 'g')) ?? [text];
}

function exitCodes({ exits = {}, settings }: CommandRow): string {
  const all: Record<number, string> = { [exit.ok]: 'done', [exit.usage]: 'wrong usage', ...exits };
  if (settings !== undefined) all[exit.config] ??= 'wrong settings';
  return `exit codes: ${Object.entries(all)
    .map(([code, doc]) => `${code} ${doc}`)
    .join('; ')}\n`;
}
