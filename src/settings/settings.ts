/**
 * From what the operator gave (file < environment < flags) to one frozen, typed value, or to all that is wrong with it.
 * The settings themselves are a table in settings/schema.ts; what they are for is the business of whoever is handed them.
 */
import { hostname as systemHostname } from 'node:os';
import { printable } from '../mail/text.js';
import { crossChecks, type ReadFile, tryRead } from './cross-checks.js';
import { type GivenSetting, type SettingsPlace, readEnvironment, readFileText, readFlags } from './places.js';
import { entries, type SettingEntry, schema, type SettingName, type Settings, type Sources } from './schema.js';

export type { Settings, Sources } from './schema.js';

/** Read where it exists and no other file is named. */
export const defaultFile = '/etc/postern.conf';

export interface SettingsInput {
  /** The words behind the command. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of a file; throws as `node:fs` does. */
  readonly readFile: ReadFile;
  /** Flags (without `--`) that are the command's own: left in `rest`. */
  readonly otherFlags?: readonly string[];
  /** Defaults of a trial run, as text. A trial does not read the system's own file. */
  readonly trial?: Readonly<Partial<Record<SettingName, string>>>;
  /** This machine's name; a test gives one. */
  readonly hostname?: string;
}

export type LoadedSettings =
  | {
      readonly ok: true;
      readonly settings: Settings;
      readonly sources: Sources;
      /** What was no setting among `argv`, in order. */
      readonly rest: readonly string[];
    }
  /** One line each, safe to print: the place, the value, what would be right. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads all places, and checks everything before it gives up. */
export function loadSettings(input: SettingsInput): LoadedSettings {
  const flags = readFlags(input.argv, input.otherFlags ?? []);
  const places = [fileOf(input, flags.config), readEnvironment(input.env), flags];
  const draft = new SettingsDraft(input.trial ?? {});
  for (const given of places.flatMap((place) => place.given)) draft.take(given);
  draft.derive(input.hostname ?? systemHostname());
  draft.crossCheck(input.readFile);
  const problems = [...places.flatMap((place) => place.problems), ...draft.problems];
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    settings: deepFreeze(draft.settings()),
    sources: Object.freeze(draft.sources()),
    rest: flags.rest,
  };
}

function fileOf(input: SettingsInput, configFlag: string | undefined): SettingsPlace {
  const variable = input.env['POSTERN_CONFIG'];
  if (configFlag) return readNamedFile(configFlag, '--config', input.readFile);
  if (variable) return readNamedFile(variable, 'POSTERN_CONFIG', input.readFile);
  const file = input.trial ? undefined : tryRead(defaultFile, input.readFile);
  if (!file || (!file.ok && file.why === 'ENOENT')) return { given: [], problems: [] };
  return file.ok ? readFileText(file.text, defaultFile) : unreadable('settings', defaultFile, file.why);
}

function readNamedFile(path: string, place: string, readFile: ReadFile): SettingsPlace {
  const file = tryRead(path, readFile);
  return file.ok ? readFileText(file.text, path) : unreadable(place, path, file.why);
}

const unreadable = (place: string, path: string, why: string): SettingsPlace => ({
  given: [],
  problems: [`${place}: ${printable(path)}: must be a file that can be read (${why})`],
});

interface HeldSetting {
  readonly value: unknown;
  readonly text: string;
  readonly source: string;
}

/** The settings as they come together: later places win, every value is checked, also one that is overridden. */
class SettingsDraft {
  readonly problems: string[] = [];
  readonly #held = new Map<SettingName, HeldSetting>();
  readonly #wrong = new Set<SettingName>();

  constructor(trial: Readonly<Partial<Record<SettingName, string>>>) {
    for (const [name, entry] of entries) {
      const text = trial[name];
      this.take({ name, text: text ?? entry.default, place: text === undefined ? 'default' : 'trial' });
    }
  }

  take({ name, text, place }: GivenSetting): void {
    const entry: SettingEntry<unknown> = schema[name];
    const parsed = entry.kind.parse(text === '' ? entry.default : text);
    const problem = parsed.ok ? unwritable(entry.kind.write(parsed.value)) : parsed.problem;
    if (problem !== undefined) this.#blame(name, text, place, problem);
    else if (parsed.ok) this.#held.set(name, { value: parsed.value, text, source: place });
  }

  /** The names that stand for another when they are empty. */
  derive(machine: string): void {
    this.#fallBack('hostname', machine);
    this.#fallBack('authserv_id', this.settings().hostname);
  }

  crossCheck(readFile: ReadFile): void {
    const wrong = new Set(this.#wrong);
    for (const check of crossChecks) {
      if ([check.name, ...check.beside].some((name) => wrong.has(name))) continue;
      const problem = check.problem(this.settings(), readFile);
      const held = this.#held.get(check.name);
      if (problem !== undefined && held) this.#blame(check.name, held.text, held.source, problem);
    }
  }

  /** Complete, for each has its default at least. */
  settings(): Settings {
    return Object.fromEntries([...this.#held].map(([name, { value }]) => [name, value])) as unknown as Settings;
  }

  sources(): Sources {
    return Object.fromEntries([...this.#held].map(([name, { source }]) => [name, source])) as unknown as Sources;
  }

  #fallBack(name: SettingName, text: string): void {
    const held = this.#held.get(name);
    if (held?.value === '' && !this.#wrong.has(name)) this.take({ name, text, place: held.source });
  }

  #blame(name: SettingName, text: string, place: string, problem: string): void {
    this.#wrong.add(name);
    this.problems.push(`${printable(place)}: ${name} = ${printable(text, 80)}: ${problem}`);
  }
}

/** print-config must be able to write each value as one line of the file that reads back to the same. */
function unwritable(text: string): string | undefined {
  if (printable(text, Infinity) !== text.replaceAll('\t', '?')) return 'must not hold control or invisible characters';
  if (/(?:^|\s)#/.test(text)) return 'must not hold # at its start or behind a space: there a comment begins';
  return undefined;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
