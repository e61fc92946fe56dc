/** Reads the ini files of others: sections, `key = value`, `key[] = value` many times over, ; and # comments. */

export interface IniEntry {
  /** '' and `main` are the same: what stands before the first section. */
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

export class Ini {
  readonly entries: readonly IniEntry[];

  constructor(text: string) {
    let section = 'main';
    this.entries = text.split('\n').flatMap((line): readonly IniEntry[] => {
      const bare = line.replace(/^\s*[;#].*$|\s[;#].*$/, '').trim();
      const named = /^\[([^\]]*)\]$/.exec(bare)?.[1];
      if (named !== undefined) section = named.trim();
      if (named !== undefined || bare === '') return [];
      const [, key = bare, value = ''] = /^([^=]*?)\s*=\s*(.*)$/.exec(bare) ?? [];
      return [{ section, key: key.replace(/\[\]$/, ''), value }];
    });
  }

  /** The last value wins, as in the programs that read such files; undefined where there is none, or an empty one. */
  get(key: string, section = 'main'): string | undefined {
    return this.all(key, section).at(-1);
  }

  /** All values of a key that is there many times over, or has several words. */
  all(key: string, section = 'main'): readonly string[] {
    return this.entries
      .filter((entry) => entry.section === section && entry.key === key && entry.value !== '')
      .map(({ value }) => value);
  }

  /** Is it switched on? */
  isOn(key: string, section = 'main'): boolean {
    return /^(?:true|yes|ok|enabled|on|1)$/i.test(this.get(key, section) ?? '');
  }

  section(name: string): readonly IniEntry[] {
    return this.entries.filter(({ section }) => section === name);
  }

  sections(): readonly string[] {
    return [...new Set(this.entries.map(({ section }) => section))];
  }
}

/** The words of a value that is a list between commas, semicolons or white space. */
export const wordsOf = (value: string): readonly string[] => value.split(/[\s,;]+/).filter((word) => word !== '');
