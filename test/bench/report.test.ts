import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, table } from './report.js';
import type { Sample } from './workload.js';

const sample = (perSecond: number, latencies: readonly number[] = [1]): Sample => ({
  mails: latencies.length,
  perSecond,
  cpuSeconds: 0.002,
  latencies,
});

test('the median of an even number of values lies between the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([30, 10, 20]), 20);
});

test('ratios are taken round by round, so that a slow round of both changes none', () => {
  const rows = [
    { name: 'bare', samples: [sample(100), sample(10), sample(100)] },
    { name: 'own', samples: [sample(50), sample(5), sample(50)] },
    { name: 'peer', samples: [sample(25), sample(2.5), sample(25)] },
  ];
  const [, bare, own, peer] = table('a title', rows, { bare: 'bare', own: 'own' }).split('\n');
  assert.match(bare ?? '', /^ {2}bare +100 +1\.00 +1\.00 +2\.00 /);
  assert.match(own ?? '', /^ {2}own +50\.0 +0\.50 +1\.00 +1\.00 /);
  assert.match(peer ?? '', /^ {2}peer +25\.0 +0\.25 +1\.00 +0\.50 /);
});

test('latencies are of all mails of all rounds, CPU seconds for a thousand of them', () => {
  const rows = [{ name: 'own', samples: [sample(1, [1, 2]), sample(1, [3, 4])] }];
  assert.match(table('a title', rows, { bare: 'bare', own: 'own' }), /own +1\.00 +- +- +1\.00 +1\.00 +3\.00 +4\.00/);
});

test('a server that broke has its problem in place of figures', () => {
  const rows = [{ name: 'peer', samples: 'no greeting' }];
  assert.match(table('a title', rows, { bare: 'bare', own: 'own' }), /peer +no greeting/);
});
