/** Living: a set in all that is asked of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Living } from '../../src/milter/living.js';

const objects = Array.from({ length: 6 }, (_, i) => ({ i }));

test('has the members that a Set has', () => {
  const step = fc.record({ object: fc.constantFrom(...objects), comes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const living = new Living<object>();
      const set = new Set<object>();
      for (const { object, comes } of steps) {
        if (!comes) assert.equal(living.delete(object), set.delete(object));
        else if (!set.has(object)) {
          living.add(object);
          set.add(object);
        }
        assert.equal(living.size, set.size);
        assert.deepEqual(new Set(living), set);
      }
    }),
  );
});

test('each member is met once, whoever goes meanwhile', () => {
  const living = new Living<object>();
  for (const object of objects) living.add(object);
  const met: object[] = [];
  for (const object of living) {
    met.push(object);
    living.delete(object);
  }
  assert.deepEqual(new Set(met), new Set(objects));
  assert.equal(met.length, objects.length);
  assert.equal(living.size, 0);
});
