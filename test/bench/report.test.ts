import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sample } from './cells.js';
import { callsTable, cellTable, latencySummary, median, summary } from './report.js';

const sample = (perSecond: number, more: Partial<Sample> = {}): Sample => ({
  mails: 1,
  perSecond,
  cpuSeconds: 0.002,
  strangers: 0,
  latencies: [1],
  ...more,
});

const cellsOf = (row: string | undefined): string[] => (row ?? '').split('|').map((text) => text.trim());

test('the median of an even number of values lies between the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([30, 10, 20]), 20);
});

test('ratios are taken round by round, so that a slow round of both changes none', () => {
  const rows = [
    { name: 'line', samples: [sample(100), sample(10), sample(100)] },
    { name: 'own', samples: [sample(50), sample(5, { cpuSeconds: 0.004 }), sample(50)] },
  ];
  const [, , line, own] = cellTable('c1m1', rows, 'line').split('\n');
  assert.deepEqual(cellsOf(line), ['', 'line', '1.00', '1.00–1.00', '1.00', '100', '2.00', '1.00', '1.00', '0.0', '']);
  assert.deepEqual(cellsOf(own), ['', 'own', '1.00', '1.00–2.00', '0.50', '50.0', '2.67', '1.00', '1.00', '0.0', '']);
});

test('latencies are of all mails of all rounds, CPU seconds for a thousand of them', () => {
  const samples = [1, 3].map((ms) => sample(1, { mails: 2, latencies: [ms, ms + 1] }));
  const [, , own] = cellTable('c1m1', [{ name: 'own', samples }], 'line').split('\n');
  assert.deepEqual(cellsOf(own).slice(2, 9), ['-', '', '-', '1.00', '1.00', '3.00', '4.00']);
});

test('each round in which strangers were busy has its mark', () => {
  const samples = [0.1, 0.4, 0.9].map((strangers) => sample(1, { strangers }));
  const [, , own] = cellTable('c1m1', [{ name: 'own', samples }], 'line').split('\n');
  assert.equal(cellsOf(own)[9], '0.4 **');
});

test('a server that broke has its problem in place of figures', () => {
  const [, , peer] = cellTable('c1m1', [{ name: 'peer', samples: 'no greeting' }], 'line').split('\n');
  assert.deepEqual(cellsOf(peer).slice(1, 4), ['peer', 'no greeting', '']);
});

test('the summary has a column for each server but the line, and nothing where a server was not asked', () => {
  const line = { name: 'line', samples: [sample(2_000)] };
  const own = { name: 'own', samples: [sample(1_000, { cpuSeconds: 0.003 })] };
  const text = summary(
    [
      { name: 'c1m1', rows: [line, own] },
      { name: 'c2m1', rows: [line] },
    ],
    'line',
  );
  const [head, , first, second] = text.split('\n');
  assert.deepEqual(cellsOf(head), ['', '', 'line: CPU s/1,000 · mails/s', 'own', '']);
  assert.deepEqual(cellsOf(first), ['', 'c1m1', '2.00 · 2,000', '1.50 · 0.50', '']);
  assert.deepEqual(cellsOf(second), ['', 'c2m1', '2.00 · 2,000', '', '']);
});

test('the table of latencies has those of all rounds, and nothing where a server was not asked', () => {
  const own = { name: 'own', samples: [1, 3].map((ms) => sample(1, { latencies: [ms, ms + 1] })) };
  const [head, , first, second] = latencySummary([
    { name: 'c1m1', rows: [own, { name: 'peer', samples: 'no greeting' }] },
    { name: 'c2m1', rows: [] },
  ]).split('\n');
  assert.deepEqual(cellsOf(head), ['', '', 'own', 'peer', '']);
  assert.deepEqual(cellsOf(first), ['', 'c1m1', '3.00 · 4.00', '', '']);
  assert.deepEqual(cellsOf(second), ['', 'c2m1', '', '', '']);
});

test('system calls are counted for one mail', () => {
  const [, , row] = callsTable([{ cell: 'c1m1', name: 'own', calls: { stats: 26, writes: 7.04, syncs: 0 } }]).split(
    '\n',
  );
  assert.deepEqual(cellsOf(row), ['', 'c1m1', 'own', '26.0', '7.0', '0.0', '']);
});
