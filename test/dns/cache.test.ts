import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { storesWithin } from '../../src/dns/bounded-store.js';
import { cachingResolver, type CacheSettings } from '../../src/dns/cache.js';
import type { DnsAnswer, Resolver } from '../../src/dns/resolver.js';
import type { TimedAnswer, Upstream } from '../../src/dns/upstream.js';

const found = (text: string): DnsAnswer<readonly string[]> => ({ kind: 'found', records: [[text]] });
const gone: DnsAnswer<never> = { kind: 'void', why: 'nxdomain' };
const broken: DnsAnswer<never> = { kind: 'failed', problem: 'SERVFAIL' };

interface Rig {
  readonly resolver: Resolver;
  /** What the upstream was asked, in order. */
  readonly asked: string[];
  /** Lets seconds pass. */
  pass(seconds: number): void;
}

function rig(answer: (name: string) => TimedAnswer<unknown>, settings: CacheSettings = {}): Rig {
  let ms = 0;
  const asked: string[] = [];
  const upstream = {
    ask: (name: string, type: string) => {
      asked.push(`${name} ${type}`);
      return Promise.resolve(answer(name));
    },
  } as Upstream;
  const resolver = cachingResolver(upstream, { ...settings, now: () => ms });
  return { resolver, asked, pass: (seconds) => void (ms += seconds * 1000) };
}

const lifetimes: readonly (readonly [
  what: string,
  upstream: TimedAnswer<unknown>,
  settings: CacheSettings,
  seconds: number,
])[] = [
  ['records: their TTL', { answer: found('x'), ttl: 60 }, {}, 60],
  ['records: at least minTtl', { answer: found('x'), ttl: 0 }, { minTtl: 7 }, 7],
  ['records: at most maxTtl', { answer: found('x'), ttl: 0x7fffffff }, { maxTtl: 100 }, 100],
  ['void: what the SOA says', { answer: gone, ttl: 30 }, {}, 30],
  ['void: at most maxVoidTtl', { answer: gone, ttl: 86_400 }, { maxVoidTtl: 50 }, 50],
  ['void without SOA: minTtl', { answer: gone, ttl: undefined }, { minTtl: 4 }, 4],
  ['failed: a moment', { answer: broken, ttl: undefined }, { failedTtl: 2 }, 2],
];

for (const [what, upstream, settings, seconds] of lifetimes) {
  test(`how long it is kept: ${what}`, async () => {
    const { resolver, asked, pass } = rig(() => upstream, settings);
    assert.deepEqual(await resolver.lookup('a.test', 'TXT'), upstream.answer);
    pass(seconds - 0.001);
    assert.equal(resolver.lookup('a.test', 'TXT'), upstream.answer);
    pass(0.001);
    assert.ok(resolver.lookup('a.test', 'TXT') instanceof Promise);
    assert.equal(asked.length, 2);
  });
}

test('failedTtl 0: failures are not kept', async () => {
  const { resolver, asked } = rig(() => ({ answer: broken, ttl: undefined }), { failedTtl: 0 });
  await resolver.lookup('a.test', 'TXT');
  await resolver.lookup('a.test', 'TXT');
  assert.equal(asked.length, 2);
});

test('a hit is a value, in any case of A to Z, but not of other octets', async () => {
  const { resolver, asked } = rig((name) => ({ answer: found(name), ttl: 60 }));
  await resolver.lookup('a\xc9.test', 'TXT');
  assert.deepEqual(resolver.lookup('A\xc9.TEST', 'TXT'), found('a\xc9.test'));
  assert.deepEqual(await resolver.lookup('a\xe9.test', 'TXT'), found('a\xe9.test'));
  assert.equal(asked.length, 2);
});

test('each type has its own answer', async () => {
  const { resolver, asked } = rig(() => ({ answer: gone, ttl: 60 }));
  await resolver.lookup('a.test', 'A');
  await resolver.lookup('a.test', 'AAAA');
  assert.deepEqual(asked, ['a.test A', 'a.test AAAA']);
});

test('a question under way is asked only once', async () => {
  const { resolver, asked } = rig(() => ({ answer: found('x'), ttl: 0 }), { minTtl: 0 });
  const answers = await Promise.all(['a.test', 'A.test', 'a.TEST'].map(async (name) => resolver.lookup(name, 'TXT')));
  assert.deepEqual(answers, [found('x'), found('x'), found('x')]);
  assert.equal(asked.length, 1);
  await resolver.lookup('a.test', 'TXT');
  assert.equal(asked.length, 2);
});

test("one caller's abort ends its waiting only", async () => {
  let answer: (value: TimedAnswer<never>) => void = () => {};
  const signals: (AbortSignal | undefined)[] = [];
  const upstream = {
    ask: (_name: string, _type: string, options?: { signal?: AbortSignal }) => {
      signals.push(options?.signal);
      return new Promise<TimedAnswer<never>>((resolve) => (answer = resolve));
    },
  };
  const resolver = cachingResolver(upstream);
  const abort = new AbortController();
  const first = resolver.lookup('a.test', 'TXT', { signal: abort.signal });
  const second = resolver.lookup('a.test', 'TXT', { signal: new AbortController().signal });
  abort.abort();
  assert.deepEqual(await first, { kind: 'failed', problem: 'aborted' });
  assert.deepEqual(await resolver.lookup('a.test', 'TXT', { signal: abort.signal }), {
    kind: 'failed',
    problem: 'aborted',
  });
  answer({ answer: gone, ttl: 60 });
  assert.equal(await second, gone);
  assert.equal(resolver.lookup('a.test', 'TXT', { signal: abort.signal }), gone);
  assert.deepEqual(signals, [undefined]);
});

test('a hit does not look at the signal, which may be made on demand', async () => {
  const { resolver } = rig(() => ({ answer: gone, ttl: 60 }));
  await resolver.lookup('a.test', 'TXT');
  const options = {
    get signal(): AbortSignal {
      throw new Error('looked at');
    },
  };
  assert.equal(resolver.lookup('a.test', 'TXT', options), gone);
});

test('what nobody needs to be asked for is not kept', () => {
  const upstream = { ask: () => ({ answer: gone, ttl: undefined }) } as Upstream;
  assert.equal(cachingResolver(upstream).lookup('a..b', 'TXT'), gone);
});

test('a full cache lets the oldest unread answer go', async () => {
  const { resolver, asked } = rig((name) => ({ answer: found(name), ttl: 60 }), { maxEntries: 3 });
  for (const name of ['a', 'b', 'c']) await resolver.lookup(name, 'TXT');
  await resolver.lookup('a', 'TXT');
  await resolver.lookup('d', 'TXT');
  assert.ok(!(resolver.lookup('a', 'TXT') instanceof Promise));
  assert.ok(resolver.lookup('b', 'TXT') instanceof Promise);
  assert.deepEqual(asked, ['a TXT', 'b TXT', 'c TXT', 'd TXT', 'b TXT']);
});

test('answers of all types count together', async () => {
  const { resolver, asked } = rig((name) => ({ answer: found(name), ttl: 60 }), { maxEntries: 3 });
  for (const type of ['A', 'AAAA', 'MX', 'TXT'] as const) await resolver.lookup('a', type);
  assert.ok(resolver.lookup('a', 'A') instanceof Promise);
  assert.ok(!(resolver.lookup('a', 'AAAA') instanceof Promise));
  assert.equal(asked.length, 5);
});

test('large answers count for what they weigh', async () => {
  const { resolver } = rig(() => ({ answer: found('x'.repeat(50_000)), ttl: 60 }), { maxOctets: 120_000 });
  for (const name of ['a', 'b', 'c']) await resolver.lookup(name, 'TXT');
  assert.ok(resolver.lookup('a', 'TXT') instanceof Promise);
  assert.ok(!(resolver.lookup('c', 'TXT') instanceof Promise));
});

test('an answer over the whole bound is given, but not kept', async () => {
  const { resolver } = rig(() => ({ answer: found('x'.repeat(5000)), ttl: 60 }), { maxOctets: 1000 });
  assert.deepEqual(await resolver.lookup('a', 'TXT'), found('x'.repeat(5000)));
  assert.ok(resolver.lookup('a', 'TXT') instanceof Promise);
});

const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

test('stores never exceed the bound they have in common, and never lose count', () => {
  const step = fc.record({
    key: fc.constantFrom(...keys),
    octets: fc.nat(40),
    read: fc.boolean(),
    second: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const storeOf = storesWithin<number>({ maxEntries: 4, maxOctets: 100 });
      const stores = [storeOf(), storeOf()] as const;
      for (const { key, octets, read, second } of steps) {
        const store = stores[second ? 1 : 0];
        if (read) store.get(key);
        else store.set(key, octets, octets);
        const held = stores
          .flatMap((each) => keys.map((name) => each.get(name)))
          .filter((value) => value !== undefined);
        const size = stores[0].size + stores[1].size;
        assert.equal(held.length, size);
        assert.ok(size <= 4 && held.reduce((sum, value) => sum + value, 0) <= 100);
        if (!read) assert.equal(store.get(key), octets);
      }
    }),
  );
});
