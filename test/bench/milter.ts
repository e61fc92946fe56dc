/**
 * `npm run bench:milter`: postern milter beside spf-milter (Rust) and pyspf-milter, in turn, on a UNIX socket and
 * over TCP; 5 messages a connection, 12 header fields, 4 KB, one SPF record that is cached; and the memory of 1,000
 * idle sessions.
 *
 * Wants root and port 53 of a loopback address: the others know no name server but that of /etc/resolv.conf.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zoneServer } from '../support/zone-server.js';
import {
  type Filter,
  type Setting,
  startPostern,
  startPyspfMilter,
  startSpfMilter,
  type Transport,
} from './milter-filters.js';
import { load, LoadSession, messagesPerSession } from './milter-load.js';
import { median } from './report.js';

const rounds = 5;
const concurrency = 10;
const sessionsARound: Readonly<Record<string, number>> = { 'pyspf-milter': 60 };
const sessionsOfTheFast = 300;
const idleSessions = 1000;

const zone = { 'pass.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] }, 'client.test': { A: ['192.0.2.80'] } };
const dns = { host: `127.53.${process.pid % 250}.53`, port: 53 };

interface Measured {
  readonly perSecond: number[];
  /** One at a time: what a message costs that waits for nobody. */
  readonly alone: number[];
  readonly p99: number[];
}

async function measure(filter: Filter, measured: Measured): Promise<void> {
  const sessions = sessionsARound[filter.name] ?? sessionsOfTheFast;
  await load(filter.where, { sessions: concurrency, concurrency });
  const busy = await load(filter.where, { sessions, concurrency });
  measured.perSecond.push((sessions * messagesPerSession) / busy.seconds);
  measured.p99.push(busy.latencies.toSorted((a, b) => a - b)[Math.floor(busy.latencies.length * 0.99)] ?? NaN);
  const alone = await load(filter.where, { sessions: 10, concurrency: 1 });
  measured.alone.push(median(alone.latencies));
}

async function compare(setting: Setting): Promise<void> {
  const filters: { readonly filter: Filter; readonly measured: Measured }[] = [];
  try {
    for (const start of [startPostern, startSpfMilter, startPyspfMilter]) {
      const filter = await start(setting);
      if (typeof filter === 'string') console.log(`  left out: ${filter}`);
      else filters.push({ filter, measured: { perSecond: [], alone: [], p99: [] } });
    }
    for (const { filter } of filters) await load(filter.where, { sessions: 100, concurrency }); // warm
    for (let round = 0; round < rounds; round++)
      for (const { filter, measured } of filters) await measure(filter, measured);
    const own = filters[0]?.measured.perSecond ?? [];
    console.log(
      `\n${setting.transport.padEnd(16)} messages/s   postern is   one at a time   p99 of ${concurrency} at a time`,
    );
    for (const { filter, measured } of filters) {
      const ratio = median(measured.perSecond.map((rate, round) => (own[round] ?? NaN) / rate));
      const cells = [
        median(measured.perSecond).toFixed(0).padStart(10),
        `${ratio.toFixed(2)} times`.padStart(12),
        `${median(measured.alone).toFixed(2)} ms`.padStart(15),
        `${median(measured.p99).toFixed(2)} ms`.padStart(20),
      ];
      console.log(`${filter.name.padEnd(16)} ${cells.join(' ')}`);
    }
  } finally {
    for (const { filter } of filters) await filter.close();
  }
}

/** What each of many sessions adds that are greeted and say nothing. */
async function idleMemory(setting: Setting): Promise<void> {
  const filter = await startPostern(setting);
  if (typeof filter === 'string') return;
  const sessions: LoadSession[] = [];
  try {
    await load(filter.where, { sessions: 200, concurrency });
    await sleep(1000);
    const before = filter.memory();
    for (let i = 0; i < idleSessions; i++) sessions.push(await LoadSession.open(filter.where));
    await sleep(1000);
    const each = (filter.memory() - before) / idleSessions;
    console.log(`\n${idleSessions} idle sessions of postern, ${setting.transport}: ${each.toFixed(1)} KB each`);
  } finally {
    for (const session of sessions) session.end();
    await filter.close();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'postern-bench-milter-'));
const server = await zoneServer(zone, dns);
try {
  const transports: readonly Transport[] = ['UNIX socket', 'TCP'];
  for (const transport of transports) await compare({ folder, transport, dns });
  for (const transport of transports) await idleMemory({ folder, transport, dns });
} finally {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
