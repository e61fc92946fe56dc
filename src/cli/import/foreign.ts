/**
 * Reads the files of another program, which nobody has promised to be well-formed: bounded, without waiting for a FIFO,
 * and with what is wrong as a note of the plan. What the lines mean is each source's business.
 */
import { statSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { errorText } from '../../mail/error-text.js';
import { parseNetwork } from '../../mail/ip.js';
import { printable } from '../../mail/text.js';
import { readText } from '../../settings/read-text.js';
import type { PlanDraft } from './plan.js';

const maxOctets = 16_000_000;
const maxDepth = 10;

/** A line that says something, and where it stands. */
export interface ForeignLine {
  readonly text: string;
  /** `host_list:3` */
  readonly from: string;
}

export class ForeignFolder {
  readonly path: string;
  readonly #plan: PlanDraft;

  constructor(path: string, plan: PlanDraft) {
    this.path = path;
    this.#plan = plan;
  }

  /** The text of a file; undefined where there is none, or none that can be read, which the plan notes then. */
  text(name: string): string | undefined {
    const path = this.at(name);
    try {
      if (statSync(path).size > maxOctets) throw new Error(`it is larger than ${maxOctets} octets`);
      return readText(path)
        .replace(/^\uFEFF/, '')
        .replaceAll('\r\n', '\n');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR')
        this.#plan.note('by hand', name, `cannot be read (${code ?? errorText(error)}): nothing of it was taken`);
      return undefined;
    }
  }

  /** The lines that say something, without comments; `$include FILE` is followed where `includes` says so. */
  lines(name: string, { includes = false, depth = 0 } = {}): readonly ForeignLine[] {
    const all = (this.text(name) ?? '').split('\n').map((line, i) => ({
      text: line.replace(/(?:^|\s)#.*$/, '').trim(),
      from: `${basename(name)}:${i + 1}`,
    }));
    return all
      .filter(({ text }) => text !== '')
      .flatMap((line) => {
        const included = includes ? /^\$include\s+(\S+)$/.exec(line.text)?.[1] : undefined;
        if (included === undefined) return [line];
        if (depth < maxDepth) return this.lines(included, { includes, depth: depth + 1 });
        this.#plan.note('by hand', line.from, `$include ${printable(included, 80)} goes round in a circle`);
        return [];
      });
  }

  /** The first line that says something, of files that hold one value. */
  first(name: string): ForeignLine | undefined {
    return this.lines(name)[0];
  }

  /** The networks of a list of them, between commas; what is none is a note of the plan. */
  networks(name: string): string {
    const words = this.lines(name).map(({ text, from }) => ({ text: withoutBrackets(text), from }));
    for (const { text, from } of words)
      if (!parseNetwork(text))
        this.#plan.note('by hand', from, `"${printable(text, 80)}" is no address and no network`);
    return words
      .map(({ text }) => text)
      .filter((text) => parseNetwork(text))
      .join(', ');
  }

  has(name: string): boolean {
    return statSync(this.at(name), { throwIfNoEntry: false }) !== undefined;
  }

  at(name: string): string {
    return isAbsolute(name) ? name : join(this.path, name);
  }
}

/** The row of a table for a word of others, which may be `constructor`. */
export const rowOf = <T>(table: Readonly<Record<string, T>>, word: string): T | undefined =>
  Object.hasOwn(table, word) ? table[word] : undefined;

/** `[2001:db8::1]` is 2001:db8::1. */
export const withoutBrackets = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');
