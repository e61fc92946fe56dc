/** Received-SPF and Authentication-Results: what is written parses back, and no octet breaks a field. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ip4FromWord, parseIp, type Ip } from '../../../src/mail/ip.js';
import {
  authservIdOf,
  readAuthenticationResults,
  spfMethod,
  writeAuthenticationResults,
} from '../../../src/spf/fields/authentication-results.js';
import type { SpfOutcome, SpfResultCode } from '../../../src/spf/check-host.js';
import { fieldText } from '../../../src/spf/fields/lexical.js';
import { readReceivedSpf, writeReceivedSpf } from '../../../src/spf/fields/received-spf.js';
import { judge, record } from '../support/judge.js';
import { cpuMs } from '../../support/cpu.js';

const clientIp = parseIp('192.0.2.1') as Ip;
const fail = judge(record('v=spf1 a:mail.example.org -all'));
const input = { clientIp, helo: 'mail.example.net', receiver: 'mx.example.com' };

describe('Received-SPF', () => {
  it('of a fail', () => {
    assert.equal(
      writeReceivedSpf(fail, input),
      'fail (mx.example.com: example.org does not permit 192.0.2.1 to send its mail by -all) client-ip=192.0.2.1; ' +
        'envelope-from="user@example.org"; helo=mail.example.net; receiver=mx.example.com; identity=mailfrom; mechanism=-all',
    );
  });

  it('names no envelope sender in the result of a HELO check, which had none', () => {
    const body = writeReceivedSpf({ ...fail, identity: 'helo' }, input);
    assert.match(body, / client-ip=192\.0\.2\.1; helo=mail\.example\.net; .*identity=helo; /);
  });

  const senders: readonly (readonly [sender: string, smtpUtf8: boolean, written: string])[] = [
    ['zoë@example.org', false, '"zo?@example.org"'],
    ['zoë@example.org', true, '"zoë@example.org"'],
    ['用户"\\@example.org', true, '"用户\\"\\\\@example.org"'],
    ['a\r\nb\u0000\u0085\u2028\u202e\ud800@example.org', true, '"a??b?????@example.org"'],
    [`${'𝄞'.repeat(200)}@example.org`, true, `"${'𝄞'.repeat(100)}"`], // 400 octets
  ];
  for (const [sender, smtpUtf8, written] of senders)
    it(`writes the sender ${JSON.stringify(sender).slice(0, 60)} as ${written.slice(0, 40)}, SMTPUTF8 ${smtpUtf8}`, () => {
      const body = writeReceivedSpf({ ...fail, sender }, { ...input, smtpUtf8 });
      assert.equal(/ envelope-from=(.*); helo=/u.exec(body)?.[1], written);
    });

  it('is folded by LF and a tab', () => {
    assert.equal(
      writeReceivedSpf(fail, input, { folded: true }),
      'fail (mx.example.com: example.org does not permit 192.0.2.1 to\n' +
        '\tsend its mail by -all) client-ip=192.0.2.1;\n' +
        '\tenvelope-from="user@example.org"; helo=mail.example.net;\n' +
        '\treceiver=mx.example.com; identity=mailfrom; mechanism=-all',
    );
  });

  it('quotes what is no dot-atom, an IPv6 address among it', () => {
    const body = writeReceivedSpf(
      { ...fail, mechanism: 'ip6:2001:db8::/32' },
      { ...input, clientIp: parseIp('2001:db8::1') as Ip, localPart: false },
    );
    assert.match(body, /client-ip="2001:db8::1"; envelope-from=example.org;/);
    assert.match(body, /mechanism="ip6:2001:db8::\/32"$/);
  });

  it('tells the problem of an error and leaves out a mechanism there is none of', () => {
    const body = writeReceivedSpf(judge(record('v=spf1 moo')), input);
    assert.match(body, /^permerror .*; problem="\\"moo\\" in the record of example.org: no such mechanism"$/);
    assert.doesNotMatch(body, /mechanism=/);
  });

  it('is read as other software writes it', () => {
    const read = readReceivedSpf(
      'Pass (mybox.example.org: domain of\r\n    myname@example.com (x) designates 192.0.2.1) receiver = mybox.example.org; \r\n\tclient-ip=192.0.2.1; envelope-from=<myname@example.com>; HELO=2001:db8::1 (odd);',
    );
    assert.equal(read?.result, 'pass');
    assert.deepEqual(Object.fromEntries(read?.values ?? []), {
      receiver: 'mybox.example.org',
      'client-ip': '192.0.2.1',
      'envelope-from': '<myname@example.com>',
      helo: '2001:db8::1',
    });
  });

  const malformed = [
    '',
    'maybe',
    'passed client-ip=1',
    'pass (',
    'pass client-ip',
    'pass client-ip=',
    'pass a="b',
    'pass a=b c=d',
    'pass =b',
    'pass\nfail',
    'pass "',
    'pass a="\n"',
  ];
  for (const body of malformed)
    it(`${JSON.stringify(body)} is malformed`, () => assert.equal(readReceivedSpf(body), undefined));
});

describe('Authentication-Results', () => {
  const written = (outcome: SpfOutcome, more = {}): string =>
    writeAuthenticationResults({ authservId: 'mx.example.com', methods: [spfMethod(outcome, { ...input, ...more })] });

  it('of a fail', () => {
    assert.equal(
      written(fail),
      'mx.example.com; spf=fail (example.org does not permit 192.0.2.1 to send its mail by -all) smtp.mailfrom=example.org',
    );
  });

  it('has the whole address where that is asked for, quoted where it must be', () => {
    assert.match(written(fail, { localPart: true }), / smtp.mailfrom=user@example.org$/);
    assert.match(
      written({ ...fail, sender: 'a;b@example.org' }, { localPart: true }),
      / smtp.mailfrom="a;b@example.org"$/,
    );
  });

  it('has the HELO name where that was judged, and the reason of an error', () => {
    const outcome = judge({ 'mail.example.net': [{ TXT: 'v=spf1 moo' }] }, { from: '' });
    assert.match(
      written(outcome),
      /^mx.example.com; spf=permerror reason="\\"moo\\" in .*" smtp.helo=mail.example.net$/,
    );
  });

  it('has several methods, or none', () => {
    const dkim = ['dkim=pass', 'header.d=example.org'];
    assert.equal(
      writeAuthenticationResults({ authservId: 'mx', methods: [dkim, dkim] }),
      'mx; dkim=pass header.d=example.org; dkim=pass header.d=example.org',
    );
    assert.equal(writeAuthenticationResults({ authservId: 'mx (1)', methods: [] }), '"mx (1)"; none');
  });

  it('is read as other software writes it', () => {
    const body =
      '(c) mx.example.com (our host) 1 ; none-such / 1 = Pass\r\n\treason = "good (really)" (c) smtp . mailfrom = user@example.org; ' +
      'spf=softfail smtp.mailfrom=user+tag@example.org smtp.remote-ip="2001:db8::1"; dkim=none;';
    assert.deepEqual(readAuthenticationResults(body), {
      authservId: 'mx.example.com',
      methods: [
        {
          method: 'none-such',
          result: 'pass',
          reason: 'good (really)',
          properties: [{ ptype: 'smtp', property: 'mailfrom', value: 'user@example.org' }],
        },
        {
          method: 'spf',
          result: 'softfail',
          reason: undefined,
          properties: [
            { ptype: 'smtp', property: 'mailfrom', value: 'user+tag@example.org' },
            { ptype: 'smtp', property: 'remote-ip', value: '2001:db8::1' },
          ],
        },
        { method: 'dkim', result: 'none', reason: undefined, properties: [] },
      ],
    });
    assert.deepEqual(readAuthenticationResults('mx; none'), { authservId: 'mx', methods: [] });
  });

  const malformed = [
    '',
    ';',
    'mx spf=pass',
    'mx; spf',
    'mx; spf=',
    'mx; spf=pass (',
    'mx; spf=pass x',
    'mx; spf=pass x.y',
    'mx; spf=pass "a"',
    'mx\nevil; none',
  ];
  for (const body of malformed)
    it(`${JSON.stringify(body)} is malformed`, () => assert.equal(readAuthenticationResults(body), undefined));

  it('tells whose it claims to be even where the rest is malformed', () => {
    assert.equal(authservIdOf(' (x) MX.example.com; spf=pass ('), 'MX.example.com');
    assert.equal(authservIdOf('"mx.example.com" 1; garbage ='), 'mx.example.com');
  });
});

describe('on any octets', () => {
  const octets = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.string({
      unit: fc.constantFrom(
        '"',
        '\\',
        '(',
        ')',
        ';',
        '=',
        ' ',
        '\t',
        '\r',
        '\n',
        '\u0000',
        '\u001b',
        '.',
        '@',
        'a',
        '/',
        '%',
        '\u00e4',
        '\u202e',
      ),
      maxLength: 40,
    }),
    fc.string({ unit: fc.constantFrom('.', 'a'), minLength: 395, maxLength: 900 }),
  );
  const outcomes: fc.Arbitrary<SpfOutcome> = fc.record({
    result: fc.constantFrom<SpfResultCode>('none', 'neutral', 'pass', 'fail', 'softfail', 'temperror', 'permerror'),
    identity: fc.constantFrom('mailfrom' as const, 'helo' as const),
    domain: octets,
    sender: octets,
    mechanism: fc.option(octets, { nil: undefined }),
    mechanismDomain: fc.option(octets, { nil: undefined }),
    problem: fc.option(octets, { nil: undefined }),
    explanation: fc.option(octets, { nil: undefined }),
    lookups: fc.nat(10),
    voids: fc.nat(3),
  });
  const inputs = fc.record({
    clientIp: fc.oneof(fc.nat(0xffffffff).map(ip4FromWord), fc.constant(parseIp('2001:db8::1') as Ip)),
    helo: octets,
    receiver: octets,
    localPart: fc.boolean(),
    smtpUtf8: fc.boolean(),
  });

  /**
   * Printable lines joined by LF and a tab, none blank, none too long for RFC 5322 §2.1.1; of an SMTPUTF8 mail in
   * UTF-8.
   */
  function assertWellFormed(
    name: string,
    body: string,
    { folded, smtpUtf8 }: Record<'folded' | 'smtpUtf8', boolean>,
  ): void {
    const printable = smtpUtf8 ? '[^\\p{Cc}\\p{Cf}\\p{Cs}\\u2028\\u2029]' : '[\\x20-\\x7e]';
    const first = new RegExp(`^${printable}+$`, 'u');
    const further = new RegExp(`^\t(?=.*\\S)${printable}+$`, 'u');
    const lines = `${name}: ${body}`.split('\n');
    if (!folded) assert.equal(lines.length, 1);
    for (const [i, line] of lines.entries()) {
      assert.match(line, i === 0 ? first : further);
      if (folded) assert.ok(Buffer.byteLength(line) <= 998, `${Buffer.byteLength(line)} octets`);
    }
  }

  it('what is written as Received-SPF parses back', () => {
    const property = fc.property(outcomes, inputs, fc.boolean(), (outcome, given, folded) => {
      const body = writeReceivedSpf(outcome, given, { folded });
      assertWellFormed('Received-SPF', body, { ...given, folded });
      const read = readReceivedSpf(body);
      assert.ok(read, body);
      assert.equal(read.result, outcome.result);
      const expected: Record<string, string | undefined> = {
        'client-ip': given.clientIp.text,
        helo: given.helo,
        receiver: given.receiver,
        identity: outcome.identity,
        mechanism: outcome.mechanism,
        problem: outcome.problem,
      };
      for (const [key, value] of Object.entries(expected))
        assert.equal(read.values.get(key), value === undefined ? undefined : fieldText(value), key);
      const sender = fieldText(given.localPart ? outcome.sender : outcome.domain, given.smtpUtf8);
      assert.equal(read.values.get('envelope-from'), outcome.identity === 'helo' ? undefined : sender);
    });
    fc.assert(property, { numRuns: 3000 });
  });

  it('what is written as Authentication-Results parses back', () => {
    const property = fc.property(outcomes, inputs, fc.boolean(), (outcome, given, folded) => {
      const method = spfMethod(outcome, given);
      const body = writeAuthenticationResults({ authservId: given.receiver, methods: [method, method] }, { folded });
      assertWellFormed('Authentication-Results', body, { ...given, folded });
      const mailfrom = {
        ptype: 'smtp',
        property: 'mailfrom',
        value: fieldText(given.localPart ? outcome.sender : outcome.domain, given.smtpUtf8),
      };
      const expected = {
        method: 'spf',
        result: outcome.result,
        reason: outcome.problem === undefined ? undefined : fieldText(outcome.problem),
        properties: [
          outcome.identity === 'helo' ? { ptype: 'smtp', property: 'helo', value: fieldText(given.helo) } : mailfrom,
        ],
      };
      assert.deepEqual(readAuthenticationResults(body), {
        authservId: fieldText(given.receiver),
        methods: [expected, expected],
      });
      assert.equal(authservIdOf(body), fieldText(given.receiver));
    });
    fc.assert(property, { numRuns: 3000 });
  });

  it('no reader throws, and none takes long', () => {
    const readers = [readReceivedSpf, readAuthenticationResults, authservIdOf];
    fc.assert(
      fc.property(octets, (body) => {
        for (const read of readers) read(body);
        for (const read of readers) read(`pass ${body}`);
        for (const read of readers) read(`mx; spf=pass ${body}`);
      }),
      { numRuns: 3000 },
    );
    for (const filler of ['(', ')', '((', '"', '\\', ';', ' ', 'a=b;', 'a.b=c ', '\n\t', '()', 'a-', '"a" ']) {
      const started = cpuMs();
      for (const read of readers)
        for (const head of ['', 'pass ', 'mx; spf=pass ']) read(head + filler.repeat(200_000 / filler.length));
      assert.ok(cpuMs() - started < 1000, filler);
    }
  });
});
