/**
 * A search finds the same in the catalog as in the files: random searches over random entries of hostile text. And it
 * finds it by an index: the plans are looked at over enough rows.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { Bodies } from '../../src/catalog/bodies/bodies.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { type Sql, type SqlValue, TookTooLong } from '../../src/catalog/database.js';
import { insertRows, readyRows } from '../../src/catalog/insert.js';
import { KeptInCatalog } from '../../src/catalog/kept-in-catalog.js';
import { clean, dayText, type MailRow, rowOf } from '../../src/catalog/mail-row.js';
import { Parts, sealParts } from '../../src/catalog/parts.js';
import { searchRows } from '../../src/catalog/searching.js';
import { keptOnDisk } from '../../src/quarantine/kept-on-disk.js';
import type { KeptMails } from '../../src/quarantine/kept-mails.js';
import { indexLine } from '../../src/quarantine/disk/index-entry.js';
import { markLine, type MarkKind } from '../../src/quarantine/disk/mark.js';
import { everything, parseQuery, type Query, queryKeys } from '../../src/quarantine/look/query.js';
import type { ListItem } from '../../src/quarantine/look/browse.js';
import type { Stats } from '../../src/quarantine/look/stats.js';
import { newId } from '../../src/smtp/transaction-id.js';
import fs from 'node:fs';
import path from 'node:path';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { entriesOf, searchesOf, wordsOf } from '../quarantine/random-search.js';
import { nodesOf, type Plan } from './plan.js';
import { entryFor, folderOf } from '../quarantine/support.js';
import { countOf, emptyCatalog, openHost, waitFor } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

const dayMs = 86_400_000;
const domains = ['a.example', 'b.example'];

const atoms = [
  'a',
  'K',
  'k',
  'i',
  'I',
  '"',
  '\\',
  '%',
  '_',
  '/',
  '.',
  '*',
  '(',
  ' ',
  'é',
  'É',
  'ß',
  'ẞ',
  'Σ',
  'ς',
  '日',
  'µ',
  'ſ',
].concat(['ss', 'ab', 'u\u0308', '😀', '\u202e', '\n', '\u2028', '\x85', '\u212a', '\u0130', "'; drop table mail; --"]);
const words = wordsOf(atoms);
const entries = entriesOf(wordsOf([...atoms, '\0', '\ud800']));
const searches = searchesOf(words);

async function foundIn(mails: KeptMails, query: Query, now: Date): Promise<readonly ListItem[]> {
  const found: ListItem[] = [];
  for await (const item of mails.all({ query, now })) found.push(item);
  return found.toSorted((a, b) => (a.ref.filename < b.ref.filename ? -1 : 1));
}

const namesOf = (items: readonly ListItem[]): readonly string[] => items.map(({ ref }) => ref.filename);

/** What lists show of each, in texts as a table takes them. */
const shownOf = (items: readonly ListItem[]): unknown =>
  JSON.parse(
    JSON.stringify(items.map(({ ref, entry, mark }) => ({ domain: ref.domain, entry, mark: mark?.kind }))),
    (_, value: unknown) => (typeof value === 'string' ? clean(value) : value),
  );

/** The last hours of each domain, with marks of what was released; returns how marks of deleted mails are added. */
function fillIndexes(root: string, now: Date): () => void {
  const later: (() => void)[] = [];
  const given = fc.sample(entries, { numRuns: 400, seed: 1 });
  for (const [i, domain] of domains.entries()) {
    for (const [j, entry] of given.slice(i * 200, (i + 1) * 200).entries()) {
      const at = new Date(now.getTime() - j * 60_000);
      const time = at.toISOString();
      const filename = `${Math.floor(at.getTime() / 1000)}.${newId(at.getTime())}_1.mx1.example`;
      const folder = folderOf(root, at, domain);
      const add = (line: Buffer): void => fs.appendFileSync(path.join(folder, 'index'), line);
      const addMark = (kind: MarkKind): void => add(markLine({ time, kind, filename, by: 'anna', detail: '' }));
      fs.mkdirSync(folder, { recursive: true });
      add(indexLine({ ...entry, time, filename }));
      if (j % 9 === 4) addMark('released');
      if (j % 9 === 7) later.push(() => addMark('deleted'));
    }
  }
  return () => {
    for (const add of later) add();
  };
}

test('a search finds in the catalog what it finds in the files', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1.example');
  const now = new Date();
  const addDeleted = fillIndexes(host.root, now);
  const shipper = host.ship();
  await waitFor(database, 'mail', 400);
  await waitFor(database, 'fate', 44);
  const files = keptOnDisk(host.root);
  const [here, there] = [await host.mails.count({ query: everything }), await files.count({ query: everything, now })];
  assert.deepEqual([here.total, here.octets, here.released], [there.total, there.octets, there.released]);
  assert.deepEqual([here.plugins, here.domains], [there.plugins, there.domains]);
  // The names themselves have what no table takes.
  const counts = ({ senders, clients }: Stats): number[] => [...senders, ...clients].map(({ count }) => count);
  assert.deepEqual(counts(here), counts(there));

  addDeleted();
  await waitFor(database, 'fate', 88);
  await shipper.stop();
  assert.deepEqual([...host.strange, ...host.problems], []);
  let hits = 0;
  const keys = new Set<string>();
  const check = fc.asyncProperty(searches, async (text) => {
    const query = parseQuery(text, now);
    if (!query.ok) return;
    const expected = namesOf(await foundIn(files, query.value, now));
    assert.deepEqual(namesOf(await foundIn(host.mails, query.value, now)), expected, text);
    hits += expected.length;
    if (expected.length > 0) for (const { key, not } of query.value.terms) if (!not) keys.add(key);
  });
  await fc.assert(check, { numRuns: 200, seed: 1 });
  assert.ok(hits > 500, String(hits));
  assert.deepEqual([...keys].toSorted(), ['any', ...Object.keys(queryKeys)].toSorted(), 'each key has found something');
  const [shown, wanted] = [await foundIn(host.mails, everything, now), await foundIn(files, everything, now)];
  assert.deepEqual(shownOf(shown), shownOf(wanted), 'nothing of a line is lost on its way');
});

/** Rows of several days as hosts have them, the newest today. */
function rows(days: number, each: number): readonly MailRow[] {
  const now = Date.now();
  return Array.from({ length: days * each }, (_, i) => {
    const time = new Date(now - Math.floor(i / each) * dayMs - (i % each));
    const filename = `${Math.floor(time.getTime() / 1000)}.${newId(time.getTime())}_1.mx1.example`;
    const entry = entryFor(filename, time);
    const row = rowOf(
      { ...entry, subject: `mail ${i} of many`, from: `user${i % 997}@sender${i % 31}.example` },
      `d${i % 100}.example`,
    );
    return row ?? assert.fail(filename);
  });
}

test('newest, a domain, an ID and a word are found by an index, in the parts that can hold them', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const all = rows(4, 5_000);
  const to = { database, parts: new Parts(database), node: 'f'.repeat(16) };
  for (let i = 0; i < all.length; i += 500) await insertRows(to, readyRows(all.slice(i, i + 500)));
  assert.equal(await countOf(database, 'mail'), all.length);
  const sealed = await sealParts(database);
  assert.ok(sealed.length >= 2, String(sealed));
  assert.deepEqual(await sealParts(database), [], 'each is sealed once');
  await database.query('analyze');
  const asked: { text: string; values: readonly unknown[] }[] = [];
  const spy = new Proxy(database, {
    get: (target, name) =>
      name === 'query'
        ? (text: string, sqlValues: readonly never[] = []) => {
            if (text.includes('from mail m')) asked.push({ text, values: sqlValues });
            return target.query(text, sqlValues);
          }
        : (Reflect.get(target, name) as unknown),
  });
  const old = all.at(-1) ?? assert.fail();
  const searched: readonly [text: string, index: RegExp, domains: readonly string[] | undefined][] = [
    ['', /^mail_\d+_pkey$/, undefined],
    ['domain:d7.example', /^mail_\d+_domain_id_n_idx$|_pkey$/, undefined],
    ['after:3h', /^mail_\d+_(?:pkey|domain_id_n_idx)$/, ['d7.example', 'd8.example']],
    [`id:${old.id}`, /^mail_\d+_pkey$/, undefined],
    [`"mail ${all.length - 1} of"`, /^mail_\d+_words$/, undefined],
  ];
  for (const [text, index, seen] of searched) {
    asked.length = 0;
    const parsed = parseQuery(text);
    assert.ok(parsed.ok, text);
    let count = 0;
    for await (const step of searchRows(spy, { query: parsed.value, ...(seen && { domains: new Set(seen) }) }))
      if (step.kind === 'row' && ++count === 50) break;
    assert.ok(count > 0, text);
    const last = asked.at(-1) ?? assert.fail();
    const [plan] = await database.query<{ 'QUERY PLAN': readonly { Plan: Plan }[] }>(
      `explain (format json) ${last.text}`,
      last.values as never,
    );
    const nodes = nodesOf(plan?.['QUERY PLAN'][0]?.Plan ?? assert.fail());
    const tables = nodes.flatMap((node) => node['Relation Name'] ?? []).filter((name) => name.startsWith('mail'));
    assert.ok(new Set(tables).size <= 1, `${text}: reads ${String(tables)}`);
    const used = nodes.flatMap((node) => node['Index Name'] ?? []).filter((name) => name.startsWith('mail'));
    assert.match(used[0] ?? `no index: ${JSON.stringify(nodes.map((node) => node['Node Type']))}`, index, text);
    if (text.startsWith('id:')) assert.equal(asked.length, 1, 'an ID tells its day');
  }
});

test('a day that has no index yet is read in slices: it is known how far, none is left out, none comes twice', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const to = { database, parts: new Parts(database), node: 'f'.repeat(16) };
  // The last day's rows are minutes apart; yesterday's are closed and have their index.
  const now = Date.now();
  const given = Array.from({ length: 3_000 }, (_, i) => {
    const time = new Date(now - i * 40_000);
    const filename = `${Math.floor(time.getTime() / 1000)}.${newId(time.getTime())}_1.mx1.example`;
    const subject = i % 500 === 499 ? `a rare one, number ${i}` : `mail ${i}`;
    const row = rowOf({ ...entryFor(filename, time), subject }, i % 2 === 0 ? 'even.example' : 'odd.example');
    return row ?? assert.fail(filename);
  });
  for (let i = 0; i < given.length; i += 500) await insertRows(to, readyRows(given.slice(i, i + 500)));
  const asked: string[] = [];
  let maxSize = Infinity;
  const sql: Sql = {
    async query<R extends object>(text: string, values: readonly SqlValue[] = []): Promise<readonly R[]> {
      if (!text.includes('from mail m')) return database.query<R>(text, values);
      asked.push(text);
      // As if reading more rows than so many took too long, and by an index always.
      const size = Number(/"isEnd"[^;]* limit (\d+)\) s/.exec(text)?.[1] ?? Infinity);
      if (size > maxSize) throw new TookTooLong('canceling statement due to statement timeout');
      return database.query<R>(text, values);
    },
  };
  const expected = given.filter(({ subject }) => subject.includes('rare')).map(({ filename }) => filename);
  for (maxSize of [Infinity, 700]) {
    const query = parseQuery('"a rare one"');
    assert.ok(query.ok);
    const found: string[] = [];
    const searched: number[] = [];
    for await (const step of searchRows(sql, { query: query.value }))
      if (step.kind === 'row') found.push(step.row.filename);
      else searched.push(step.time);
    assert.deepEqual(found, expected);
    assert.deepEqual(
      searched,
      searched.toSorted((a, b) => b - a),
    );
    if (maxSize < Infinity) assert.ok(searched.length > 4, `there are places to stop within a day: ${searched.length}`);
  }

  const kept = new KeptInCatalog(new Catalog(database), 'f'.repeat(16), new Bodies());
  const query = parseQuery('"a rare one"');
  assert.ok(query.ok);
  const names: string[] = [];
  let [cursor, pages]: [string | undefined, number] = [undefined, 0];
  do {
    const page = await kept.page({ query: query.value, limit: 2, budget: 0, ...(cursor !== undefined && { cursor }) });
    names.push(...page.items.map(({ ref }) => ref.filename));
    if (page.items.length < 2 && page.next !== undefined) assert.ok(page.searchedTo !== undefined);
    cursor = page.next;
    pages++;
  } while (cursor !== undefined);
  assert.deepEqual(names, expected);
  assert.ok(pages >= 3, String(pages));

  for (const text of ['domain:nobody.example', 'plugin:nothing', 'domain:even.example plugin:other']) {
    asked.length = 0;
    const nowhere = parseQuery(text);
    assert.ok(nowhere.ok);
    for await (const step of searchRows(sql, { query: nowhere.value })) assert.fail(`${text}: ${step.kind}`);
    assert.deepEqual(asked, [], `${text}: what was counted decides`);
  }
});

test('days that are too old go as a whole, with what was counted of them', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const all = rows(3, 10);
  await insertRows({ database, parts: new Parts(database), node: 'f'.repeat(16) }, readyRows(all));
  const { dropOldParts } = await import('../../src/catalog/parts.js');
  assert.equal(await dropOldParts(database, dayMs), dayText(Date.now() - dayMs));
  const kept = all.filter(({ day }) => day >= dayText(Date.now() - dayMs)).length;
  assert.equal(await countOf(database, 'mail'), kept);
  const [sum] = await database.query<{ mails: number }>('select sum(mails)::integer as mails from tally');
  assert.equal(sum?.mails, kept);
});
