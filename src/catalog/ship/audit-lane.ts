/**
 * The file `state/audit` on its way into the catalog, oldest line first, as it becomes a new file or not. A line is
 * known by its octets, and by how many like it were before in its file: what is edited or read anew comes once.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { parseAuditLine } from '../../audit/audit-entry.js';
import { auditFiles } from '../../audit/audit.js';
import { errorText } from '../../mail/error-text.js';
import { openToRead } from '../../quarantine/disk/regular.js';
import { SourceDown } from '../../quarantine/kept-mails.js';
import { type Database, StatementRefused } from '../database.js';
import { putAside, type StrangeRow } from '../insert.js';
import { type AuditOf, type AuditRow, insertAudit } from '../shared/audit.js';
import type { Lane } from './lane.js';

export interface AuditLaneOptions extends AuditOf {
  readonly database: Database;
  readonly state: string;
  readonly onStrange: (row: StrangeRow) => void;
  readonly onProblem: (problem: string) => void;
}

/** Octets that are read at once; a line is shorter. */
const stretch = 262_144;
const lf = 0x0a;

interface AuditPiece {
  readonly ino: number;
  readonly start: number;
  readonly lines: readonly string[];
  readonly end: number;
}

export class AuditLane implements Lane {
  readonly #options: AuditLaneOptions;
  /** Octets that have been taken, by the file's number: it has another name when it is full. */
  #taken = new Map<number, number>();
  #alike = new AlikeLines();

  constructor(options: AuditLaneOptions) {
    this.#options = options;
  }

  async next(): Promise<boolean> {
    const there = new Map<number, number>();
    for (const file of auditFiles(this.#options.state).toReversed()) {
      try {
        const read = this.#read(file);
        if (!read) continue;
        there.set(read.ino, read.end);
        if (read.lines.length === 0) continue;
        // A file that begins anew has no line like one of its own before.
        if (read.start === 0) this.#alike = new AlikeLines();
        await this.#insert(this.#rowsOf(read.lines));
        this.#taken = new Map([...this.#taken, ...there]);
        return true;
      } catch (error) {
        if (error instanceof SourceDown) {
          this.forgetRecent(); // what was sent may be there or not, and has been counted
          throw error;
        }
        this.#options.onProblem(`${file}: ${errorText(error)}`);
      }
    }
    this.#taken = there;
    return false;
  }

  forgetRecent(): void {
    this.#taken.clear();
  }

  /** Whole lines behind what has been taken. */
  #read(file: string): AuditPiece | undefined {
    const fd = openToRead(file);
    if (fd === undefined) return undefined;
    try {
      const { ino, size } = fs.fstatSync(fd);
      const taken = this.#taken.get(ino) ?? 0;
      const start = taken <= size ? taken : 0;
      if (start === size) return { ino, start, lines: [], end: start };
      const octets = Buffer.alloc(Math.min(stretch, size - start));
      const read = octets.subarray(0, fs.readSync(fd, octets, 0, octets.length, start));
      const length = read.lastIndexOf(lf) + 1;
      // What is longer than any line is passed over.
      if (length === 0) return { ino, start, lines: [], end: read.length === stretch ? start + stretch : start };
      const lines = read.toString('utf8', 0, length - 1).split('\n');
      return { ino, start, lines, end: start + length };
    } finally {
      fs.closeSync(fd);
    }
  }

  #rowsOf(lines: readonly string[]): readonly AuditRow[] {
    return lines.flatMap((line) => {
      const entry = parseAuditLine(line);
      return entry ? [{ ...this.#alike.named(line), line, entry }] : [];
    });
  }

  /** A line that the server does not take is found by halving, and put aside. */
  async #insert(rows: readonly AuditRow[]): Promise<void> {
    const { database, node, onStrange } = this.#options;
    if (rows.length === 0) return;
    try {
      await insertAudit(database, this.#options, rows);
    } catch (error) {
      if (!(error instanceof StatementRefused)) throw error;
      const [only] = rows;
      if (only && rows.length === 1) {
        await putAside(database, node, only.line, errorText(error));
        return onStrange({ filename: `audit: ${only.entry.what} ${only.entry.target}`, problem: errorText(error) });
      }
      const middle = Math.ceil(rows.length / 2);
      await this.#insert(rows.slice(0, middle));
      await this.#insert(rows.slice(middle));
    }
  }
}

const maxRemembered = 1_000;

/** Lines that are alike have the same millisecond, so they stand close to each other. */
class AlikeLines {
  #lately = new Map<string, number>();
  #before = new Map<string, number>();

  named(line: string): Pick<AuditRow, 'digest' | 'n'> {
    const digest = createHash('sha256').update(line).digest('base64url');
    if (this.#lately.size >= maxRemembered) [this.#before, this.#lately] = [this.#lately, new Map()];
    const n = 1 + (this.#lately.get(digest) ?? this.#before.get(digest) ?? 0);
    this.#lately.set(digest, n);
    return { digest, n };
  }
}
