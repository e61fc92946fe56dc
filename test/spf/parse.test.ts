/** Records and macro-strings as values: what they are parsed to, and where a problem is. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseIp, type Ip } from '../../src/mail/ip.js';
import { expandMacro, parseMacroString, urlEscape, type MacroValues } from '../../src/spf/macro.js';
import { isSpfRecord, parseRecord } from '../../src/spf/parse.js';
import { publishedRecord } from '../../src/spf/read-answer.js';
import type { SpfRecord } from '../../src/spf/record.js';

function parsed(text: string): SpfRecord {
  const result = parseRecord(text);
  assert.equal(result.kind, 'record', JSON.stringify(result));
  return (result as { record: SpfRecord }).record;
}

describe('a record', () => {
  it('keeps its terms as written and in order, each with its place', () => {
    const { terms } = parsed('v=spf1  A:x.example/24//64 x=y ?IP4:10.0.0.0/8 exp=e.example ~all  ');
    assert.deepEqual(
      terms.map(({ kind, text, at }) => [kind, text, at]),
      [
        ['a', 'A:x.example/24//64', 8],
        ['unknown', 'x=y', 27],
        ['ip4', '?IP4:10.0.0.0/8', 31],
        ['exp', 'exp=e.example', 47],
        ['all', '~all', 61],
      ],
    );
  });

  it('has everything worked out that an evaluation needs', () => {
    const { directives, redirect, exp } = parsed(
      'v=spf1 ip4:192.0.2.77/24 ip6:2001:db8::1/33 a:x.example./8 redirect=r.example exp=%{d}.e.example',
    );
    const [ip4, ip6, a] = directives;
    assert.deepEqual(ip4?.kind === 'ip4' && [ip4.base >>> 0, ip4.mask >>> 0], [0xc0000200, 0xffffff00]);
    assert.deepEqual(ip6?.kind === 'ip6' && [ip6.masks.map((mask) => mask >>> 0), ip6.base.map((word) => word >>> 0)], [
      [0xffffffff, 0x80000000, 0, 0],
      [0x20010db8, 0, 0, 0],
    ]);
    assert.deepEqual(a?.kind === 'a' && [a.target?.name, a.prefix4, a.prefix6], ['x.example', 8, 128]);
    assert.deepEqual([redirect?.target.name, exp?.target.name], ['r.example', undefined]);
  });

  const problems: readonly (readonly [text: string, at: number, problem: RegExp])[] = [
    ['v=spf1 mx moo -all', 10, /no such mechanism/],
    ['v=spf1 mx ip4:1.2.3 -all', 13, /IPv4 address/],
    ['v=spf1 ip4:1.2.3.4/33', 18, /0 to 32/],
    ['v=spf1 a:x.example/40', 18, /0 to 32/],
    ['v=spf1 a:x.example//129', 18, /0 to 128/],
    ['v=spf1 include', 14, /needs a domain/],
    ['v=spf1 include:', 15, /a domain is missing/],
    ['v=spf1 include:x.123', 16, /not a domain/],
    ['v=spf1 exists:%{q}.example', 14, /not a macro/],
    ['v=spf1 exists:a.%{d0}.example', 16, /must not be zero/],
    ['v=spf1 redirect=%{c}.example', 16, /only in the text of an explanation/],
    ['v=spf1 x=a%b', 10, /percent sign/],
    ['v=spf1 all:x', 10, /nothing after it/],
    ['v=spf1 ptr/24', 10, /"\/" may not stand here/],
    ['v=spf1 \u00e4ll', 7, /the character 0xE4/],
    ['v=spf1 exp=a.example exp=b.example', 21, /more than once/],
    ['v=spf1 -x=y', 7, /neither a mechanism nor a modifier/],
  ];
  for (const [text, at, problem] of problems) {
    it(`${JSON.stringify(text)} is wrong at ${at}: ${problem.source}`, () => {
      const result = parseRecord(text);
      assert.equal(result.kind, 'problem');
      assert.deepEqual(
        [(result as { at: number }).at, problem.test((result as { problem: string }).problem)],
        [at, true],
        JSON.stringify(result),
      );
    });
  }

  it('is parsed once for one answer', () => {
    const parsedOf = (answer: readonly (readonly string[])[]): unknown => {
      const published = publishedRecord(answer);
      return published.kind === 'one' && published.parsed;
    };
    const answer = [['not SPF'], ['v=spf1 ', '-all']];
    assert.equal(parsedOf(answer), parsedOf(answer));
    assert.notEqual(parsedOf(answer), parsedOf([...answer]));
    assert.deepEqual(parsedOf(answer), parseRecord('v=spf1 -all'));
  });

  it('of any octets is a record or a problem inside the text', () => {
    const octets = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
      maxLength: 80,
    });
    const pieces = fc.constantFrom(
      'a',
      'mx',
      'ip4',
      'ip6',
      ':',
      '/',
      '//',
      '%{',
      '}',
      'd',
      '1',
      '0',
      'r',
      '.',
      ' ',
      '-',
      'all',
      '=',
      'exp',
      'redirect',
      '10.0.0.1',
      '::1',
      'example',
      '%',
      '\u0000',
    );
    const bodies = fc.oneof(
      octets,
      fc.array(pieces, { maxLength: 30 }).map((list) => list.join('')),
    );
    const property = fc.property(bodies, (body) => {
      const text = `v=spf1 ${body}`;
      assert.ok(isSpfRecord(text));
      const result = parseRecord(text);
      if (result.kind === 'record') {
        for (const { text: term, at } of result.record.terms) assert.equal(text.slice(at, at + term.length), term);
      } else {
        assert.ok(result.at >= 0 && result.at <= text.length);
        assert.ok(text.includes(result.term));
      }
    });
    fc.assert(property, { numRuns: 20_000 });
  });

  it('written again from its terms is the same record', () => {
    const labels = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z]$/);
    const domains = fc.tuple(labels, labels).map((pair) => pair.join('.'));
    const cidr = fc
      .tuple(fc.option(fc.nat(32)), fc.option(fc.nat(128)))
      .map(([four, six]) => (four === null ? '' : `/${four}`) + (six === null ? '' : `//${six}`));
    const mechanism = fc.oneof(
      fc.constant('all'),
      fc
        .tuple(fc.constantFrom('a', 'mx'), fc.option(domains), cidr)
        .map(([kind, domain, length]) => `${kind}${domain === null ? '' : `:${domain}`}${length}`),
      fc.tuple(fc.constantFrom('include', 'exists', 'ptr'), domains).map(([kind, domain]) => `${kind}:${domain}`),
      fc.tuple(fc.ipV4(), fc.nat(32)).map(([ip, prefix]) => `ip4:${ip}/${prefix}`),
      fc.tuple(fc.ipV6(), fc.nat(128)).map(([ip, prefix]) => `ip6:${ip}/${prefix}`),
    );
    const directive = fc.tuple(fc.constantFrom('', '+', '-', '?', '~'), mechanism).map((pair) => pair.join(''));
    const property = fc.property(fc.array(directive, { maxLength: 8 }), (directives) => {
      const text = ['v=spf1', ...directives].join(' ');
      assert.deepEqual(
        parsed(text).directives.map((term) => term.text),
        directives,
      );
    });
    fc.assert(property);
  });
});

describe('a macro', () => {
  const values: MacroValues = {
    sender: 'strong-bad@email.example.com',
    localPart: 'strong-bad',
    senderDomain: 'email.example.com',
    ip: parseIp('192.0.2.3') as Ip,
    helo: 'mx.example.org',
    receiver: 'mx.example.net',
    now: () => 1_500_000_999,
  };
  function expand(text: string, ip = values.ip): string | undefined {
    const macro = parseMacroString(text, 'explanation');
    assert.ok(!('kind' in macro), JSON.stringify(macro));
    return expandMacro(macro, { ...values, ip }, { domain: 'email.example.com', validated: 'unknown' });
  }

  // RFC 7208 §7.4
  const examples: readonly (readonly [string, string])[] = [
    ['%{s}', 'strong-bad@email.example.com'],
    ['%{o}', 'email.example.com'],
    ['%{d}', 'email.example.com'],
    ['%{d4}', 'email.example.com'],
    ['%{d3}', 'email.example.com'],
    ['%{d2}', 'example.com'],
    ['%{d1}', 'com'],
    ['%{dr}', 'com.example.email'],
    ['%{d2r}', 'example.email'],
    ['%{l}', 'strong-bad'],
    ['%{l-}', 'strong.bad'],
    ['%{lr}', 'strong-bad'],
    ['%{lr-}', 'bad.strong'],
    ['%{l1r-}', 'strong'],
    ['%{ir}.%{v}._spf.%{d2}', '3.2.0.192.in-addr._spf.example.com'],
    ['%{lr-}.lp._spf.%{d2}', 'bad.strong.lp._spf.example.com'],
    ['%{lr-}.lp.%{ir}.%{v}._spf.%{d2}', 'bad.strong.lp.3.2.0.192.in-addr._spf.example.com'],
    ['%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}', '3.2.0.192.in-addr.strong.lp._spf.example.com'],
    ['%{d2}.trusted-domains.example.net', 'example.com.trusted-domains.example.net'],
    ['%{r} %{t} %{h}', 'mx.example.net 1500000 mx.example.org'],
  ];
  for (const [text, expected] of examples) it(`${text} → ${expected}`, () => assert.equal(expand(text), expected));

  it('%{ir}.%{v} of an IPv6 address is what its PTR name starts with', () => {
    assert.equal(
      expand('%{ir}.%{v}._spf.%{d2}', parseIp('2001:db8::cb01') as Ip),
      '1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com',
    );
  });

  it('splits, reverses and keeps as arrays would', () => {
    const arbitrary = fc.record({
      local: fc.string({ unit: fc.constantFrom('a', 'b', '.', '-', '+', '$', '&'), maxLength: 12 }),
      keep: fc.nat(5),
      reverse: fc.boolean(),
      delimiters: fc.constantFrom('', '.', '-', '.-', '+-'),
    });
    const property = fc.property(arbitrary, ({ local, keep, reverse, delimiters }) => {
      const macro = parseMacroString(`%{l${keep || ''}${reverse ? 'r' : ''}${delimiters}}`, 'domain-spec');
      assert.ok(!('kind' in macro));
      const bare = keep === 0 && !reverse && delimiters === '';
      let parts = bare ? [local] : local.split(new RegExp(`[${(delimiters || '.').replace('-', '\\-')}]`));
      if (reverse) parts = parts.toReversed();
      if (keep > 0) parts = parts.slice(-keep);
      assert.equal(
        expandMacro(macro, { ...values, localPart: local }, { domain: 'd', validated: 'p' }),
        parts.join('.'),
      );
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it('URL-escapes everything that is not unreserved', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = urlEscape(text);
        assert.match(escaped, /^(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*$/);
        assert.equal(decodeURIComponent(escaped), text);
      }),
    );
  });
});
