/**
 * packaging/postern.service and postern.socket under systemd, as the first process of a container, and under what does
 * as it does, for machines that let nobody start one. A restart under load cuts no transaction, loses and doubles no
 * mail; a reload and the watchdog meet the processes that they are meant for.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Sink, startSink } from '../../src/trial/sink.js';
import { freePort } from '../support/free-port.js';
import { needPeer } from '../support/peers.js';
import { marksIn, SteadyLoad } from '../support/steady-load.js';
import { Container } from '../support/systemd/container.js';
import type { Manager, Units } from '../support/systemd/manager.js';
import { StandIn } from '../support/systemd/stand-in.js';
import { patience, until } from '../support/until.js';

let folder: string;
let sink: Sink;
let ports: { socketPort: number; servicePort: number };

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-units-'));
  sink = await startSink({ host: '127.0.0.1', port: 0, dir: folder, log: () => {} });
  ports = { socketPort: await freePort(), servicePort: await freePort() };
});
after(async () => {
  await sink.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

const units = (): Units => ({ relayPort: sink.port, ...ports });

test('under systemd', { timeout: 300_000 }, async (t) => {
  if (!needPeer(t, 'systemd-nspawn', 'root')) return;
  const container = await Container.boot(units());
  if (container) await holds(t, container);
  else t.diagnostic('this machine lets nobody start a container');
});

test('under what stands in for systemd', { timeout: 300_000 }, (t) => holds(t, new StandIn(units())));

async function holds(t: TestContext, manager: Manager): Promise<void> {
  try {
    await t.test('behind the socket a restart under load refuses no connection', async () => {
      await manager.start('socket');
      const load = await restartedUnderLoad(manager, ports.socketPort);
      assert.deepEqual([load.refused, load.cut, load.wrong], [0, [], []]);
      settled(load);
    });

    await t.test('a reload reaches each worker, and the main process stays', async () => {
      const main = await mainOtherThan(0, manager);
      const said = (what: string): readonly unknown[] =>
        manager.log().flatMap(({ msg, pid }) => (msg === what ? [pid] : []));
      const workers = (): readonly unknown[] => said('listening').filter((pid) => !said('stopped').includes(pid));
      await until(() => workers().length === 2, 'both workers serve');
      await manager.reload();
      await until(() => said('reloaded').length === 2, 'both have reloaded');
      assert.deepEqual(new Set(said('reloaded')), new Set(workers()));
      assert.equal(await mainOtherThan(0, manager), main);
    });

    await t.test('a main process that says nothing any more is replaced', async () => {
      const frozen = await mainOtherThan(0, manager);
      await manager.freeze();
      await mainOtherThan(frozen, manager);
      const load = new SteadyLoad(ports.socketPort, 1);
      await load.during(() => load.mails(2));
      settled(load);
      await manager.stop();
    });

    await t.test('without the socket a restart under load cuts nothing either', async () => {
      await manager.start('service');
      const load = await restartedUnderLoad(manager, ports.servicePort);
      assert.deepEqual([load.cut, load.wrong], [[], []]);
      settled(load);
      await manager.stop();
    });
  } finally {
    await manager.close();
  }
}

/** Waits for the main process of a service that is neither starting nor reloading. */
async function mainOtherThan(old: number, manager: Manager): Promise<number> {
  for (const late = Date.now() + patience; Date.now() < late; await sleep(100)) {
    const main = await manager.mainPid();
    if (main !== 0 && main !== old) return main;
  }
  throw new Error(`not within ${patience} ms: a main process other than ${old}`);
}

/** Two restarts, with mail before, between and behind. */
async function restartedUnderLoad(manager: Manager, port: number): Promise<SteadyLoad> {
  const load = new SteadyLoad(port);
  await load.during(async () => {
    for (let i = 0; i < 2; i++) {
      await load.mails(20);
      await manager.restart();
    }
    await load.mails(20);
  });
  return load;
}

/** What was answered 250 is at the local MTA, and nothing is there twice. */
function settled({ accepted }: SteadyLoad): void {
  const there = marksIn(folder);
  assert.deepEqual(
    [...accepted].filter((mark) => !there.includes(mark)),
    [],
  );
  assert.equal(new Set(there).size, there.length);
  for (const name of fs.readdirSync(path.join(folder, 'new'))) fs.rmSync(path.join(folder, 'new', name));
}
