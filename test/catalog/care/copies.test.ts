/** A host's own files of mails that the catalog has: which of them go, and what is left without them. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { Bodies } from '../../../src/catalog/bodies/bodies.js';
import { bodiesAt } from '../../../src/catalog/open.js';
import { LocalCopies } from '../../../src/catalog/ship/local-copies.js';
import { checkDay } from '../../../src/quarantine/care/check.js';
import { keptOnDisk } from '../../../src/quarantine/kept-on-disk.js';
import { everything } from '../../../src/quarantine/look/query.js';
import { keepsLonger, ownLimits } from '../../../src/srv/expiry.js';
import { Srv } from '../../../src/srv/srv.js';
import { filesBelow } from '../../support/files-below.js';
import { hasPeer, needPeer } from '../../support/peers.js';
import { Postgres } from '../../support/postgres.js';
import { until } from '../../support/until.js';
import { hasStore, needStore, Versitygw } from '../../support/versitygw.js';
import { countOf, emptyCatalog, type Host, openHost, waitFor } from '../support.js';

let server: Postgres;
let store: Versitygw | undefined;
before(async () => {
  if (!hasPeer('postgres')) return;
  server = await Postgres.start();
  if (hasStore()) store = await Versitygw.start();
});
after(async () => {
  await server?.end();
  await store?.end();
});

const dayMs = 86_400_000;
const twoDays = 2 * dayMs;
const ago = (days: number): Date => new Date(Date.now() - days * dayMs);

const filesOf = ({ root }: Host): readonly string[] =>
  filesBelow(root).filter((file) => path.basename(file) !== 'index');

const namesOf = (files: readonly string[], ...ids: readonly string[]): readonly string[] =>
  files.filter((file) => ids.some((id) => file.includes(id)));

for (const [where, needs, bodiesOf] of [
  ['the database', () => true, () => Promise.resolve(new Bodies())],
  ['a store', needStore, () => bodiesAt(store?.url ?? '')],
] as const)
  test(`what is older than ship_keep, and was read back from ${where}, goes; what differs or is not there stays`, async (t) => {
    if (!needPeer(t, 'postgres') || !needs(t)) return;
    const database = await emptyCatalog(server);
    t.after(() => database.close());
    const bodies = await bodiesOf();
    const [host, other] = [openHost(t, server.url, 'mx1', bodies), openHost(t, server.url, 'mx2', bodies)];
    const text = (name: string): { text: string } => ({
      text: `Subject: ${name}\r\n\r\n${name} has text of its own\r\n`,
    });
    const old = await host.refuse({ time: ago(3), ...text('old') });
    const two = await host.refuse({
      time: ago(3),
      ...text('two'),
      copies: ['a', 'b'].map((user) => ({ recipient: `${user}@example.com`, head: Buffer.from('X-HELO: x\r\n') })),
    });
    const [young, lineOnly, changed, lost, absent] = [
      await host.refuse({ time: ago(1), ...text('young') }),
      await host.refuse({ time: ago(3), ...text('line only') }),
      await host.refuse({ time: ago(3), ...text('changed') }),
      await host.refuse({ time: ago(3), ...text('lost') }),
      await host.refuse({ time: ago(3), ...text('absent') }),
    ];
    const shipper = host.ship();
    await waitFor(database, 'body', 8);
    await shipper.stop();
    const whole = filesOf(host);
    assert.equal(whole.length, 8);
    // A file of the same length, a row without a body, octets that are others, no row at all.
    const [file = ''] = namesOf(whole, changed);
    fs.writeFileSync(file, fs.readFileSync(file, 'latin1').replace('text of', 'Text of'), 'latin1');
    await database.query('delete from body where id = $1', [lineOnly]);
    await database.query(
      `update octets set ${where === 'a store' ? 'start = start + 1' : `deflated = '\\x0300'`}
       where sha256 = (select sha256 from body where id = $1)`,
      [lost],
    );
    await database.query('delete from mail where id = $1', [absent]);

    const copies = copiesOf(host, bodies, { settledMs: 0 });
    await copies.remove(database, () => false);
    assert.deepEqual(filesOf(host), namesOf(whole, young, lineOnly, changed, lost, absent));
    assert.equal(copies.removed, 3);
    assert.equal(host.problems.length, 1);
    assert.match(host.problems[0] ?? '', new RegExp(`${lost}.* stays: .*is damaged`));

    // Every host reads what has gone, and this one's commands know about it.
    for (const id of [old, two]) {
      const query = { ...everything, matches: (entry: { filename: string }) => entry.filename.includes(id) };
      for (const { mails } of [host, other]) {
        const { items } = await mails.page({ query, limit: 10 });
        assert.equal(items.length, id === two ? 2 : 1);
        for (const { ref } of items) assert.ok(await mails.open(ref));
      }
      const [here] = (await keptOnDisk(host.root).page({ query, limit: 1 })).items;
      assert.equal(await keptOnDisk(host.root).isThere(here?.ref ?? assert.fail()), false);
    }
    const folder = path.dirname(path.dirname(file));
    assert.deepEqual(await checkDay(folder, undefined, twoDays), {
      rebuilt: false,
      orphans: 0,
      missing: 0,
      finished: 0,
      foreign: 0,
      shipped: 3,
    });
    assert.equal((await checkDay(folder)).missing, 3);
  });

interface CopiesOptions {
  readonly settledMs: number;
  readonly keepMs?: number;
  readonly outlivesCatalog?: (domain: string) => boolean;
}

const copiesOf = (
  host: Host,
  bodies: Bodies,
  { settledMs, keepMs = twoDays, outlivesCatalog = () => false }: CopiesOptions,
): LocalCopies =>
  new LocalCopies({
    bodies,
    root: host.root,
    node: host.node,
    keepMs,
    outlivesCatalog,
    settledMs,
    onProblem: (problem) => host.problems.push(problem),
  });

async function shipped(t: TestContext): Promise<{ host: Host; database: Awaited<ReturnType<typeof emptyCatalog>> }> {
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1');
  await host.refuse({ time: ago(3) });
  const shipper = host.ship();
  await waitFor(database, 'body', 1);
  await shipper.stop();
  return { host, database };
}

test('nothing goes while a standby may not have it yet, nor where ship_keep is 0', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const { host, database } = await shipped(t);
  const unsettled = copiesOf(host, new Bodies(), { settledMs: 3_600_000 });
  await unsettled.remove(database, () => false);
  await copiesOf(host, new Bodies(), { settledMs: 0, keepMs: 0 }).remove(database, () => false);
  await copiesOf(host, new Bodies(), { settledMs: 0, keepMs: 4 * dayMs }).remove(database, () => false);
  assert.equal(filesOf(host).length, 1);
});

test('nothing goes of a domain whose own expire is longer than the catalog’s, or says nothing', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const { host, database } = await shipped(t);
  const root = path.join(host.root, '..', 'srv');
  fs.mkdirSync(path.join(root, 'example.com'), { recursive: true });
  const srv = new Srv({ root, recipientDelimiter: '', blacklistDir: '', oncePerTurn: false });
  const outlivesCatalog = (domain: string): boolean => keepsLonger(ownLimits(srv, domain), 30 * dayMs);
  const copies = copiesOf(host, new Bodies(), { settledMs: 0, outlivesCatalog });
  for (const [line, left] of [
    ['expire = 90d', 1],
    ['expire = 0', 1],
    ['expire = soon', 1],
    ['expire = 30d', 0],
  ] as const) {
    fs.writeFileSync(path.join(root, 'example.com', 'expire'), `${line}\n`);
    await copies.remove(database, () => false);
    assert.equal(filesOf(host).length, left, line);
  }
});

test('the shipper removes them, ships nothing of them again, and a mail that is deleted afterwards goes everywhere', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const { host, database } = await shipped(t);
  const shipper = host.ship({ shipKeepMs: twoDays, settledMs: 0 });
  await until(() => filesOf(host).length === 0);
  await until(() => shipper.numbers.localRemoved === 1);
  await shipper.stop();
  const [item] = (await host.mails.page({ query: everything, limit: 1 })).items;
  assert.ok(item && (await host.mails.open(item.ref)));
  assert.equal(await host.mails.discard(item.ref, 'anna'), 'deleted');
  const again = host.ship({ shipKeepMs: twoDays, settledMs: 0 });
  const mark = async (): Promise<string | undefined> => (await keptOnDisk(host.root).disposition(item.ref)).mark?.kind;
  for (let i = 0; i < 600 && (await mark()) !== 'deleted'; i++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await mark(), 'deleted');
  await again.stop();
  assert.equal(await countOf(database, 'octets'), 0);
  assert.deepEqual([...host.problems, ...host.strange], []);
});
