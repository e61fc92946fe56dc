/**
 * Loaded into each process of a test file (`node --test --import`): ends it when no test has begun or ended for so
 * long, and says which one it was. Without it a test that waits for ever, or a server left open behind the last one,
 * would keep the whole run waiting. A thread watches, so that a loop without an end is found as well.
 */
import { isMainThread, Worker } from 'node:worker_threads';

const maxSilentMs = Number(process.env['POSTERN_TEST_SILENT_MS'] ?? 110_000);
const maxNameOctets = 500;

const watcher = `
  const { writeSync } = require('node:fs');
  const { workerData: { progress, name, file, pid } } = require('node:worker_threads');
  let seen = -1;
  let since = performance.now();
  setInterval(() => {
    const now = Atomics.load(progress, 0);
    if (now !== seen) [seen, since] = [now, performance.now()];
    const maxSilentMs = Atomics.load(progress, 1);
    if (performance.now() - since < maxSilentMs) return;
    const what = Buffer.from(name).toString().replace(/\\0+$/, '');
    writeSync(2, file + ': nothing has happened for ' + maxSilentMs / 1000 + ' s in ' + what + '\\n');
    process.kill(pid, 'SIGKILL');
  }, Math.min(1000, Atomics.load(progress, 1) / 2));
`;

/** How often a test has begun or ended, and how many milliseconds may pass until the next does. */
const progress = new Int32Array(new SharedArrayBuffer(8));

/** For what is one long run of another program: until the next test begins or this one ends. */
export function mayBeSilent(ms: number): void {
  Atomics.store(progress, 1, ms);
}

/** Programs that a test starts inherit the flag; they are no test files. */
if (isMainThread && /\.test\.[jt]s$/.test(process.argv[1] ?? '')) await watch();

async function watch(): Promise<void> {
  const { after, afterEach, beforeEach } = await import('node:test');
  const name = new Uint8Array(new SharedArrayBuffer(maxNameOctets));
  const say = (text: string): void => {
    name.fill(0);
    new TextEncoder().encodeInto(text, name);
    Atomics.add(progress, 0, 1); // before what it had ends
    mayBeSilent(maxSilentMs);
  };
  say('what precedes its first test');
  beforeEach((context) => say(`test "${'fullName' in context ? context.fullName : context.name}"`));
  afterEach((context) => say(`what follows test "${'fullName' in context ? context.fullName : context.name}"`));
  after(() => say('what follows its last test: something is still open'));
  const worker = new Worker(watcher, {
    eval: true,
    execArgv: [],
    workerData: { progress, name, file: process.argv[1], pid: process.pid },
  });
  worker.unref();
}
