/** A catalog of many mails, made by SQL as shippers would have made it: 30 days, 1,000 domains, one of them large. */
import type { Database } from '../../../src/catalog/database.js';
import { dayMs } from '../../../src/catalog/parts.js';

export const days = 30;

/** As the shipper would have made them; a tenth of all are of one domain, and one word is rare. */
export async function fillCatalog(database: Database, rows: number): Promise<void> {
  const each = Math.ceil(rows / days);
  for (let i = 0; i < days; i++) {
    const start = Date.now() - i * dayMs - 43_200_000;
    const day = new Date(start).toISOString().slice(0, 10);
    await database.query('select make_parts($1)', [day]);
    await database.query(
      `insert into mail select $1::date, lpad(to_hex(n), 14, '0'), 1, '${'a'.repeat(16)}', 'd' || d || '.example', $2::timestamptz,
         $2, 'user' || n % 9973 || '@sender' || n % 499 || '.example', 'nobody' || n % 71 || '@d' || d || '.example',
         'Your invoice number ' || n, '1.' || lpad(to_hex(n), 14, '0') || '_1.mx.example', '192.0.2.' || n % 250,
         'client.example', 'helo.example', 'SPF fail', 'spf', '<' || n || '@sender.example>', 4000, 'fail',
         '550 5.7.1 SPF fail', null,
         'user' || n % 9973 || '@sender' || n % 499 || e'.example\\nnobody' || n % 71 || '@d' || d || e'.example\\nyour invoice number '
           || n || e'\\n192.0.2.' || n % 250 || e'\\nspf fail <' || n || '@sender.example>'
       from (select n, case when n % 10 = 0 then 0 else n % 1000 end as d from generate_series(1, $3::integer) n) given`,
      [day, new Date(start).toISOString(), each],
    );
    await database.query(
      `insert into tally select day, domain, plugin, 'spf: SPF fail', count(*), sum(size) from mail where day = $1 group by 1, 2, 3`,
      [day],
    );
  }
}
