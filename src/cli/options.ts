/**
 * Reads the words behind `postern spf check` and `postern spf lint`: `--name VALUE`, `--name=VALUE`, `--flag`, other
 * words.
 */
import { printable } from '../mail/text.js';
import { nearest } from '../settings/nearest.js';

/** Of each option without its dashes: a flag, or an example of its value. */
export type OptionTable = Readonly<Record<string, 'flag' | { readonly example: string }>>;

export interface Words {
  readonly ok: true;
  /** A flag has the value ''. */
  readonly options: ReadonlyMap<string, string>;
  readonly words: readonly string[];
}

export interface Misuse {
  readonly ok: false;
  /** One line that says what to do. */
  readonly problem: string;
}

export const misuse = (problem: string): Misuse => ({ ok: false, problem });

/** A word behind `--` is never an option. */
export function readWords(argv: readonly string[], table: OptionTable): Words | Misuse {
  const options = new Map<string, string>();
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') return { ok: true, options, words: [...words, ...argv.slice(i + 1)] };
    if (!word.startsWith('-') || word === '-') {
      words.push(word);
      continue;
    }
    const { name, value } = splitOption(word);
    const known = Object.hasOwn(table, name) && word.startsWith('--') ? table[name] : undefined;
    if (known === undefined) return misuse(unknownText(word, table));
    if (options.has(name)) return misuse(`--${name} is given twice; keep one`);
    if (known === 'flag') {
      if (value !== undefined) return misuse(`--${name} takes no value`);
      options.set(name, '');
      continue;
    }
    const next = argv[i + 1];
    const given = value ?? (next?.startsWith('--') ? undefined : next);
    if (given === undefined) return misuse(`--${name} needs a value, such as --${name}=${known.example}`);
    if (value === undefined) i++;
    options.set(name, given);
  }
  return { ok: true, options, words };
}

function splitOption(word: string): { readonly name: string; readonly value: string | undefined } {
  const bare = word.replace(/^--?/, '');
  const equals = bare.indexOf('=');
  return equals < 0 ? { name: bare, value: undefined } : { name: bare.slice(0, equals), value: bare.slice(equals + 1) };
}

function unknownText(word: string, table: OptionTable): string {
  const meant = nearest(splitOption(word).name, Object.keys(table));
  const hint = meant === undefined ? 'postern spf --help lists the options' : `did you mean --${meant}?`;
  return `there is no option ${printable(word.replace(/=.*$/s, ''), 60)}; ${hint}`;
}
