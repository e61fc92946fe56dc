/**
 * The store that needs no other program: a table in memory, and a file beside it that it is read from at a start.
 * Changes are appended once a second, many in one write, and the file is written anew when most of it is old. A
 * process that is killed forgets its last second; a torn line is passed over. It is the primary's: workers ask for
 * it (cli/serve/worker-store).
 */
import { readFileSync } from 'node:fs';
import { appendFile, rename, rm } from 'node:fs/promises';
import { errorText } from '../mail/error-text.js';
import type { Backend, Operation, StoreAnswer, Value } from './store.js';
import { type StoreEntry, Table } from './table.js';

export interface EmbeddedOptions {
  /** Undefined: nothing is read, and nothing is kept over a restart. */
  readonly file: string | undefined;
  /** Entries of each half of the table. */
  readonly max?: number;
  readonly now?: () => number;
  /** How often changes are written. */
  readonly everyMs?: number;
  /** Told when writing or reading fails, once until it works again. */
  readonly onProblem?: (problem: string) => void;
}

/** Lines above which the file is written anew, where that many are old. */
const fewLines = 20_000;
const defaultMax = 100_000;

export class Embedded implements Backend {
  readonly #options: EmbeddedOptions;
  readonly #table: Table;
  #lines = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #problem = '';
  /** The file ends inside a line, which the next one must not continue. */
  #torn = false;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.#table = new Table({ max: options.max ?? defaultMax, now: options.now ?? Date.now });
    this.#read();
  }

  get size(): number {
    return this.#table.size;
  }

  /** Without a promise, for whoever is in the same process. */
  ask(operation: Operation): Value {
    const value = this.#table.run(operation);
    if (this.#table.isChanged) this.#writeSoon();
    return value;
  }

  run(operation: Operation): Promise<StoreAnswer<Value>> {
    return Promise.resolve({ ok: true, value: this.ask(operation) });
  }

  /** What is not written yet is written first. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#write();
  }

  #read(): void {
    const { file } = this.#options;
    if (file === undefined) return;
    try {
      const text = readFileSync(file, 'utf8');
      this.#torn = text !== '' && !text.endsWith('\n');
      for (const line of text.split('\n')) {
        const entry = entryOf(line);
        if (entry) this.#table.load(entry);
        if (line !== '') this.#lines++;
      }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.#report(`cannot be read: ${message}`);
    }
  }

  #writeSoon(): void {
    if (this.#options.file === undefined) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#write();
    }, this.#options.everyMs ?? 1000).unref();
  }

  /** One after the other; never rejects. */
  #write(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#writeNow());
    return this.#writing;
  }

  async #writeNow(): Promise<void> {
    const { file } = this.#options;
    const keys = this.#table.takeChanges();
    if (file === undefined || keys.length === 0) return;
    try {
      const entries = keys.flatMap((key) => this.#table.entry(key) ?? []);
      if (this.#lines + entries.length > 2 * this.#table.size + fewLines) return await this.#writeAnew(file);
      await appendFile(file, `${this.#torn ? '\n' : ''}${entries.map(lineOf).join('')}`, { mode: 0o600 });
      this.#torn = false;
      this.#lines += entries.length;
      this.#problem = '';
    } catch (error) {
      this.#table.giveBack(keys);
      this.#report(`cannot be written: ${errorText(error)}`);
    }
  }

  /** Whole, then renamed into place: a crash leaves the old file or the new one. */
  async #writeAnew(file: string): Promise<void> {
    const draft = `${file}.new`;
    await rm(draft, { force: true });
    let lines = 0;
    let part = '';
    for (const entry of this.#table.entries()) {
      part += lineOf(entry);
      if (++lines % 1000 !== 0) continue;
      await appendFile(draft, part, { mode: 0o600 });
      part = '';
    }
    await appendFile(draft, part, { mode: 0o600 });
    await rename(draft, file);
    this.#lines = lines;
    this.#torn = false;
    this.#problem = '';
  }

  #report(problem: string): void {
    if (problem !== this.#problem) this.#options.onProblem?.(problem);
    this.#problem = problem;
  }
}

const lineOf = ({ key, value, ends, settled }: StoreEntry): string =>
  `${JSON.stringify([key, value, ends, settled ? 1 : 0])}\n`;

/** Returns undefined for a line that was cut short, or that we did not write. */
function entryOf(line: string): StoreEntry | undefined {
  if (!line.startsWith('[') || !line.endsWith(']')) return undefined;
  try {
    const [key, value, ends, settled] = JSON.parse(line) as unknown[];
    if (typeof key !== 'string' || typeof value !== 'string' || typeof ends !== 'number') return undefined;
    return { key, value, ends, settled: settled === 1 };
  } catch {
    return undefined;
  }
}
