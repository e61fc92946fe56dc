/** Properties on any record and any zone: an outcome, in bounds, whatever the octets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ip4FromWord, parseIp, type Ip } from '../../src/mail/ip.js';
import type { DnsAnswer, RecordType, Resolver } from '../../src/dns/resolver.js';
import { checkHost, type SpfOutcome, type SpfQuery } from '../../src/spf/check-host.js';
import { defaultLimits } from '../../src/spf/limits.js';
import { cpuMs, mainThreadCpuMs } from '../support/cpu.js';

const results = new Set(['none', 'neutral', 'pass', 'fail', 'softfail', 'temperror', 'permerror']);
const names = ['a.example', 'b.example', 'c.example', 'd.example', 'example.org'];
const ip = parseIp('192.0.2.1') as Ip;

const octets = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 60,
});
const anything = fc.string({ unit: 'binary', maxLength: 60 });
const name = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...names) }, octets);
const macro = fc.constantFrom(
  '%{d}',
  '%{p}',
  '%{ir}.%{v}',
  '%{l1r-+}',
  '%{S}',
  '%{o2}',
  '%{h}',
  '%{p}.%{p}.%{p}',
  '%%',
  '%_',
);
const domainSpec = fc.oneof(
  name,
  fc.tuple(macro, name).map(([head, tail]) => `${head}.${tail}`),
  macro,
);
const asking = fc
  .tuple(fc.constantFrom('a', 'mx', 'ptr', 'exists', 'include'), domainSpec)
  .map(([mechanism, spec]) => `${mechanism}:${spec}`);
const term = fc.oneof(
  { weight: 10, arbitrary: asking },
  { weight: 2, arbitrary: fc.constantFrom('a', 'mx', 'ptr', 'ip4:10.0.0.0/8', 'ip6:::/0', '-all', '+all', 'a/0//0') },
  { weight: 1, arbitrary: domainSpec.map((spec) => `redirect=${spec}`) },
  { weight: 1, arbitrary: domainSpec.map((spec) => `exp=${spec}`) },
  { weight: 1, arbitrary: octets },
);
const spfText = fc.array(term, { maxLength: 14 }).map((terms) => ['v=spf1', ...terms].join(' '));
const strings = fc.oneof({ weight: 6, arbitrary: spfText.map((text) => [text]) }, fc.array(octets, { maxLength: 3 }));

const address = fc.oneof(
  fc.constant(ip),
  fc.nat(0xffffffff).map(ip4FromWord),
  fc.constant(parseIp('2001:db8::1') as Ip),
);
const answer = <T>(records: fc.Arbitrary<readonly T[]>): fc.Arbitrary<DnsAnswer<T>> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: records.map((found): DnsAnswer<T> =>
        found.length === 0 ? { kind: 'void', why: 'nodata' } : { kind: 'found', records: found },
      ),
    },
    { weight: 1, arbitrary: fc.constant<DnsAnswer<T>>({ kind: 'void', why: 'nxdomain' }) },
    { weight: 1, arbitrary: fc.constant<DnsAnswer<T>>({ kind: 'failed', problem: 'timed out' }) },
  );
const answers = fc.record({
  TXT: answer(fc.oneof({ weight: 8, arbitrary: fc.tuple(strings) }, fc.array(strings, { maxLength: 3 }))),
  A: answer(fc.array(address, { maxLength: 4 })),
  AAAA: answer(fc.array(address, { maxLength: 4 })),
  MX: answer(fc.array(fc.record({ preference: fc.nat(65535), exchange: name }), { maxLength: 12 })),
  PTR: answer(fc.array(name, { maxLength: 14 })),
});
type Answers = typeof answers extends fc.Arbitrary<infer T> ? T : never;

/** The same answers for a name whenever it is asked for; counts the questions. */
class TableResolver implements Resolver {
  asked = 0;
  readonly #table: readonly Answers[];
  readonly #late: boolean;
  constructor(table: readonly Answers[], late = false) {
    this.#table = table;
    this.#late = late;
  }
  lookup(asked: string, type: RecordType): never {
    this.asked++;
    let sum = 0;
    for (let i = 0; i < asked.length; i++) sum = (sum * 31 + asked.charCodeAt(i)) % 1009;
    const found = this.#table[sum % this.#table.length]?.[type as keyof Answers];
    // Every other name is known already: both ways of going on are taken.
    return (this.#late && sum % 2 === 0 ? Promise.resolve(found) : found) as never;
  }
}

const query: fc.Arbitrary<SpfQuery> = fc.record({
  ip: address,
  helo: fc.oneof(name, anything),
  from: fc.oneof(
    name.map((domain) => `user@${domain}`),
    fc.tuple(anything, name).map(([local, domain]) => `${local}@${domain}`),
    anything,
    fc.constant(''),
  ),
});

/** The most questions one evaluation can lead to: its own, those of ten terms, those of an explanation. */
const { lookups, mx, ptr } = defaultLimits;
const maxQuestions = 1 + lookups * (Math.max(mx, ptr) + 1 + (ptr + 1)) + (1 + 2 * (ptr + 1));

function assertSound(outcome: SpfOutcome): void {
  assert.ok(results.has(outcome.result));
  assert.ok(outcome.lookups <= lookups, `${outcome.lookups} terms`);
  assert.ok(outcome.voids <= defaultLimits.voids + 1, `${outcome.voids} voids`);
  assert.ok(outcome.voids <= defaultLimits.voids || outcome.result === 'permerror');
  if (outcome.explanation !== undefined) assert.match(outcome.explanation, /^[\x20-\x7e]+$/);
  if (outcome.result.endsWith('error')) assert.ok(outcome.problem);
}

describe('on any zone', () => {
  it('an evaluation ends with a result within its limits, and never throws', () => {
    const property = fc.property(fc.array(answers, { minLength: 1, maxLength: 8 }), query, (table, mail) => {
      const resolver = new TableResolver(table);
      assertSound(checkHost(mail, { resolver }) as SpfOutcome);
      assert.ok(resolver.asked <= maxQuestions, `${resolver.asked} questions`);
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it('waiting for answers and collecting a trace change nothing', async () => {
    const property = fc.asyncProperty(fc.array(answers, { minLength: 1, maxLength: 8 }), query, async (table, mail) => {
      const known = await checkHost(mail, { resolver: new TableResolver(table), now: () => 0 });
      const waited = await checkHost(mail, { resolver: new TableResolver(table, true), now: () => 0, trace: true });
      assert.ok(waited.trace);
      assert.deepEqual({ ...waited, trace: undefined }, { ...known, trace: undefined });
    });
    await fc.assert(property, { numRuns: 500 });
  });

  it('an endless chain of includes ends at the limit', () => {
    let asked = 0;
    const resolver: Resolver = {
      lookup(name_) {
        asked++;
        return { kind: 'found', records: [[`v=spf1 include:x.${name_.slice(-200)}`]] } as never;
      },
    };
    const outcome = checkHost({ ip, helo: 'h', from: 'a@example.org' }, { resolver }) as SpfOutcome;
    assert.deepEqual([outcome.result, asked], ['permerror', 11]);
  });

  it('a record of 64 KB of anything is read in no time', () => {
    const fillers = [
      'a',
      '1',
      '-',
      '.',
      '%',
      '%{',
      '%{d',
      '%%',
      '/',
      '/1',
      '//',
      ':',
      '=',
      ' ',
      'a ',
      'x=%{d}',
      'ip4:',
      'a:a-',
      '\u0000',
      '(',
      '"',
    ];
    for (const head of ['v=spf1 ', 'v=spf1 a:', 'v=spf1 a:x.', 'v=spf1 ip6:', 'v=spf1 x=', 'v=spf1 exists:%{l']) {
      for (const filler of fillers) {
        const text = head + filler.repeat(65_000 / filler.length);
        const resolver: Resolver = { lookup: () => ({ kind: 'found', records: [[text]] }) as never };
        const started = cpuMs();
        const limits = { text: Infinity };
        const outcome = checkHost({ ip, helo: 'h', from: 'a@example.org' }, { resolver, limits }) as SpfOutcome;
        assert.ok(results.has(outcome.result));
        assert.ok(cpuMs() - started < 1000, `${head}${filler}…`);
      }
    }
  });

  /** Record 0 includes record 1, and so on; each has its number of octets. */
  const chain = (sizes: readonly number[], filler: string): Resolver => ({
    lookup(asked, type) {
      const at = Number(/^d(\d+)\.example$/.exec(asked)?.[1]);
      const size = type === 'TXT' ? sizes[at] : undefined;
      if (size === undefined) return { kind: 'void', why: 'nxdomain' };
      const head = 'v=spf1 ';
      const end = at + 1 < sizes.length ? `include:d${at + 1}.example ?all` : '?all';
      const room = size - head.length - end.length;
      const text = head + filler.repeat(room / filler.length).padEnd(room) + end;
      return { kind: 'found', records: [[text]] } as never;
    },
  });
  const judge = (resolver: Resolver): SpfOutcome =>
    checkHost({ ip, helo: 'h', from: `${'x-'.repeat(32)}@d0.example` }, { resolver }) as SpfOutcome;

  it('records of 16,384 octets together are judged, and one octet more is permerror', () => {
    const fair = [10_000, 6_000, 384];
    assert.equal(judge(chain(fair, 'ip4:192.0.2.77 ')).result, 'neutral');
    const { result, problem } = judge(chain([...fair.slice(0, -1), 385], 'ip4:192.0.2.77 '));
    assert.deepEqual(
      [result, problem],
      ['permerror', 'd2.example: with its record there are more than 16384 octets to read'],
    );
  });

  it('no records and no explanation hold up the event loop', () => {
    for (const filler of ['ip4:1.1.1.1 ', 'ip6:1::1 ', 'x= ', 'x=%{S} ', ' ']) {
      for (const sizes of [
        [16_384],
        Array.from({ length: 11 }, () => 1489),
        Array.from({ length: 11 }, () => 57_000),
      ]) {
        const started = mainThreadCpuMs();
        judge(chain(sizes, filler));
        const spent = mainThreadCpuMs() - started;
        assert.ok(spent < 150, `${sizes.length} of ${sizes[0]} octets, ${filler}: ${spent} ms`);
      }
    }
    for (const unit of ['%{s}', '%{S}', '%{S9r-+}']) {
      const explained = (length: number): string | undefined => {
        const template = unit.repeat(length / unit.length);
        const resolver: Resolver = {
          lookup: (asked) =>
            ({ kind: 'found', records: [[asked === 'e.example' ? template : 'v=spf1 -all exp=e.example']] }) as never,
        };
        return judge(resolver).explanation;
      };
      const started = mainThreadCpuMs();
      assert.equal(explained(4096)?.length, 1020);
      assert.equal(explained(60_000), undefined);
      const spent = mainThreadCpuMs() - started;
      assert.ok(spent < 150, `an explanation of ${unit}: ${spent} ms`);
    }
  });
});
