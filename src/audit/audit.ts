/**
 * Who did what: the file `state/audit`, one line a change, appended by one write, so that pages and commands may write
 * at once. A full file becomes `audit.1`, and the one before it goes. What cannot be recorded is told, and does not
 * undo the change.
 */
import fs from 'node:fs';
import path from 'node:path';
import { ownAs } from '../digest/own-as.js';
import { underLock } from '../quarantine/disk/lock.js';
import { type AuditEntry, auditLine, parseAuditLine } from './audit-entry.js';

export type AuditRecord = Omit<AuditEntry, 'time'>;

export interface AuditOptions {
  /** It is the state folder. Where it is not there, nothing runs here yet, and nothing is recorded. */
  readonly state: string;
  /** It is told every line, for the log. */
  readonly onRecord?: (record: AuditRecord) => void;
  readonly onProblem: (problem: string) => void;
  /** It is the size in octets at which the file is full. */
  readonly maxOctets?: number;
}

const defaultMaxOctets = 8_388_608;
/**
 * A process records so many wrong tokens a day: more of them would push the changes out of the file. The log has them
 * all.
 */
const maxFailedLogInsADay = 1_000;
const dayMs = 86_400_000;

export class Audit {
  readonly #options: AuditOptions;
  #failedLogIns = { since: 0, count: 0 };

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  /** Never throws. */
  record(record: AuditRecord): void {
    const { state, onRecord, onProblem } = this.#options;
    onRecord?.(record);
    if (record.what === 'log-in failed' && !this.#hasRoom()) return;
    try {
      this.#append(auditLine({ time: new Date().toISOString(), ...record }));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' && !fs.existsSync(state)) return;
      onProblem(`${auditFile(state)}: cannot be written (${code ?? message}): ${record.what} ${record.target}`);
    }
  }

  #hasRoom(): boolean {
    const now = performance.now();
    if (this.#failedLogIns.count === 0 || now - this.#failedLogIns.since > dayMs)
      this.#failedLogIns = { since: now, count: 0 };
    return ++this.#failedLogIns.count <= maxFailedLogInsADay;
  }

  #append(line: string): void {
    const { state, maxOctets = defaultMaxOctets } = this.#options;
    const file = auditFile(state);
    const isNew = !fs.existsSync(file);
    const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = fs.constants;
    const fd = fs.openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o640);
    try {
      if (isNew) ownAs(file, state);
      fs.writeSync(fd, line);
      if (fs.fstatSync(fd).size > maxOctets) void this.#turn(maxOctets);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Moves the full file away; when several processes find it full, one of them does. */
  async #turn(maxOctets: number): Promise<void> {
    const file = auditFile(this.#options.state);
    try {
      await underLock(`${file}.lock`, async () => {
        if (fs.statSync(file).size > maxOctets) fs.renameSync(file, olderFile(this.#options.state));
      });
    } catch (error) {
      this.#options.onProblem(`${file}: cannot be moved (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
    }
  }
}

export const auditFile = (state: string): string => path.join(state, 'audit');
const olderFile = (state: string): string => `${auditFile(state)}.1`;
/** The newer one comes first. */
export const auditFiles = (state: string): readonly string[] => [auditFile(state), olderFile(state)];

/** Yields the entries, newest first; none where nothing has been recorded. Broken IO throws. */
export function* readAudit(state: string): Generator<AuditEntry> {
  for (const file of auditFiles(state))
    for (const line of linesOf(file).toReversed()) {
      const entry = parseAuditLine(line);
      if (entry) yield entry;
    }
}

function linesOf(file: string): readonly string[] {
  try {
    return fs.readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
