/** What became of the mail of all hosts, in numbers: from what was counted when lines came in. */
import { type JournalVerdict, journalVerdicts } from '../../journal/line.js';
import {
  maxNames,
  type MailSums,
  type NamedCount,
  type SumsQuestion,
  type VerdictCounts,
} from '../../journal/sums/mail-sums.js';
import { Conditions } from '../conditions.js';
import type { Sql } from '../database.js';
import { hourMs } from '../../journal/hours.js';
import { clean } from '../mail-row.js';
import { type LineCount, timeText } from './line-row.js';

/** So many senders and clients are kept of an hour that is over, and at least so many of each domain. */
const kept = { ofAll: 500, ofDomain: 3 };

/** Names are as many as mails: those that came seldom go. `hours` that began so long ago, in milliseconds, are over. */
export async function dropRareNames(sql: Sql, hours = { from: 50 * hourMs, to: 2 * hourMs }): Promise<void> {
  await sql.query(
    `delete from journal_tally t using (
       select kind, hour, domain, name,
         row_number() over (partition by kind, hour order by lines desc, name) as of_all,
         row_number() over (partition by kind, hour, domain order by lines desc, name) as of_domain
       from journal_tally where kind in ('sender', 'client') and hour >= $1 and hour < $2) c
     where c.of_all > $3 and c.of_domain > $4 and t.hour >= $1 and t.hour < $2
       and t.kind = c.kind and t.hour = c.hour and t.domain = c.domain and t.name = c.name`,
    [timeText(Date.now() - hours.from), timeText(Date.now() - hours.to), kept.ofAll, kept.ofDomain],
  );
}

export class SumsInCatalog {
  readonly #reads: Sql;

  constructor(reads: Sql) {
    this.#reads = reads;
  }

  async of(question: SumsQuestion): Promise<MailSums> {
    const sql = this.#reads;
    const hours = await hoursOf(sql, question);
    return {
      hours,
      verdicts: addedUp(hours),
      plugins: await top(sql, question, 'plugin', 'name'),
      domains: await top(sql, question, 'verdict', 'domain'),
      senders: await top(sql, question, 'sender', 'name'),
      clients: await top(sql, question, 'client', 'name'),
    };
  }
}

async function hoursOf(sql: Sql, question: SumsQuestion): Promise<readonly VerdictCounts[]> {
  const where = conditionsOf(question, 'verdict');
  const rows = await sql.query<{ start: number; name: string; count: number }>(
    `select extract(epoch from hour)::float8 * 1000 as start, name, sum(lines)::float8 as count from journal_tally
     where ${where.text} group by 1, 2 order by 1 desc`,
    where.values,
  );
  const hours = new Map<number, Partial<Record<JournalVerdict, number>>>();
  for (const { start, name, count } of rows) {
    const verdict = journalVerdicts.find((one) => one === name);
    if (verdict !== undefined) hours.set(start, { ...hours.get(start), [verdict]: count });
  }
  return [...hours].map(([start, verdicts]) => ({ start, verdicts }));
}

function addedUp(hours: readonly VerdictCounts[]): MailSums['verdicts'] {
  const all = new Map<JournalVerdict, number>();
  for (const verdict of journalVerdicts) {
    const sum = hours.reduce((total, { verdicts }) => total + (verdicts[verdict] ?? 0), 0);
    if (sum > 0) all.set(verdict, sum);
  }
  return Object.fromEntries(all);
}

async function top(
  sql: Sql,
  question: SumsQuestion,
  kind: LineCount['kind'],
  by: 'name' | 'domain',
): Promise<readonly NamedCount[]> {
  const where = conditionsOf(question, kind);
  return sql.query<NamedCount>(
    `select ${by} as name, sum(lines)::float8 as count from journal_tally where ${where.text}
     group by 1 order by 2 desc, 1 limit ${maxNames}`,
    where.values,
  );
}

function conditionsOf({ from, until, domains }: SumsQuestion, kind: LineCount['kind']): Conditions {
  const where = new Conditions();
  where.add('kind = ?', kind);
  if (from !== -Infinity) where.add('hour >= ?', timeText(from));
  if (until !== Infinity) where.add('hour < ?', timeText(until));
  if (domains) where.add('domain = any(?)', [...domains].map(clean));
  return where;
}
