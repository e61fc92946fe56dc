/** How long pages and searches take, cold and warm. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Bodies } from '../../../src/catalog/bodies/bodies.js';
import { Catalog } from '../../../src/catalog/catalog.js';
import { KeptInCatalog } from '../../../src/catalog/kept-in-catalog.js';
import { databaseAt } from '../../../src/catalog/open.js';
import { everything, parseQuery } from '../../../src/quarantine/look/query.js';
import { filesBelow } from '../../support/files-below.js';
import type { Postgres } from '../../support/postgres.js';
import { rareWord } from './fill.js';
import { row } from './say.js';

interface Search {
  readonly what: string;
  readonly text: string;
}

/** `id` is that of any mail. */
const searchesFor = (id: string): readonly Search[] => [
  { what: 'newest', text: '' },
  { what: 'the largest domain', text: 'domain:d0.example' },
  { what: 'another domain', text: 'domain:d7.example' },
  { what: 'a domain that has none', text: 'domain:nobody.example' },
  { what: 'an ID', text: `id:${id}` },
  { what: 'a common word', text: 'invoice' },
  { what: 'two common words', text: 'invoice helo.example' },
  { what: 'a rare word (once a day)', text: rareWord },
  { what: 'a rare word in the largest domain', text: `domain:d0.example ${rareWord}` },
  { what: 'a word that nothing has', text: 'nothing-has-this' },
  { what: 'that in the largest domain', text: 'domain:d0.example nothing-has-this' },
  { what: 'a word of two letters that nothing has', text: 'qx' },
];

export async function measureSearches(postgres: Postgres): Promise<void> {
  const database = databaseAt(postgres.url);
  const [some] = await database.query<{ id: string }>(
    'select id from mail where n = 1 order by day, id limit 1 offset 99',
  );
  await database.close();
  for (const { what, text } of searchesFor(some?.id ?? '')) {
    await chill(postgres);
    const catalog = new Catalog(databaseAt(postgres.url));
    await catalog.use();
    const kept = new KeptInCatalog(catalog, 'a'.repeat(16), new Bodies());
    const times: PageTime[] = [];
    for (let i = 0; i < 4; i++) times.push(await pageTime(kept, text));
    const [cold, ...warm] = times;
    const best = warm.toSorted((a, b) => a.all - b.all)[0];
    row(
      what,
      `${ms(best?.first)} ms to the first page, ${ms(best?.all)} in all; cold ${ms(cold?.all)}; ${cold?.mails} mails`,
    );
    await catalog.close();
  }
  await chill(postgres);
  const catalog = new Catalog(databaseAt(postgres.url));
  const kept = new KeptInCatalog(catalog, 'a'.repeat(16), new Bodies());
  for (const domains of [undefined, new Set(['d7.example'])]) {
    const began = performance.now();
    const { total } = await kept.count({ query: everything, ...(domains && { domains }) });
    row(domains ? 'charts of one domain' : 'charts', `${ms(performance.now() - began)} ms; ${total} mails`);
  }
  await catalog.close();
}

const ms = (time: number | undefined): string => (time ?? NaN).toFixed(time !== undefined && time < 10 ? 1 : 0);

interface PageTime {
  /** Until the page is shown, full or as far as it has looked. */
  readonly first: number;
  /** Until there are fifty or nothing is left, as a browser goes on by itself. */
  readonly all: number;
  readonly mails: number;
}

/** As the page has it. */
const budget = { first: 120, further: 1_000 };

async function pageTime(kept: KeptInCatalog, text: string): Promise<PageTime> {
  const query = parseQuery(text);
  if (!query.ok) throw new Error(query.problem);
  const began = performance.now();
  let page = await kept.page({ query: query.value, limit: 50, budget: budget.first });
  const first = performance.now() - began;
  let mails = page.items.length;
  while (mails < 50 && page.next !== undefined) {
    page = await kept.page({ query: query.value, limit: 50 - mails, budget: budget.further, cursor: page.next });
    mails += page.items.length;
  }
  return { first, all: performance.now() - began, mails };
}

/** The server starts anew, and its files are in no cache. */
async function chill(postgres: Postgres): Promise<void> {
  await postgres.stop();
  const large = filesBelow(path.join(postgres.folder, 'data/base')).filter((file) => fs.statSync(file).size > 100_000);
  for (const file of large)
    spawnSync('dd', [`if=${file}`, 'of=/dev/null', 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
  await postgres.restart();
}
