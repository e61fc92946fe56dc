import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isoTime } from '../../src/lines/iso-time.js';

const anyTime = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) });

test('a time is written as Date writes it, in whatever order times come', () => {
  fc.assert(
    fc.property(fc.array(anyTime), (times) => {
      for (const time of times)
        for (const near of [time, time + 1, time + 999, time])
          assert.equal(isoTime(near), new Date(near).toISOString());
    }),
  );
});

test('of what is more precise than a millisecond the rest is dropped', () => {
  assert.equal(isoTime(1_795_953_600_001.9), '2026-11-29T12:00:00.001Z');
});
