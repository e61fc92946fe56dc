/** What plugins write to the console, as lines of the log. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadPlugins } from '../../src/hooks/loading/load.js';
import { consoleToLog, ownWrite, type Streams } from '../../src/hooks/plugin-console.js';
import type { Plugin } from '../../src/hooks/plugin.js';
import { testMail } from '../../src/hooks/testing.js';
import { mainThreadCpuMs } from '../support/cpu.js';
import { until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'postern-console-'));
const untouched = { ...console };
/** In the place of process.stdout, which the test runner writes to as well. */
const raw: string[] = [];
const [stdout, stderr] = [new Writable(rawly()), new Writable(rawly())];
const streams = { stdout, stderr } as unknown as Streams;
Object.assign(globalThis, { testStreams: streams });

function rawly(): ConstructorParameters<typeof Writable>[0] & object {
  return {
    write(octets: Buffer, _encoding, done) {
      raw.push(octets.toString());
      done();
    },
  };
}

const log: string[] = [];
let dropped = 0;
const line =
  (level: string) =>
  (details: object, text: string): void => {
    dropped += (details as { lines?: number }).lines ?? 0;
    log.push(`${level} ${(details as { plugin: string }).plugin}: ${text}`);
  };

const talker = `
console.log('read');
export default { name: 'called otherwise', async connect() {
  console.log('now %d', 1);
  console.warn('two\\nlines');
  console.debug({ a: 1 });
  console.error(new Error('oops').message);
  await null;
  console.info('later');
  await new Promise((resolve) => setTimeout(() => { console.log('from a timer'); resolve(); }, 1));
  setTimeout(console.log, 1, 'by nobody');
  return { kind: 'pass' };
} };
`;

let plugin: Plugin | undefined;
before(async () => {
  consoleToLog({ debug: line('debug'), info: line('info'), warn: line('warn') }, console, streams);
  writeFileSync(join(folder, 'talker.mjs'), talker);
  writeFileSync(join(folder, 'list'), 'talker\n');
  const loaded = await loadPlugins(join(folder, 'list'), [folder]);
  assert.ok(loaded.ok);
  [plugin] = loaded.value;
});
after(() => {
  Object.assign(console, untouched);
  rmSync(folder, { recursive: true });
});

test('each line has the name by which the plugin is listed, whenever it is written', async () => {
  assert.deepEqual(log.splice(0), ['info talker: read']);
  await plugin?.connect?.(testMail({}));
  assert.deepEqual(log.splice(0), [
    'info talker: now 1',
    'warn talker: two\nlines',
    'debug talker: { a: 1 }',
    'warn talker: oops',
    'info talker: later',
    'info talker: from a timer',
  ]);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(log.splice(0), ['info plugin: by nobody']);
});

test('where a plugin makes stacks otherwise, it is named all the same', async () => {
  const { prepareStackTrace } = Error;
  try {
    for (const make of [
      (_: unknown, frames: unknown) => frames,
      () => {
        throw new Error('no stacks');
      },
    ]) {
      Error.prepareStackTrace = make;
      await plugin?.connect?.(testMail({}));
      Error.prepareStackTrace = prepareStackTrace;
      assert.equal(log.splice(0)[0], 'info talker: now 1');
    }
  } finally {
    Object.assign(Error, { prepareStackTrace });
  }
});

test('what is written to the standard streams is a line with the name, too, and reaches neither of them', async () => {
  writeFileSync(
    join(folder, 'writer.mjs'),
    `const { stdout, stderr } = globalThis.testStreams;
     export default { name: 'x', async connect() {
       stdout.write('one\\n{"forged":true}\\n');
       stderr.write(Buffer.from('two'));
       await new Promise((written) => stdout.write('three', 'utf8', written));
       await new Promise((written) => stdout.write('', written));
       return { kind: 'pass' };
     } };`,
  );
  writeFileSync(join(folder, 'writers'), 'writer\n');
  const loaded = await loadPlugins(join(folder, 'writers'), [folder]);
  assert.ok(loaded.ok);
  await sleep(1100); // the lines of the other tests are written, and their second is over
  log.splice(0);
  await loaded.value[0]?.connect?.(testMail({}));
  assert.deepEqual(log.splice(0), ['info writer: one\n{"forged":true}', 'warn writer: two', 'info writer: three']);
  ownWrite(streams.stderr)('a complaint');
  assert.deepEqual(raw.splice(0), ['', 'a complaint']);
});

test('a flood of lines is cut off behind its first ones and counted, and the next second has its lines again', async () => {
  await sleep(1100);
  const started = mainThreadCpuMs();
  for (let i = 0; i < 50_000; i++) console.log(`line ${i}`);
  const spent = mainThreadCpuMs() - started;
  const [first, last] = [log[0], log[499]];
  await until(() => log.some((each) => each.startsWith('warn ') && each.includes('were dropped')));
  assert.deepEqual([first, last], ['info plugin: line 0', 'info plugin: line 499']);
  await sleep(1100); // a busy machine needs more than a second for them
  const told = log.filter((each) => each.includes('were dropped'));
  const taken = log.filter((each) => each.startsWith('info ')).length;
  assert.equal(dropped, 50_000 - taken);
  assert.equal(told[0], 'warn undefined: lines of plugins were dropped: a second has room for 500');
  assert.ok(spent < 2000, `${spent} ms`);
  log.splice(0);
  console.log('again');
  assert.deepEqual(log.splice(0), ['info plugin: again']);
});
