import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Embedded, type EmbeddedOptions } from '../../src/store/embedded.js';
import type { Operation } from '../../src/store/store.js';
import { Overlay } from '../../src/store/overlay.js';
import { until } from '../support/until.js';

function fileIn(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'store');
}

const open = (file: string, options: Partial<EmbeddedOptions> = {}): Embedded => new Embedded({ file, ...options });
const hour = 3_600_000;
const put = (store: Embedded, key: string, value: string, lifeMs = hour): unknown =>
  store.ask({ kind: 'put', key, value, lifeMs });
const get = (store: Embedded, key: string): unknown => store.ask({ kind: 'get', key });

test('it is all there after a restart, but for what has ended', async (t) => {
  const file = fileIn(t);
  let now = 1_000_000;
  const first = open(file, { now: () => now });
  put(first, 'a', '1');
  put(first, 'short', '2', 10);
  first.ask({ kind: 'claim', key: 'b', value: '3', lifeMs: hour });
  first.ask({ kind: 'add', key: 'c', by: 4, lifeMs: hour });
  put(first, 'a', '5');
  await first.close();
  now += 20;
  const second = open(file, { now: () => now });
  assert.deepEqual(
    ['a', 'b', 'c', 'short'].map((key) => get(second, key)),
    ['5', '3', '4', undefined],
  );
  assert.equal(second.ask({ kind: 'add', key: 'c', by: 1, lifeMs: hour }), '5');
});

test('changes are written by themselves, many in one line', async (t) => {
  const file = fileIn(t);
  const store = open(file, { everyMs: 50 });
  for (let i = 0; i < 1000; i++) store.ask({ kind: 'add', key: 'a', by: 1, lifeMs: hour });
  await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
  assert.equal(readFileSync(file, 'utf8').split('\n').length, 2);
  assert.equal(get(open(file), 'a'), '1000');
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

const damages: readonly (readonly [what: string, text: string])[] = [
  ['a line that was not written to its end', '["b","2",99'],
  ['a line that is no JSON', '[b]\n'],
  ['a line of another shape', '["b"]\n[1,2,3,4]\n{"b":1}\nnull\n'],
  ['octets that are no text', Buffer.from([0x5b, 0xff, 0xfe, 0x00, 0x5d, 0x0a]).toString('latin1')],
];
for (const [what, text] of damages) {
  test(`${what} is passed over, and what is written behind it counts`, async (t) => {
    const file = fileIn(t);
    const first = open(file);
    put(first, 'a', '1');
    await first.close();
    appendFileSync(file, text, 'latin1');
    const second = open(file);
    assert.equal(get(second, 'a'), '1');
    put(second, 'c', '3');
    await second.close();
    const third = open(file);
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => get(third, key)),
      ['1', undefined, '3'],
    );
  });
}

test('the file does not grow for ever', async (t) => {
  const file = fileIn(t);
  const store = open(file, { max: 100, everyMs: 1_000_000 });
  let largest = 0;
  for (let round = 0; round < 400; round++) {
    for (let i = 0; i < 100; i++) put(store, `key ${i}`, String(round));
    await store.close();
    largest = Math.max(largest, readFileSync(file, 'utf8').split('\n').length);
  }
  assert.ok(largest <= 2 * 100 + 20_000 + 1, `${largest} lines`);
  assert.ok(readFileSync(file, 'utf8').split('\n').length < 20_000);
  assert.equal(existsSync(`${file}.new`), false);
  const again = open(file);
  assert.equal(again.size, 100);
  assert.equal(get(again, 'key 99'), '399');
});

test('where it cannot be written it works on, says so once, and writes later', async (t) => {
  const file = fileIn(t);
  const problems: string[] = [];
  mkdirSync(file); // EISDIR, for root too
  const store = open(file, { onProblem: (problem) => problems.push(problem) });
  put(store, 'a', '1');
  await store.close();
  put(store, 'b', '2');
  await store.close();
  assert.equal(get(store, 'a'), '1');
  assert.equal(problems.length, 2, problems.join('\n'));
  assert.match(problems.join('\n'), /cannot be read: EISDIR[^]*cannot be written: EISDIR/);
  rmSync(file, { recursive: true });
  put(store, 'c', '3');
  await store.close();
  const again = open(file);
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => get(again, key)),
    ['1', '2', '3'],
  );
});

test('a copy laid over it knows what is in the file and leaves it as it is', async (t) => {
  const file = fileIn(t);
  const first = open(file);
  put(first, 'a', '1');
  await first.close();
  const before = readFileSync(file, 'utf8');
  const copy = new Overlay(open(file));
  const run = async (operation: Operation): Promise<unknown> => {
    const answer = await copy.run(operation);
    return answer.ok ? answer.value : answer.problem;
  };
  assert.equal(await run({ kind: 'claim', key: 'a', value: '7', lifeMs: hour }), '1');
  assert.equal(await run({ kind: 'add', key: 'a', by: 4, lifeMs: hour }), '5');
  await run({ kind: 'put', key: 'b', value: '2', lifeMs: hour });
  assert.equal(await run({ kind: 'get', key: 'b' }), '2');
  await copy.close();
  assert.equal(readFileSync(file, 'utf8'), before);
});
