import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readReceived } from '../../../src/milter/verify-sender/received.js';

const table: readonly [what: string, value: string, expected: string][] = [
  [
    'Postfix',
    'from mail.a.test (mail.a.test [192.0.2.1])\n\tby mx.test (Postfix) with ESMTP id X',
    '192.0.2.1 mail.a.test',
  ],
  ['Postfix, no reverse name', 'from [192.168.1.5] (unknown [192.0.2.1]) by mx.test', '192.0.2.1 [192.168.1.5]'],
  [
    'Postfix, TLS',
    'from a.test (a.test [192.0.2.1])\n\t(using TLSv1.3 with cipher X (256/256 bits))\n\tby mx.test',
    '192.0.2.1 a.test',
  ],
  ['Postfix, IPv6', 'from a.test (a.test [IPv6:2001:db8::1]) by mx.test', '2001:db8::1 a.test'],
  [
    'Sendmail',
    'from a.test (b.test [192.0.2.1] (may be forged))\n\tby mx.test (8.17/8.17) with ESMTP',
    '192.0.2.1 a.test',
  ],
  ['Sendmail, ident', 'from a.test ([9.9.9.9]@b.test [192.0.2.1]) by mx.test', '192.0.2.1 a.test'],
  ['Exim', 'from b.test ([192.0.2.1] helo=a.test)\n\tby mx.test with esmtps', '192.0.2.1 a.test'],
  ['Exim, no reverse name', 'from [192.0.2.1] (helo=a.test) by mx.test', '192.0.2.1 a.test'],
  ['Exim, a HELO name that is an address', 'from [192.0.2.1] (helo=[9.9.9.9]) by mx.test', '192.0.2.1 [9.9.9.9]'],
  ['qmail', 'from unknown (HELO a.test) (192.0.2.1)\n  by mx.test with SMTP', '192.0.2.1 a.test'],
  [
    'qmail, a HELO name that is an address',
    'from unknown (HELO [9.9.9.9]) (192.0.2.1) by mx.test',
    '192.0.2.1 [9.9.9.9]',
  ],
  ['Exchange', 'from A.test (192.0.2.1) by mx.test (10.0.0.1) with Microsoft SMTP Server', '192.0.2.1 A.test'],
  ['only what is before "by" counts', 'from a.test by mx.test ([192.0.2.1])', ''],
  ['local mail', 'by mx.test (Postfix, from userid 0) id X', ''],
  ['no address', 'from a.test (b.test) by mx.test', ''],
  ['a broken address', 'from a.test (b.test [192.0.2.999]) by mx.test', ''],
  ['nothing', '', ''],
  ['a long one', `from ${'('.repeat(100_000)}`, ''],
];
for (const [what, value, expected] of table) {
  test(`Received of ${what}`, () => {
    const hop = readReceived(value);
    assert.equal(hop ? `${hop.ip.text} ${hop.helo}` : '', expected);
  });
}
