import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Operation } from '../../src/store/store.js';
import { Table } from '../../src/store/table.js';

const claim = (key: string, value = 'v', lifeMs = 1000): Operation => ({ kind: 'claim', key, value, lifeMs });
const put = (key: string, value = 'v', lifeMs = 1000): Operation => ({ kind: 'put', key, value, lifeMs });
const add = (key: string, lifeMs = 1000): Operation => ({ kind: 'add', key, by: 1, lifeMs });
const get = (key: string): Operation => ({ kind: 'get', key });

test('the longest untouched stranger goes first, and never what is settled', () => {
  const table = new Table({ max: 10, now: () => 0 });
  for (let i = 0; i < 10; i++) table.run(put(`good ${i}`));
  for (let i = 0; i < 10_000; i++) table.run(claim(`stranger ${i}`));
  assert.equal(table.size, 20);
  for (let i = 0; i < 10; i++) assert.equal(table.run(get(`good ${i}`)), 'v');
  assert.equal(table.run(get('stranger 9989')), undefined);
  assert.equal(table.run(get('stranger 9990')), 'v');
});

test('one that counts on is not the longest untouched', () => {
  const table = new Table({ max: 2, now: () => 0 });
  for (const key of ['a', 'b', 'a', 'c']) table.run(add(key));
  assert.deepEqual(
    [...table.entries()].map(({ key, value }) => [key, value]),
    [
      ['a', '2'],
      ['c', '1'],
    ],
  );
});

test('a stranger that is put is settled, and counted once', () => {
  const table = new Table({ max: 1, now: () => 0 });
  table.run(claim('a'));
  table.run(put('a', 'w'));
  table.run(claim('b'));
  assert.deepEqual(
    [...table.entries()].map(({ key, value, settled }) => [key, value, settled]),
    [
      ['b', 'v', false],
      ['a', 'w', true],
    ],
  );
});

test('what was displaced before it was written is not written', () => {
  const table = new Table({ max: 1, now: () => 0 });
  for (const key of ['a', 'b']) table.run(claim(key));
  assert.deepEqual(table.takeChanges(), ['b']);
  assert.deepEqual(table.takeChanges(), []);
});

test('whatever is asked, it keeps to its bound', () => {
  const operation = fc.tuple(
    fc.constantFrom(claim, put, add, get),
    fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
    fc.nat(30),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      let time = 0;
      const table = new Table({ max: 3, now: () => time });
      for (const [make, key, ms] of operations) {
        time += ms;
        table.run(make(key));
        assert.ok(table.size <= 6);
        const keys = [...table.entries()].map((entry) => entry.key);
        assert.equal(new Set(keys).size, keys.length);
      }
    }),
  );
});
