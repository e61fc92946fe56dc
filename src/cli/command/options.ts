/**
 * Reads the words behind a command: `--name VALUE`, `--name=VALUE`, `--flag`, other words. node:util's parseArgs would
 * take `--from` for the value of `--ip`, and `-from:anna` for nine flags.
 */
import { type Result, wrong } from '../../mail/result.js';
import { printable } from '../../mail/text.js';
import { nearest } from '../../settings/nearest.js';

export interface OptionRow {
  readonly doc: string;
  /** Stands for its value; an option without one is a flag. */
  readonly label?: string;
  /** A value that it may have. */
  readonly example?: string;
}

/** By name, without its dashes. */
export type OptionTable = Readonly<Record<string, OptionRow>>;

export interface Words {
  /** A flag has the value ''. */
  readonly options: ReadonlyMap<string, string>;
  readonly words: readonly string[];
}

/** `mayDash`: a word may begin with a dash, as in `-from:anna`. The problem is one line that says what to do. */
export function readWords(argv: readonly string[], table: OptionTable, mayDash = false): Result<Words> {
  const options = new Map<string, string>();
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') return { ok: true, value: { options, words: [...words, ...argv.slice(i + 1)] } };
    if (!word.startsWith('-') || word === '-' || (mayDash && !word.startsWith('--'))) {
      words.push(word);
      continue;
    }
    const { name, value } = splitOption(word);
    const known = Object.hasOwn(table, name) && word.startsWith('--') ? table[name] : undefined;
    if (known === undefined) return wrong(noOption(word, Object.keys(table)));
    if (options.has(name)) return wrong(`--${name} is given twice; keep one`);
    if (known.label === undefined) {
      if (value !== undefined) return wrong(`--${name} takes no value`);
      options.set(name, '');
      continue;
    }
    const next = argv[i + 1];
    const given = value ?? (next?.startsWith('--') ? undefined : next);
    if (given === undefined) return wrong(`--${name} needs a value, such as --${name}=${known.example ?? known.label}`);
    if (value === undefined) i++;
    options.set(name, given);
  }
  return { ok: true, value: { options, words } };
}

function splitOption(word: string): { readonly name: string; readonly value: string | undefined } {
  const bare = word.replace(/^--?/, '');
  const equals = bare.indexOf('=');
  return equals < 0 ? { name: bare, value: undefined } : { name: bare.slice(0, equals), value: bare.slice(equals + 1) };
}

function noOption(word: string, names: readonly string[]): string {
  const meant = nearest(splitOption(word).name, names);
  const hint = meant === undefined ? '' : `; did you mean --${meant}?`;
  return `there is no option ${printable(word.replace(/=.*$/s, ''), 60)}${hint}`;
}
