/** Counting, adding up and telling, without a process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { joined, lasting, named } from '../../src/metrics/join.js';
import { Registry } from '../../src/metrics/registry.js';
import { metricsText } from '../../src/metrics/text.js';
import { needPeer } from '../support/peers.js';

const lines = (registry: Registry): readonly string[] =>
  metricsText(registry.snapshot)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

test('every series is there before anything is counted', () => {
  const registry = new Registry();
  registry.counter('a_total', 'Help.', { labels: { x: ['1', '2'], y: ['u', 'v'] } });
  registry.gauge('b', 'Help.');
  assert.deepEqual(lines(registry), [
    'a_total{x="1",y="u"} 0',
    'a_total{x="1",y="v"} 0',
    'a_total{x="2",y="u"} 0',
    'a_total{x="2",y="v"} 0',
    'b 0',
  ]);
});

test('a value that is not of the set makes no series; one that is allowed later does', () => {
  const registry = new Registry();
  const family = registry.counter('a_total', 'Help.', { labels: { plugin: ['spf'] } });
  family.at('x"} 1\nevil 1')?.add();
  assert.equal(family.at('dkim'), undefined);
  family.at('spf')?.add(2);
  family.allow('plugin', ['dkim', 'spf']);
  family.at('dkim')?.add();
  assert.deepEqual(lines(registry), ['a_total{plugin="spf"} 2', 'a_total{plugin="dkim"} 1']);
});

test('each bucket of a histogram holds what is smaller, too; a value on the bound is within', () => {
  const registry = new Registry();
  const seconds = registry.histogram('s_seconds', 'Help.', [0.1, 1], { labels: { d: ['m'] } }).at('m');
  for (const value of [0.05, 0.1, 0.5, 7]) seconds?.observe(value);
  assert.deepEqual(lines(registry), [
    's_seconds_bucket{d="m",le="0.1"} 2',
    's_seconds_bucket{d="m",le="1"} 3',
    's_seconds_bucket{d="m",le="+Inf"} 4',
    's_seconds_sum{d="m"} 7.65',
    's_seconds_count{d="m"} 4',
  ]);
});

function worker({ mails, lag, end }: { mails: number; lag: number; end: number }): Registry {
  const registry = new Registry();
  registry.counter('mails_total', 'Help.').at()?.add(mails);
  registry.asked({ name: 'lag', help: 'Help.', type: 'gauge', joined: 'max' }, () => lag);
  registry.asked({ name: 'end', help: 'Help.', type: 'gauge', joined: 'min' }, () => end);
  registry.asked({ name: 'now', help: 'Help.', type: 'gauge' }, () => mails);
  registry.histogram('own_seconds', 'Help.', [1], { joined: 'each' }).at()?.observe(lag);
  return registry;
}

test('counts are added, of others the largest or the smallest is told, and some are told for each process', () => {
  const all = [worker({ mails: 3, lag: 1, end: 9 }), worker({ mails: 4, lag: 2, end: 8 })];
  const told = joined(all.map(({ snapshot }, i) => named(`${i + 1}`, snapshot)));
  assert.deepEqual(Object.fromEntries(told.map(({ name, series }) => [name, series])), {
    mails_total: [['', 7]],
    lag: [['', 2]],
    end: [['', 8]],
    now: [['', 7]],
    own_seconds: [
      ['_bucket{worker="1",le="1"}', 1],
      ['_bucket{worker="1",le="+Inf"}', 1],
      ['_sum{worker="1"}', 1],
      ['_count{worker="1"}', 1],
      ['_bucket{worker="2",le="1"}', 0],
      ['_bucket{worker="2",le="+Inf"}', 1],
      ['_sum{worker="2"}', 2],
      ['_count{worker="2"}', 1],
    ],
  });
});

test('what a process that is gone has counted stays, what it had at the time does not', () => {
  const left = lasting(worker({ mails: 3, lag: 1, end: 9 }).snapshot).map(({ name }) => name);
  assert.deepEqual(left, ['mails_total', 'own_seconds']);
});

test('promtool reads it, whatever stands in a label', (t) => {
  if (!needPeer(t, 'promtool')) return;
  const registry = new Registry();
  registry.counter('a_total', 'Help, with "quotes".', { labels: { x: ['back\\slash', 'quo"te', 'new\nline'] } });
  registry.histogram('b_seconds', 'Help.', [0.5]).at()?.observe(1e-9);
  registry.asked({ name: 'c_bytes', help: 'Help.', type: 'gauge' }, () => 1e22);
  registry.asked({ name: 'd_bytes', help: 'Help.', type: 'gauge' }, () => NaN);
  const checked = spawnSync('promtool', ['check', 'metrics'], {
    input: metricsText(registry.snapshot),
    encoding: 'utf8',
  });
  assert.deepEqual([checked.status, checked.stdout, checked.stderr], [0, '', '']);
});
