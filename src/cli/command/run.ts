/** Finds the command that the words of a command line name, reads its options, and runs it. */
import { type Result, wrong } from '../../mail/result.js';
import { withoutPasswords } from '../../mail/secret.js';
import { printable } from '../../mail/text.js';
import { nearest } from '../../settings/nearest.js';
import { readFlags } from '../../settings/places.js';
import { exit } from '../exit-codes.js';
import { version } from '../package-root.js';
import { type CommandRow, misused } from './command.js';
import { helpOf, helpOfAll } from './help.js';
import type { CommandLine } from '../load.js';
import { endWithReader } from '../terminal.js';
import { readWords, type Words } from './options.js';

/** Returns the exit code. */
export async function runCommand({ argv, env }: CommandLine, commands: readonly CommandRow[]): Promise<number> {
  const [first = 'help', ...more] = argv;
  if (first === '--version' || first === '-V') return print(`postern ${version}\n`);
  if (first === 'help' || isHelp(first))
    return more.length === 0 ? print(helpOfAll(commands)) : helpFor(more, commands);
  const found = find(argv, commands);
  if (found === undefined) return misused({ name: '' }, noCommand(first, commands));
  const { command, rest } = found;
  if (command.isApart && command.run) return command.run({ ...unread, name: command.name, argv: rest, env });
  if (asksHelp(rest) || (command.run === undefined && rest[0] === 'help')) return print(helpOf(command, commands));
  const below = secondWords(command.name, commands);
  if (command.run === undefined) return misused(command, whichOne(rest[0], command.name, below));
  const read = readCommand(rest, command);
  if (!read.ok) return misused(command, read.problem);
  const [extra] = command.words === undefined ? read.value.words : [];
  if (extra !== undefined) return misused(command, extraWord(extra, command.name, below));
  return command.run({ name: command.name, argv: rest, env, ...read.value });
}

const unread: Words = { options: new Map(), words: [] };

interface FoundCommand {
  readonly command: CommandRow;
  /** It is the words behind the command's name. */
  readonly rest: readonly string[];
}

/** Finds the command with the longest name that the words begin with. */
function find(argv: readonly string[], commands: readonly CommandRow[]): FoundCommand | undefined {
  for (const length of [2, 1]) {
    const command = commands.find(({ name }) => name === argv.slice(0, length).join(' '));
    if (command) return { command, rest: argv.slice(length) };
  }
  return undefined;
}

const isHelp = (word: string): boolean => word === '--help' || word === '-h';

function asksHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? argv.length : end).some(isHelp);
}

const secondWords = (first: string, commands: readonly CommandRow[]): readonly string[] =>
  commands.map(({ name }) => name.split(' ')).flatMap(([one, other]) => (one === first ? (other ?? []) : []));

/** Answers `postern help quarantine list`. */
function helpFor(argv: readonly string[], commands: readonly CommandRow[]): number | Promise<number> {
  const found = find(argv, commands);
  if (found === undefined) return misused({ name: '' }, noCommand(argv[0] ?? '', commands));
  const { name, isApart, run } = found.command;
  if (isApart && run) return run({ ...unread, name, argv: ['--help'], env: {} });
  return print(helpOf(found.command, commands));
}

/** Reads settings first, then the command's own options. */
function readCommand(
  argv: readonly string[],
  { options = {}, settings, settingsWith, words }: CommandRow,
): Result<Words> {
  const isAsked = settingsWith === undefined || argv.includes(`--${settingsWith}`);
  if (settings === undefined || !isAsked) return readWords(argv, options);
  const table = { ...options, trial: { doc: '' } };
  const flags = readFlags(argv, Object.keys(table));
  const [problem] = flags.problems;
  return problem === undefined ? readWords(flags.rest, table, words === 'search') : wrong(problem);
}

function noCommand(word: string, commands: readonly CommandRow[]): string {
  const names = commands.map(({ name }) => name).filter((name) => !name.includes(' '));
  const meant = nearest(word, names);
  const hint = meant === undefined ? `the commands are ${names.join(', ')}` : `did you mean ${meant}?`;
  return `there is no command "${printable(word, 60)}"; ${hint}`;
}

function whichOne(word: string | undefined, name: string, below: readonly string[]): string {
  if (word === undefined) return `say what to do: ${below.join(', ')}`;
  const meant = nearest(word, below);
  const hint = meant === undefined ? `there are ${below.join(', ')}` : `did you mean ${meant}?`;
  return `there is no "${name} ${printable(word, 60)}"; ${hint}`;
}

function extraWord(word: string, name: string, below: readonly string[]): string {
  const meant = nearest(word, below);
  return meant === undefined
    ? `"${printable(withoutPasswords(word), 60)}" belongs to no option`
    : `there is no "${name} ${printable(word, 60)}"; did you mean ${meant}?`;
}

function print(text: string): number {
  endWithReader();
  process.stdout.write(text);
  return exit.ok;
}
