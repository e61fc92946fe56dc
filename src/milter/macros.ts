/**
 * The macros of one connection: a table for each stage. A name has the value of the latest stage that has it. What the
 * MTA sends is kept as it came, and taken apart only when somebody asks.
 */

/** The commands macros come with, in the order of a session. UNKNOWN may come at any time, and is always the latest. */
const stages = 'CHMRTLNBEU';

/** Code octet → place in `stages`; -1 for a command that has no macros. */
const placeOf: Int8Array = Int8Array.from({ length: 256 }, (_, code) => stages.indexOf(String.fromCharCode(code)));

export class Macros {
  /** Definitions as sent, or taken apart; those before `#end` count. */
  readonly #tables = new Array<string | ReadonlyMap<string, string> | undefined>(stages.length);
  #end = 0;

  /** A new table replaces that of its stage and those of all later ones. `code`: octet of the command it belongs to. */
  set(code: number, definitions: string): void {
    const place = placeOf[code] ?? -1;
    if (place < 0) return;
    for (let i = this.#end; i < place; i++) this.#tables[i] = undefined;
    this.#tables[place] = definitions;
    this.#end = place + 1;
  }

  clear(): void {
    this.#end = 0;
  }

  /** Forgets the tables behind that command's. */
  clearBehind(code: number): void {
    this.#end = Math.min(this.#end, (placeOf[code] ?? -1) + 1);
  }

  /** `name` with or without braces. */
  get(name: string): string | undefined {
    const bare = bareName(name);
    for (let place = this.#end - 1; place >= 0; place--) {
      const value = this.#table(place)?.get(bare);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  #table(place: number): ReadonlyMap<string, string> | undefined {
    const table = this.#tables[place];
    if (typeof table !== 'string') return table;
    const parsed = parseDefinitions(table);
    this.#tables[place] = parsed;
    return parsed;
  }
}

/** name NUL value NUL …; a name that lacks its value is none. */
function parseDefinitions(definitions: string): ReadonlyMap<string, string> {
  const parts = definitions.split('\0');
  const table = new Map<string, string>();
  for (let i = 0; i + 2 < parts.length; i += 2) table.set(bareName(parts[i] ?? ''), parts[i + 1] ?? '');
  return table;
}

const bareName = (name: string): string => (name.startsWith('{') && name.endsWith('}') ? name.slice(1, -1) : name);

/** A name as it stands in a list of macros: a single letter bare, a longer name in braces. */
export function listedName(name: string): string {
  const bare = bareName(name);
  return bare.length === 1 ? bare : `{${bare}}`;
}
