/** Mails in an S3 store: packed, read back by their range, zeroed when deleted, gone with their day. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Bodies, type MadeBody, madeBody, type NewBody } from '../../src/catalog/bodies/bodies.js';
import { StoreDown } from '../../src/catalog/bodies/store-down.js';
import { type RowKey } from '../../src/catalog/mail-row.js';
import { bodiesAt } from '../../src/catalog/open.js';
import { Parts } from '../../src/catalog/parts.js';
import { SourceDown } from '../../src/quarantine/kept-mails.js';
import { everything } from '../../src/quarantine/look/query.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { hasStore, needStore, Versitygw } from '../support/versitygw.js';
import { countOf, emptyCatalog, openHost, waitFor } from './support.js';

let server: Postgres;
let store: Versitygw;
before(async () => {
  if (!hasPeer('postgres') || !hasStore()) return;
  server = await Postgres.start();
  store = await Versitygw.start();
});
after(async () => {
  await server?.end();
  await store?.end();
});

const node = 'a'.repeat(16);
const day = new Date().toISOString().slice(0, 10);
const bodyOf = (n: number, content: Buffer | string): NewBody => ({
  key: { day, id: `ID${n}`, n: 1 },
  content: Buffer.from(content),
});

const made = (bodies: readonly NewBody[]): readonly MadeBody[] => bodies.map(madeBody);

test('many mails are one object, read back each by its range; again, and in other groups, changes nothing', async (t) => {
  if (!needPeer(t, 'postgres') || !needStore(t)) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  await new Parts(database).make([day]);
  const bodies = await bodiesAt(store.url);
  const known = store.objects.length;
  const given = Array.from({ length: 30 }, (_, i) => bodyOf(i, `Subject: ${i}\r\n\r\n${'text '.repeat(i)}\0\xff`));
  await bodies.put(database, node, made(given));
  assert.equal(store.objects.length - known, 1);
  assert.match(store.objects.at(-1) ?? '', new RegExp(`^${day}/${node}/[0-9a-f]{64}$`));
  for (const size of [30, 7])
    for (let i = 0; i < given.length; i += size) await bodies.put(database, node, made(given.slice(i, i + size)));
  assert.equal(store.objects.length - known, 1);
  assert.equal(await countOf(database, 'body'), 30);
  for (const { key, content } of given) assert.deepEqual(await bodies.get(database, key), content);
  assert.equal(await bodies.get(database, { day, id: 'OTHER', n: 1 }), undefined);
  await assert.rejects(new Bodies().get(database, given[0]?.key as RowKey), (error: unknown) => {
    assert.ok(error instanceof SourceDown);
    assert.match(error.message, /the setting bodies names none/);
    return true;
  });
});

test('a mail that was being put when somebody died is put again, though its object is there', async (t) => {
  if (!needPeer(t, 'postgres') || !needStore(t)) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  await new Parts(database).make([day]);
  const bodies = await bodiesAt(store.url);
  const given = [1, 2, 3].map((n) => bodyOf(n, `mail ${n} of the dead`));
  await bodies.put(database, node, made(given));
  const objects = store.objects;
  await database.query('delete from octets');
  await database.query('delete from body');
  await bodies.put(database, node, made(given));
  assert.deepEqual(store.objects, objects);
  for (const { key, content } of given) assert.deepEqual(await bodies.get(database, key), content);
});

test('what is not what was put is never shown', async (t) => {
  if (!needPeer(t, 'postgres') || !needStore(t)) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  await new Parts(database).make([day]);
  const bodies = await bodiesAt(store.url);
  const [one, two] = [bodyOf(1, 'one that is moved'), bodyOf(2, 'two')];
  const known = store.objects;
  await bodies.put(database, node, made([one, two]));
  await database.query('update octets set start = start + 1 where length = (select max(length) from octets)');
  await assert.rejects(bodies.get(database, one.key), /the body of ID1_1 is damaged/);
  for (const name of store.objects) if (!known.includes(name)) store.lose(name);
  assert.equal(await bodies.get(database, two.key), undefined, 'the object is gone');
});

test('hosts ship into the store, and read what the others have put; a store that is away holds up no line', async (t) => {
  if (!needPeer(t, 'postgres') || !needStore(t)) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const bodies = await bodiesAt(store.url);
  const [mx1, mx2] = [openHost(t, server.url, 'mx1', bodies), openHost(t, server.url, 'mx2', bodies)];
  mx1.ship();
  await mx1.refuse({ text: 'Subject: one\r\n\r\nin the store\r\n' });
  await waitFor(database, 'body', 1);
  assert.equal(await countOf(database, 'octets where deflated is null'), 1);
  const { items } = await mx2.mails.page({ query: everything, limit: 10 });
  const [item] = items;
  assert.ok(item);
  const mail = await mx2.mails.open(item.ref);
  assert.equal(mail?.header.get('Subject'), 'one');

  await store.kill();
  await mx1.refuse();
  await waitFor(database, 'mail', 2);
  await until(() => mx1.states.at(-1)?.startsWith('bodies: http://127.0.0.1:') === true);
  await assert.rejects(mx2.mails.open(item.ref), StoreDown);
  const newest = (await mx2.mails.page({ query: everything, limit: 1 })).items[0] ?? assert.fail();
  assert.equal((await mx2.mails.disposition(newest.ref)).onItsWayFrom, 'mx1');
  await store.restart();
  await waitFor(database, 'body', 2);
  assert.ok(await mx2.mails.open(newest.ref));
  assert.deepEqual(mx1.problems, []);
});

test('a deleted mail is zeros in its object, and its neighbours are as they were, however many go at once', async (t) => {
  if (!needPeer(t, 'postgres') || !needStore(t)) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  await new Parts(database).make([day]);
  const bodies = await bodiesAt(store.url);
  const given = Array.from({ length: 12 }, (_, i) => bodyOf(i, `Subject: ${i}\r\n\r\n${'secret '.repeat(20)}${i}\r\n`));
  const known = store.objects;
  await bodies.put(database, node, made(given));
  const name = store.objects.find((one) => !known.includes(one)) ?? assert.fail();
  const whole = store.octetsOf(name);
  const [kept, ...gone] = given;
  assert.ok(kept);
  for (const { key } of gone)
    await database.query(
      `insert into fate (day, id, n, kind, state, who, node) values ($1, $2, 1, 'deleted', 'done', 'anna', $3)`,
      [key.day, key.id, node],
    );
  const remove = ({ key }: NewBody): Promise<void> => database.transaction((sql) => bodies.remove(sql, key));
  await Promise.all(gone.slice(0, 5).map(remove));
  for (const one of gone.slice(5)) await remove(one);
  assert.deepEqual(await bodies.get(database, kept.key), kept.content);
  for (const { key } of gone) assert.equal(await bodies.get(database, key), undefined);
  const now = store.octetsOf(name);
  assert.equal(now.length, whole.length);
  const [place] = await database.query<{ start: number; length: number }>('select start, length from octets');
  assert.ok(place);
  assert.ok(now.subarray(0, place.start).every((octet) => octet === 0));
  assert.ok(now.subarray(place.start + place.length).every((octet) => octet === 0));
});

test('objects of old days go, and no others', async (t) => {
  if (!needPeer(t, 'postgres') || !needStore(t)) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  await new Parts(database).make([day, '2020-01-01']);
  const bodies = await bodiesAt(store.url);
  const old = { ...bodyOf(1, 'an old one'), key: { day: '2020-01-01', id: 'OLD', n: 1 } };
  await bodies.put(database, node, made([old, bodyOf(2, 'a new one')]));
  assert.equal(store.objects.filter((name) => name.startsWith('2020-01-01/')).length, 1);
  await bodies.dropBefore('2020-01-02');
  assert.deepEqual(
    store.objects.filter((name) => name < '2020-01-02'),
    [],
  );
  assert.ok(await bodies.get(database, bodyOf(2, '').key));
});

test('a wrong key is told without it', async (t) => {
  if (!needPeer(t, 'postgres') || !needStore(t)) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  await new Parts(database).make([day]);
  const wrong = await bodiesAt(store.url.replace(/key_file=.*/, `key_file=${store.folder}/wrong`));
  (await import('node:fs')).writeFileSync(`${store.folder}/wrong`, 'accesskey\nanother s3cret\n');
  await assert.rejects(wrong.put(database, node, made([bodyOf(1, 'x')])), (error: unknown) => {
    assert.ok(error instanceof StoreDown);
    assert.match(error.message, /^bodies: http:\/\/127\.0\.0\.1:\d+: 403 SignatureDoesNotMatch$/);
    return true;
  });
});
