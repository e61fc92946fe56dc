/**
 * A search finds the same in the catalog as in the files: random searches over random lines of hostile text. And it
 * finds it by an index: the plans are looked at over enough lines.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { linesFor } from '../../../src/catalog/journal/found-lines.js';
import { lineRow } from '../../../src/catalog/journal/line-row.js';
import { shipLines } from '../../../src/catalog/journal/ship-lines.js';
import { Parts } from '../../../src/catalog/parts.js';
import { careForJournal } from '../../../src/journal/care.js';
import { journalOnDisk } from '../../../src/journal/journal-source.js';
import { type JournalLine, journalText } from '../../../src/journal/line.js';
import { parseJournalQuery } from '../../../src/journal/query.js';
import { MailCounts } from '../../../src/journal/sums/mail-sums.js';
import { newId } from '../../../src/smtp/transaction-id.js';
import { hasPeer, needPeer } from '../../support/peers.js';
import { Postgres } from '../../support/postgres.js';
import { randomLines, randomSearches } from '../../journal/random-lines.js';
import { nodesOf, type Plan } from '../plan.js';
import { countOf, emptyCatalog, waitFor } from '../support.js';
import { lineAt, linesIn, openJournalHost } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

const texts = (lines: readonly JournalLine[]): readonly string[] => lines.map((line) => journalText(line)).toSorted();

/** What somebody sees who may see the mail of some domains alone. */
const domains = new Set(['example.net', 'sender.example']);
const show = (line: JournalLine): JournalLine | undefined => {
  const to = line.to?.filter(({ address }) => domains.has(address.slice(address.lastIndexOf('@') + 1))) ?? [];
  return to[0] && { ...line, to, domain: to[0].address.slice(to[0].address.lastIndexOf('@') + 1) };
};

test('a search finds in the catalog what it finds in the files, for all and for some domains, and page by page', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openJournalHost(t, server.url, 'mx1.example');
  const now = Date.now();
  const given = fc.sample(randomLines(now), { numRuns: 400, seed: 7 });
  host.write(...given.map((line, i) => ({ ...line, ms: (i % 7) * 10_000, ...(i % 50 === 0 && { count: i }) })));
  const shipper = host.shipJournal();
  await waitFor(database, 'journal', given.length);
  await shipper.stop();
  assert.deepEqual([...host.strange, ...host.problems], []);
  const files = journalOnDisk(host.dir);
  await careForJournal({ dir: host.dir, keepMs: 14 * 86_400_000, maskMs: 0, now });
  let hits = 0;
  let runs = 0;
  const check = fc.asyncProperty(randomSearches, fc.boolean(), async (text, isAll) => {
    const parsed = parseJournalQuery(text);
    if (!parsed.ok) return;
    const more = isAll ? {} : { show, domains };
    const expected = texts(await linesIn(files, text, more));
    const found = await linesIn(host.journal, text, more);
    assert.deepEqual(texts(found), expected, text);
    hits += expected.length;
    if (runs++ % 10 !== 0) return;
    const paged: JournalLine[] = [];
    for (let cursor: string | undefined, pages = 0; pages < 999; pages++) {
      const search = { query: parsed.value, ...more, ...(cursor !== undefined && { cursor }) };
      const page = await host.journal.page(search, { limit: 20, budget: 0 });
      paged.push(...page.items.map(({ line }) => line));
      cursor = page.next;
      if (cursor === undefined) break;
    }
    assert.deepEqual(paged, found, `${text}, by pages`);
  });
  await fc.assert(check, { numRuns: 60, seed: 3 });
  assert.ok(hits > 300, String(hits));
  for (const asked of [undefined, new Set(['example.net', 'Ünal.example'])])
    for (const from of [-Infinity, now - 50 * 3_600_000]) {
      const question = { from, until: Infinity, domains: asked };
      const [here, there] = [await host.sums.of(question), await new MailCounts(host.dir).of(question)];
      assert.deepEqual(
        here.hours.map(({ start }) => start),
        there.hours.map(({ start }) => start),
      );
      assert.deepEqual(here, { ...there, hours: here.hours });
      for (const [i, hour] of here.hours.entries()) assert.deepEqual(hour, there.hours[i]);
    }
});

test('newest, an ID, an address and a domain are found by an index, in the parts that can hold them', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const to = {
    database,
    parts: new Parts(database, 'make_journal_parts'),
    node: 'f'.repeat(16),
    onStrange: () => assert.fail(),
  };
  const days = 4;
  const each = 6_000;
  const ids: string[] = [];
  const dayMs = 86_400_000;
  const sinceMidnight = Date.now() % dayMs;
  /** Each day has as many, also when today has just begun: a part of few lines is best read whole. */
  const ageOf = (n: number): number => {
    const share = ((n % each) + 0.5) / each;
    return n < each ? share * sinceMidnight : sinceMidnight + (Math.floor(n / each) - 1 + share) * dayMs;
  };
  for (let i = 0; i < days * each; i += 1_000) {
    const rows = Array.from({ length: 1_000 }, (_, j) => {
      const n = i + j;
      const line = lineAt(ageOf(n), {
        id: newId(Date.now() - n),
        from: `user${n % 5_003}@sender${n % 31}.example`,
        to: [{ address: `alice${n % 997}@d${n % 100}.example`, reply: '250 2.1.5 Ok' }],
        domain: `d${n % 100}.example`,
        ip: `203.0.${n % 113}.${n % 251}`,
      });
      ids.push(line.id ?? '');
      const hour = Math.floor(Date.parse(line.time) / 3_600_000) * 3_600_000;
      return lineRow(journalText(line).trimEnd(), { hour, start: n * 600 }) ?? assert.fail();
    });
    assert.equal(await shipLines(rows, to), 1_000);
    assert.equal(await shipLines(rows, to), 0);
  }
  assert.equal(await countOf(database, 'journal'), days * each);
  await database.query('analyze');
  const asked: { text: string; values: readonly unknown[] }[] = [];
  const spy = new Proxy(database, {
    get: (target, name) =>
      name === 'query'
        ? (text: string, values: readonly never[] = []) => {
            if (text.includes('from journal j')) asked.push({ text, values });
            return target.query(text, values);
          }
        : (Reflect.get(target, name) as unknown),
  });
  const searched: readonly [text: string, index: RegExp, enough: number, scope?: readonly string[]][] = [
    ['', /^journal_\d+_pkey$/, 50],
    ['domain:d7.example', /^journal_\d+_(?:pkey|tokens_idx)$/, 50],
    ['', /^journal_\d+_(?:pkey|tokens_idx)$/, 50, ['d7.example', 'd8.example']],
    [`id:${ids.at(-each / 2)}`, /^journal_\d+_tokens_idx$/, 1],
    ['user4000@sender1.example', /^journal_\d+_tokens_idx$/, 1],
    [
      `after:${new Date(Date.now() - sinceMidnight / 8).toISOString().slice(0, 16)} verdict:relayed`,
      /^journal_\d+_pkey$/,
      50,
    ],
  ];
  for (const [text, index, enough, scope] of searched) {
    asked.length = 0;
    const parsed = parseJournalQuery(text);
    assert.ok(parsed.ok, text);
    let count = 0;
    let day = '';
    const search = { query: parsed.value, behind: undefined, until: undefined };
    for await (const step of linesFor(spy, { ...search, ...(scope && { domains: new Set(scope) }) }))
      if ('line' in step) {
        day = step.line.time.slice(0, 10).replaceAll('-', '');
        if (++count === enough) break;
      }
    assert.equal(count, enough, text);
    for (const one of asked) {
      const { text: statement, values } = one;
      const [plan] = await database.query<{ 'QUERY PLAN': readonly { Plan: Plan }[] }>(
        `explain (format json) ${statement}`,
        values as never,
      );
      const nodes = nodesOf(plan?.['QUERY PLAN'][0]?.Plan ?? assert.fail());
      assert.ok(
        !nodes.some((node) => node['Node Type'] === 'Seq Scan' && /_\d+$/.test(node['Relation Name'] ?? '')),
        `${text}: ${JSON.stringify(nodes)}`,
      );
      // In an hour or two of another day there is so little that any index will do.
      if (one !== asked.at(-1)) continue;
      const names = nodes.flatMap((node) => node['Index Name'] ?? []).filter((name) => name.includes(day));
      assert.ok(names.length > 0, text);
      for (const name of names) assert.match(name, index, text);
    }
  }
});
