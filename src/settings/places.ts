/**
 * The places where settings are given: a file, the environment, flags. Each reader turns its place into (name, text,
 * place) and the problems it met; what a text means is not its business.
 */
import { printable } from '../mail/text.js';
import { nearest } from './nearest.js';
import { type GivenText, GivenTexts, readLines, unknownName } from './read-table.js';
import { entries, isSettingName, schema, type SettingName } from './schema.js';
import { yesNo } from './value-kind.js';

export interface SettingsPlace {
  /** The names are those of settings. */
  readonly given: readonly GivenText[];
  readonly problems: readonly string[];
}

/** `spell` writes a name as the place does. */
const textsOf = (spell: (name: string) => string): GivenTexts =>
  new GivenTexts(entries.keys(), (name) => noSetting(name, spell));

const noSetting = (name: string, spell: (name: string) => string): string =>
  unknownName(name, {
    names: entries.keys(),
    what: 'setting',
    otherwise: 'print-config lists those there are',
    spell,
  });

/** `key = value` lines; `#` at the start of a line or behind white space begins a comment. */
export function readFileText(text: string, file: string): SettingsPlace {
  const found = textsOf(String);
  readLines(text, found, { file, comments: 'any' });
  return found;
}

const prefix = 'POSTERN_';

/**
 * Kubernetes sets these in every container beside a service named postern: POSTERN_SERVICE_HOST,
 * POSTERN_PORT_25_TCP_ADDR …
 */
const serviceLink = /^(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_|$)/;

/** `POSTERN_LISTEN=…` and its like; POSTERN_CONFIG names the file and is no setting. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): SettingsPlace {
  const spell = (name: string): string => prefix + name.toUpperCase();
  const found = textsOf(spell);
  for (const [variable, text] of Object.entries(env)) {
    const name = variable.slice(prefix.length);
    if (text === undefined || !variable.startsWith(prefix) || name === 'CONFIG' || serviceLink.test(name)) continue;
    if (name === name.toUpperCase()) found.add(name.toLowerCase(), text, variable);
    else found.problem(variable, noSetting(name, spell));
  }
  return found;
}

export interface Flags extends SettingsPlace {
  /** The file that `--config` names. */
  readonly config: string | undefined;
  /** What was no setting: words, the command's own flags, `--` and all behind it; in order. */
  readonly rest: readonly string[];
}

/**
 * `--listen=V` or `--listen V`; `--syslog_prefix` alone means yes; a hyphen in a name counts as an underscore; `-c` is
 * `--config`. The problems are misuse of the command line: values are not looked at here.
 */
export function readFlags(argv: readonly string[], otherFlags: readonly string[]): Flags {
  const found = textsOf(String);
  const problems: string[] = [];
  const words = [...argv];
  const rest: string[] = [];
  let config: string | undefined;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, flag, inline] = word === '-c' ? ['', 'config'] : (/^--([^=]*)(?:=(.*))?$/s.exec(word) ?? []);
    if (flag === undefined || flag === '' || otherFlags.includes(flag)) {
      rest.push(word, ...(flag === '' ? words.splice(0) : []));
      continue;
    }
    const name = flag.replaceAll('-', '_');
    const spelt = word === '-c' ? '-c' : `--${flag}`;
    if (name !== 'config' && !isSettingName(name)) {
      problems.push(noFlag(flag, otherFlags));
      continue;
    }
    const text = inline ?? valueBehind(name, words);
    if (text === undefined || (name === 'config' && text === ''))
      problems.push(`${spelt} needs a value, such as ${spelt}${spelt === '-c' ? ' ' : '='}${labelOf(name)}`);
    else if (name !== 'config') found.add(name, text, `--${name}`);
    else if (config !== undefined) problems.push(`${spelt} is given twice; keep one`);
    else config = text;
  }
  return { given: found.given, problems: [...problems, ...found.problems], config, rest };
}

function noFlag(flag: string, otherFlags: readonly string[]): string {
  const meant = nearest(flag.toLowerCase(), [...entries.keys(), ...otherFlags, 'config']);
  return `there is no option --${printable(flag, 60)}${meant === undefined ? '' : `; did you mean --${meant}?`}`;
}

/** Takes the word behind a flag away, if it is the flag's value. */
function valueBehind(name: SettingName | 'config', words: string[]): string | undefined {
  const next = words[0];
  if (name !== 'config' && schema[name].kind === yesNo && next !== 'yes' && next !== 'no') return 'yes';
  return next === undefined || next.startsWith('--') ? undefined : words.shift();
}

const labelOf = (name: SettingName | 'config'): string => (name === 'config' ? 'FILE' : schema[name].kind.label);
