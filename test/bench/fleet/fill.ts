/**
 * A catalog of many mails, made by SQL as shippers would have made it: the last days, today until now, 1,000 domains,
 * one of which has a tenth of all. Mails are spread evenly, and their IDs tell their time.
 */
import type { Database } from '../../../src/catalog/database.js';
import { dayText } from '../../../src/catalog/mail-row.js';
import { dayMs } from '../../../src/catalog/parts.js';

export interface CatalogSize {
  readonly rows: number;
  readonly days: number;
}

/** One mail of each day has a word that no other has; it is the largest domain's. */
const rareNumber = 780;
export const rareWord = 'zanzibar';

const digit = (value: string): string => `substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', (${value} & 31)::integer + 1, 1)`;
const digits = (value: string, count: number): string =>
  Array.from({ length: count }, (_, i) => digit(`(${value} >> ${5 * (count - 1 - i)})`)).join(' || ');

/** $1 a day, $2 its first millisecond, $3 how many mails, $4 milliseconds between two. */
const fillDay = `
insert into mail
select $1::date, id, 1, case when n % 3 = 0 then repeat('a', 16) else repeat('b', 16) end, domain, at,
  to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), sender, recipient, subject, filename, ip,
  'client.example', 'helo.example', 'SPF fail', 'spf', message_id, 4000, 'fail', '550 5.7.23 SPF fail (' || id || ')',
  null, lower(concat_ws(e'\\n', sender, '', recipient, subject, filename, ip, 'client.example', 'helo.example', 'spf fail',
    message_id))
from (
  select *, to_timestamp(ms / 1000.0) as at, 'user' || n % 9973 || '@sender' || n % 499 || '.example' as sender,
    'nobody' || n % 71 || '@' || domain as recipient, '192.0.2.' || n % 250 as ip,
    'Your invoice number ' || n || case n when ${rareNumber} then ' ${rareWord}' else '' end as subject,
    ms / 1000 || '.' || id || '_1.mx.example' as filename, '<' || n || '@sender.example>' as message_id
  from (
    select n, ms, 'd' || case when n % 10 = 0 then 0 else n % 1000 end || '.example' as domain,
      ${digits('(ms - 1577836800000)', 8)} || ${digits('n', 6)} as id
    from (select n, $2::bigint + floor(n * $4::float8)::bigint as ms from generate_series(1, $3::bigint) n) numbered
  ) named
) given`;

export async function fillCatalog(database: Database, { rows, days }: CatalogSize): Promise<void> {
  const now = Date.now();
  const each = Math.ceil(rows / days);
  for (let i = 0; i < days; i++) {
    const day = dayText(now - i * dayMs);
    const begins = Date.parse(day);
    const share = (Math.min(now, begins + dayMs) - begins) / dayMs;
    await database.query('select make_parts($1)', [day]);
    await database.query(fillDay, [day, begins, Math.ceil(each * share), dayMs / each - 1e-6]);
    await database.query(
      `insert into tally select day, domain, plugin, 'spf: SPF fail', count(*), sum(size) from mail where day = $1
       group by 1, 2, 3`,
      [day],
    );
  }
}
