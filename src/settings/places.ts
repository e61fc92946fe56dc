/**
 * The places where settings are given: a file, the environment, flags. Each reader turns its place into (name, text,
 * place) and the problems it met; what a text means is not its business.
 */
import { printable } from '../mail/text.js';
import { nearest } from './nearest.js';
import { entries, isSettingName, schema, type SettingName } from './schema.js';
import { yesNo } from './value-kind.js';

export interface GivenSetting {
  readonly name: SettingName;
  readonly text: string;
  /** `/etc/postern.conf:12`, `POSTERN_LISTEN`, `--listen`. */
  readonly place: string;
}

export interface SettingsPlace {
  readonly given: readonly GivenSetting[];
  readonly problems: readonly string[];
}

/** Collects what one place gives, each name once. `spell` writes a name as that place does. */
class Collection implements SettingsPlace {
  readonly given: GivenSetting[] = [];
  readonly problems: string[] = [];
  readonly #spell: (name: string) => string;

  constructor(spell: (name: string) => string) {
    this.#spell = spell;
  }

  add(name: string, text: string, place: string): void {
    if (!isSettingName(name)) return this.unknown(name, place);
    const earlier = this.given.find((other) => other.name === name);
    if (earlier) return this.problem(place, `${name} is given twice, first at ${earlier.place}; keep one`);
    this.given.push({ name, text: text.trim(), place });
  }

  unknown(name: string, place: string, alsoKnown: readonly string[] = []): void {
    const meant = nearest(name.toLowerCase().replaceAll('-', '_'), [...entries.keys(), ...alsoKnown]);
    const hint = meant === undefined ? 'print-config lists those there are' : `did you mean ${this.#spell(meant)}?`;
    this.problem(place, `${printable(name, 60)} is no setting; ${hint}`);
  }

  problem(place: string, what: string): void {
    this.problems.push(`${printable(place, 100)}: ${what}`);
  }
}

/** `key = value` lines; `#` at the start of a line or behind white space begins a comment. */
export function readFileText(text: string, path: string): SettingsPlace {
  const found = new Collection((name) => name);
  for (const [i, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const content = line.replace(/(?:^|\s)#.*$/s, '').trim();
    const equals = content.indexOf('=');
    const place = `${path}:${i + 1}`;
    if (equals > 0) found.add(content.slice(0, equals).trim(), content.slice(equals + 1), place);
    else if (content !== '') found.problem(place, `${printable(content, 60)}: must be key = value`);
  }
  return found;
}

const prefix = 'POSTERN_';

/** Kubernetes sets these in every container beside a service named postern: POSTERN_SERVICE_HOST, POSTERN_PORT_25_TCP_ADDR … */
const serviceLink = /^(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_|$)/;

/** `POSTERN_LISTEN=…` and its like; POSTERN_CONFIG names the file and is no setting. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): SettingsPlace {
  const found = new Collection((name) => prefix + name.toUpperCase());
  for (const [variable, text] of Object.entries(env)) {
    const name = variable.slice(prefix.length);
    if (text === undefined || !variable.startsWith(prefix) || name === 'CONFIG' || serviceLink.test(name)) continue;
    if (name === name.toUpperCase()) found.add(name.toLowerCase(), text, variable);
    else found.unknown(name, variable);
  }
  return found;
}

export interface Flags extends SettingsPlace {
  /** Of `--config`. */
  readonly config: string | undefined;
  /** What was no setting: words, the command's own flags, all behind `--`; in order. */
  readonly rest: readonly string[];
}

/** `--listen=V` or `--listen V`; `--syslog_prefix` alone means yes; a hyphen in a name counts as an underscore. */
export function readFlags(argv: readonly string[], otherFlags: readonly string[]): Flags {
  const found = new Collection((name) => `--${name}`);
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
      found.unknown(flag, `--${flag}`, otherFlags);
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
