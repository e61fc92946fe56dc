/** What well-known SPF engines get wrong, by section of RFC 7208. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge, record, type Mail } from './support/judge.js';

/** what, zone, mail, expected result (and what else is expected) */
type Row = readonly [what: string, zone: unknown, mail: Mail, expected: string, more?: Record<string, unknown>];

function table(section: string, rows: readonly Row[]): void {
  describe(section, () => {
    for (const [what, zone, mail, expected, more] of rows) {
      it(`${what}: ${expected}`, () => {
        const outcome = judge(zone, mail);
        assert.equal(outcome.result, expected, outcome.problem ?? '');
        for (const [key, value] of Object.entries(more ?? {})) assert.deepEqual(outcome[key as 'problem'], value, key);
      });
    }
  });
}

const A = { A: '192.0.2.1' };
const label63 = 'a'.repeat(63);
/** `-all` for example.org with this explanation. */
const explains = (text: string, others: Record<string, unknown> = {}): unknown =>
  record('v=spf1 -all exp=why.example.org', { 'why.example.org': [{ TXT: text }], ...others });

table('2.4, 4.3: the sender', [
  [
    'a undefined reverse-path is judged as postmaster at the HELO name',
    {
      'helo.example.org': [{ TXT: 'v=spf1 exists:%{l}.%{o}.ok.example -all' }],
      'postmaster.helo.example.org.ok.example': [A],
    },
    { from: '', helo: 'helo.example.org' },
    'pass',
    { identity: 'helo', sender: 'postmaster@helo.example.org', domain: 'helo.example.org' },
  ],
  [
    '%{s} of a undefined reverse-path is postmaster@HELO too',
    {
      'helo.example.org': [{ TXT: 'v=spf1 -all exp=why.example.org' }],
      'why.example.org': [{ TXT: 'sent by %{s}' }],
    },
    { from: '', helo: 'helo.example.org' },
    'fail',
    { explanation: 'sent by postmaster@helo.example.org' },
  ],
  [
    'the last @ separates',
    explains('%{l}|%{o}'),
    { from: 'a@b@example.org' },
    'fail',
    { explanation: 'a@b|example.org' },
  ],
  [
    'the last @ separates with a quoted local-part as well',
    explains('%{l}|%{o}'),
    { from: '"a@b c"@example.org' },
    'fail',
    { explanation: '"a@b c"|example.org' },
  ],
  [
    'a missing local-part is postmaster',
    explains('%{s}'),
    { from: '@example.org' },
    'fail',
    { explanation: 'postmaster@example.org' },
  ],
]);

const everything = { 'example.org': [{ TXT: 'v=spf1 -all' }] };
table('4.3: malformed names', [
  ['an empty label', everything, { from: 'a@foo..example.org' }, 'none'],
  ['a leading dot', everything, { from: 'a@.example.org' }, 'none'],
  ['two final dots', everything, { from: 'a@example.org..' }, 'none'],
  [
    'a label of 64',
    { [`${label63}a.example.org`]: [{ TXT: 'v=spf1 -all' }] },
    { from: `x@${label63}a.example.org` },
    'none',
  ],
  [
    'a label of 63 is fine',
    { [`${label63}.example.org`]: [{ TXT: 'v=spf1 -all' }] },
    { from: `x@${label63}.example.org` },
    'fail',
  ],
  ['a name over 253 octets', everything, { from: `x@${'a.'.repeat(124)}example.org` }, 'none'],
  ['a single label', { org: [{ TXT: 'v=spf1 -all' }] }, { from: 'x@org' }, 'none'],
  ['a single label with a final dot', { org: [{ TXT: 'v=spf1 -all' }] }, { from: 'x@org.' }, 'none'],
  ['an address literal', everything, { from: 'x@[192.0.2.1]' }, 'none'],
  ['an IPv6 address literal as HELO', everything, { from: '', helo: '[IPv6:2001:db8::1]' }, 'none'],
  ['an empty HELO', everything, { from: '', helo: '' }, 'none'],
  ['a name of nothing but an @', everything, { from: '@' }, 'none'],
  ['control characters', everything, { from: 'x@exa\r\nmple.org' }, 'none'],
  ['a final dot is fine', everything, { from: 'x@example.org.' }, 'fail', { domain: 'example.org' }],
  ['an underscore is fine', { '_x.example.org': [{ TXT: 'v=spf1 -all' }] }, { from: 'x@_x.example.org' }, 'fail'],
  [
    'a U-label is asked for as an A-label',
    { 'xn--bcher-kva.example': [{ TXT: 'v=spf1 -all' }] },
    { from: 'x@bücher.example' },
    'fail',
    { domain: 'xn--bcher-kva.example' },
  ],
  ['a U-label with a character that would vanish is malformed', everything, { from: 'x@exam\u00ADple.org' }, 'none'],
  ['a full-width letter is malformed', everything, { from: 'x@example.\uFF4Frg' }, 'none'],
  ['a lone surrogate is malformed', everything, { from: 'x@example\uD800.org' }, 'none'],
]);

table('4.5: selecting the record', [
  ['the version is read in any case', record('V=SpF1 -all'), {}, 'fail'],
  ['the version alone is a record', record('v=spf1'), {}, 'neutral', { mechanism: 'default' }],
  ['v=spf10 is none', record('v=spf10 -all'), {}, 'none'],
  ['a tab does not end the version', record('v=spf1\t-all'), {}, 'none'],
  ['a space before the version makes it none', record(' v=spf1 -all'), {}, 'none'],
  [
    'strings are joined without a space',
    { 'example.org': [{ TXT: ['v=sp', 'f1 ip4:192.0.', '2.1 -all'] }] },
    {},
    'pass',
  ],
  ['strings that need a space to be a record are none', { 'example.org': [{ TXT: ['v=spf1', '-all'] }] }, {}, 'none'],
  ['several records', { 'example.org': [{ TXT: 'v=spf1 -all' }, { TXT: 'v=SPF1 -all' }] }, {}, 'permerror'],
  ['the same record twice', { 'example.org': [{ TXT: 'v=spf1 -all' }, { TXT: 'v=spf1 -all' }] }, {}, 'permerror'],
  [
    'other TXT records do not matter, whatever they hold',
    {
      'example.org': [
        { TXT: 'v=spf2.0/pra -all' },
        { TXT: '\u0000\u00ff v=spf1' },
        { TXT: 'v=spf1 -all' },
        { TXT: '' },
      ],
    },
    {},
    'fail',
  ],
  ['a failed look-up', { 'example.org': ['TIMEOUT'] }, {}, 'temperror'],
]);

table('4.6: the whole record is parsed first', [
  ['an error behind the term that would match', record('v=spf1 ip4:192.0.2.1 -all moo'), {}, 'permerror'],
  ['an error behind all', record('v=spf1 +all ip4:1.2.3'), {}, 'permerror'],
  ['exp twice', record('v=spf1 exp=a.example exp=a.example +all'), {}, 'permerror'],
  ['redirect twice', record('v=spf1 redirect=a.example +all REDIRECT=b.example'), {}, 'permerror'],
  ['an octet over 0x7E', record('v=spf1 \u00e4=x +all'), {}, 'permerror'],
  ['an octet over 0x7E in a value', record('v=spf1 x=\u00e4 +all'), {}, 'permerror'],
  ['an octet under 0x20', record('v=spf1 +all\n'), {}, 'permerror'],
  ['a tab between terms', record('v=spf1 ip4:192.0.2.1\t+all'), {}, 'permerror'],
  ['ip6 is checked for an IPv4 client as well', record('v=spf1 ip6:2001:db8::/129 +all'), {}, 'permerror'],
  ['unknown modifiers are ignored, however often', record('v=spf1 x=1 x=2 ra=3 x= +all'), {}, 'pass'],
  ['an unknown modifier may have the name of a mechanism', record('v=spf1 all=no a=b +all'), {}, 'pass'],
  ['the macro syntax of an unknown modifier is checked', record('v=spf1 x=%{q} +all'), {}, 'permerror'],
  ['an unknown modifier may use %{c}, %{r} and %{t}, being ignored', record('v=spf1 x=%{c}%{r}%{t} +all'), {}, 'pass'],
  ['a qualifier before a modifier', record('v=spf1 -x=y +all'), {}, 'permerror'],
  ['a modifier name must start with a letter', record('v=spf1 1x=y +all'), {}, 'permerror'],
  ['a modifier without a name', record('v=spf1 =y +all'), {}, 'permerror'],
  ['a qualifier alone', record('v=spf1 - +all'), {}, 'permerror'],
  ['two qualifiers', record('v=spf1 --all'), {}, 'permerror'],
  ['terms with commas between', record('v=spf1 ip4:192.0.2.1, +all'), {}, 'permerror'],
]);

table('4.6.1: names in any case', [
  ['mechanisms', record('v=spf1 IP4:192.0.2.1 -ALL'), {}, 'pass'],
  ['Redirect=', record('v=spf1 Redirect=b.example', { 'b.example': [{ TXT: 'v=spf1 -All' }] }), {}, 'fail'],
  [
    'Exp=',
    record('v=spf1 -all Exp=why.example', { 'why.example': [{ TXT: 'because' }] }),
    {},
    'fail',
    { explanation: 'because' },
  ],
  [
    'the transformer of %{DR}',
    record('v=spf1 exists:%{DR}.x.example -all', { 'org.example.x.example': [A] }),
    {},
    'pass',
  ],
]);

const eleven = Array.from({ length: 11 }, (_, i) => i);
const chain = (length: number, last: string): Record<string, unknown> =>
  Object.fromEntries(
    eleven
      .slice(0, length)
      .map((i) => [`c${i}.example`, [{ TXT: i === length - 1 ? last : `v=spf1 redirect=c${i + 1}.example` }]]),
  );
table('4.6.4: the limits', [
  [
    'ten terms that find something',
    { 'example.org': [{ TXT: `v=spf1 ${'a '.repeat(10)}+all` }, { A: '192.0.2.9' }] },
    {},
    'pass',
    { lookups: 10, voids: 0 },
  ],
  [
    'eleven terms',
    { 'example.org': [{ TXT: `v=spf1 ${'a '.repeat(11)}+all` }, { A: '192.0.2.9' }] },
    {},
    'permerror',
    { lookups: 10 },
  ],
  [
    'terms count across includes',
    {
      'example.org': [{ TXT: 'v=spf1 include:b.example a +all' }, { A: '192.0.2.9' }],
      'b.example': [{ TXT: `v=spf1 ${'a '.repeat(9)}` }, { A: '192.0.2.9' }],
    },
    {},
    'permerror',
  ],
  [
    'ten redirects',
    { ...chain(10, 'v=spf1 -all'), ...record('v=spf1 redirect=c0.example') },
    {},
    'fail',
    { lookups: 10 },
  ],
  ['eleven redirects', { ...chain(11, 'v=spf1 -all'), ...record('v=spf1 redirect=c0.example') }, {}, 'permerror'],
  [
    'a redirect that is not followed does not count',
    {
      'example.org': [{ TXT: `v=spf1 ${'a '.repeat(9)} a:b.example redirect=c.example` }, { A: '192.0.2.9' }],
      'b.example': [A],
    },
    {},
    'pass',
  ],
  [
    'exp and all do not count',
    {
      'example.org': [{ TXT: `v=spf1 ${'a '.repeat(10)} -all exp=why.example` }, { A: '192.0.2.9' }],
      'why.example': [{ TXT: 'no' }],
    },
    {},
    'fail',
    { lookups: 10, explanation: 'no' },
  ],
  ['an include of itself', record('v=spf1 include:example.org +all'), {}, 'permerror'],
  ['a redirect to itself', record('v=spf1 redirect=example.org'), {}, 'permerror'],
  ['two void look-ups', record('v=spf1 a:x.example exists:y.example +all'), {}, 'pass', { voids: 2 }],
  [
    'three void look-ups',
    record('v=spf1 a:x.example exists:y.example mx:z.example +all'),
    {},
    'permerror',
    { voids: 3 },
  ],
  ['a void look-up of a name that exists', record('v=spf1 mx mx mx +all'), {}, 'permerror'],
  [
    'void look-ups of MX hosts',
    {
      'example.org': [
        { TXT: 'v=spf1 mx +all' },
        { MX: [1, 'a.example'] },
        { MX: [2, 'b.example'] },
        { MX: [3, 'c.example'] },
      ],
    },
    {},
    'pass',
    { voids: 1 },
  ],
  [
    'void look-ups of MX hosts, and two void terms behind them',
    {
      'example.org': [
        { TXT: 'v=spf1 mx a:gone1.example a:gone2.example +all' },
        { MX: [1, 'a.example'] },
        { MX: [2, 'b.example'] },
      ],
    },
    {},
    'permerror',
    { voids: 3 },
  ],
  [
    'an mx that is void in part',
    {
      'example.org': [{ TXT: 'v=spf1 mx +all' }, { MX: [1, 'a.example'] }, { MX: [2, 'b.example'] }],
      'a.example': [{ A: '192.0.2.99' }],
    },
    {},
    'pass',
    { voids: 1 },
  ],
  [
    'void terms below an include',
    {
      'example.org': [{ TXT: 'v=spf1 include:b.example a:x.example +all' }],
      'b.example': [{ TXT: 'v=spf1 a:x.example mx:y.example -all' }],
    },
    {},
    'permerror',
    { voids: 3 },
  ],
  [
    'hosts without IPv6, for a client of IPv6',
    {
      'example.org': [
        { TXT: 'v=spf1 a mx include:p.example ~all' },
        { A: '192.0.2.9' },
        { MX: [1, 'a.example'] },
        { MX: [2, 'b.example'] },
      ],
      'a.example': [{ A: '192.0.2.1' }],
      'b.example': [{ A: '192.0.2.2' }],
      'p.example': [{ TXT: 'v=spf1 ip6:2001:db8:1::/48 -all' }],
    },
    { ip: '2001:db8:1::25' },
    'pass',
    { voids: 2 },
  ],
  [
    'three terms of hosts without IPv6, for a client of IPv6',
    {
      'example.org': [{ TXT: 'v=spf1 a:a.example a:b.example a:c.example ip6:2001:db8:1::/48 ~all' }],
      'a.example': [{ A: '192.0.2.1' }],
      'b.example': [{ A: '192.0.2.2' }],
      'c.example': [{ A: '192.0.2.3' }],
    },
    { ip: '2001:db8:1::25' },
    'permerror',
    { voids: 3 },
  ],
  [
    'ten MX',
    { 'example.org': [{ TXT: 'v=spf1 mx -all' }, A, ...eleven.slice(1).map((i) => ({ MX: [i, 'example.org'] }))] },
    {},
    'pass',
  ],
  [
    'eleven MX, although the first matches',
    { 'example.org': [{ TXT: 'v=spf1 mx -all' }, A, ...eleven.map((i) => ({ MX: [i, 'example.org'] }))] },
    {},
    'permerror',
  ],
  [
    'eleven PTR: the first ten are taken',
    {
      'example.org': [{ TXT: 'v=spf1 ptr -all' }, A],
      'h.example': [{ A: '192.0.2.99' }],
      '1.2.0.192.in-addr.arpa': [...eleven.slice(1).map(() => ({ PTR: 'h.example' })), { PTR: 'example.org' }],
    },
    {},
    'fail',
  ],
  [
    'a match among the first ten of eleven PTR',
    {
      'example.org': [{ TXT: 'v=spf1 ptr -all' }, A],
      '1.2.0.192.in-addr.arpa': [{ PTR: 'example.org' }, ...eleven.slice(1).map(() => ({ PTR: 'example.org' }))],
    },
    {},
    'pass',
  ],
]);

table('5: mapped addresses', [
  ['a dotted mapped client is IPv4', record('v=spf1 ip4:192.0.2.1 -all'), { ip: '::ffff:192.0.2.1' }, 'pass'],
  ['a hexadecimal mapped client is IPv4', record('v=spf1 ip4:192.0.2.1 -all'), { ip: '::FFFF:C000:0201' }, 'pass'],
  [
    'a mapped client never matches ip6',
    record('v=spf1 ip6:::ffff:0:0/96 ip6:::/0 ip6:::ffff:192.0.2.1 -all'),
    { ip: '::ffff:192.0.2.1' },
    'fail',
  ],
  ['an IPv4 client never matches ip6', record('v=spf1 ip6:::/0 -all'), {}, 'fail'],
  ['an IPv6 client never matches ip4', record('v=spf1 ip4:0.0.0.0/0 -all'), { ip: '2001:db8::1' }, 'fail'],
  [
    'a short prefix of a mapped network holds IPv6 addresses',
    record('v=spf1 ip6:::ffff:0:0/64 -all'),
    { ip: '::1' },
    'pass',
  ],
  [
    'ip6 compares all bits of its prefix',
    record('v=spf1 ip6:2001:db8:8000::/33 -all'),
    { ip: '2001:db8:7fff::' },
    'fail',
  ],
]);

table('5.1, 5.2, 6.1: include, redirect and all', [
  ['an include without a record', record('v=spf1 include:b.example +all'), {}, 'permerror'],
  [
    'an include with an error of its own',
    record('v=spf1 include:b.example +all', { 'b.example': [{ TXT: 'v=spf1 moo' }] }),
    {},
    'permerror',
  ],
  [
    'an include that fails to be looked up',
    record('v=spf1 include:b.example +all', { 'b.example': ['TIMEOUT'] }),
    {},
    'temperror',
  ],
  [
    'a failing include does not match',
    record('v=spf1 -include:b.example +all', { 'b.example': [{ TXT: 'v=spf1 -all' }] }),
    {},
    'pass',
  ],
  [
    'the qualifier of an include counts, not the one inside',
    record('v=spf1 ~include:b.example -all', { 'b.example': [{ TXT: 'v=spf1 +all' }] }),
    {},
    'softfail',
    { mechanism: '~include:b.example', mechanismDomain: 'example.org' },
  ],
  ['an include of a malformed name', record('v=spf1 include:a..example +all'), {}, 'permerror'],
  ['a redirect without a record', record('v=spf1 redirect=b.example'), {}, 'permerror'],
  ['a redirect to a single label', record('v=spf1 redirect=%{h}'), { helo: 'localhost' }, 'permerror'],
  [
    'a redirect is ignored if all appears anywhere',
    record('v=spf1 redirect=b.example ?all', { 'b.example': [{ TXT: 'v=spf1 -all' }] }),
    {},
    'neutral',
  ],
  [
    'a redirect inside an include',
    record('v=spf1 include:b.example -all', {
      'b.example': [{ TXT: 'v=spf1 redirect=c.example' }],
      'c.example': [{ TXT: 'v=spf1 +all' }],
    }),
    {},
    'pass',
  ],
  [
    'the mechanism behind a redirect is told with its domain',
    record('v=spf1 redirect=b.example', { 'b.example': [{ TXT: 'v=spf1 -all' }] }),
    {},
    'fail',
    { mechanism: '-all', mechanismDomain: 'b.example' },
  ],
]);

table('5.3, 5.4: a and mx', [
  ['macros expand in a:', record('v=spf1 a:%{l}.%{d} -all', { 'user.example.org': [A] }), {}, 'pass'],
  [
    'macros expand in mx:',
    record('v=spf1 mx:%{l}.%{d} -all', { 'user.example.org': [{ MX: [0, 'h.example'] }], 'h.example': [A] }),
    {},
    'pass',
  ],
  ['there is no implicit MX', { 'example.org': [{ TXT: 'v=spf1 mx -all' }, A] }, {}, 'fail'],
  ['/0 still needs a record', record('v=spf1 a:b.example/0 -all'), {}, 'fail'],
  ['/0 matches any record', record('v=spf1 a:b.example/0 -all', { 'b.example': [{ A: '1.1.1.1' }] }), {}, 'pass'],
  ['a leading zero in a prefix length', record('v=spf1 a/024 -all'), {}, 'permerror'],
  ['a leading zero in an IPv6 prefix length', record('v=spf1 a//064 -all'), {}, 'permerror'],
  ['/00', record('v=spf1 ip4:192.0.2.1/00 -all'), {}, 'permerror'],
  ['/33', record('v=spf1 mx/33 -all'), {}, 'permerror'],
  ['two IPv4 prefix lengths', record('v=spf1 a/24/24 -all'), {}, 'permerror'],
  [
    'a slash in a domain-spec is part of the name',
    record('v=spf1 a:x/24.example -all', { 'x/24.example': [A] }),
    {},
    'pass',
  ],
  [
    'a slash in a macro is a delimiter',
    record('v=spf1 exists:%{l/}.example -all', { 'a.b.example': [A] }),
    { from: 'a/b@example.org' },
    'pass',
  ],
  ['a null MX has no host', { 'example.org': [{ TXT: 'v=spf1 mx -all' }, { MX: [0, ''] }] }, {}, 'fail', { voids: 0 }],
  [
    'MX hosts are asked in order of preference',
    {
      'example.org': [{ TXT: 'v=spf1 mx -all' }, { MX: [20, 'slow.example'] }, { MX: [10, 'h.example'] }],
      'h.example': [A],
      'slow.example': ['TIMEOUT'],
    },
    {},
    'pass',
  ],
  [
    'a failed look-up of an MX host',
    { 'example.org': [{ TXT: 'v=spf1 mx +all' }, { MX: [20, 'slow.example'] }], 'slow.example': ['TIMEOUT'] },
    {},
    'temperror',
  ],
  ['an address without a macro or a top-level name', record('v=spf1 a:192.0.2.1 -all'), {}, 'permerror'],
  ['a domain-spec that is a top-level name only', record('v=spf1 a:org -all'), {}, 'permerror'],
  [
    'a target with an empty label is not asked for',
    record('v=spf1 a:a..example -all'),
    {},
    'fail',
    { voids: 0, lookups: 1 },
  ],
  [
    'an IPv6 client asks AAAA',
    { 'example.org': [{ TXT: 'v=spf1 a/8//32 -all' }, { AAAA: '2001:db8::9' }] },
    { ip: '2001:db8::1' },
    'pass',
  ],
]);

const ptrZone = (names: readonly string[], others: Record<string, unknown>): unknown =>
  record('v=spf1 ptr:b.example -all', { '1.2.0.192.in-addr.arpa': names.map((PTR) => ({ PTR })), ...others });
table('5.5: ptr', [
  ['a name below the target', ptrZone(['x.b.example'], { 'x.b.example': [A] }), {}, 'pass'],
  ['the target itself in another case', ptrZone(['B.EXAMPLE'], { 'b.example': [A] }), {}, 'pass'],
  ['names are compared on label borders', ptrZone(['xb.example'], { 'xb.example': [A] }), {}, 'fail'],
  ['a name that does not lead back', ptrZone(['x.b.example'], { 'x.b.example': [{ A: '192.0.2.99' }] }), {}, 'fail'],
  [
    'a failed look-up of one name is skipped',
    ptrZone(['slow.b.example', 'x.b.example'], { 'slow.b.example': ['TIMEOUT'], 'x.b.example': [A] }),
    {},
    'pass',
  ],
  [
    'a failed PTR look-up means no match',
    record('v=spf1 ptr -all', { '1.2.0.192.in-addr.arpa': ['TIMEOUT'] }),
    {},
    'fail',
  ],
  ['ptr takes no prefix length', record('v=spf1 ptr/24 -all'), {}, 'permerror'],
]);

table('5.6: ip4 and ip6', [
  ['octets have no leading zeros', record('v=spf1 ip4:192.0.02.1 -all'), {}, 'permerror'],
  ['ip4 with an IPv6 address', record('v=spf1 ip4:::ffff:192.0.2.1 -all'), {}, 'permerror'],
  ['ip6 with an IPv4 address', record('v=spf1 ip6:192.0.2.1 -all'), {}, 'permerror'],
  ['ip4 with a dual prefix length', record('v=spf1 ip4:192.0.2.1//64 -all'), {}, 'permerror'],
  ['ip6 with a dual prefix length', record('v=spf1 ip6:2001:db8::/24//64 -all'), {}, 'permerror'],
  ['ip4 with an empty prefix length', record('v=spf1 ip4:192.0.2.1/ -all'), {}, 'permerror'],
  ['host bits in a network do not matter', record('v=spf1 ip4:192.0.2.77/24 -all'), {}, 'pass'],
]);

table('5.7: exists', [
  ['it needs a domain-spec', record('v=spf1 exists -all'), {}, 'permerror'],
  [
    'it asks A for an IPv6 client',
    record('v=spf1 exists:b.example -all', { 'b.example': [A] }),
    { ip: '2001:db8::1' },
    'pass',
  ],
  [
    'it does not ask AAAA',
    record('v=spf1 exists:b.example -all', { 'b.example': [{ AAAA: '2001:db8::1' }] }),
    { ip: '2001:db8::1' },
    'fail',
  ],
]);

table('6.2: the explanation', [
  [
    'several TXT',
    record('v=spf1 -all exp=w.example', { 'w.example': [{ TXT: 'a' }, { TXT: 'b' }] }),
    {},
    'fail',
    { explanation: undefined },
  ],
  [
    'its strings are joined without a space',
    record('v=spf1 -all exp=w.example', { 'w.example': [{ TXT: ['a b', 'c'] }] }),
    {},
    'fail',
    { explanation: 'a bc' },
  ],
  ['non-ASCII text', explains('nicht erw\u00fcnscht'), {}, 'fail', { explanation: undefined }],
  ['a control character', explains('a\u001b[31mred'), {}, 'fail', { explanation: undefined }],
  ['a syntax error', explains('%{q}'), {}, 'fail', { explanation: undefined }],
  [
    'a failed look-up',
    record('v=spf1 -all exp=w.example', { 'w.example': ['TIMEOUT'] }),
    {},
    'fail',
    { explanation: undefined },
  ],
  ['no record', record('v=spf1 -all exp=w.example'), {}, 'fail', { explanation: undefined, voids: 0 }],
  ['a malformed name', record('v=spf1 -all exp=a..example'), {}, 'fail', { explanation: undefined }],
  [
    'no fail',
    record('v=spf1 ~all exp=w.example', { 'w.example': [{ TXT: 'a' }] }),
    {},
    'softfail',
    { explanation: undefined },
  ],
  [
    "the redirect target's, not the redirecting record's",
    record('v=spf1 redirect=b.example exp=w.example', {
      'b.example': [{ TXT: 'v=spf1 -all exp=v.example' }],
      'v.example': [{ TXT: 'target' }],
      'w.example': [{ TXT: 'source' }],
    }),
    {},
    'fail',
    { explanation: 'target' },
  ],
  [
    'none when the redirect target has none',
    record('v=spf1 redirect=b.example exp=w.example', {
      'b.example': [{ TXT: 'v=spf1 -all' }],
      'w.example': [{ TXT: 'source' }],
    }),
    {},
    'fail',
    { explanation: undefined },
  ],
  [
    "never an included record's",
    record('v=spf1 -include:b.example ?all', {
      'b.example': [{ TXT: 'v=spf1 +all exp=w.example' }],
      'w.example': [{ TXT: 'inside' }],
    }),
    {},
    'fail',
    { explanation: undefined },
  ],
  [
    'what macros bring is made printable',
    explains('from %{l}'),
    { from: 'a\r\n250 ok\u001b@example.org' },
    'fail',
    { explanation: 'from a??250 ok?' },
  ],
  ['an empty text is none', explains(''), {}, 'fail', { explanation: undefined }],
]);

table('7.1, 7.2: macro syntax', [
  ['%{d0}', record('v=spf1 exists:%{d0}.x.example +all'), {}, 'permerror'],
  ['%{d00r}', record('v=spf1 exists:%{d00r}.x.example +all'), {}, 'permerror'],
  ['r before digits', record('v=spf1 exists:%{dr2}.x.example +all'), {}, 'permerror'],
  ['r twice', record('v=spf1 exists:%{drr}.x.example +all'), {}, 'permerror'],
  ['a delimiter that is none', record('v=spf1 exists:%{d:}.x.example +all'), {}, 'permerror'],
  ['an unknown letter', record('v=spf1 exists:%{x}.x.example +all'), {}, 'permerror'],
  ['an open macro', record('v=spf1 exists:%{d.x.example +all'), {}, 'permerror'],
  ['%{c} in a mechanism', record('v=spf1 exists:%{c}.x.example +all'), {}, 'permerror'],
  ['%{r} in exp=', record('v=spf1 +all exp=%{r}.x.example'), {}, 'permerror'],
  [
    'a huge number keeps all',
    record('v=spf1 exists:%{d99999999999999999999}.x.example -all', { 'example.org.x.example': [A] }),
    {},
    'pass',
  ],
  ['a domain-spec may end in %%', record('v=spf1 exists:x.%% -all', { 'x.%': [A] }), {}, 'pass'],
]);

const localPart = (macro: string, from: string, name: string): Row => [
  `${macro} of ${from}`,
  record(`v=spf1 exists:%{${macro}}.x.example -all`, { [`${name}.x.example`]: [A] }),
  { from: `${from}@example.org` },
  'pass',
];
table('7.1, 7.3: delimiters are literal, several at once', [
  localPart('l-', 'a-b.c', 'a.b.c'),
  localPart('lr-', 'a-b.c', 'b.c.a'),
  localPart('l1r-+', 'a-b+c', 'a'),
  localPart('l2+-_=', 'a-b+c_d=e', 'd.e'),
  localPart('l,/', 'a,b/c', 'a.b.c'),
  localPart('l-+', 'a+b-c', 'a.b.c'),
  localPart('l.-+,/_=', 'a.b-c+d,e/f_g=h', 'a.b.c.d.e.f.g.h'),
  localPart('l', 'x$&y', 'x$&y'),
  localPart('lr', '$1.$`', '$`.$1'),
  localPart('l', '%{d}', '%{d}'),
]);

const says = (text: string, mail: Mail, explanation: string | undefined): Row => [
  `${text} → ${explanation}`,
  explains(text),
  mail,
  'fail',
  { explanation },
];
table('7.3: expansion', [
  says('%{d2r}', {}, 'org.example'),
  says('%{d1r}', {}, 'example'),
  says('%{d1}', {}, 'org'),
  says('%{i} %{ir} %{v} %{c}', {}, '192.0.2.1 1.2.0.192 in-addr 192.0.2.1'),
  says('%{i}', { ip: '2001:db8::cb01' }, '2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1'),
  says('%{v} %{c}', { ip: '2001:DB8:0::CB01' }, 'ip6 2001:db8::cb01'),
  says('%{c}', { ip: '::ffff:192.0.2.1' }, '192.0.2.1'),
  says('%{S}', { from: 'a b&c@example.org' }, 'a%20b%26c%40example.org'),
  says('%{L}', { from: '~-._!@example.org' }, '~-._%21'),
  says('%{h} %{H}', { helo: 'a b' }, 'a b a%20b'),
  says('%%%_%-', {}, '% %20'),
  says('%{p}', {}, 'unknown'),
  says('%{r}', {}, 'unknown'),
]);

const longLabel = (letter: string): string => letter.repeat(60);
table('7.3: names and limits of an expansion', [
  [
    '%{d} changes on include, %{o} does not',
    record('v=spf1 include:b.example -all', {
      'b.example': [{ TXT: 'v=spf1 exists:%{d}.%{o}.x.example -all' }],
      'b.example.example.org.x.example': [A],
    }),
    {},
    'pass',
  ],
  [
    '%{d} changes on redirect, %{o} does not',
    record('v=spf1 redirect=b.example', {
      'b.example': [{ TXT: 'v=spf1 exists:%{d}.%{o}.x.example -all' }],
      'b.example.example.org.x.example': [A],
    }),
    {},
    'pass',
  ],
  [
    'over 253 octets labels are dropped from the left',
    record(`v=spf1 exists:%{l}.${['b', 'c', 'd', 'e'].map(longLabel).join('.')}.example -all`, {
      [`${['b', 'c', 'd', 'e'].map(longLabel).join('.')}.example`]: [A],
    }),
    { from: 'too.long@example.org' },
    'pass',
  ],
  [
    '%{p} is the domain itself where validated',
    record('v=spf1 exists:%{p}.x.example -all', {
      'example.org': [{ TXT: 'v=spf1 exists:%{p}.x.example -all' }, A],
      'a.example': [A],
      '1.2.0.192.in-addr.arpa': [{ PTR: 'a.example' }, { PTR: 'sub.example.org' }, { PTR: 'example.org' }],
      'sub.example.org': [A],
      'example.org.x.example': [A],
    }),
    {},
    'pass',
  ],
  [
    '%{p} prefers a name below the domain to another',
    record('v=spf1 exists:%{p}.x.example -all', {
      'a.example': [A],
      'sub.example.org': [A],
      '1.2.0.192.in-addr.arpa': [{ PTR: 'a.example' }, { PTR: 'sub.example.org' }],
      'sub.example.org.x.example': [A],
    }),
    {},
    'pass',
  ],
  [
    '%{p} that does not lead back is unknown',
    record('v=spf1 exists:%{p}.x.example -all', {
      '1.2.0.192.in-addr.arpa': [{ PTR: 'a.example' }],
      'a.example': [{ A: '1.1.1.1' }],
      'unknown.x.example': [A],
    }),
    {},
    'pass',
  ],
]);

table('RFC 8616 §4: a local-part that is not ASCII', [
  [
    'a term with %{l} matches nothing',
    record('v=spf1 exists:%{l}.x.example -all', { 'j\u00f6.x.example': [A] }),
    { from: 'j\u00f6@example.org' },
    'fail',
    { voids: 0 },
  ],
  ['a term without it does as usual', record('v=spf1 ip4:192.0.2.1 -all'), { from: 'j\u00f6@example.org' }, 'pass'],
]);
