/** Days with the name of their month, which nobody reads as another day. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dayWords } from '../../src/text/day.js';

const days: readonly (readonly [time: string, words: string])[] = [
  ['2026-11-12T23:59:59.000+01:00', '12 Nov'],
  ['2026-12-11', '11 Dec'],
  ['2026-01-02T00:00:00Z', '2 Jan'],
  ['2026-13-01', ''],
  ['yesterday', ''],
  ['', ''],
];
for (const [time, words] of days) test(`"${time}" is "${words}"`, () => assert.equal(dayWords(time), words));
