/**
 * Settings that are rows of a table, read from wherever they are given: postern.conf(5), spf-milter.conf(5), an
 * environment, the file of a directory. Each text is read by its row's kind, later places win, and every text is
 * checked, also one that is overridden. What the rows are, and what must hold between them, is the table's owner's
 * business.
 */
import { withoutPasswords } from '../mail/secret.js';
import { printable } from '../mail/text.js';
import { nearest } from './nearest.js';
import type { ValueKind } from './value-kind.js';

export interface TableRow {
  readonly kind: ValueKind<unknown>;
  /** As it would be given; undefined: nothing is held until it is given. */
  readonly default: string | undefined;
}

export type SettingsTable = ReadonlyMap<string, TableRow>;

/** A text, and where it stands: `/etc/postern.conf:12`, `POSTERN_LISTEN`, `--listen`. */
export interface GivenText {
  readonly name: string;
  readonly text: string;
  readonly place: string;
}

export interface HeldValue extends GivenText {
  readonly value: unknown;
}

export interface TableReaderOptions {
  readonly table: SettingsTable;
  /**
   * How a problem with a value is told; the problem is a whole clause, safe to print, and the text is what its kind
   * lets people see.
   */
  readonly complaint: (given: GivenText, problem: string) => string;
  /** What is wrong with a value beyond its kind. */
  readonly check?: (row: TableRow, value: unknown) => string | undefined;
}

/** `name = text: problem`, behind the place. */
export const usualComplaint = ({ name, text, place }: GivenText, problem: string): string =>
  `${printable(place, 200)}: ${printable(name, 60)} = ${printable(text, 80)}: ${printable(problem, 400)}`;

export class TableReader {
  readonly problems: string[] = [];
  readonly #options: TableReaderOptions;
  readonly #held = new Map<string, HeldValue>();
  readonly #wrong = new Set<string>();

  constructor(options: TableReaderOptions) {
    this.#options = options;
  }

  /** What holds where nothing is given; `others` take the place of the table's own defaults. */
  takeDefaults(others: Readonly<Record<string, string | undefined>> = {}, place = 'default'): void {
    for (const [name, row] of this.#options.table) {
      const other = others[name];
      const text = other ?? row.default;
      if (text !== undefined) this.take({ name, text, place: other === undefined ? 'default' : place });
    }
  }

  /** `name` is a row's. */
  take(given: GivenText): void {
    const row = this.#options.table.get(given.name);
    if (row === undefined) throw new Error(`no row ${given.name}`);
    const parsed = row.kind.parse(given.text);
    const problem = parsed.ok ? this.#options.check?.(row, parsed.value) : parsed.problem;
    if (problem !== undefined) this.blame(given, problem);
    else if (parsed.ok) this.#held.set(given.name, { ...given, value: parsed.value });
  }

  held(name: string): HeldValue | undefined {
    return this.#held.get(name);
  }

  /** All that is held, in the order in which it was first taken. */
  all(): readonly HeldValue[] {
    return [...this.#held.values()];
  }

  isWrong(name: string): boolean {
    return this.#wrong.has(name);
  }

  /** Puts a value in the place of the one that is held: what a file holds that was named. */
  replace(held: HeldValue, value: unknown): void {
    this.#held.set(held.name, { ...held, value });
  }

  blame(given: GivenText, problem: string): void {
    this.#wrong.add(given.name);
    const kind = this.#options.table.get(given.name)?.kind;
    this.problems.push(this.#options.complaint({ ...given, text: kind?.shown?.(given.text) ?? given.text }, problem));
  }

  values(): Record<string, unknown> {
    return Object.fromEntries(this.all().map(({ name, value }) => [name, value]));
  }

  places(): Record<string, string> {
    return Object.fromEntries(this.all().map(({ name, place }) => [name, place]));
  }
}

/** What one place gives, each name once, and what is wrong with it. */
export class GivenTexts {
  readonly given: GivenText[] = [];
  readonly problems: string[] = [];
  readonly #names: ReadonlySet<string>;
  readonly #unknown: (name: string) => string;

  /** `unknown` says what is wrong with a name that is none of the `names`. */
  constructor(names: Iterable<string>, unknown: (name: string) => string) {
    this.#names = new Set(names);
    this.#unknown = unknown;
  }

  add(name: string, text: string, place: string): void {
    const earlier = this.given.find((other) => other.name === name);
    if (!this.#names.has(name)) this.problem(place, this.#unknown(name));
    else if (earlier) this.problem(place, `${name} is given twice, first at ${earlier.place}; keep one`);
    else this.given.push({ name, text: text.trim(), place });
  }

  problem(place: string, what: string): void {
    this.problems.push(`${printable(place, 200)}: ${what}`);
  }
}

export interface FileForm {
  readonly file: string;
  /** `any`: # behind white space begins a comment as well; `line`: only at the start of a line. */
  readonly comments: 'any' | 'line';
  /** Is a line that makes no sense left out of the complaint? It may be a password. */
  readonly isSecret?: boolean;
}

/** `name = text` lines. */
export function readLines(text: string, into: GivenTexts, { file, comments, isSecret = false }: FileForm): void {
  for (const [number, line] of contentLines(text, comments)) {
    const equals = line.indexOf('=');
    const place = `${file}:${number}`;
    if (equals > 0) into.add(line.slice(0, equals).trim(), line.slice(equals + 1), place);
    else
      into.problem(
        place,
        `${isSecret ? '' : `${printable(withoutPasswords(line), 60)}: `}must be KEY = VALUE, or begin with #`,
      );
  }
}

/** What is not blank and no comment, trimmed, with its number. */
export function contentLines(text: string, comments: FileForm['comments']): [number: number, line: string][] {
  const comment = comments === 'any' ? /(?:^|\s)#.*$/s : /^\s*#.*$/s;
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line, i): [number, string] => [i + 1, line.replace(comment, '').trim()])
    .filter(([, line]) => line !== '');
}

/** `lisen is no setting; did you mean listen?`; `otherwise` where nothing is near. */
export function unknownName(name: string, { names, what, otherwise, spell = String }: UnknownName): string {
  const meant = nearest(name.toLowerCase().replaceAll('-', '_'), names);
  return `${printable(name, 60)} is no ${what}; ${meant === undefined ? otherwise : `did you mean ${spell(meant)}?`}`;
}

export interface UnknownName {
  readonly names: Iterable<string>;
  /** "setting", "parameter". */
  readonly what: string;
  readonly otherwise: string;
  /** Writes a name as the place does: `POSTERN_LISTEN`. */
  readonly spell?: (name: string) => string;
}
