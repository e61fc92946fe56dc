/** The checks that look at header, HELO and reverse-path, one table each; the contract's tests have the rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import address from '../../plugins/address.js';
import date from '../../plugins/date.js';
import fcrdns from '../../plugins/fcrdns.js';
import headers from '../../plugins/headers.js';
import helo from '../../plugins/helo.js';
import mailers from '../../plugins/mailers.js';
import mailman from '../../plugins/mailman.js';
import sender from '../../plugins/sender.js';
import senderDomain from '../../plugins/sender_domain.js';
import type { Plugin } from '../../src/hooks/plugin.js';
import { anyOctets, nasty } from '../mail/nasty.js';
import { type TestMail } from '../../src/hooks/testing.js';
import { said } from './mail.js';

const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toUTCString();
const oneLine = (text: string): string => text.replace(/[\r\n]/g, '');

const table: readonly (readonly [plugin: Plugin, what: string, given: TestMail, expected: string])[] = [
  [address, 'no From:', {}, 'reject 5.7.1 Missing header - From:'],
  [address, 'an empty From:', { header: ['From: '] }, 'reject 5.7.1 Empty header - From:'],
  [address, 'only commas', { header: ['From: ,,'] }, 'reject 5.7.1 Empty header - From:'],
  [
    address,
    'the second of two begins with |',
    { header: ['From: a@b.example, <|c@d.example>'] },
    'reject 5.7.1 Invalid address in header - From:',
  ],
  [address, 'a bounce that names nobody', { header: ['From: MAILER-DAEMON <>'], from: '' }, 'pass'],
  [address, 'a bounce that is forwarded', { header: ['From: MAILER-DAEMON <>'] }, 'pass'],
  [address, 'a bounce with words', { header: ['From: The Mail System'], from: '' }, 'pass'],
  [address, 'a bounce with empty brackets', { header: ['From: "Mail Delivery" <>'], from: '' }, 'pass'],
  [address, 'a bounce with an empty From:', { header: ['From:'], from: '' }, 'reject 5.7.1 Empty header - From:'],
  [
    address,
    'a bounce with an odd address',
    { header: ['From: <|x@a.example>'], from: '' },
    'reject 5.7.1 Invalid address in header - From:',
  ],
  [address, 'empty brackets', { header: ['From: Anna <>'] }, 'reject 5.7.1 Empty header - From:'],
  [address, '- in the middle', { header: ['From: a-b@c.example'] }, 'pass'],
  [address, 'a group without members', { header: ['From: undisclosed:;'] }, 'pass'],
  [date([]), 'no Date:', {}, 'reject 5.7.1 Missing header - Date:'],
  [date([]), 'an empty Date:', { header: ['Date: '] }, 'reject 5.7.1 Invalid header - Date:'],
  [date(['3']), 'an empty Date:, and limits', { header: ['Date:'] }, 'reject 5.7.1 Invalid header - Date:'],
  [date([]), 'any Date:', { header: ['Date: x'] }, 'pass'],
  [date(['3']), 'now', { header: [`Date: ${inDays(0)}`] }, 'pass'],
  [date(['3']), 'four days ago', { header: [`Date: ${inDays(-4)}`] }, 'reject 5.7.1 Date: too far in the past'],
  [date(['3']), 'in a hundred years', { header: [`Date: ${inDays(36_500)}`] }, 'pass'],
  [date(['3', '1']), 'in two days', { header: [`Date: ${inDays(2)}`] }, 'reject 5.7.1 Date: too far in the future'],
  [date(['3', '1']), 'no date', { header: ['Date: soon'] }, 'reject 5.7.1 Invalid header - Date:'],
  [
    date(['0', '0']),
    'a minute ago, where nothing is allowed',
    { header: [`Date: ${inDays(-1 / 1440)}`] },
    'reject 5.7.1 Date: too far in the past',
  ],
  [
    headers([]),
    'each field once',
    { header: ['From: a', 'To: b', 'Received: x', 'Received: y', 'Subject: z'] },
    'pass',
  ],
  [
    headers([]),
    'two subjects, spelt differently',
    { header: ['Subject: a', 'From: x', 'SUBJECT : b'] },
    'reject 5.7.1 Header field that may occur once - Subject:',
  ],
  [
    headers([]),
    'two From:',
    { header: ['From: a@b.example', 'from: c@d.example'] },
    'reject 5.7.1 Header field that may occur once - From:',
  ],
  [headers(['from:', 'Date']), 'two of another one', { header: ['To: a', 'To: b'] }, 'pass'],
  [fcrdns, 'a confirmed name', { client: { kind: 'confirmed', name: 'mx.example' } }, 'pass'],
  [
    fcrdns,
    'a name that leads elsewhere',
    { client: { kind: 'unconfirmed', name: 'mx.example' } },
    'reject 5.7.1 The reverse name of your address does not lead back to it',
  ],
  [fcrdns, 'no name', { client: { kind: 'none' } }, 'reject 5.7.1 No reverse name (PTR record) for your address'],
  [fcrdns, 'DNS does not answer', { client: { kind: 'failed', problem: 'SERVFAIL' } }, 'defer 451 4.7.1'],
  [senderDomain, 'the null reverse-path', { from: '' }, 'pass'],
  ...(
    [
      ['an MX', { MX: [[10, 'mx.example']] }, 'pass'],
      ['an address alone', { A: ['192.0.2.1'] }, 'pass'],
      ['an IPv6 address alone', { AAAA: ['2001:db8::1'] }, 'pass'],
      ['a null MX', { MX: [[0, '']] }, 'reject 5.7.27 Sender domain x.example takes no mail (null MX)'],
      [
        'a null MX beside an address',
        { MX: [[0, '']], A: ['192.0.2.1'] },
        'reject 5.7.27 Sender domain x.example takes no mail (null MX)',
      ],
      ['other records alone', { TXT: [['x']] }, 'reject 5.1.8 Sender domain x.example has neither MX nor address'],
      ['no records at all', undefined, 'reject 5.1.8 Sender domain x.example does not exist'],
      ['no answer', { timeout: true }, 'defer 451 4.4.3'],
      ['no answer for addresses', { TXT: [['x']], MX: [], timeout: true }, 'defer 451 4.4.3'],
    ] as const
  ).map(
    ([what, records, expected]) =>
      [
        senderDomain,
        `a domain with ${what}`,
        { from: 'a@x.example', zone: records ? { 'x.example': records } : {} },
        expected,
      ] as const,
  ),
  [helo, 'a name', { helo: 'mail.example' }, 'pass'],
  [helo, 'a final dot', { helo: 'mail.example.' }, 'pass'],
  [helo, '_', { helo: 'a_b.example' }, 'reject 5.7.1 Invalid HELO name: underscore'],
  [helo, 'no dot', { helo: 'mail' }, 'reject 5.7.1 Invalid HELO name: not fully qualified'],
  [helo, 'a dot alone', { helo: '.' }, 'reject 5.7.1 Invalid HELO name: not fully qualified'],
  [helo, 'an address', { helo: '192.0.2.1' }, 'reject 5.7.1 Invalid HELO name: a bare IP address'],
  [helo, 'a mapped address', { helo: '::ffff:192.0.2.1' }, 'reject 5.7.1 Invalid HELO name: a bare IP address'],
  [helo, 'a literal', { helo: '[192.0.2.1]' }, 'pass'],
  [helo, 'an IPv6 literal', { helo: '[IPv6:2001:db8::1]' }, 'pass'],
  [
    helo,
    'an IPv6 literal without its tag',
    { helo: '[2001:db8::1]' },
    'reject 5.7.1 Invalid HELO name: not fully qualified',
  ],
  [helo, 'a literal that is none', { helo: '[localhost]' }, 'reject 5.7.1 Invalid HELO name: not fully qualified'],
  [helo, '.local', { helo: 'a.LOCAL' }, 'reject 5.7.1 Invalid HELO name: a private domain'],
  [mailers([]), 'a known one', { header: ['X-Mailer: x SuperMail y'] }, 'reject 5.7.1 Sent by a known bulk mailer'],
  [mailers([]), 'another', { header: ['X-Mailer: mutt'] }, 'pass'],
  [mailers([]), 'none', {}, 'pass'],
  [
    mailman,
    'a notice',
    { header: ['Subject: List post from a requires approval'] },
    'reject 5.7.1 Mailman moderation notice',
  ],
  [
    mailman,
    'a folded notice',
    { header: ['Subject: 3 Logcheck\r\n moderator request(s) waiting'] },
    'reject 5.7.1 Mailman moderation notice',
  ],
  [
    mailman,
    'a notice of requests of another list',
    { header: ['Subject: 3 List moderator request(s) waiting'] },
    'pass',
  ],
  [mailman, 'another subject', { header: ['Subject: post from a'] }, 'pass'],
  [sender, 'a domain without a dot', { from: 'a@b' }, 'reject 5.7.1 Sender domain is not fully qualified'],
  [sender, 'a domain', { from: 'a@b.example' }, 'pass'],
  [sender, 'the null reverse-path', { from: '' }, 'pass'],
];
for (const [plugin, what, given, expected] of table) {
  test(`${plugin.name}: ${what}`, async () => assert.equal(await said(plugin, given), expected));
}

const badArguments: readonly (readonly [what: string, make: () => unknown, problem: RegExp])[] = [
  ['date x', () => date(['x']), /"x" is no number of days/],
  ['date -1', () => date(['-1']), /no number of days/],
  ['date 1 2 3', () => date(['1', '2', '3']), /at most two/],
  ['mailers a b', () => mailers(['a', 'b']), /takes one file/],
  ['mailers /nonexistent', () => mailers(['/nonexistent']), /ENOENT/],
];
for (const [what, make, problem] of badArguments) test(`bad arguments: ${what}`, () => assert.throws(make, problem));

const plugins = [address, date(['30', '2']), helo, mailers([]), mailman, sender];
const fields = ['From', 'Date', 'X-Mailer', 'Subject'];

test('whatever the octets, the answer is a verdict', async () => {
  await fc.assert(
    fc.asyncProperty(anyOctets, async (octets) => {
      for (const plugin of plugins) {
        const given = { header: fields.map((name) => `${name}: ${oneLine(octets)}`), helo: octets };
        assert.match(await said(plugin, given), /^(?:pass|reject 5\.7\.1 [ -~]+)$/);
      }
    }),
    { numRuns: 500 },
  );
});

test('is linear', { timeout: 20_000 }, async () => {
  for (const [, text] of nasty) {
    const line = oneLine(text).slice(0, 200_000);
    for (const plugin of plugins) await said(plugin, { header: fields.map((name) => `${name}: ${line}`) });
    await setImmediate(); // lets the time limit be seen
  }
});
