/** Flat records come to the result of the record they are made of, for every client, and are small enough. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { zoneResolver } from '../../../src/dns/zone.js';
import { type Ip, parseIp } from '../../../src/mail/ip.js';
import { checkHost, type SpfOutcome } from '../../../src/spf/check-host.js';
import { flatRecords, maxRecordOctets, stringsOf } from '../../../src/spf/flatten/flat-records.js';
import { type Flat, flatten } from '../../../src/spf/flatten/flatten.js';
import { differenceFromPublished } from '../../../src/spf/flatten/published.js';
import { lint } from '../../../src/spf/lint/lint.js';
import { randomSpfCase, type SpfCase, type ZoneItems } from '../../support/spf-cases.js';

const zone: Record<string, ZoneItems> = {
  'example.org': {
    A: ['192.0.2.1'],
    MX: [
      [10, 'mail.example.org'],
      [20, 'mx2.example.org'],
    ],
  },
  'mail.example.org': { A: ['192.0.2.2'], AAAA: ['2001:db8::2'] },
  'mx2.example.org': { A: ['192.0.2.3'] },
  'p.example': { TXT: [['v=spf1 include:deep.p.example ip4:198.51.100.0/25 -all']] },
  'deep.p.example': { TXT: [['v=spf1 ip4:198.51.100.128/25 a:gone.p.example ~all']] },
  'exception.example': { TXT: [['v=spf1 -ip4:203.0.113.7 ip4:203.0.113.0/24 a:p.example -all']] },
  'open.example': { TXT: [['v=spf1 +all']] },
  'macro.example': { TXT: [['v=spf1 ip4:203.0.113.1 exists:%{i}._spf.%{d} -all']] },
  'lifted.example': { TXT: [['v=spf1 ip4:203.0.113.1 exists:%{i}.list.example ptr -all']] },
  'base.example': { TXT: [['v=spf1 ip4:203.0.113.0/24 -all exp=why.base.example']] },
  'loop.example': { TXT: [['v=spf1 include:loop.example -all']] },
  'syntax.example': { TXT: [['v=spf1 ip4:300.0.0.1 -all']] },
  'two.example': { TXT: [['v=spf1 -all'], ['v=spf1 ~all']] },
  'slow.example': { TXT: [['v=spf1 a -all']], timeout: true },
};
const resolver = zoneResolver(zone);

async function flat(record: string, domain = 'example.org'): Promise<Flat> {
  const flattened = await flatten({ domain, record }, { resolver });
  assert.ok(flattened.ok, JSON.stringify(flattened));
  return flattened.value;
}

describe('a record', () => {
  const table: readonly [what: string, record: string, expected: string][] = [
    ['of networks is joined and ordered', 'v=spf1 ip4:192.0.2.128/25 ip4:192.0.2.0/25 -all', 'ip4:192.0.2.0/24 -all'],
    [
      'loses what lies within',
      'v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.7 ip6:2001:db8::/32 ip6:2001:db8::1 -all',
      'ip4:192.0.2.0/24 ip6:2001:db8::/32 -all',
    ],
    ['of a and mx', 'v=spf1 a mx -all', 'ip4:192.0.2.1 ip4:192.0.2.2/31 ip6:2001:db8::2 -all'],
    ['has prefix lengths', 'v=spf1 mx/24//64 -all', 'ip4:192.0.2.0/24 ip6:2001:db8::/64 -all'],
    ['includes others that include', 'v=spf1 include:p.example ~all', 'ip4:198.51.100.0/24 ~all'],
    [
      'keeps qualifiers and their order',
      'v=spf1 -ip4:192.0.2.9 ?include:p.example ip4:192.0.2.0/24 -all',
      '-ip4:192.0.2.9 ?ip4:198.51.100.0/24 ip4:192.0.2.0/24 -all',
    ],
    [
      'says nothing of addresses that are decided',
      'v=spf1 ~ip4:192.0.2.0/24 ip4:192.0.2.9 -all',
      '~ip4:192.0.2.0/24 -all',
    ],
    ['keeps an include with exceptions', 'v=spf1 include:exception.example -all', 'include:exception.example -all'],
    ['keeps an include of everybody', 'v=spf1 include:open.example -all', 'include:open.example -all'],
    [
      'keeps an include whose macros mean its own domain',
      'v=spf1 include:macro.example -all',
      'include:macro.example -all',
    ],
    [
      'takes over macros that mean the mail',
      'v=spf1 ~include:lifted.example -all',
      '~ip4:203.0.113.1 ~exists:%{i}.list.example ~ptr:lifted.example -all',
    ],
    [
      'is redirected',
      'v=spf1 ip4:192.0.2.1 redirect=base.example',
      'ip4:192.0.2.1 ip4:203.0.113.0/24 -all exp=why.base.example',
    ],
    [
      'keeps a redirect whose macros mean its domain',
      'v=spf1 a redirect=macro.example',
      'ip4:192.0.2.1 redirect=macro.example',
    ],
    ['keeps a redirect by macro', 'v=spf1 a redirect=%{l}.example.org', 'ip4:192.0.2.1 redirect=%{l}.example.org'],
    ['ends where it ends', 'v=spf1 a ?all mx', 'ip4:192.0.2.1 ?all'],
    ['has no end', 'v=spf1 a', 'ip4:192.0.2.1'],
    ['allows nobody', 'v=spf1 -all', '-all'],
    ['has a mapped network, which never matches', 'v=spf1 ip6:::ffff:192.0.2.1 -all', '-all'],
  ];
  for (const [what, record, expected] of table)
    it(what, async () => {
      const { records } = flatRecords('example.org', await flat(record));
      assert.deepEqual(
        records.map(({ text }) => text),
        [`v=spf1 ${expected}`],
      );
    });

  const broken: readonly [what: string, record: string, expected: RegExp, isTemporary?: boolean][] = [
    [
      'that includes nothing',
      'v=spf1 include:none.example -all',
      /^include:none\.example: none\.example has no SPF record$/,
    ],
    ['that includes itself', 'v=spf1 include:loop.example -all', /leads back to loop\.example/],
    [
      'that includes a broken one',
      'v=spf1 include:syntax.example -all',
      /"ip4:300\.0\.0\.1" in the record of syntax\.example/,
    ],
    ['that includes several', 'v=spf1 include:two.example -all', /several SPF records/],
    ['that is none', 'v=spf2 -all', /begins with "v=spf1"/],
    [
      'whose addresses DNS does not tell',
      'v=spf1 ip4:192.0.2.1 a:slow.example -all',
      /A look-up of slow\.example failed/,
      true,
    ],
  ];
  for (const [what, record, expected, isTemporary = false] of broken)
    it(`${what} is not flattened at all`, async () => {
      const flattened = await flatten({ domain: 'example.org', record }, { resolver });
      assert.ok(!flattened.ok);
      assert.match(flattened.problem.text, expected);
      assert.equal(flattened.problem.isTemporary, isTemporary);
    });

  it('says what it leaves out, once', async () => {
    const { notes } = await flat('v=spf1 include:p.example include:deep.p.example -all');
    assert.deepEqual(notes, ['a:gone.p.example finds nothing, and is left out']);
  });

  it('counts what the includes that stay ask', async () => {
    const { lookups } = flatRecords(
      'example.org',
      await flat('v=spf1 include:exception.example exists:%{i}.x.org -all'),
    );
    assert.equal(lookups, 3);
  });
});

describe('many networks', () => {
  const many = (count: number): string =>
    Array.from({ length: count }, (_, i) => `ip4:10.${i >> 8}.${i & 255}.1`).join(' ');

  it('stand in records that are included, each within 450 octets and strings of 255', async () => {
    const { records, lookups, problem } = flatRecords(
      'example.org',
      await flat(`v=spf1 ${many(100)} exists:%{i}.x.org ?ip4:10.9.9.9 ~all`),
    );
    assert.equal(problem, undefined);
    assert.match(
      records[0]?.text ?? '',
      /^v=spf1 include:_spf1\.example\.org .*exists:\S+ \?include:_spf\d\.example\.org ~all$/,
    );
    assert.equal(lookups, records.length);
    for (const { name, text } of records) {
      assert.ok(name.length + text.length <= maxRecordOctets, text);
      assert.ok(stringsOf(text).every(({ length }) => length <= 255));
      assert.equal(stringsOf(text).join(''), text);
    }
    const report = await lint({ domain: 'example.org' }, { resolver: zoneOf(records) });
    assert.equal(report.tree.lookups, lookups);
    assert.deepEqual(
      report.findings.filter(({ severity }) => severity === 'error'),
      [],
    );
  });

  it('beyond ten look-ups are told to be too many', async () => {
    const { problem } = flatRecords('example.org', await flat(`v=spf1 ${many(300)} -all`));
    assert.match(problem ?? '', /needs \d\d look-ups, and 10 are allowed/);
  });

  it('are the same records in whatever order they are found', async () => {
    const records = async (text: string) => flatRecords('example.org', await flat(`v=spf1 ${text} -all`)).records;
    assert.deepEqual(await records(many(60)), await records(many(60).split(' ').toReversed().join(' ')));
  });
});

describe('random records', () => {
  const clients = [
    '192.0.2.1',
    '192.0.2.77',
    '198.51.100.1',
    '203.0.113.9',
    '10.0.0.1',
    '2001:db8::1',
    '2001:db8:1::7',
  ];
  it('come to the same result when they are flat', async () => {
    let compared = 0;
    for (let seed = 0; seed < 1500; seed++) {
      const one = randomSpfCase(seed);
      const domain = one.from.slice(one.from.lastIndexOf('@') + 1);
      const text = onlyRecordOf(one, domain);
      if (text === undefined) continue;
      const there = zoneResolver(one.zone);
      const flattened = await flatten({ domain, record: text }, { resolver: there });
      if (!flattened.ok) continue;
      const { records } = flatRecords(domain, flattened.value);
      const items = { ...one.zone };
      for (const { name, text: made } of records) items[name] = { ...items[name], TXT: [[made]] };
      const flatThere = zoneResolver(items);
      for (const address of [one.ip, ...clients]) {
        const client = parseIp(address);
        if (client === undefined) continue;
        const before = await judged(one, client, there);
        // What limits and failures end is not what the record says.
        if (before.result === 'permerror' || before.result === 'temperror') continue;
        const after = await judged(one, client, flatThere);
        assert.equal(after.result, before.result, JSON.stringify({ seed, address, text, records }));
        compared++;
      }
    }
    assert.ok(compared > 2000, String(compared));
  });
});

describe('what is published', () => {
  const options = { resolver };
  it('is compared record by record, and network by network', async () => {
    const wanted = await flat('v=spf1 include:p.example a -all');
    const published = zoneOf([
      { name: 'example.org', text: 'v=spf1 include:_spf1.example.org include:_spf2.example.org -all' },
      { name: '_spf1.example.org', text: 'v=spf1 ip4:192.0.2.1 ip4:192.0.2.9 -all' },
      { name: '_spf2.example.org', text: 'v=spf1 ip4:198.51.100.0/25 -all' },
    ]);
    const { records } = flatRecords('example.org', wanted);
    const difference = await differenceFromPublished('example.org', { flat: wanted, records }, { resolver: published });
    assert.ok(difference.ok);
    assert.deepEqual(
      difference.value.records.map(({ name, wanted: text }) => [name, text !== undefined]),
      [
        ['example.org', true],
        ['_spf1.example.org', false],
        ['_spf2.example.org', false],
      ],
    );
    assert.deepEqual(difference.value.added, [{ term: 'ip4:198.51.100.0/24', from: ['include:p.example'] }]);
    assert.deepEqual(
      difference.value.removed.map(({ term }) => term),
      ['ip4:192.0.2.9', 'ip4:198.51.100.0/25'],
    );
  });

  it('is no difference where it is the same', async () => {
    const wanted = await flat('v=spf1 include:p.example a -all');
    const { records } = flatRecords('example.org', wanted);
    const same = await differenceFromPublished('example.org', { flat: wanted, records }, { resolver: zoneOf(records) });
    assert.deepEqual(same, { ok: true, value: { records: [], added: [], removed: [] } });
  });

  it('is not compared while DNS does not answer', async () => {
    const wanted = await flat('v=spf1 a -all');
    const { records } = flatRecords('slow.example', wanted);
    const failed = await differenceFromPublished('slow.example', { flat: wanted, records }, options);
    assert.ok(!failed.ok && failed.problem.isTemporary);
  });
});

function zoneOf(records: readonly { readonly name: string; readonly text: string }[]) {
  const items = records.map(({ name, text }) => [name, { TXT: [stringsOf(text)] }] as const);
  return zoneResolver(Object.fromEntries(items));
}

function onlyRecordOf({ zone: items }: SpfCase, domain: string): string | undefined {
  const texts = (items[domain]?.TXT ?? [])
    .map((strings) => strings.join(''))
    .filter((text) => /^v=spf1( |$)/i.test(text));
  return texts.length === 1 ? texts[0] : undefined;
}

async function judged(one: SpfCase, ip: Ip, there: ReturnType<typeof zoneResolver>): Promise<SpfOutcome> {
  return checkHost({ ip, helo: one.helo, from: one.from }, { resolver: there, now: () => 1_700_000_000_000 });
}
