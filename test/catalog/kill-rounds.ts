/**
 * Hosts, what ships for them, database and store are killed at random while mail comes in and is released; now and then
 * a standby that is behind becomes the primary. In the end every ID that a 550 named is in the catalog once, with the
 * mail as it came, counted once; nothing was delivered twice, and what is not known is no more than there were deaths.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bodies } from '../../src/catalog/bodies/bodies.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { databaseAt } from '../../src/catalog/open.js';
import { KeptInCatalog } from '../../src/catalog/kept-in-catalog.js';
import type { MailRef } from '../../src/quarantine/disk/mail-ref.js';
import { SourceDown } from '../../src/quarantine/kept-mails.js';
import { parseQuery } from '../../src/quarantine/look/query.js';
import type { Postgres } from '../support/postgres.js';
import type { Versitygw } from '../support/versitygw.js';
import type { Fleet, FleetHost } from './fleet.js';
import { countOf } from './support.js';

export interface Rounds {
  readonly rounds: number;
  /** So many of the mails are released in the end. */
  readonly releases: number;
  /** Who dies in which round, and roughly when. */
  readonly seed: number;
  /** It is told what a round does. */
  readonly say?: (text: string) => void;
}

export interface Engines {
  readonly server: Postgres;
  readonly bodies: Bodies;
  /** Undefined where the database has the mails. */
  readonly store: Versitygw | undefined;
}

export interface RoundsResult {
  /** 550s with an ID. */
  readonly refused: number;
  readonly deaths: number;
  readonly released: number;
  readonly unknown: number;
  /** Deaths after which a standby that was behind became the primary. */
  readonly failovers: number;
}

/** So many mails come in a round at most; in one of ten it is a heap, so that what is shipped at once changes. */
const mailsInRound = 12;
const mailsInHeap = 90;

export async function killRounds(
  fleet: Fleet,
  { server, bodies, store }: Engines,
  { rounds, releases, seed, say = () => undefined }: Rounds,
): Promise<RoundsResult> {
  const random = randomOf(seed);
  const fate = randomOf(seed);
  const texts = new Map<string, string>();
  let [deaths, failovers, isBehind] = [0, 0, false];
  for (let round = 0; round < rounds; round++) {
    const mails = Math.ceil(random() * (random() < 0.1 ? mailsInHeap : mailsInRound));
    const sending = Promise.all(
      Array.from({ length: mails }, async (_, i) => {
        await sleep(random() * 400);
        const subject = `mail ${i} of round ${round}`;
        // They are of all sizes, and none is like another.
        const text = `${subject} ${randomBytes(Math.ceil(10 ** (random() * 5))).toString('hex')}`;
        const id = await pick(fleet.hosts, random).refuse(subject, { text: text.replace(/.{900}/g, '$&\r\n') });
        if (id !== undefined) texts.set(id, text);
      }),
    );
    await sleep(random() * 600);
    const what = pick(
      ['shipping', 'shipping', 'host', 'database', 'database', 'standby', 'store', 'nobody'] as const,
      fate,
    );
    say(`round ${round}: ${what} dies; ${texts.size} refused`);
    if (what !== 'nobody') deaths++;
    if (what === 'shipping') pick(fleet.hosts, random).killShipping();
    if (what === 'host') await restarted(pick(fleet.hosts, random));
    if (what === 'database') {
      await server.kill();
      await sleep(random() * 500);
      await server.restart();
    }
    if (what === 'store') {
      await store?.kill();
      await sleep(random() * 500);
      await store?.restart();
    }
    if (what === 'standby' && isBehind) {
      await server.failOver();
      failovers++;
    }
    if (what === 'standby') isBehind = !isBehind;
    if (what === 'standby' && isBehind) await server.leaveBehind();
    await sending;
  }
  await settled(server, bodies, texts);
  const { released, unknown } = await releaseAll({ fleet, server, random }, [...texts.keys()].slice(0, releases));
  return { refused: texts.size, deaths, failovers, released, unknown };
}

/** A busy machine may take longer than a start waits for. */
async function restarted(host: FleetHost): Promise<void> {
  await host.kill();
  for (let tries = 1; ; tries++)
    try {
      return await host.start();
    } catch (error) {
      if (tries === 5) throw error;
    }
}

/** Every mail is there, as it came, and nothing is counted that is not. */
async function settled(server: Postgres, bodies: Bodies, texts: ReadonlyMap<string, string>): Promise<void> {
  const database = databaseAt(server.url);
  const catalog = new Catalog(databaseAt(server.url));
  const mails = new KeptInCatalog(catalog, 'f'.repeat(16), bodies);
  try {
    let missing = [...texts.keys()];
    for (const late = Date.now() + 240_000; missing.length > 0 && Date.now() < late; await sleep(250)) {
      const rows = await database
        .query<{ id: string }>('select m.id from mail m join body b using (day, id, n) where m.id = any($1)', [missing])
        .catch(() => []);
      const there = new Set(rows.map(({ id }) => id));
      missing = missing.filter((id) => !there.has(id));
    }
    assert.deepEqual(missing, [], 'these were refused with an ID, and are not in the catalog');
    for (const [id, text] of texts) {
      const mail = await patiently(async () => mails.open(await refFor(mails, id)));
      assert.ok(mail, id);
      const parts: Buffer[] = [];
      for await (const part of mail.message.parts()) parts.push(part);
      const [, ...lines] = Buffer.concat(parts).toString().split('\r\n\r\n');
      assert.ok(lines.join('').replaceAll('\r\n', '') === text, `${id} is not what was refused`);
    }
    const [sum] = await database.query<{ mails: number }>('select sum(mails)::integer as mails from tally');
    assert.equal(sum?.mails, await countOf(database, 'mail'), 'tallies are rows');
    assert.equal(await countOf(database, 'strange'), 0);
  } finally {
    await Promise.all([catalog.close(), database.close()]);
  }
}

/** A busy machine may be late. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SourceDown) || tries === 20) throw error;
      await sleep(500);
    }
  }
}

async function refFor(mails: KeptInCatalog, id: string): Promise<MailRef> {
  const query = parseQuery(`id:${id}`);
  assert.ok(query.ok);
  const refs: MailRef[] = [];
  for await (const { ref } of mails.all({ query: query.value })) refs.push(ref);
  assert.equal(refs.length, 1, `${id} is there ${refs.length} times`);
  return refs[0] ?? assert.fail();
}

/** Each is released by two commands on two hosts at once, while one of the hosts dies now and then. */
async function releaseAll(
  { fleet, server, random }: { readonly fleet: Fleet; readonly server: Postgres; readonly random: () => number },
  ids: readonly string[],
): Promise<{ readonly released: number; readonly unknown: number }> {
  let isKilled = false;
  for (const id of ids) {
    const hosts = [pick(fleet.hosts, random), pick(fleet.hosts, random)];
    const running = Promise.all(hosts.map((host) => host.postern('quarantine', 'release', id)));
    if (!isKilled && random() < 0.2) {
      isKilled = true;
      await sleep(random() * 1_500);
      await server.kill();
      await server.restart();
    }
    await running;
  }
  const counts = new Map<string, number>();
  for (const mail of fleet.delivered) {
    const subject = /^Subject: (.*)\r$/m.exec(mail)?.[1] ?? '';
    counts.set(subject, (counts.get(subject) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts].filter(([, count]) => count > 1),
    [],
    'these were delivered twice',
  );
  const database = databaseAt(server.url);
  try {
    const unknown = await countOf(database, `fate where state = 'sending'`);
    assert.ok(unknown <= 1, `${unknown} are not known`);
    return { released: counts.size, unknown };
  } finally {
    await database.close();
  }
}

const pick = <T>(all: readonly T[], random: () => number): T =>
  all[Math.floor(random() * all.length)] ?? assert.fail('nothing to choose from');

/** Numbers from 0 to 1 (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
