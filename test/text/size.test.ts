import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizeText } from '../../src/text/size.js';

const sizes: readonly [octets: number, text: string][] = [
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [1_234_567, '1.2 MB'],
  [48_200, '48 kB'],
  [123_456_789, '123 MB'],
  [5e15, '5000 TB'],
];

for (const [octets, text] of sizes) test(`${octets} octets are ${text}`, () => assert.equal(sizeText(octets), text));
