/** How long pages and searches take. */
import { Bodies } from '../../../src/catalog/bodies/bodies.js';
import { Catalog } from '../../../src/catalog/catalog.js';
import { KeptInCatalog } from '../../../src/catalog/kept-in-catalog.js';
import { databaseAt } from '../../../src/catalog/open.js';
import { everything, parseQuery } from '../../../src/quarantine/look/query.js';
import { days } from './fill.js';
import { row } from './say.js';

export async function measureSearches(url: string, rows: number): Promise<void> {
  const catalog = new Catalog(databaseAt(url));
  const kept = new KeptInCatalog(catalog, 'a'.repeat(16), new Bodies());
  const searches = [
    '',
    'domain:d0.example',
    'domain:d7.example',
    'invoice',
    `"number ${Math.ceil(rows / days) - 7}"`,
    'nothing-has-this',
  ];
  for (const text of searches) {
    const query = parseQuery(text);
    if (!query.ok) throw new Error(query.problem);
    const found: number[] = [];
    let count = 0;
    for (let i = 0; i < 5; i++) {
      const began = performance.now();
      count = (await kept.page({ query: query.value, limit: 50 })).items.length;
      found.push(performance.now() - began);
    }
    const [first = 0, ...more] = found;
    row(
      text === '' ? 'newest' : text,
      `${Math.min(...more).toFixed(0)} ms, at first ${first.toFixed(0)}; ${count} mails`,
    );
  }
  const began = performance.now();
  const { total } = await kept.count({ query: everything });
  row('charts', `${(performance.now() - began).toFixed(0)} ms; ${total} mails`);
  await catalog.close();
}
