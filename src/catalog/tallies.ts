/** How many mails there are, from what was counted when they came; senders and clients from the newest ones alone. */
import { maxNames, type Count, type DayCount, type Stats } from '../quarantine/look/stats.js';
import type { Sql, SqlValue } from './database.js';

/** Senders and clients are as many as mails: those of so many newest mails are counted. */
export const maxCounted = 10_000;

/** `domains`: those that are seen; all where none are given. */
export async function tallied(sql: Sql, domains: ReadonlySet<string> | undefined): Promise<Stats> {
  const isSeen = domains === undefined ? 'true' : 'domain = any($1)';
  const values: readonly SqlValue[] = domains === undefined ? [] : [[...domains]];
  const sums = (name: string): Promise<readonly Count[]> =>
    sql.query<Count>(
      `select ${name} as name, sum(mails)::float8 as count from tally where ${isSeen}
       group by 1 order by 2 desc, 1 limit ${maxNames}`,
      values,
    );
  const newest = (name: string): Promise<readonly Count[]> =>
    sql.query<Count>(
      `select ${name} as name, count(*)::float8 as count from (
         select sender, ip from mail where ${isSeen} order by day desc, id desc, n desc limit ${maxCounted}) newest
       group by 1 order by 2 desc, 1 limit ${maxNames}`,
      values,
    );
  const days = await daysOf(sql, isSeen, values);
  return {
    total: days.reduce((sum, { count }) => sum + count, 0),
    octets: days.reduce((sum, { octets }) => sum + octets, 0),
    released: await released(sql, isSeen, values),
    days,
    plugins: await sums('plugin'),
    reasons: await sums('reason'),
    domains: await sums('domain'),
    senders: await newest(`case when sender = '' then '<>' else lower(sender) end`),
    clients: await newest('ip'),
    namesOfNewest: maxCounted,
  };
}

async function daysOf(sql: Sql, isSeen: string, values: readonly SqlValue[]): Promise<readonly DayCount[]> {
  const rows = await sql.query<{ date: string; plugin: string; count: number; octets: number }>(
    `select day::text as date, plugin, sum(mails)::float8 as count, sum(octets)::float8 as octets from tally
     where ${isSeen} group by day, plugin order by day desc, 3 desc, plugin`,
    values,
  );
  const days = new Map<string, { count: number; octets: number; plugins: Count[] }>();
  for (const { date, plugin, count, octets } of rows) {
    const day = days.get(date) ?? { count: 0, octets: 0, plugins: [] };
    days.set(date, day);
    day.count += count;
    day.octets += octets;
    if (day.plugins.length < maxNames) day.plugins.push({ name: plugin, count });
  }
  return [...days].map(([date, day]) => ({ date, ...day }));
}

async function released(sql: Sql, isSeen: string, values: readonly SqlValue[]): Promise<number> {
  const [row] = await sql.query<{ count: number }>(
    `select count(*)::float8 as count from fate f join mail m using (day, id, n)
     where f.kind = 'released' and f.state = 'done' and ${isSeen}`,
    values,
  );
  return row?.count ?? 0;
}
