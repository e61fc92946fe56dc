/** The search over days and domains: order, paging, marks, limits, and files that change meanwhile. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { browse, browsePage, type BrowseOptions, type ListItem } from '../../../src/quarantine/look/browse.js';
import { discard } from '../../../src/quarantine/care/discard.js';
import { addMark } from '../../../src/quarantine/look/disposition.js';
import { type IndexEntry, indexLine } from '../../../src/quarantine/disk/index-entry.js';
import { everything, parseQuery, type Query } from '../../../src/quarantine/look/query.js';
import { day, entryFor, folderOf, spamFolder } from '../support.js';

const now = new Date(2026, 10, 25, 15);
const hour = day / 24;

/** Adds a line to the index of its day; `age` in milliseconds. */
function put(
  root: string,
  age: number,
  { domain = 'example.com', ...known }: Partial<IndexEntry> & { domain?: string },
) {
  const time = new Date(now.getTime() - age);
  const folder = folderOf(root, time, domain);
  for (const dir of ['tmp', 'new', 'cur']) fs.mkdirSync(path.join(folder, dir), { recursive: true });
  const filename = known.filename ?? `${Math.floor(time.getTime() / 1000)}.N${age}_1.mx`;
  fs.appendFileSync(path.join(folder, 'index'), indexLine({ ...entryFor(filename, time), ...known, filename }));
  fs.utimesSync(path.join(folder, 'index'), time, time);
}

async function all(options: Partial<BrowseOptions> & { root: string }): Promise<ListItem[]> {
  const items = [];
  for await (const item of browse({ query: everything, now, ...options })) items.push(item);
  return items;
}

const subjects = (items: readonly ListItem[]): string[] => items.map(({ entry }) => entry.subject);

function query(text: string): Query {
  const parsed = parseQuery(text, now);
  assert.ok(parsed.ok);
  return parsed.value;
}

test('days and domains come out newest first, with last December behind this November', async (t) => {
  const root = spamFolder(t);
  put(root, 340 * day, { subject: 'last December' });
  put(root, 2 * day, { subject: 'b', domain: 'example.net' });
  put(root, 2 * hour, { subject: 'e' });
  put(root, hour, { subject: 'f', domain: 'example.org' });
  put(root, 2 * day - hour, { subject: 'c' });
  put(root, 3 * day, { subject: 'a' });
  put(root, day, { subject: 'd' });
  assert.deepEqual(subjects(await all({ root })), ['f', 'e', 'd', 'c', 'b', 'a', 'last December']);
});

test('what last year has left in a folder that is not used yet comes behind everything newer', async (t) => {
  const root = spamFolder(t);
  put(root, 365 * day, { subject: 'a year ago, in the folder of today' });
  put(root, 2 * day, { subject: 'the day before yesterday' });
  assert.deepEqual(subjects(await all({ root })), ['the day before yesterday', 'a year ago, in the folder of today']);
});

test('pages of any size hold every mail once, in the same order, also where times are equal or run backwards', async (t) => {
  const root = spamFolder(t);
  let n = 0;
  for (const domain of ['a.example', 'b.example', 'c.example'])
    for (const age of [5, 5, 3, 5, 2, 2, 9, 1]) put(root, age * hour, { domain, filename: `1.N${++n}_1.mx` });
  const whole = (await all({ root })).map(({ ref }) => ref.filename);
  assert.equal(new Set(whole).size, 24);
  for (const limit of [1, 2, 5, 7, 24, 100]) {
    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await browsePage({ root, query: everything, now, limit, ...(cursor !== undefined && { cursor }) });
      paged.push(...page.items.map(({ ref }) => ref.filename));
      cursor = page.next;
    } while (cursor !== undefined);
    assert.deepEqual(paged, whole, `limit ${limit}`);
  }
});

test('a page whose time is up says how far it came, and the next one loses nothing', async (t) => {
  const root = spamFolder(t);
  for (let i = 0; i < 400; i++) put(root, i * hour, { domain: `d${i % 7}.example`, subject: i % 50 ? 'x' : 'wanted' });
  const found: string[] = [];
  let cursor: string | undefined;
  let rounds = 0;
  do {
    const page = await browsePage({
      root,
      query: query('subject:wanted'),
      now,
      limit: 3,
      budget: -1,
      ...(cursor !== undefined && { cursor }),
    });
    found.push(...page.items.map(({ ref }) => ref.filename));
    if (page.searchedTo !== undefined) assert.ok(page.searchedTo <= now.getTime() + day);
    cursor = page.next;
    assert.ok(++rounds < 3000, 'it comes no further');
  } while (cursor !== undefined);
  const whole = await all({ root, query: query('subject:wanted') });
  assert.equal(whole.length, 8);
  assert.deepEqual(
    found,
    whole.slice(0, found.length).map(({ ref }) => ref.filename),
  );
});

test('only the mails that are newer than a place', async (t) => {
  const root = spamFolder(t);
  put(root, 3 * hour, { subject: 'old' });
  const [newest] = await all({ root });
  put(root, 2 * hour, { subject: 'new', domain: 'example.net' });
  put(root, hour, { subject: 'newer' });
  const page = await browsePage({ root, query: everything, now, limit: 10, until: newest?.cursor ?? '' });
  assert.deepEqual(subjects(page.items), ['newer', 'new']);
});

const searches: readonly [text: string, expected: readonly string[]][] = [
  ['domain:example.net', ['b']],
  ['after:yesterday', ['c']],
  ['before:yesterday', ['b', 'a']],
  ['after:2026-11-22 before:2026-11-24', ['b']],
  ['subject:a', ['a']],
];

for (const [text, expected] of searches) {
  test(`${text} finds ${expected.join(' and ')}`, async (t) => {
    const root = spamFolder(t);
    put(root, 9 * day, { subject: 'a' });
    put(root, 2 * day, { subject: 'b', domain: 'example.net' });
    put(root, hour, { subject: 'c' });
    assert.deepEqual(subjects(await all({ root, query: query(text) })), expected);
  });
}

test('only the domains that one may see', async (t) => {
  const root = spamFolder(t);
  put(root, hour, { subject: 'theirs', domain: 'example.net' });
  put(root, 2 * hour, { subject: 'mine' });
  assert.deepEqual(subjects(await all({ root, domains: new Set(['example.com']) })), ['mine']);
  assert.deepEqual(await all({ root, query: query('domain:example.net'), domains: new Set(['example.com']) }), []);
});

test('a released mail says so, a deleted one is found only when it is asked for', async (t) => {
  const root = spamFolder(t);
  const at = new Date();
  for (const subject of ['kept', 'released', 'deleted']) {
    const folder = folderOf(root, at);
    for (const dir of ['tmp', 'new', 'cur']) fs.mkdirSync(path.join(folder, dir), { recursive: true });
    const filename = `1.${subject.toUpperCase()}_1.mx`;
    fs.writeFileSync(path.join(folder, 'new', filename), 'x');
    fs.appendFileSync(path.join(folder, 'index'), indexLine({ ...entryFor(filename, at), subject }));
  }
  const items = await all({ root, now: at });
  const refOf = (subject: string): ListItem['ref'] =>
    items.find(({ entry }) => entry.subject === subject)?.ref ?? assert.fail();
  await addMark(root, refOf('released'), { kind: 'released', by: 'anna', detail: '2.0.0 Ok' });
  assert.equal(await discard(root, refOf('deleted'), 'anna'), 'deleted');
  assert.equal(await discard(root, refOf('deleted'), 'anna'), 'gone');
  const fates = async (text: string): Promise<unknown> =>
    (await all({ root, now: at, query: query(text) })).map(({ entry, mark: found }) => [entry.subject, found?.kind]);
  assert.deepEqual(await fates(''), [
    ['released', 'released'],
    ['kept', undefined],
  ]);
  assert.deepEqual(await fates('is:released'), [['released', 'released']]);
  assert.deepEqual(await fates('is:deleted'), [['deleted', 'deleted']]);
  assert.ok(!fs.existsSync(path.join(folderOf(root, at), 'new', refOf('deleted').filename)));
});

test('a torn last line, an over-long one and an empty file cost nobody else’s mail', async (t) => {
  const root = spamFolder(t);
  put(root, 3 * hour, { subject: 'first' });
  const index = path.join(folderOf(root, now), 'index');
  fs.appendFileSync(index, `${'x'.repeat(300_000)}\n`);
  put(root, 2 * hour, { subject: 'second' });
  fs.appendFileSync(index, '{"time":"2026-11-25T10:00:00Z","from":"half a l');
  put(root, hour, { subject: 'empty', domain: 'example.net' });
  fs.writeFileSync(path.join(folderOf(root, now, 'example.net'), 'index'), '');
  assert.deepEqual(subjects(await all({ root })), ['second', 'first']);
});

test('a file that vanishes or is replaced under the list ends it early and quietly', async (t) => {
  const root = spamFolder(t);
  for (let i = 0; i < 100; i++) put(root, i * 1000, { subject: `a${i}` });
  for (let i = 0; i < 100; i++) put(root, i * 1000 + 500, { subject: `b${i}`, domain: 'example.net' });
  const seen: ListItem[] = [];
  for await (const item of browse({ root, query: everything, now })) {
    if (seen.push(item) === 5) fs.rmSync(path.join(folderOf(root, now), 'index'));
  }
  assert.equal(seen.filter(({ entry }) => entry.subject.startsWith('b')).length, 100);
});

test('a link in place of an index or a day is not followed', async (t) => {
  const [root, other] = [spamFolder(t), spamFolder(t)];
  put(other, hour, { subject: 'elsewhere' });
  const there = folderOf(other, now);
  fs.mkdirSync(folderOf(root, now), { recursive: true });
  fs.symlinkSync(path.join(there, 'index'), path.join(folderOf(root, now), 'index'));
  fs.symlinkSync(there, folderOf(root, now, 'link.example'));
  assert.deepEqual(await all({ root }), []);
});

test('whatever a client sends as a cursor begins at the beginning or shows less', async (t) => {
  const root = spamFolder(t);
  put(root, hour, {});
  for (const cursor of [
    '',
    '!',
    'bm8',
    Buffer.from('[1,2,3]').toString('base64url'),
    Buffer.from('{}').toString('base64url'),
  ])
    assert.equal((await all({ root, cursor })).length, 1, cursor);
});
