/** The audit of all hosts, in the catalog: lines of their files. A search finds what it would find in the files. */
import { type AuditEntry, entryText, holdsWords, parseAuditLine } from '../../audit/audit-entry.js';
import type { AuditSource } from '../../audit/audit-source.js';
import type { Catalog } from '../catalog.js';
import { Conditions, holding } from '../conditions.js';
import type { Sql } from '../database.js';
import { clean } from '../mail-row.js';

/** A line of a host's file; n counts those that are alike. */
export interface AuditRow {
  readonly digest: string;
  readonly n: number;
  readonly line: string;
  readonly entry: AuditEntry;
}

const insert = `
insert into audit (node, digest, n, host, at, line, words)
select $2, g.digest, g.n, $3, g.at, g.line, g.words
from json_to_recordset($1::text::json) as g(i integer, digest text, n integer, at timestamptz, line text, words text)
where not exists (select from audit a where a.node = $2 and a.digest = g.digest and a.n = g.n)
order by g.i
on conflict do nothing
returning 1`;

export interface AuditOf {
  readonly node: string;
  /** Our name, for people. */
  readonly host: string;
}

/** Lines of one host, oldest first; returns how many were not there before. Again changes nothing. */
export async function insertAudit(sql: Sql, { node, host }: AuditOf, rows: readonly AuditRow[]): Promise<number> {
  const given = rows.map(({ digest, n, line, entry }, i) => ({
    i,
    digest,
    n,
    at: new Date(entry.time).toISOString(),
    line: clean(line),
    words: clean(entryText({ ...entry, host })),
  }));
  return (await sql.query(insert, [JSON.stringify(given), node, clean(host)])).length;
}

interface FoundLine {
  readonly host: string;
  readonly line: string;
  readonly at: string;
  readonly number: string;
}

const batch = { first: 100, further: 1_000 };

export class AuditInCatalog implements AuditSource {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  async *find(words: readonly string[]): AsyncGenerator<AuditEntry> {
    const database = await this.#catalog.use();
    let last: FoundLine | undefined;
    for (let limit = batch.first; ; limit = batch.further) {
      const where = new Conditions();
      if (last) where.add('(at, number) < (?::timestamptz, ?::bigint)', last.at, last.number);
      for (const word of words) where.add('words like ?', holding(word));
      const rows = await database.query<FoundLine>(
        `select host, line, at::text as at, number::text as number from audit
         where ${where.text} order by audit.at desc, audit.number desc limit ${limit}`,
        where.values,
      );
      for (const { host, line } of rows) {
        const entry = parseAuditLine(line);
        const told = entry && { ...entry, host };
        if (told && holdsWords(told, words)) yield told;
      }
      last = rows.at(-1);
      if (rows.length < limit) return;
    }
  }
}
