/**
 * The places where settings are given: a file, the environment, flags. Each reader turns its place into (name, text,
 * place) and the problems it met; what a text means is not its business.
 */
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

const noSetting = (name: string, spell: (name: string) => string, alsoKnown: readonly string[] = []): string =>
  unknownName(name, {
    names: [...entries.keys(), ...alsoKnown],
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
  /** What was no setting: words, the command's own flags, all behind `--`; in order. */
  readonly rest: readonly string[];
}

/** `--listen=V` or `--listen V`; `--syslog_prefix` alone means yes; a hyphen in a name counts as an underscore. */
export function readFlags(argv: readonly string[], otherFlags: readonly string[]): Flags {
  const spell = (name: string): string => `--${name}`;
  const found = textsOf(spell);
  const words = [...argv];
  const rest: string[] = [];
  let config: string | undefined;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, flag, inline] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (flag === '') break;
    if (flag === undefined || otherFlags.includes(flag)) {
      rest.push(word);
      continue;
    }
    const name = flag.replaceAll('-', '_');
    if (name !== 'config' && !isSettingName(name)) {
      found.problem(`--${flag}`, noSetting(flag, spell, otherFlags));
      continue;
    }
    const text = inline ?? valueBehind(name, words);
    if (text === undefined) found.problem(`--${flag}`, `needs a value: --${flag}=${labelOf(name)}`);
    else if (name === 'config') config = text;
    else found.add(name, text, `--${name}`);
  }
  return { given: found.given, problems: found.problems, config, rest: [...rest, ...words] };
}

/** Takes the word behind a flag away, if it is the flag's value. */
function valueBehind(name: SettingName | 'config', words: string[]): string | undefined {
  const next = words[0];
  if (name !== 'config' && schema[name].kind === yesNo && next !== 'yes' && next !== 'no') return 'yes';
  return next === undefined || next.startsWith('--') ? undefined : words.shift();
}

const labelOf = (name: SettingName | 'config'): string => (name === 'config' ? 'FILE' : schema[name].kind.label);
