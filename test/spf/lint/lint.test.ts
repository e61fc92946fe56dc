/** What lint finds: each table has a record, and the findings that matter in it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Resolver } from '../../../src/dns/resolver.js';
import { zoneResolver } from '../../../src/dns/zone.js';
import { judge } from '../support/judge.js';
import { lint, type LintBranch, type LintReport } from '../../../src/spf/lint/lint.js';
import { cpuMs } from '../../support/cpu.js';

const own = (text: string): Promise<LintReport> =>
  lint({ domain: undefined, strings: [text] }, { resolver: undefined });

const published = (zone: unknown, domain = 'example.org'): Promise<LintReport> =>
  lint({ domain }, { resolver: zoneResolver(zone) });

const told = ({ findings }: LintReport): string[] => findings.map(({ severity, problem }) => `${severity}: ${problem}`);

function assertTold(report: LintReport, expected: readonly RegExp[]): void {
  const all = told(report);
  assert.equal(all.length, expected.length, all.join('\n'));
  for (const pattern of expected)
    assert.ok(
      all.some((line) => pattern.test(line)),
      `${pattern} in\n${all.join('\n')}`,
    );
}

describe('a record alone', () => {
  const table: readonly [what: string, record: string, expected: readonly RegExp[]][] = [
    ['a plain one is good', 'v=spf1 a mx ip4:192.0.2.0/24 include:example.net -all', []],
    ['so is one that allows nothing', 'v=spf1 -all', []],
    ['so is a redirect', 'v=spf1 redirect=_spf.example.net', []],
    ['upper case and spaces are fine', 'V=SPF1  A   MX:Example.ORG ~ALL  ', []],
    ['another version', 'v=spf2 -all', [/error: a record begins with "v=spf1"/]],
    ['a letter too much', 'v=spf10 -all', [/error: a record begins with/]],
    ['nothing', '', [/error: a record begins with/]],
    ['an unknown mechanism', 'v=spf1 foo -all', [/error: no such mechanism/]],
    [
      'every syntax error is told',
      'v=spf1 ip4:1.2.3 a:%{x}.org mx/33 -all',
      [/error: ip4 needs/, /error: not a macro/, /error: .*0 to 32/],
    ],
    ['a modifier twice', 'v=spf1 redirect=a.example redirect=b.example', [/error: redirect= appears more than once/]],
    ['+all', 'v=spf1 +all', [/error: \+all lets every host/]],
    ['all without a qualifier is +all', 'v=spf1 mx all', [/error: all lets every host/]],
    ['?all', 'v=spf1 mx ?all', [/warning: \?all says nothing/]],
    ['no end', 'v=spf1 mx', [/warning: nothing is said of all other hosts/]],
    ['the whole of IPv4', 'v=spf1 ip4:0.0.0.0/0 -all', [/error: ip4:0\.0\.0\.0\/0 lets every IPv4 host/]],
    ['the whole of IPv6', 'v=spf1 ip6:::/0 -all', [/error: ip6:::\/0 lets every IPv6 host/]],
    ['a whole address family by a', 'v=spf1 a/24//0 -all', [/error: a\/24\/\/0 lets every IPv6 host/]],
    [
      'a wide network around hosts',
      'v=spf1 mx/15 a/16//31 -all',
      [/warning: mx\/15 is a very wide/, /warning: a\/16\/\/31 is a very wide/],
    ],
    ['what is not allowed may be wide', 'v=spf1 -ip4:0.0.0.0/0 ?a/0 -all', []],
    ['ptr', 'v=spf1 ptr -all', [/warning: ptr is slow/]],
    ['%{p}', 'v=spf1 exists:%{p}.example.org -all', [/warning: .*%\{p\} is not to be used/]],
    [
      'terms after all',
      'v=spf1 a -all mx ip4:192.0.2.1',
      [/warning: mx stands after all/, /warning: ip4:192\.0\.2\.1 stands after all/],
    ],
    ['redirect beside all', 'v=spf1 redirect=a.example -all', [/warning: redirect=a\.example is ignored/]],
    ['ipv4', 'v=spf1 ipv4:192.0.2.1 -all', [/error: no such mechanism; did you mean ip4:192\.0\.2\.1\?$/]],
    ['ip', 'v=spf1 ip:2001:db8::/32 -all', [/did you mean ip6:2001:db8::\/32\?$/]],
    ['ip4 of an IPv6 address', 'v=spf1 ip4:2001:db8::1 -all', [/did you mean ip6:2001:db8::1\?$/]],
    ['ip6 of an IPv4 address', 'v=spf1 ~ip6:192.0.2.0/24 -all', [/did you mean ~ip4:192\.0\.2\.0\/24\?$/]],
    ['includes', 'v=spf1 includes:a.example -all', [/did you mean include:a\.example\?$/]],
    ['nclude', 'v=spf1 nclude:a.example -all', [/did you mean include:a\.example\?$/]],
    ['inlcude', 'v=spf1 inlcude:a.example -all', [/did you mean include:a\.example\?$/]],
    ['a colon behind mx', 'v=spf1 mx: -all', [/did you mean mx\?$/]],
    ['a space behind the qualifier', 'v=spf1 a - all', [/no such mechanism; did you mean -all\?$/]],
    [
      'ipv4 with an equals sign',
      'v=spf1 ipv4=192.0.2.1 -all',
      [/error: ipv4=\S+ is ignored, .*: write ip4:192\.0\.2\.1$/],
    ],
    ['includes with an equals sign', 'v=spf1 includes=a.example -all', [/: write include:a\.example$/]],
    ['redirect with a colon', 'v=spf1 redirect:a.example', [/did you mean redirect=a\.example\?$/]],
    ['al, and nothing is said of the end', 'v=spf1 a ~al', [/did you mean ~all\?$/]],
    ['all with a comma', 'v=spf1 a -all,', [/did you mean -all\?$/]],
    ['a bare address', 'v=spf1 192.0.2.1 -all', [/did you mean ip4:192\.0\.2\.1\?$/]],
    ['a bare network', 'v=spf1 2001:db8::/32 -all', [/did you mean ip6:2001:db8::\/32\?$/]],
    ['a bare name', 'v=spf1 mail.a.example -all', [/did you mean a:mail\.a\.example\?$/]],
    ['a bare name of a record', 'v=spf1 _spf.a.example -all', [/did you mean include:_spf\.a\.example\?$/]],
    ['a typographic dash', 'v=spf1 a \u2013all', [/may not stand in a record; did you mean -all\?$/]],
    ['a typographic dash as DNS gives it', 'v=spf1 a \u00e2\u0080\u0094all', [/did you mean -all\?$/]],
    [
      'a space behind the colon',
      'v=spf1 include: a.example -all',
      [/a domain is missing; did you mean include:a\.example\?$/],
    ],
    ['a URL', 'v=spf1 a:https://www.a.example -all', [/names no domain: did you mean a:www\.a\.example\?$/]],
    ['a URL with a path', 'v=spf1 a:https://www.a.example/x/ -all', [/did you mean a:www\.a\.example\?$/]],
    [
      'an address of mail',
      'v=spf1 include:user@a.example -all',
      [/names no domain: did you mean include:a\.example\?$/],
    ],
    ['what nobody can tell', 'v=spf1 foo:bar -all', [/error: no such mechanism$/]],
    [
      'a private network',
      'v=spf1 ip4:10.1.0.0/16 ip4:192.168.0.1 -all',
      [/ip4:10\.1\S+ is a private/, /ip4:192\S+ is a private/],
    ],
    ['a link-local network', 'v=spf1 ip6:fe80::/64 ip4:169.254.1.1 ip6:fd00::1 -all', [/fe80/, /169/, /fd00/]],
    ['modifiers of RFC 6652', 'v=spf1 -all ra=postmaster rp=10 rr=e:f', []],
    [
      'modifiers of RFC 6652 with wrong values',
      'v=spf1 -all ra=a@b.example rp=101 rr=x',
      [/ra is the local-part/, /rp is a percentage/, /rr is a list/],
    ],
    ['an unknown modifier', 'v=spf1 foo=bar -all', [/warning: foo=bar is an unknown modifier/]],
    [
      'a mechanism written as a modifier',
      'v=spf1 include=a.example -all',
      [/error: include=a\.example is ignored.*write include:a\.example/],
    ],
    [
      'host bits beyond the prefix',
      'v=spf1 ip4:192.0.2.1/24 ip6:2001:db8::1/32 -all',
      [/warning: ip4:192\.0\.2\.1\/24 has bits/, /warning: ip6:2001:db8::1\/32 has bits/],
    ],
    ['a term twice', 'v=spf1 a:B.example A:b.example -all', [/warning: A:b\.example stands there twice/]],
    [
      'a term twice with different lengths',
      'v=spf1 mx mx/24 -all',
      [/warning: mx and mx\/24 are about the same hosts/],
    ],
    ['a network twice', 'v=spf1 ip4:192.0.2.1 ip4:192.0.2.1/32 -all', [/warning: .*the same hosts/]],
    [
      'a network in one before it',
      'v=spf1 ip4:192.0.2.0/24 -ip4:192.0.2.1 -all',
      [/warning: -ip4:192\.0\.2\.1 lies within ip4:192\.0\.2\.0\/24/],
    ],
    [
      'a network in one behind it',
      'v=spf1 ip6:2001:db8:1::/48 ip6:2001:db8::/32 -all',
      [/warning: ip6:2001:db8:1::\/48 lies within/],
    ],
    ['an exception before a network is right', 'v=spf1 -ip4:192.0.2.1 ip4:192.0.2.0/24 -all', []],
    ['networks side by side are right', 'v=spf1 ip4:192.0.2.0/25 ip4:192.0.2.128/25 ip6:2001:db8::/64 -all', []],
    [
      'more than one string can hold',
      `v=spf1 ${'ip4:192.0.2.1 '.repeat(18)}-all`.replace(/ip4:192\.0\.2\.1/g, '').padEnd(256),
      [/warning: a string of 256 octets.*2 strings/],
    ],
  ];
  for (const [what, record, expected] of table) {
    it(`${what}: ${record.slice(0, 60)}`, async () => assertTold(await own(record), expected));
  }

  it('the place of a syntax error is that of the character', async () => {
    const text = 'v=spf1 include:a.example ip4:192.0.2.0/33 -all';
    const [finding] = (await own(text)).findings;
    assert.equal(finding?.at, text.indexOf('/33'));
    assert.equal(finding?.term, 'ip4:192.0.2.0/33');
  });

  it('in strings is judged as their whole', async () => {
    const report = await lint(
      { domain: undefined, strings: ['v=spf1 ip4:192', '.0.2.1 -all'] },
      { resolver: undefined },
    );
    assertTold(report, []);
    assert.equal(report.tree.record, 'v=spf1 ip4:192.0.2.1 -all');
  });
});

/** Zone data with one record for example.org. */
const zone = (text: string, others: Record<string, unknown> = {}): Record<string, unknown> => ({
  'example.org': { TXT: [[text]] },
  ...others,
});
const host = { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] };
const spf = (text: string): unknown => ({ TXT: [[text]] });

describe('what a domain publishes', () => {
  const includes = (count: number): string =>
    Array.from({ length: count }, (_, i) => `include:i${i}.example`).join(' ');
  const included = (count: number): Record<string, unknown> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`i${i}.example`, spf(`v=spf1 ip4:192.0.2.${i} -all`)]));

  const table: readonly [what: string, zone: unknown, expected: readonly RegExp[]][] = [
    ['is good', zone('v=spf1 a:h.example -all', { 'h.example': host }), []],
    ['is nothing', { 'example.org': host }, [/error: there is no SPF record$/]],
    ['does not exist', {}, [/error: there is no SPF record$/]],
    ['cannot be asked for', { 'example.org': { timeout: true } }, [/error: the TXT look-up failed \(timed out\)/]],
    [
      'are several records',
      { 'example.org': { TXT: [['v=spf1 -all'], ['v=spf1 a -all'], ['other']] } },
      [/error: there are 2 SPF records.*keep one/],
    ],
    [
      'is nearly a record',
      { 'example.org': { TXT: [['v=spf1 -all'], ['"v=spf1 a -all"']] } },
      [/warning: the TXT record ""v=spf1 a -all"" does not begin/],
    ],
    [
      'other texts are no business of ours',
      { 'example.org': { TXT: [['v=spf1 -all'], ['spf2.0/pra -all'], ['v=DKIM1; p=']] } },
      [],
    ],
    [
      'answers of over 450 octets',
      { 'example.org': { TXT: [['v=spf1 -all'], ['x'.repeat(250)], ['y'.repeat(250)]] } },
      [/warning: all TXT records of the name take 522 octets/],
    ],
    ['eight look-ups', zone(`v=spf1 ${includes(8)} -all`, included(8)), [/warning: 8 terms ask DNS of 10/]],
    ['ten look-ups', zone(`v=spf1 ${includes(10)} -all`, included(10)), [/warning: 10 terms ask DNS/]],
    [
      'eleven look-ups',
      zone(`v=spf1 ${includes(11)} -all`, included(11)),
      [/error: 11 terms ask DNS, and more than 10 are permerror/],
    ],
    [
      'an include of nothing',
      zone('v=spf1 include:b.example -all'),
      [/error: there is no SPF record, so include:b\.example is permerror/],
    ],
    [
      'a redirect to nothing',
      zone('v=spf1 redirect=b.example'),
      [/error: there is no SPF record, so redirect=b\.example is permerror/],
    ],
    [
      'an include of several',
      zone('v=spf1 include:b.example -all', { 'b.example': { TXT: [['v=spf1 -all'], ['v=spf1 a']] } }),
      [/error: there are 2 SPF records, so include:b\.example is permerror/],
    ],
    [
      'an include of a broken one',
      zone('v=spf1 include:b.example -all', { 'b.example': spf('v=spf1 foo') }),
      [/error: no such mechanism/],
    ],
    [
      'what is unwise in an include is not told',
      zone('v=spf1 include:b.example -all', { 'b.example': spf('v=spf1 ptr ip4:10.0.0.0/7 a -all mx') }),
      [],
    ],
    [
      'but +all in it is',
      zone('v=spf1 include:b.example -all', { 'b.example': spf('v=spf1 +all') }),
      [/error: \+all lets every host/],
    ],
    [
      'what is unwise behind a redirect is told',
      zone('v=spf1 redirect=b.example', { 'b.example': spf('v=spf1 ptr') }),
      [/warning: ptr/, /warning: nothing is said/],
    ],
    [
      'a loop',
      zone('v=spf1 include:b.example -all', { 'b.example': spf('v=spf1 include:Example.org -all') }),
      [/error: include:Example\.org leads back/],
    ],
    ['itself', zone('v=spf1 redirect=example.org'), [/error: redirect=example\.org leads back/]],
    [
      'an include by two ways',
      zone('v=spf1 include:b.example include:c.example -all', {
        'b.example': spf('v=spf1 include:c.example -all'),
        'c.example': spf('v=spf1 -all'),
      }),
      [/warning: include:c\.example: c\.example is followed already by include:c\.example in the record of b\.example/],
    ],
    [
      'an include twice is told once',
      zone('v=spf1 include:b.example include:b.example -all', {
        'b.example': spf('v=spf1 include:c.example -all'),
        'c.example': spf('v=spf1 -all'),
      }),
      [/warning: include:b\.example stands there twice/],
    ],
    [
      'a host that does not exist',
      zone('v=spf1 a:b.example -all'),
      [/warning: a:b\.example finds nothing: b\.example has no address/],
    ],
    [
      'no MX',
      zone('v=spf1 mx:b.example -all', { 'b.example': host }),
      [/warning: mx:b\.example finds nothing: b\.example has no MX/],
    ],
    ['the null MX', zone('v=spf1 mx:b.example -all', { 'b.example': { MX: [[0, '']] } }), [/warning: .*null MX/]],
    [
      'an MX host without address',
      zone('v=spf1 mx:b.example -all', { 'b.example': { MX: [[1, 'c.example']] } }),
      [/warning: mx:b\.example finds nothing: c\.example has no address/],
    ],
    [
      'eleven MX hosts',
      zone('v=spf1 mx:b.example -all', {
        'b.example': { MX: Array.from({ length: 11 }, (_, i) => [i, `h${i}.example`]) },
      }),
      [/error: mx:b\.example: b\.example has 11 MX records/],
    ],
    [
      'a failed look-up',
      zone('v=spf1 a:b.example -all', { 'b.example': { timeout: true } }),
      [/error: a:b\.example: the address look-up of b\.example failed \(timed out\)/],
    ],
    [
      'three void look-ups',
      zone('v=spf1 exists:a.example exists:b.example exists:c.example -all'),
      [
        /error: 3 terms find nothing for an IPv4 client/,
        /warning: 3 terms find nothing for an IPv6 client/,
        /finds nothing: a/,
        /finds nothing: b/,
        /finds nothing: c/,
      ],
    ],
    [
      'hosts without IPv6',
      zone('v=spf1 a:a.example a:b.example a:c.example -all', {
        'a.example': { A: ['192.0.2.1'] },
        'b.example': { A: ['192.0.2.2'] },
        'c.example': { A: ['192.0.2.3'] },
      }),
      [/warning: 3 terms find nothing for an IPv6 client/],
    ],
    [
      'an mx of hosts without IPv6: one term',
      zone('v=spf1 mx:m.example -all', {
        'm.example': { MX: [10, 20, 30, 40].map((preference) => [preference, `h${preference}.example`]) },
        ...Object.fromEntries([10, 20, 30, 40].map((i) => [`h${i}.example`, { A: [`192.0.2.${i}`] }])),
      }),
      [],
    ],
    [
      'a URL, for which DNS is not asked',
      zone('v=spf1 include:https://a.example exp=https://b.example -all'),
      [/include:https\S+ names no domain/, /exp=https\S+ names no domain/],
    ],
    [
      'a loop, and nothing of the limits that it breaks',
      zone(`v=spf1 ${'include:example.org '.repeat(11)}-all`),
      [/leads back to example\.org/, /stands there twice/],
    ],
    [
      'exists without a macro',
      zone('v=spf1 exists:b.example -all', { 'b.example': host }),
      [/warning: exists:b\.example holds no macro/],
    ],
    [
      'an explanation that is not there',
      zone('v=spf1 -all exp=why.example'),
      [/warning: exp=why\.example gives no explanation: nothing is found/],
    ],
    [
      'an explanation that cannot be used',
      zone('v=spf1 -all exp=why.example', { 'why.example': { TXT: [['a'], ['b']] } }),
      [/warning: exp=why\.example gives no explanation: it is not one/],
    ],
    ['an explanation that can', zone('v=spf1 -all exp=why.example', { 'why.example': { TXT: [['no %{i}']] } }), []],
    [
      'a name that DNS cannot carry',
      zone(`v=spf1 a:${'x'.repeat(64)}.example -all`),
      [/error: a:x+\.example names what DNS cannot be asked for, and never matches/],
    ],
    ['a macro depends on the mail', zone('v=spf1 include:%{l}.example exists:%{i}.example -all'), []],
  ];
  for (const [what, data, expected] of table) {
    it(what, async () => assertTold(await published(data), expected));
  }

  it('is not asked for when a record is given, but what that includes is', async () => {
    const data = zone('v=spf1 +all', { 'b.example': spf('v=spf1 a:h.example -all'), 'h.example': host });
    const report = await lint(
      { domain: 'example.org', strings: ['v=spf1 include:b.example -all'] },
      { resolver: zoneResolver(data) },
    );
    assertTold(report, []);
    assert.equal(report.tree.lookups, 2);
  });
});

describe('look-ups', () => {
  const numbers = ({ term, lookups, branches }: LintBranch): unknown => [term, lookups, ...branches.map(numbers)];

  it('are counted branch by branch, up to the first all', async () => {
    const data = zone('v=spf1 include:b.example mx ptr ip4:192.0.2.1 redirect=c.example', {
      'b.example': spf('v=spf1 a:h.example exists:%{i}.b.example -all a'),
      'c.example': spf('v=spf1 a:h.example ~all redirect=d.example exp=e.example'),
      'h.example': host,
      'example.org': {
        TXT: [['v=spf1 include:b.example mx ptr ip4:192.0.2.1 redirect=c.example']],
        MX: [[1, 'h.example']],
      },
    });
    const { tree } = await published(data);
    assert.deepEqual(numbers(tree), [
      undefined,
      7,
      ['include:b.example', 3, ['a:h.example', 1], ['exists:%{i}.b.example', 1]],
      ['mx', 1],
      ['ptr', 1],
      ['redirect=c.example', 2, ['a:h.example', 1]],
    ]);
  });

  it('void ones are counted for each family', async () => {
    const data = zone('v=spf1 a:four.example mx:b.example exists:gone.example -all', {
      'four.example': { A: ['192.0.2.1'] },
      'b.example': {
        MX: [
          [1, 'four.example'],
          [2, 'six.example'],
        ],
      },
      'six.example': { AAAA: ['2001:db8::1'] },
    });
    assert.deepEqual((await published(data)).tree.voids, { ip4: 2, ip6: 3 });
  });

  it('are as many as an evaluation makes for a client that nothing matches', async () => {
    const domain = fc.constantFrom('a.example', 'b.example', 'c.example', 'gone.example');
    const term = fc.oneof(
      fc.tuple(fc.constantFrom('include:', 'a:', 'mx:', '-a:'), domain).map((parts) => parts.join('')),
      fc.constantFrom('a', 'mx', 'ip4:198.51.100.0/24', '~all', 'exists:gone.example', 'exp=a.example'),
    );
    const end = fc.oneof(
      fc.constantFrom('', '-all', '?all'),
      domain.map((name) => `redirect=${name}`),
    );
    const record = fc
      .tuple(fc.array(term, { maxLength: 4 }), end)
      .map(([terms, last]) => `v=spf1 ${terms.join(' ')} ${last}`);
    const name = fc.tuple(record, fc.boolean(), fc.boolean()).map(([text, hasHost, hasMx]) => ({
      TXT: [[text]],
      ...(hasHost && { A: ['192.0.2.1'] }),
      ...(hasMx && {
        MX: [
          [1, 'c.example'],
          [2, 'gone.example'],
        ],
      }),
    }));
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(fc.tuple(name, name, name, name), async ([first, a, b, c]) => {
        const data = { 'example.org': first, 'a.example': a, 'b.example': b, 'c.example': c };
        const { tree, findings } = await published(data);
        const outcome = judge(data, { ip: '203.0.113.99' });
        if (outcome.result === 'permerror') {
          assert.ok(
            findings.some(({ severity }) => severity === 'error'),
            `${outcome.problem} ${JSON.stringify(data)}`,
          );
        } else {
          compared++;
          assert.deepEqual([outcome.lookups, outcome.voids], [tree.lookups, tree.voids.ip4], JSON.stringify(data));
        }
      }),
      { numRuns: 2000 },
    );
    assert.ok(compared > 300, `${compared} compared`);
  });

  it('end somewhere, however much is included', async () => {
    let asked = 0;
    const text = Array.from({ length: 15 }, (_, i) => `include:n${i}.`).join(' ');
    const resolver: Resolver = {
      lookup: (name, type) => {
        asked++;
        const record = `v=spf1 ${text.replace(/\. |\.$/g, (end) => `.${name}${end.trimStart().slice(1)}`)} -all`;
        return { kind: 'found', records: (type === 'TXT' ? [[record]] : []) as never };
      },
    };
    const { findings } = await lint({ domain: 'x.example' }, { resolver });
    assert.ok(asked < 100, `${asked} look-ups`);
    assert.ok(findings.length <= 100);
    assert.ok(findings.some(({ severity }) => severity === 'error'));
  });

  it('end when the time is over', async () => {
    const resolver: Resolver = {
      lookup: () => Promise.resolve({ kind: 'found', records: [['v=spf1 a -all']] as never }),
    };
    const report = await lint({ domain: 'example.org' }, { resolver, signal: AbortSignal.abort() });
    assert.match(told(report).join(), /error: the TXT look-up failed \(out of time\)/);
  });
});

describe('any text', () => {
  const word = fc.constantFrom(
    'a',
    'mx/0',
    'ip4:1.2.3.4/8',
    '-all',
    'include:example.org',
    'redirect=b.example',
    'exp=%{i}',
    '\x00',
    'é',
    '%{p}',
    '=',
    ':',
    'ptr:',
  );
  it('has a report, and a number of findings with a limit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(word, fc.string()), { maxLength: 60 }), async (words) => {
        const text = `v=spf1 ${words.join(' ')}`;
        const { findings, tree } = await published({ 'example.org': { TXT: [[text.replace(/[^\0-\xff]/g, '?')]] } });
        assert.ok(findings.length <= 100);
        assert.ok(tree.lookups <= 61);
        for (const { at } of findings) assert.ok(at === undefined || (at >= 0 && at <= text.length));
      }),
      { numRuns: 300 },
    );
  });

  it('of a hundred slips still shows that nobody can use it', async () => {
    const text = `v=spf1 ${'ip4:192.0.2.1 '.repeat(200)}${Array.from({ length: 11 }, (_, i) => `a:h${i}.example`).join(' ')} -all`;
    assert.ok(told(await own(text)).some((line) => line.startsWith('error: 11 terms ask DNS')));
  });

  it('of 64 KB is judged soon', async () => {
    const networks = Array.from({ length: 4000 }, (_, i) => `ip4:10.${i >> 8}.${i & 255}.1`).join(' ');
    const started = cpuMs();
    const { findings } = await own(`v=spf1 ${networks} ${'bad '.repeat(500)} -all`);
    assert.ok(findings.length <= 100);
    assert.ok(cpuMs() - started < 10_000);
  });
});
