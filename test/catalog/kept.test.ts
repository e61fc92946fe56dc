/** Refused mails of several hosts in a real PostgreSQL: found, shown, released once, deleted everywhere. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { keptOnDisk } from '../../src/quarantine/kept-on-disk.js';
import type { MailRef } from '../../src/quarantine/disk/mail-ref.js';
import type { KeptMails } from '../../src/quarantine/kept-mails.js';
import type { ListItem } from '../../src/quarantine/look/browse.js';
import { everything, parseQuery, type Query } from '../../src/quarantine/look/query.js';
import type { ReleaseOrder } from '../../src/quarantine/care/release.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { patience, until } from '../support/until.js';
import { wayTo } from '../support/way-to.js';
import { countOf, emptyCatalog, openHost, waitFor } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

const queryOf = (text: string): Query => {
  const parsed = parseQuery(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
};

async function found(mails: KeptMails, text = ''): Promise<readonly ListItem[]> {
  const items: ListItem[] = [];
  for await (const item of mails.all({ query: text === '' ? everything : queryOf(text) })) items.push(item);
  return items;
}

const idsOf = (items: readonly ListItem[]): readonly string[] => items.map(({ ref }) => ref.filename).toSorted();

test('what two hosts refuse is found on each, with its octets, as its host has it', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const [mx1, mx2] = [openHost(t, server.url, 'mx1.example'), openHost(t, server.url, 'mx2.example')];
  await mx1.refuse({
    about: { subject: 'of the first', ip: '2001:db8::1' },
    text: 'Subject: one\r\n\r\nbödy \0 \xff\r\n',
  });
  const id = await mx2.refuse({
    about: { subject: 'of the second', from: '' },
    copies: ['a', 'b'].map((user) => ({ recipient: `${user}@example.com`, head: Buffer.from('X-HELO: x\r\n') })),
  });
  for (const host of [mx1, mx2]) host.ship();
  await waitFor(database, 'body', 3);
  assert.equal(await countOf(database, 'octets'), 2, 'copies have their octets in common');
  for (const host of [mx1, mx2]) {
    const items = await found(host.mails);
    assert.deepEqual(
      idsOf(items),
      [...idsOf(await found(keptOnDisk(mx1.root))), ...idsOf(await found(keptOnDisk(mx2.root)))].toSorted(),
    );
    assert.equal((await found(host.mails, `id:${id}`)).length, 2);
    assert.deepEqual(
      (await found(host.mails, 'subject:"the first"')).map(({ entry }) => entry.subject),
      ['of the first'],
    );
    for (const item of items) {
      const files = keptOnDisk(item.entry.subject === 'of the first' ? mx1.root : mx2.root);
      assert.deepEqual(await host.mails.disposition(item.ref), await files.disposition(item.ref));
      const [here, there] = [await host.mails.open(item.ref), await files.open(item.ref)];
      assert.ok(here && there);
      assert.deepEqual(await octetsOf(here.whole), await octetsOf(there.whole));
      assert.deepEqual(await octetsOf(here.message), await octetsOf(there.message));
      assert.equal(here.recipient, item.entry.recipient);
    }
  }
  assert.deepEqual([...mx1.problems, ...mx1.strange, ...mx2.problems, ...mx2.strange], []);
});

async function octetsOf({
  parts,
  size,
}: {
  parts(): Iterable<Buffer> | AsyncIterable<Buffer>;
  size: number;
}): Promise<Buffer> {
  const octets: Buffer[] = [];
  for await (const part of parts()) octets.push(part);
  assert.equal(Buffer.concat(octets).length, size);
  return Buffer.concat(octets);
}

const order = (send: ReleaseOrder['relay']['send'], more: Partial<ReleaseOrder> = {}): ReleaseOrder => ({
  relay: { send },
  hostname: 'mx.example',
  by: 'anna',
  form: 'raw',
  again: false,
  hasUser: () => true,
  ...more,
});

test('of several who release a mail at once, on several hosts, one does; the others hear who it was', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const hosts = ['mx1', 'mx2', 'mx3'].map((name) => openHost(t, server.url, name));
  const [first] = hosts;
  assert.ok(first);
  await first.refuse();
  first.ship();
  await waitFor(database, 'body', 1);
  const [item] = await found(first.mails);
  assert.ok(item);
  let sent = 0;
  const send: ReleaseOrder['relay']['send'] = async ({ message }) => {
    await octetsOf(message);
    sent++;
    return { kind: 'accepted', text: '250 queued' };
  };
  const results = await Promise.all([...hosts, ...hosts].map(({ mails }) => mails.release(item.ref, order(send))));
  assert.equal(sent, 1);
  assert.equal(results.filter(({ kind }) => kind === 'released').length, 1);
  for (const { kind } of results) assert.ok(['released', 'busy', 'already'].includes(kind), kind);
  for (const { mails } of hosts) {
    const again = await mails.release(item.ref, order(send));
    assert.ok(again.kind === 'already' && again.mark.by === 'anna' && again.mark.detail === '250 queued');
    assert.equal((await mails.disposition(item.ref)).mark?.kind, 'released');
    assert.equal((await found(mails, 'is:released')).length, 1);
  }
  assert.equal((await first.mails.release(item.ref, order(send, { again: true }))).kind, 'released');
  assert.equal(sent, 2);
});

test('a release whose end nobody heard is never sent again by itself; one that was not sent is', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const [mx1, mx2] = [openHost(t, server.url, 'mx1'), openHost(t, server.url, 'mx2')];
  await mx1.refuse();
  mx1.ship();
  await waitFor(database, 'body', 1);
  const [item] = await found(mx1.mails);
  assert.ok(item);
  const { ref } = item;
  const down = await mx1.mails.release(
    ref,
    order(() => Promise.resolve({ kind: 'unreachable', problem: 'down' })),
  );
  assert.equal(down.kind, 'unreachable');
  const lost = await mx1.mails.release(
    ref,
    order(async ({ message }) => {
      await octetsOf(message);
      return { kind: 'unreachable', problem: 'the connection is lost' };
    }),
  );
  assert.equal(lost.kind, 'unknown');
  await database.query(`update fate set until = clock_timestamp() - interval '1 s'`);
  const never = order(() => assert.fail('it is sent again'));
  const unknown = await mx2.mails.release(ref, never);
  assert.ok(unknown.kind === 'unknown' && unknown.by === 'anna' && unknown.host === 'mx1' && unknown.messageId !== '');
  assert.equal((await mx2.mails.disposition(ref)).unknown?.host, 'mx1');
  const accept = (): ReturnType<ReleaseOrder['relay']['send']> => Promise.resolve({ kind: 'accepted', text: 'ok' });
  assert.equal((await mx2.mails.release(ref, order(accept, { again: true }))).kind, 'released');
});

test('who has lost his claim does not send the end of the mail', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const mx1 = openHost(t, server.url, 'mx1');
  await mx1.refuse();
  mx1.ship();
  await waitFor(database, 'body', 1);
  const [item] = await found(mx1.mails);
  assert.ok(item);
  const result = await mx1.mails.release(
    item.ref,
    order(async ({ message }) => {
      await database.query(`update fate set until = clock_timestamp() - interval '1 s', claim = claim + 1`);
      await assert.rejects(octetsOf(message), /somebody else has taken the release over/);
      return { kind: 'unreachable', problem: 'somebody else has taken the release over' };
    }),
  );
  assert.equal(result.kind, 'unreachable');
  assert.equal(await countOf(database, `fate where state = 'claimed'`), 1, 'his end does not touch the other claim');
});

test('a mail that was deleted while its host could not hear of it goes there when it can, however late', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const way = await wayTo(server.port, t);
  const mx1 = openHost(t, server.urlAt(way.port), 'mx1');
  const mx2 = openHost(t, server.url, 'mx2');
  for (let i = 0; i < 2; i++) await mx1.refuse();
  const first = mx1.ship();
  await waitFor(database, 'body', 2);
  await first.stop();
  const files = keptOnDisk(mx1.root);
  const [one, two] = await found(mx2.mails);
  assert.ok(one && two);
  await mx2.mails.discard(one.ref, 'berta');
  mx1.ship();
  const goes = async (ref: MailRef): Promise<void> => {
    for (const late = Date.now() + patience; await files.isThere(ref);) {
      assert.ok(Date.now() < late, 'it stays');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await goes(one.ref);
  way.state = 'cut';
  await until(() => mx1.states.some((problem) => problem !== undefined));
  await mx2.mails.discard(two.ref, 'berta');
  await database.query(`update fate set at = at - interval '5 hours'`);
  way.state = 'open';
  await goes(two.ref);
});

test('a mail that is deleted on one host goes from the catalog and from its own host', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const [mx1, mx2] = [openHost(t, server.url, 'mx1'), openHost(t, server.url, 'mx2')];
  await mx1.refuse({ copies: ['a', 'b'].map((user) => ({ recipient: `${user}@example.com`, head: Buffer.alloc(0) })) });
  const shipper = mx1.ship();
  await waitFor(database, 'body', 2);
  const [one, two] = await found(mx2.mails);
  assert.ok(one && two);
  assert.equal(await mx2.mails.discard(one.ref, 'berta'), 'deleted');
  assert.equal(await mx2.mails.discard(one.ref, 'berta'), 'gone');
  assert.equal(await mx2.mails.open(one.ref), undefined);
  assert.ok(await mx2.mails.open(two.ref), 'the other copy has the octets still');
  assert.equal((await found(mx2.mails)).length, 1);
  assert.equal((await found(mx2.mails, 'is:deleted'))[0]?.mark?.by, 'berta');
  await shipper.stop();
  const again = mx1.ship();
  const files = keptOnDisk(mx1.root);
  for (let i = 0; i < 600 && (await files.isThere(one.ref)); i++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await files.isThere(one.ref), false);
  assert.equal(await files.isThere(two.ref), true);
  assert.equal(await mx2.mails.discard(two.ref, 'berta'), 'deleted');
  assert.equal(await countOf(database, 'octets'), 0);
  await again.stop();
});
