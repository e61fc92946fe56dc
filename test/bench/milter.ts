/**
 * `npm run bench:milter`: postern milter beside spf-milter (Rust) and pyspf-milter, in turn: on a UNIX socket with one
 * worker and with two, and over TCP; 5 messages a connection, 12 header fields, 4 KB, one SPF record that is cached,
 * a log at level info; and the memory of 1,000 idle sessions. CPU time is what a busy machine changes least.
 * `npm run bench:milter -- 1`: the first of these alone.
 *
 * Wants root and port 53 of a loopback address: the others know no name server but that of /etc/resolv.conf.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zoneServer } from '../support/zone-server.js';
import { type Filter, type Setting, startPostern, startPyspfMilter, startSpfMilter } from './milter-filters.js';
import { load, LoadSession, messagesPerSession, zone } from './milter-load.js';
import { median } from './report.js';

const rounds = 5;
const concurrency = 10;
const sessionsARound: Readonly<Record<string, number>> = { 'pyspf-milter': 30 };
const sessionsOfTheFast = 1200;
/** JavaScript is compiled while it runs: a worker gains until it has had some thousands of messages. */
const warmUpSessions = 1600;
/** Over TCP the others wait: what a message takes is seen in fewer of them. */
const sessionsOverTcp = 100;
const idleSessions = 1000;

const dns = { host: `127.53.${process.pid % 250}.53`, port: 53 };

interface Measured {
  /** Microseconds of CPU time a message, of the filter's own processes. */
  readonly cpu: number[];
  readonly perSecond: number[];
  /** One at a time: what a message costs that waits for nobody. */
  readonly alone: number[];
  readonly p99: number[];
}

async function measure(filter: Filter, sessions: number, measured: Measured): Promise<void> {
  await load(filter.where, { sessions: concurrency, concurrency });
  const before = filter.cpuSeconds();
  const busy = await load(filter.where, { sessions, concurrency });
  measured.cpu.push(((filter.cpuSeconds() - before) / (sessions * messagesPerSession)) * 1e6);
  measured.perSecond.push((sessions * messagesPerSession) / busy.seconds);
  measured.p99.push(busy.latencies.toSorted((a, b) => a - b)[Math.floor(busy.latencies.length * 0.99)] ?? NaN);
  const alone = await load(filter.where, { sessions: 10, concurrency: 1 });
  measured.alone.push(median(alone.latencies));
}

const titles = ['CPU a message', 'postern needs', 'messages/s', 'one at a time', `p99 of ${concurrency}`] as const;
const width = 16;

/** Ratios are taken round by round, so that what disturbed a round disturbs both sides. */
function report({ transport, workers }: Setting, rows: readonly { filter: Filter; measured: Measured }[]): void {
  const own = rows[0]?.measured.cpu ?? [];
  const title = `${transport}${workers > 1 ? `, ${workers} workers` : ''}`;
  console.log(`\n${title.padEnd(24)}${titles.map((one) => one.padStart(width)).join('')}`);
  for (const { filter, measured } of rows) {
    const share = median(measured.cpu.map((cpu, round) => cpu / (own[round] ?? NaN)));
    const cells = [
      `${median(measured.cpu).toFixed(0)} µs`,
      `1/${share.toFixed(2)}`,
      median(measured.perSecond).toFixed(0),
      `${median(measured.alone).toFixed(2)} ms`,
      `${median(measured.p99).toFixed(2)} ms`,
    ];
    console.log(`${filter.name.padEnd(24)}${cells.map((cell) => cell.padStart(width)).join('')}`);
  }
}

async function compare(setting: Setting): Promise<void> {
  const filters: { readonly filter: Filter; readonly measured: Measured }[] = [];
  try {
    for (const start of [startPostern, startSpfMilter, startPyspfMilter]) {
      const filter = await start(setting);
      if (typeof filter === 'string') console.log(`  left out: ${filter}`);
      else filters.push({ filter, measured: { cpu: [], perSecond: [], alone: [], p99: [] } });
    }
    const atMost = setting.transport === 'TCP' ? sessionsOverTcp : Infinity;
    const sessionsOf = ({ name }: Filter, usual: number): number => Math.min(atMost, sessionsARound[name] ?? usual);
    for (const { filter } of filters)
      await load(filter.where, { sessions: sessionsOf(filter, warmUpSessions), concurrency });
    for (let round = 0; round < rounds; round++)
      for (const { filter, measured } of filters)
        await measure(filter, sessionsOf(filter, sessionsOfTheFast), measured);
    report(setting, filters);
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
    console.log(`\n${idleSessions} idle sessions of postern: ${each.toFixed(1)} KB each`);
  } finally {
    for (const session of sessions) session.end();
    await filter.close();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'postern-bench-milter-'));
const server = await zoneServer(zone, dns);
try {
  const settings = [
    { folder, dns, transport: 'UNIX socket', workers: 1 },
    { folder, dns, transport: 'UNIX socket', workers: 2 },
    { folder, dns, transport: 'TCP', workers: 1 },
  ] as const satisfies readonly Setting[];
  for (const setting of settings.slice(0, Number(process.argv[2] ?? settings.length))) await compare(setting);
  if (process.argv[2] === undefined) await idleMemory(settings[0]);
} finally {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
