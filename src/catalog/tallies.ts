/** How many mails there are, from what was counted when they came; senders and clients from the newest ones alone. */
import { maxNames, type Count, type DayCount, type Stats } from '../quarantine/look/stats.js';
import { Tally } from '../quarantine/look/tally.js';
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
  const days = await daysOf(sql, isSeen, values);
  const newest = await namesOfNewest(sql, domains, days);
  return {
    total: days.reduce((sum, { count }) => sum + count, 0),
    octets: days.reduce((sum, { octets }) => sum + octets, 0),
    released: await released(sql, isSeen, values),
    days,
    plugins: await sums('plugin'),
    reasons: await sums('reason'),
    domains: await sums('domain'),
    ...newest,
    namesOfNewest: maxCounted,
  };
}

/** Day by day, those alone that have some: what few domains have would be looked for in all the rows else. */
async function namesOfNewest(
  sql: Sql,
  domains: ReadonlySet<string> | undefined,
  days: readonly DayCount[],
): Promise<Pick<Stats, 'senders' | 'clients'>> {
  const [senders, clients] = [new Tally(), new Tally()];
  let left = maxCounted;
  for (const { date } of days) {
    if (left <= 0) break;
    const rows = await sql.query<{ sender: string; ip: string }>(
      `select sender, ip from mail
       where day = $1 and ${domains === undefined ? 'true' : 'domain = any($2)'} order by id desc, n desc limit ${left}`,
      domains === undefined ? [date] : [date, [...domains]],
    );
    for (const { sender, ip } of rows) {
      senders.add(sender === '' ? '<>' : sender.toLowerCase());
      clients.add(ip);
    }
    left -= rows.length;
  }
  return { senders: senders.top(maxNames), clients: clients.top(maxNames) };
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
