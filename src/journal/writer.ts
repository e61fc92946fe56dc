/**
 * Appends to the journal: lines are gathered for a moment, as octets that keep nothing of their mails in memory, and
 * written at once, by one write that nobody else's can get into, so that several processes may write to the same file.
 * Mail never waits for it and never fails because of it: on a full disk lines are lost, which is counted and told. What
 * a crash costs are the lines of a fifth of a second.
 */
import fs from 'node:fs';
import path from 'node:path';
import { maxLine } from '../lines/json-line.js';
import { openToWrite } from '../quarantine/disk/regular.js';
import { codeOf } from '../quarantine/disk/durable.js';
import { Floods, floodMs } from './floods.js';
import { hourAt, type JournalHour, hourMs } from './hours.js';
import { type JournalLine, journalText } from './line.js';
import { OthersLines } from './others.js';
import { TriesMemory } from './tries.js';
import { errorText } from '../mail/error-text.js';

export interface JournalOptions {
  /** `state/journal` */
  readonly dir: string;
  /** Is the subject written? */
  readonly subject: boolean;
  /** Our name, in each line. */
  readonly node: string;
  /** Called once a minute at most, with the number of lines that were lost, and why. */
  readonly onLoss: (lost: number, problem: string) => void;
  /** Counts each line that is lost. */
  readonly lost?: { add(lines: number): void };
  /** Milliseconds, as Date.now() gives them. */
  readonly now?: () => number;
}

const gatherMs = 200;
/** Some four hundred mails. */
const gatheredOctets = 262_144;

/** The journals whose gathered lines are written when the process ends. */
const open = new Set<JournalWriter>();

process.on('exit', () => {
  for (const journal of open) journal.flush();
});

interface OpenFile {
  readonly fd: number;
  readonly hour: JournalHour;
}

export class JournalWriter {
  readonly #options: JournalOptions;
  readonly #now: () => number;
  readonly #floods = new Floods();
  readonly #tries = new TriesMemory();
  readonly #others: OthersLines;
  /** What is gathered stands behind a line end, which is written where the write before was cut short. */
  readonly #octets = Buffer.alloc(gatheredOctets, '\n');
  #end = 1;
  /** How many lines are gathered. */
  #gathered = 0;
  #gatheredSince = 0;
  #timer: NodeJS.Timeout | undefined;
  #floodTimer: NodeJS.Timeout | undefined;
  #file: OpenFile | undefined;
  /** A write was cut short: what comes next begins on a line of its own. */
  #torn = false;
  #lost = 0;
  #lostUntold = 0;
  #toldAt = -Infinity;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#others = new OthersLines(options.dir, (line) => this.#tries.hear(line));
    open.add(this);
  }

  /** Seconds that the oldest of the gathered lines has been waiting. */
  get lagSeconds(): number {
    return this.#gathered === 0 ? 0 : (performance.now() - this.#gatheredSince) / 1000;
  }

  /** How many lines could not be written. */
  get lostLines(): number {
    return this.#lost;
  }

  get #isClosed(): boolean {
    return !open.has(this);
  }

  /** Takes the line over. Never throws. */
  write(line: JournalLine): void {
    const isMany = line.verdict === 'turned away' || line.stage === 'rcpt';
    if (isMany && !this.#isClosed && !this.#floods.admits(line))
      this.#floodTimer ??= setTimeout(() => this.#drain(), floodMs).unref();
    else this.#gather(line);
  }

  #gather(line: JournalLine): void {
    if (this.#gathered === 0) this.#begin();
    const text = this.#textOf(line);
    if (text === undefined) return;
    this.#end += this.#octets.write(text, this.#end);
    this.#gathered++;
    if (this.#isClosed) this.close();
    else if (this.#end > gatheredOctets - maxLine) this.flush();
  }

  #begin(): void {
    this.#gatheredSince = performance.now();
    this.#timer ??= setTimeout(() => this.flush(), gatherMs).unref();
    try {
      this.#others.catchUp(this.#openFile().hour);
    } catch {
      // It is told where the lines cannot be written.
    }
  }

  #drain(): void {
    this.#floodTimer = undefined;
    for (const line of this.#floods.drain()) this.#gather(line);
  }

  /** Writes what is gathered. Never throws. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#gathered;
    if (lines === 0) return;
    const end = this.#end;
    this.#gathered = 0;
    this.#end = 1;
    try {
      const { fd, hour } = this.#openFile();
      this.#others.catchUp(hour);
      const octets = this.#octets.subarray(this.#torn ? 0 : 1, end);
      const written = fs.writeSync(fd, octets);
      this.#torn = written < octets.length;
      if (this.#torn) this.lose(newlinesIn(octets.subarray(written)), 'the disk is full');
      this.#others.skipTo(fs.fstatSync(fd).size);
    } catch (error) {
      this.#closeFile();
      this.lose(lines, codeOf(error) || errorText(error));
    }
  }

  /**
   * What the journal knows itself is put into the line, which is ours now: a copy costs more than all the rest.
   * undefined: it is lost.
   */
  #textOf(line: { -readonly [K in keyof JournalLine]: JournalLine[K] }): string | undefined {
    try {
      line.node = this.#options.node;
      line.tries = this.#tries.next(line);
      if (!this.#options.subject) line.subject = undefined;
      return journalText(line);
    } catch (error) {
      this.lose(1, errorText(error));
      return undefined;
    }
  }

  /** The file of this hour. Somebody may have removed the one that is open. */
  #openFile(): OpenFile {
    const now = this.#now();
    const known = this.#file;
    if (known !== undefined && now >= known.hour.start && now < known.hour.start + hourMs) {
      if (fs.fstatSync(known.fd).nlink > 0) return known;
    }
    this.#closeFile();
    const hour = hourAt(this.#options.dir, now);
    this.#file = { fd: openToAppend(hour.file), hour };
    return this.#file;
  }

  #closeFile(): void {
    if (this.#file) fs.closeSync(this.#file.fd);
    this.#file = undefined;
    this.#torn = false;
  }

  /** So many lines are lost. */
  lose(count: number, problem: string): void {
    this.#lost += count;
    this.#options.lost?.add(count);
    this.#lostUntold += count;
    const now = performance.now();
    if (now - this.#toldAt < tellAgainMs) return;
    this.#toldAt = now;
    this.#options.onLoss(this.#lostUntold, problem);
    this.#lostUntold = 0;
  }

  /** Writes the rest. A line that comes later, of a session that ended when all was closed, is written at once. */
  close(): void {
    clearTimeout(this.#floodTimer);
    this.#drain();
    this.flush();
    this.#closeFile();
    open.delete(this);
  }
}

const tellAgainMs = 60_000;

function newlinesIn(octets: Buffer): number {
  let count = 0;
  for (let at = octets.indexOf(0x0a); at >= 0; at = octets.indexOf(0x0a, at + 1)) count++;
  return count;
}

const { O_WRONLY, O_APPEND, O_CREAT } = fs.constants;

function openToAppend(file: string): number {
  try {
    return openToWrite(file, O_WRONLY | O_APPEND | O_CREAT, 0o640);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o750 });
    return openToWrite(file, O_WRONLY | O_APPEND | O_CREAT, 0o640);
  }
}
