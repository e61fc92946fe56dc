/** Waiting, giving up, and the shape of an outcome. The rules of SPF are in pitfalls.test.ts and the RFC's suite. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseIp, type Ip } from '../../src/mail/ip.js';
import type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from '../../src/dns/resolver.js';
import { zoneResolver } from '../../src/dns/zone.js';
import { checkHelo, checkHost, type SpfOutcome } from '../../src/spf/check-host.js';
import { judge, record } from './support/judge.js';

const ip = parseIp('192.0.2.1') as Ip;
const query = { ip, helo: 'mail.example.net', from: 'user@example.org' };

/** Answers of a zone, each as a promise. */
function slowly(zone: unknown): Resolver {
  const resolver = zoneResolver(zone);
  return { lookup: async (name, type) => resolver.lookup(name, type) };
}

/** Never answers; keeps the signal it was given. */
class SilentResolver implements Resolver {
  signal: AbortSignal | undefined;
  lookup<T extends RecordType>(_name: string, _type: T, options?: LookupOptions): Promise<DnsAnswer<RecordData[T]>> {
    this.signal = options?.signal;
    return new Promise(() => {});
  }
}

/** Answers the record of example.org at once and nothing else ever. */
class HalfSilentResolver extends SilentResolver {
  readonly #text: string;
  constructor(text: string) {
    super();
    this.#text = text;
  }
  override lookup<T extends RecordType>(
    name: string,
    type: T,
    options?: LookupOptions,
  ): Promise<DnsAnswer<RecordData[T]>> {
    if (name !== 'example.org') return super.lookup(name, type, options);
    const answer: DnsAnswer<readonly string[]> = { kind: 'found', records: [[this.#text]] };
    return Promise.resolve(answer as DnsAnswer<RecordData[T]>);
  }
}

describe('waiting', () => {
  it('gives a value when all answers are known and a promise when one is not', async () => {
    const zone = record('v=spf1 include:b.example -all', { 'b.example': [{ TXT: 'v=spf1 ip4:192.0.2.1' }] });
    const now = checkHost(query, { resolver: zoneResolver(zone) });
    assert.ok(!(now instanceof Promise));
    const later = checkHost(query, { resolver: slowly(zone) });
    assert.ok(later instanceof Promise);
    assert.deepEqual(await later, now);
  });

  it('starts to wait at the first unknown answer, wherever it is', async () => {
    const zone = zoneResolver(
      record('v=spf1 mx:b.example -all', {
        'b.example': [{ MX: [1, 'h.example'] }],
        'h.example': [{ A: '192.0.2.1' }],
      }),
    );
    const resolver: Resolver = {
      lookup: (name, type) =>
        name === 'h.example' ? Promise.resolve(zone.lookup(name, type)) : zone.lookup(name, type),
    };
    assert.equal((await checkHost(query, { resolver })).result, 'pass');
  });

  it('asks nothing twice that it waited for, and comes to the same outcome, whichever answers are slow', async () => {
    const zone = zoneResolver({
      ...record('v=spf1 include:b.example mx:c.example ptr:d.example -all exp=e.example', {
        'b.example': [{ TXT: 'v=spf1 a:nobody.example exists:%{p}.%{ir}.b.example ?all' }],
        'c.example': [{ MX: [1, 'h1.example'] }, { MX: [2, 'h2.example'] }],
        'h1.example': [{ A: '198.51.100.1' }],
        'h2.example': [{ A: '198.51.100.2' }],
        'e.example': [{ TXT: '%{i} is not %{p}' }],
        '1.2.0.192.in-addr.arpa': [{ PTR: 'host.example' }],
        'host.example': [{ A: '192.0.2.1' }],
      }),
    });
    const options = { trace: true };
    const expected = await checkHost(query, { resolver: zone, ...options });
    assert.equal(expected.explanation, '192.0.2.1 is not host.example');
    for (let slow = 0; slow < 2 ** 12; slow += 37) {
      const waited: string[] = [];
      const resolver: Resolver = {
        lookup: (name, type) => {
          // Which answers are slow depends on the bits of a number.
          if (((slow >> (name.length % 12)) & 1) === 0) return zone.lookup(name, type);
          waited.push(`${type} ${name}`);
          return Promise.resolve(zone.lookup(name, type));
        },
      };
      assert.deepEqual(await checkHost(query, { resolver, ...options }), expected);
      assert.deepEqual(waited, [...new Set(waited)]);
    }
  });

  it('is temperror when the time is over, and aborts what is still asked', async () => {
    const resolver = new SilentResolver();
    const outcome = await checkHost(query, { resolver, limits: { totalMs: 20 } });
    assert.equal(outcome.result, 'temperror');
    assert.match(outcome.problem ?? '', /no result within 0.02 seconds/);
    assert.equal(resolver.signal?.aborted, true);
  });

  it(
    'has what another evaluation left of the time, and tells the limit that was set',
    { timeout: 30_000 },
    async () => {
      const options = { limits: { totalMs: 60_000 }, spentMs: 59_988 };
      const outcome = await checkHost(query, { resolver: new SilentResolver(), ...options });
      assert.equal(outcome.problem, 'no result within 60 seconds');
    },
  );

  it('measures the time by the clock it is given', async () => {
    let now = 0;
    const zone = slowly(
      record('v=spf1 a:a.example a:b.example -all', {
        'a.example': [{ A: '1.1.1.1' }],
        'b.example': [{ A: '192.0.2.1' }],
      }),
    );
    const resolver: Resolver = {
      lookup(name, type) {
        now += 9_000;
        return zone.lookup(name, type);
      },
    };
    assert.equal(
      (await checkHost(query, { resolver, now: () => now, limits: { totalMs: 18_000 } })).result,
      'temperror',
    );
    assert.equal((await checkHost(query, { resolver, now: () => now })).result, 'pass');
  });

  it('is temperror when it is cancelled, before or during', async () => {
    const controller = new AbortController();
    const during = checkHost(query, { resolver: new SilentResolver(), signal: controller.signal });
    controller.abort();
    assert.equal((await during).result, 'temperror');
    const before = await checkHost(query, { resolver: new SilentResolver(), signal: controller.signal });
    assert.match(before.problem ?? '', /cancelled/);
  });

  it('keeps a fail whose explanation does not come in time', async () => {
    const outcome = await checkHost(query, {
      resolver: new HalfSilentResolver('v=spf1 -all exp=why.example'),
      limits: { totalMs: 20 },
    });
    assert.deepEqual([outcome.result, outcome.explanation, outcome.problem], ['fail', undefined, undefined]);
  });

  it('does not ask for an explanation nobody wants', () => {
    const outcome = judge(
      record('v=spf1 -all exp=w.example', { 'w.example': [{ TXT: 'no' }] }),
      {},
      { explain: false },
    );
    assert.equal(outcome.explanation, undefined);
  });

  it('does not ask a resolver again that promises nothing', async () => {
    let asked = 0;
    const nothing: Resolver = {
      lookup: () => {
        asked++;
        return Promise.resolve(undefined as never);
      },
    };
    const { result, problem } = await checkHost(query, { resolver: nothing });
    assert.deepEqual([result, problem, asked], ['temperror', 'a look-up brought no answer', 1]);
  });

  it('takes a resolver that throws or rejects for one that failed', async () => {
    const throwing: Resolver = {
      lookup() {
        throw new Error('boom');
      },
    };
    const rejecting: Resolver = { lookup: () => Promise.reject(new Error('boom')) };
    for (const resolver of [throwing, rejecting]) {
      const outcome = await checkHost(query, { resolver });
      assert.equal(outcome.result, 'temperror');
      assert.match(outcome.problem ?? '', /boom/);
    }
  });
});

describe('an outcome', () => {
  it('has everything a reader wants to know of a fail', () => {
    const outcome = judge(record('v=spf1 a -all exp=w.example', { 'w.example': [{ TXT: '%{i} is not ours' }] }));
    assert.deepEqual(outcome, {
      result: 'fail',
      identity: 'mailfrom',
      domain: 'example.org',
      sender: 'user@example.org',
      mechanism: '-all',
      mechanismDomain: 'example.org',
      problem: undefined,
      explanation: '192.0.2.1 is not ours',
      lookups: 1,
      voids: 1,
    } satisfies SpfOutcome);
  });

  it('tells why there is an error', () => {
    assert.equal(
      judge(record('v=spf1 ip4:1.2.3 -all')).problem,
      '"ip4:1.2.3" in the record of example.org: ip4 needs an IPv4 address: ip4:192.0.2.1 or ip4:192.0.2.0/24',
    );
    assert.equal(judge(record('v=spf1 include:b.example')).problem, 'include:b.example: b.example has no SPF record');
    assert.equal(
      judge(record('v=spf1 a:b.example', { 'b.example': ['TIMEOUT'] })).problem,
      'a:b.example: the A look-up of b.example failed: timed out',
    );
  });

  it('is of the HELO name where that is checked', () => {
    const outcome = checkHelo(
      { ...query, helo: 'Helo.Example' },
      { resolver: zoneResolver({ 'helo.example': [{ TXT: 'v=spf1 -all' }] }) },
    ) as SpfOutcome;
    assert.deepEqual(
      [outcome.result, outcome.identity, outcome.domain, outcome.sender],
      ['fail', 'helo', 'Helo.Example', 'postmaster@Helo.Example'],
    );
  });

  it('obeys other limits', () => {
    const zone = {
      'example.org': [{ TXT: 'v=spf1 a exists:no.example mx:m.example +all' }, { A: '1.1.1.1' }],
      'm.example': [{ MX: [1, 'a.example'] }, { MX: [2, 'b.example'] }],
    };
    assert.equal(judge(zone, {}, { limits: { voids: 2 } }).result, 'pass');
    assert.equal(judge(zone, {}, { limits: { voids: 1 } }).result, 'permerror');
    assert.equal(judge(zone, {}, { limits: { lookups: 2 } }).result, 'permerror');
    assert.equal(judge(zone, {}, { limits: { mx: 1 } }).result, 'permerror');
  });
});

describe('a trace', () => {
  it('is absent where it was not asked for', () => {
    assert.ok(!('trace' in judge(record('v=spf1 -all'))));
  });

  it('shows each record and term with what was asked and answered', () => {
    const zone = {
      'example.org': [{ TXT: 'v=spf1 a include:b.example redirect=c.example exp=no.example' }],
      'b.example': [{ TXT: 'v=spf1 ip4:1.1.1.1 ?all mx' }],
      'c.example': [{ TXT: 'v=spf1 mx x=1 -all ptr exp=%{d2}.w.example' }, { MX: [10, 'h.example'] }],
      'h.example': [{ A: '1.1.1.1' }],
      'c.example.w.example': [{ TXT: 'go away' }],
    };
    const txt = (name: string, text: string): unknown => ({
      name,
      type: 'TXT',
      answer: 'found',
      records: [text],
      problem: undefined,
    });
    const term = (text: string, outcome: string, more: Record<string, unknown> = {}): unknown => ({
      term: text,
      outcome,
      target: undefined,
      lookups: [],
      nested: undefined,
      note: undefined,
      ...more,
    });
    const [own, included, target] = Object.values(zone).map(([first]) => (first as { TXT: string }).TXT);
    assert.deepEqual(judge(zone, {}, { trace: true }).trace, {
      domain: 'example.org',
      lookups: [txt('example.org', own ?? '')],
      record: own,
      result: 'fail',
      problem: undefined,
      terms: [
        term('a', 'no match', {
          target: 'example.org',
          lookups: [{ name: 'example.org', type: 'A', answer: 'void', records: [], problem: 'nodata' }],
        }),
        term('include:b.example', 'no match', {
          target: 'b.example',
          nested: {
            domain: 'b.example',
            lookups: [txt('b.example', included ?? '')],
            record: included,
            result: 'neutral',
            problem: undefined,
            terms: [term('ip4:1.1.1.1', 'no match'), term('?all', 'match'), term('mx', 'not reached')],
          },
        }),
        term('redirect=c.example', 'followed', {
          target: 'c.example',
          nested: {
            domain: 'c.example',
            lookups: [txt('c.example', target ?? '')],
            record: target,
            result: 'fail',
            problem: undefined,
            terms: [
              term('mx', 'no match', {
                target: 'c.example',
                lookups: [
                  { name: 'c.example', type: 'MX', answer: 'found', records: ['10 h.example'], problem: undefined },
                  { name: 'h.example', type: 'A', answer: 'found', records: ['1.1.1.1'], problem: undefined },
                ],
              }),
              term('-all', 'match'),
              term('x=1', 'ignored'),
              term('ptr', 'not reached'),
              term('exp=%{d2}.w.example', 'followed', {
                target: 'c.example.w.example',
                lookups: [txt('c.example.w.example', 'go away')],
              }),
            ],
          },
        }),
        term('exp=no.example', 'ignored'),
      ],
    });
  });

  it('shows an error where it arose', () => {
    const { trace } = judge(
      record('v=spf1 include:b.example -all', {
        'b.example': [{ TXT: 'v=spf1 a:t.example' }],
        't.example': ['TIMEOUT'],
      }),
      {},
      { trace: true },
    );
    const [include, all] = trace?.terms ?? [];
    assert.deepEqual([trace?.result, include?.outcome, all?.outcome], ['temperror', 'temperror', 'not reached']);
    assert.equal(include?.nested?.terms[0]?.lookups[0]?.problem, 'timed out');
    assert.equal(trace?.problem, 'a:t.example: the A look-up of t.example failed: timed out');
  });
});
