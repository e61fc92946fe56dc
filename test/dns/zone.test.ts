import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { DnsAnswer, RecordType } from '../../src/dns/resolver.js';
import { readZone, readZoneFile, zoneResolver } from '../../src/dns/zone.js';

function shown(answer: DnsAnswer<unknown>): unknown {
  if (answer.kind === 'found') return answer.records.map((record) => (record as { text?: string }).text ?? record);
  return answer.kind === 'void' ? answer.why : `failed: ${answer.problem}`;
}

const chain = (length: number): object =>
  Object.fromEntries([
    ...Array.from({ length }, (_, i) => [`c${i}`, { CNAME: `c${i + 1}` }]),
    [`c${length}`, { TXT: 'end' }],
  ]);

const table: readonly (readonly [what: string, zonedata: object, name: string, type: RecordType, expected: unknown])[] =
  [
    ['TXT of one string', { a: [{ TXT: 'x' }] }, 'a', 'TXT', [['x']]],
    ['TXT of several strings', { a: [{ TXT: ['x', 'y'] }] }, 'a', 'TXT', [['x', 'y']]],
    ['TXT without a string', { a: [{ TXT: [] }] }, 'a', 'TXT', [[]]],
    ['several records in order', { a: [{ TXT: 'x' }, { TXT: 'y' }] }, 'a', 'TXT', [['x'], ['y']]],
    ['SPF is served as TXT', { a: [{ SPF: 'x' }, { SPF: ['y', 'z'] }] }, 'a', 'TXT', [['x'], ['y', 'z']]],
    ['SPF beside TXT is not', { a: [{ SPF: 'x' }, { TXT: 'y' }] }, 'a', 'TXT', [['y']]],
    ['SPF beside TXT NONE is not, and NONE is no record', { a: [{ SPF: 'x' }, { TXT: 'NONE' }] }, 'a', 'TXT', 'nodata'],
    ['TIMEOUT: types without a record', { a: [{ TXT: 'x' }, 'TIMEOUT'] }, 'a', 'A', 'failed: timed out'],
    ['TIMEOUT: types with a record', { a: ['TIMEOUT', { TXT: 'x' }] }, 'a', 'TXT', [['x']]],
    ['TIMEOUT of one type', { a: [{ MX: 'TIMEOUT' }] }, 'a', 'MX', 'failed: timed out'],
    ['TIMEOUT of another type', { a: [{ MX: 'TIMEOUT' }] }, 'a', 'A', 'nodata'],
    ['addresses', { a: [{ A: '192.0.2.1' }, { A: '192.0.2.2' }] }, 'a', 'A', ['192.0.2.1', '192.0.2.2']],
    ['IPv6 addresses', { a: [{ AAAA: '2001:DB8:0::1' }] }, 'a', 'AAAA', ['2001:db8::1']],
    [
      'MX, target in its own case, without a final dot',
      { a: [{ MX: [10, 'Mail.Test.'] }] },
      'a',
      'MX',
      [{ preference: 10, exchange: 'Mail.Test' }],
    ],
    ['null MX', { a: [{ MX: [0, ''] }] }, 'a', 'MX', [{ preference: 0, exchange: '' }]],
    ['PTR', { '1.2.0.192.in-addr.arpa': [{ PTR: 'h.test.' }] }, '1.2.0.192.in-addr.arpa', 'PTR', ['h.test']],
    ['NS', { a: [{ NS: 'ns1.test.' }] }, 'a', 'NS', ['ns1.test']],
    [
      'SRV',
      { a: [{ SRV: [0, 5, 25, 'h.test.'] }] },
      'a',
      'SRV',
      [{ priority: 0, weight: 5, port: 25, target: 'h.test' }],
    ],
    [
      'CAA',
      { a: { CAA: [128, 'Issue', 'ca.test'] } },
      'a',
      'CAA',
      [{ critical: true, tag: 'issue', value: 'ca.test' }],
    ],
    ['TLSA', { a: { TLSA: [[3, 1, 1, 'AB01']] } }, 'a', 'TLSA', [{ usage: 3, selector: 1, matching: 1, data: 'ab01' }]],
    ['map: lists of strings', { a: { TXT: [['x', 'y'], ['z']] } }, 'a', 'TXT', [['x', 'y'], ['z']]],
    ['map: strings', { a: { TXT: ['x', 'y'] } }, 'a', 'TXT', [['x'], ['y']]],
    ['map: one string', { a: { TXT: 'x' } }, 'a', 'TXT', [['x']]],
    [
      'map: several MX',
      {
        a: {
          MX: [
            [10, 'b'],
            [20, 'c'],
          ],
        },
      },
      'a',
      'MX',
      [
        { preference: 10, exchange: 'b' },
        { preference: 20, exchange: 'c' },
      ],
    ],
    ['map: one MX', { a: { MX: [10, 'b'] } }, 'a', 'MX', [{ preference: 10, exchange: 'b' }]],
    ['map: SPF lists are type 99 only', { a: { SPF: [['x']] } }, 'a', 'TXT', 'nodata'],
    ['map: timeout', { a: { A: ['192.0.2.1'], timeout: true } }, 'a', 'TXT', 'failed: timed out'],
    ['map: timeout false', { a: { timeout: false } }, 'a', 'TXT', 'nodata'],
    ['map: timeoutTypes', { a: { timeoutTypes: ['TXT'] } }, 'a', 'TXT', 'failed: timed out'],
    ['names in any case with a final dot, in the data', { 'A.Test.': { TXT: 'x' } }, 'a.test', 'TXT', [['x']]],
    ['names in any case with a final dot, in the question', { 'a.test': { TXT: 'x' } }, 'A.TEST.', 'TXT', [['x']]],
    ['octets over 0x7F have no case', { '\xe9': { TXT: 'x' } }, '\xc9', 'TXT', 'nxdomain'],
    ['a name that is not listed', { a: [] }, 'b', 'TXT', 'nxdomain'],
    ['a name with others below it exists', { 'x.y.a': [] }, 'a', 'TXT', 'nodata'],
    ['a listed name without such a record', { a: [{ A: '192.0.2.1' }] }, 'a', 'TXT', 'nodata'],
    ['CNAME', { a: [{ CNAME: 'B.' }], b: [{ TXT: 'x' }] }, 'a', 'TXT', [['x']]],
    ['CNAME to a name that is not listed', { a: [{ CNAME: 'b' }] }, 'a', 'TXT', 'nxdomain'],
    ['CNAME to a name with others below it', { a: [{ CNAME: 'b' }], 'c.b': [] }, 'a', 'TXT', 'nodata'],
    [
      'CNAME in the map form, as a string or a list',
      { a: { CNAME: 'b' }, b: { CNAME: ['c'] }, c: { TXT: 'x' } },
      'a',
      'TXT',
      [['x']],
    ],
    ['CNAME to itself', { a: [{ CNAME: 'A' }] }, 'a', 'TXT', 'failed: CNAME loop'],
    ['CNAME loop', { a: [{ CNAME: 'b' }], b: [{ CNAME: 'c' }], c: [{ CNAME: 'b' }] }, 'a', 'TXT', 'failed: CNAME loop'],
    ['16 CNAMEs', chain(16), 'c0', 'TXT', [['end']]],
    ['17 CNAMEs', chain(17), 'c0', 'TXT', 'failed: CNAME chain too long'],
    ['a name called like a property', JSON.parse('{"__proto__": {"TXT": "x"}}') as object, '__proto__', 'TXT', [['x']]],
    ['a property that is no name', {}, 'constructor', 'TXT', 'nxdomain'],
  ];

for (const [what, zonedata, name, type, expected] of table) {
  test(what, () => assert.deepEqual(shown(zoneResolver(zonedata).lookup(name, type)), expected));
}

const bad: readonly (readonly [text: string, problem: RegExp])[] = [
  ['', /^not JSON: /],
  ['{"a": [}', /^not JSON: /],
  ['[]', /^zone data must be a map from names to records$/],
  ['null', /^zone data must be a map/],
  ['{"a": 1}', /^"a": a name holds a list or a map of records, not 1$/],
  ['{"a": ["TIMEOUTS"]}', /^"a": "TIMEOUTS" is no record$/],
  ['{"ok": [], "a.test": [{"NAPTR": "x"}]}', /^"a\.test": "NAPTR" is no record type$/],
  ['{"a": [{"A": "192.0.2.256"}]}', /^"a": A: "192\.0\.2\.256" is not an IPv4 address$/],
  ['{"a": {"A": ["::1"]}}', /^"a": A: "::1" is not an IPv4 address$/],
  ['{"a": {"AAAA": ["192.0.2.1"]}}', /^"a": AAAA: "192\.0\.2\.1" is not an IPv6 address$/],
  ['{"a": {"MX": [[65536, "b"]]}}', /^"a": MX: \[65536,"b"\] is not \[preference, host\]$/],
  ['{"a": {"MX": ["b"]}}', /^"a": MX: "b" is not/],
  ['{"a": {"TXT": [[1]]}}', /^"a": TXT: \[1\] is not a string or a list of strings/],
  ['{"a": {"TXT": "\u20ac"}}', /^"a": TXT: "\\u20ac" is not/],
  ['{"a": {"CNAME": ["b", "c"]}}', /^"a": CNAME: "c" is not a single name$/],
  ['{"a": {"timeout": "yes"}}', /^"a": timeout: "yes" is not true, false or a record type$/],
  ['{"\u20ac": []}', /^"\\u20ac": has a character beyond U\+00FF/],
  ['{"\u043f\u0440\u0438\u043c\u0435\u0440.test": []}', /: has a character beyond U\+00FF: write xn--e1afmkfd\.test$/],
  [
    '{"a": {"MX": [[10, "\u043f\u0440\u0438\u043c\u0435\u0440.test."]]}}',
    /^"a": MX: ".*" is .*: write xn--e1afmkfd\.test$/,
  ],
  ['{"a": [{"CNAME": "\u20ac"}]}', /^"a": CNAME: "\\u20ac" is beyond U\+00FF: text is latin1/],
  ['{"a\\n\u009b": 1}', /^"a\\n\\u009b": a name holds/],
];

for (const [text, problem] of bad) {
  test(`bad zone file: ${text.replace(/[^ -~]/g, '?')}`, () => {
    const file = readZoneFile(text);
    assert.ok(!file.ok);
    assert.match(file.problem, problem);
  });
}

test('a good zone file, with a byte order mark', () => {
  const file = readZoneFile('\uFEFF{"a": {"TXT": "x"}}');
  assert.ok(file.ok);
  assert.deepEqual(shown(file.value.lookup('a', 'TXT')), [['x']]);
});

test('bad data of our own throw', () => assert.throws(() => zoneResolver({ a: 1 }), /"a": a name holds/));

test('any JSON is a zone or a problem on one printable line', () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue())), (value) => {
      const file = readZone(value);
      if (!file.ok) assert.match(file.problem, /^[ -~]{1,1000}$/);
      else for (const type of ['A', 'AAAA', 'MX', 'TXT', 'PTR'] as const) file.value.lookup('a.b', type);
    }),
    { numRuns: 1000 },
  );
});
