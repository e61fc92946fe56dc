/** What of a host's mails the catalog lacks, while it is away, while its store is, and after a start. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { Bodies } from '../../src/catalog/bodies/bodies.js';
import { StoreDown } from '../../src/catalog/bodies/store-down.js';
import { hostsBehind } from '../../src/catalog/shared/hosts-behind.js';
import { Backlog } from '../../src/catalog/ship/backlog.js';
import { statusOf } from '../../src/catalog/status.js';
import { IndexFollower } from '../../src/catalog/ship/index-follower.js';
import { indexLine } from '../../src/quarantine/disk/index-entry.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { entryFor, folderOf } from '../quarantine/support.js';
import { Client, openSite, ofExampleCom } from '../web/support.js';
import { emptyCatalog, openHost, waitFor } from './support.js';

let server: Postgres;
before(async () => {
  if (hasPeer('postgres')) server = await Postgres.start();
});
after(() => server?.end());

test('whatever is appended and shipped meanwhile, what is left is counted', (t) => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('append' as const), domain: fc.nat(2), count: fc.integer({ min: 1, max: 9 }) }),
      fc.constant({ kind: 'ship lines' as const }),
      fc.constant({ kind: 'ship bodies' as const }),
      fc.constant({ kind: 'look' as const }),
      fc.constant({ kind: 'forget' as const }),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const root = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-backlog-'));
      t.after(() => fs.rmSync(root, { recursive: true, force: true }));
      const onProblem = (): never => assert.fail();
      const lines = new IndexFollower({ root, maxLines: 4, onProblem });
      const limitOf = (file: string): number => lines.takenOf(file);
      const bodies = new IndexFollower({ root, maxLines: 3, limitOf, onProblem });
      const backlog = new Backlog({ root, maxLines: 50 });
      // All lines have one length, so that a part of a piece is reckoned without a rest.
      let [made, put] = [0, 0];
      for (const step of all) {
        if (step.kind === 'append') {
          const folder = folderOf(root, new Date(), `d${step.domain}.example`);
          fs.mkdirSync(folder, { recursive: true });
          for (let i = 0; i < step.count; i++) {
            const name = `${1_700_000_000 + made++}.A_1.mx`;
            fs.appendFileSync(path.join(folder, 'index'), indexLine({ ...entryFor(name, new Date()), size: 100 }));
          }
        } else if (step.kind === 'ship lines') for (const one of lines.next({ all: false })) one.taken();
        else if (step.kind === 'ship bodies')
          for (const one of bodies.next({ all: false })) put += one.taken() ? one.lines.length : 0;
        else if (step.kind === 'look') {
          backlog.look({ lines, bodies });
          assert.deepEqual([backlog.behind.mails, backlog.behind.octets], [made - put, (made - put) * 100]);
        } else if (backlog.behind.mails === 0) lines.forgetRecent();
      }
      for (const follower of [lines, bodies])
        for (let given = follower.next({ all: false }); given.length > 0; given = follower.next({ all: false }))
          for (const one of given) one.taken();
      backlog.look({ lines, bodies });
      assert.deepEqual(backlog.behind, { lines: 0, mails: 0, octets: 0, since: undefined });
      const fresh = new Backlog({ root, maxLines: 50 });
      for (let i = 0; i <= made; i += 500) fresh.look(undefined);
      assert.deepEqual([fresh.behind.lines, fresh.behind.mails, fresh.behind.octets], [made, made, made * 100]);
    }),
    { numRuns: 60 },
  );
});

test('a host knows what waits while the catalog is away, also after a start, and says so when it can', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1.example');
  const old = new Date(Date.now() - 600_000);
  for (let i = 0; i < 5; i++) await host.refuse({ time: old });
  const first = host.ship();
  await waitFor(database, 'body', 5);
  await until(() => fs.existsSync(path.join(host.state, 'shipped')));
  await first.stop();

  await server.kill();
  const text = 'Subject: late\r\n\r\n.\r\n';
  for (let i = 0; i < 3; i++) await host.refuse({ text });
  const second = host.ship();
  await until(() => second.numbers.behind.mails > 0);
  const { lines, mails, octets, since } = second.numbers.behind;
  assert.deepEqual([lines, mails], [3, 3], 'those that were there before are not among them');
  assert.ok(octets >= 3 * text.length, String(octets));
  assert.ok(since !== undefined && Date.now() - since < 500_000, String(since));
  await server.restart();
  await waitFor(database, 'body', 8);
  await until(() => second.numbers.behind.mails === 0);
  assert.deepEqual(second.numbers.behind, { lines: 0, mails: 0, octets: 0, since: undefined });
  const off = second.numbers.clockOffMs ?? assert.fail();
  assert.ok(Math.abs(off) < 60_000, String(off));
});

test('while the store is away the lines come and the mails wait; the page of each host says so', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const bodies = new Bodies();
  bodies.put = () => Promise.reject(new StoreDown('the store is away'));
  const host = openHost(t, server.url, 'mx1.example', bodies);
  for (let i = 0; i < 4; i++) await host.refuse({ time: new Date(Date.now() - 600_000) });
  const shipper = host.ship();
  await waitFor(database, 'mail', 4);
  await waitFor(database, 'node where behind_mails = 4', 1);
  await until(() => shipper.numbers.behind.lines === 0);
  assert.equal(shipper.numbers.behind.mails, 4);
  const [said] = await host.mails.behind();
  assert.equal((await statusOf(database)).hosts[0]?.behindMails, 4);
  assert.ok(said && said.host === 'mx1.example' && said.mails === 4 && said.octets > 0 && said.seconds >= 600);

  const site = await openSite(t, [`catalog=${server.url}`]);
  const admin = (await (await new Client(site).login()).get('/')).body.replace(/\s+/g, ' ');
  assert.match(
    admin,
    /Not all that mx1\.example has refused is here yet: the oldest mail has waited 1\d minutes, and there are 4 \(/,
  );
  const some = (await (await new Client(site).login(ofExampleCom)).get('/')).body.replace(/\s+/g, ' ');
  assert.match(some, /the oldest mail has waited 1\d minutes\./);
  // The host cannot say anew in between how it is.
  await database.transaction(async (sql) => {
    await sql.query(`update node set behind_since = clock_timestamp() - interval '20 s'`);
    assert.deepEqual(await hostsBehind(sql), [], 'a moment is no backlog');
    assert.equal((await statusOf(sql)).hosts[0]?.behindMails, 0);
  });
  bodies.put = new Bodies().put.bind(bodies);
  await waitFor(database, 'node where behind_mails = 0', 1);
});

test('a clock that is off is told once, and once when it is right again', async (t) => {
  if (!needPeer(t, 'postgres')) return;
  const database = await emptyCatalog(server);
  t.after(() => database.close());
  const host = openHost(t, server.url, 'mx1.example');
  const told: string[] = [];
  const onClock = (offMs: number, isOff: boolean): void =>
    void told.push(`${Math.abs(Math.round(offMs / 60_000))} minutes: ${isOff}`);
  const { now } = Date;
  t.after(() => (Date.now = now));
  Date.now = () => now() + 600_000;
  const shipper = host.ship({ onClock });
  await until(() => told.length > 0);
  assert.ok((shipper.numbers.clockOffMs ?? 0) < -500_000, 'ours is ahead');
  Date.now = now;
  await until(() => told.length > 1);
  assert.deepEqual(told, ['10 minutes: true', '0 minutes: false']);
  assert.equal(Math.round((shipper.numbers.clockOffMs ?? NaN) / 60_000) + 0, 0);
});
