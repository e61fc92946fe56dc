/**
 * This host's own copies of mails that the catalog has: from an age on they go, each once its octets have been read
 * back from there and are those of the file. Lines of the index stay. What differs, or is not there, stays for good.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { errorText } from '../../mail/error-text.js';
import { allFolders, domainIn, ydayIn } from '../../quarantine/care/folders.js';
import { filesIn } from '../../quarantine/disk/emptying.js';
import { baseName, type Folder, mailTime } from '../../quarantine/disk/folder.js';
import { SourceDown } from '../../quarantine/kept-mails.js';
import { openKeptMail } from '../../quarantine/look/kept-mail.js';
import type { Bodies } from '../bodies/bodies.js';
import type { Database } from '../database.js';
import { keyOf, type RowKey } from '../mail-row.js';

export interface LocalCopiesOptions {
  readonly bodies: Bodies;
  /** /spam */
  readonly root: string;
  readonly node: string;
  /** Milliseconds; younger ones stay. 0: all do. */
  readonly keepMs: number;
  /** Is the domain's mail kept for longer than the catalog has it? */
  readonly outlivesCatalog: (domain: string) => boolean;
  /** Milliseconds for which nothing was put from a folder, and the server was no other: a standby has it by then. */
  readonly settledMs: number;
  readonly onProblem: (problem: string) => void;
}

/** Mails that are asked for at once. */
const batch = 100;

export class LocalCopies {
  readonly #options: LocalCopiesOptions;
  /** By the monotonic clock: nothing that was put before is unsettled. */
  #since = performance.now();
  readonly #putAt = new Map<string, number>();
  #removed = 0;

  constructor(options: LocalCopiesOptions) {
    this.#options = options;
  }

  get removed(): number {
    return this.#removed;
  }

  /** Mails of that folder were put into the catalog just now. */
  put({ yday, domain }: { readonly yday: string; readonly domain: string }): void {
    this.#putAt.set(`${yday}/${domain}`, performance.now());
  }

  /** Another server answers, which may not have all that the former one had. */
  unsettle(): void {
    this.#since = performance.now();
  }

  /** Throws SourceDown. */
  async remove(database: Database, isStopped: () => boolean): Promise<void> {
    const { root, keepMs, outlivesCatalog } = this.#options;
    if (keepMs === 0) return;
    for (const folder of allFolders(root)) {
      if (!this.#isSettled(folder) || outlivesCatalog(domainIn(folder))) continue;
      for (const dir of [folder.new, folder.cur]) {
        const before = Date.now() - keepMs;
        const old = (await filesIn(dir)).filter((name) => (mailTime(name) ?? Infinity) < before);
        for (let i = 0; i < old.length; i += batch) {
          if (isStopped() || !this.#isSettled(folder)) return;
          await this.#removeSome(database, domainIn(folder), pathsByName(dir, old.slice(i, i + batch)));
        }
      }
    }
  }

  #isSettled(folder: Folder): boolean {
    const since = Math.max(this.#since, this.#putAt.get(`${ydayIn(folder)}/${domainIn(folder)}`) ?? 0);
    return performance.now() - since >= this.#options.settledMs;
  }

  async #removeSome(database: Database, domain: string, files: ReadonlyMap<string, string>): Promise<void> {
    const { node, onProblem } = this.#options;
    const keys = [...files.keys()].flatMap((filename) => ({ ...keyOf(filename), filename }));
    const rows = await database.query<RowKey & { filename: string }>(
      `select m.day::text, m.id, m.n, m.filename
       from json_to_recordset($1::text::json) as k(day date, id text, n integer, filename text)
       join mail m on m.day = k.day and m.id = k.id and m.n = k.n
       where m.node = $2 and m.domain = $3 and m.filename = k.filename`,
      [JSON.stringify(keys.filter((key) => 'day' in key)), node, domain],
    );
    for (const row of rows) {
      const file = files.get(row.filename);
      if (file === undefined) continue;
      try {
        if (!(await this.#isInCatalog(database, row, file))) continue;
        fs.rmSync(file, { force: true });
        this.#removed++;
      } catch (error) {
        if (error instanceof SourceDown) throw error;
        onProblem(`${file} stays: ${errorText(error)}`);
      }
      await breathe();
    }
  }

  async #isInCatalog(database: Database, key: RowKey, file: string): Promise<boolean> {
    // Its hash is that of the reference, or it throws.
    const there = await this.#options.bodies.get(database, key);
    const here = there && openKeptMail(file);
    if (!there || here?.message.size !== there.length) return false;
    const parts: Buffer[] = [];
    for await (const part of here.message.parts()) parts.push(part);
    return Buffer.concat(parts).equals(there);
  }
}

const pathsByName = (dir: string, names: readonly string[]): ReadonlyMap<string, string> =>
  new Map(names.map((name) => [baseName(name), path.join(dir, name)]));
