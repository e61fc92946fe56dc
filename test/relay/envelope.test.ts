import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replyText } from '../../src/mail/reply.js';
import type { RelayRequest } from '../../src/relay/relay.js';
import { inMemory, request } from './support/requests.js';
import { usual, withRelay } from './support/with-relay.js';

const octets = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/**
 * nodemailer's sendMail would read each of them as something else; the first four as two recipients, or as another
 * one.
 */
const odd = [
  'root,x@wild.example',
  'x(c)root@wild.example',
  'g:root@wild.example',
  '(c)blocked@wild.example',
  '"a b"@wild.example',
  '"a<b>c"@wild.example',
  '"q\\"uo\\\\te"@wild.example',
  'a;b@wild.example',
  'postmaster',
  "o'brien+tag=x@wild.example",
  'ünïcøde@wild.example',
  'x@[192.0.2.1]',
  '-rf@wild.example',
  '"@"@wild.example',
];

for (const address of odd) {
  test(`${address} arrives as it is, on both sides`, async () => {
    await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
      const result = await relay.send(request({ reversePath: address, recipients: [address] }));
      assert.equal(result.kind, 'accepted');
      assert.ok(mta.messages[0]?.from.startsWith(`MAIL FROM:<${octets(address)}> SIZE=`));
      assert.deepEqual(mta.messages[0]?.to, [`RCPT TO:<${octets(address)}>`]);
    });
  });
}

const hostile: readonly (readonly [string, string])[] = [
  ['a line end', 'a@b.example>\r\nRCPT TO:<victim@elsewhere.example'],
  ['a bare CR', 'a\rb@b.example'],
  ['a bare LF', 'a\nb@b.example'],
  ['NUL', 'a\0b@b.example'],
  ['a line end in quotes', '"a\r\nb"@b.example'],
  ['a space', 'a b@b.example'],
  ['an end of the path', 'a@b.example> SIZE=1'],
  ['a begin of a path', '<a@b.example'],
  ['a quoted string that does not end', '"a@b.example'],
  ['an escaped quote that ends nothing', '"a\\"@b.example'],
  ['C1 controls', 'a\u0085b@b.example'],
];

for (const [what, address] of hostile) {
  test(`${what} in an address is refused without asking the MTA`, async () => {
    await withRelay({ mta: { extensions: usual } }, async ({ mta, relay }) => {
      for (const envelope of [
        { reversePath: address },
        { recipients: [address] },
        { recipients: ['foo@example.com', address] },
      ]) {
        const result = await relay.send(request(envelope));
        assert.equal(result.kind === 'refused' && result.reply.code, 553);
      }
      assert.deepEqual(mta.said, []);
    });
  });
}

test('no recipient, or an empty one, is refused', async () => {
  await withRelay({ mta: { extensions: usual } }, async ({ relay }) => {
    for (const recipients of [[], ['']]) assert.equal((await relay.send(request({ recipients }))).kind, 'refused');
  });
});

const mailLines: readonly (readonly [string, readonly string[], Partial<RelayRequest>, string])[] = [
  ['the null reverse-path stays null', ['8BITMIME'], { reversePath: '' }, 'MAIL FROM:<>'],
  ['SIZE counts our own fields', ['SIZE'], {}, 'MAIL FROM:<sender@example.net> SIZE=41'],
  ['8-bit mail says so', ['8BITMIME'], { eightBit: true }, 'MAIL FROM:<sender@example.net> BODY=8BITMIME'],
  ['7-bit mail does not', ['8BITMIME'], { eightBit: false }, 'MAIL FROM:<sender@example.net>'],
  ['8-bit mail goes to an MTA that knows nothing of it, too', [], { eightBit: true }, 'MAIL FROM:<sender@example.net>'],
  [
    'SMTPUTF8 is passed when only header fields need it',
    ['SMTPUTF8'],
    { smtputf8: true },
    'MAIL FROM:<sender@example.net> SMTPUTF8',
  ],
  ['and not asked for otherwise', ['SMTPUTF8'], {}, 'MAIL FROM:<sender@example.net>'],
  [
    'a non-ASCII recipient needs it',
    ['SMTPUTF8'],
    { recipients: ['ü@example.com'] },
    'MAIL FROM:<sender@example.net> SMTPUTF8',
  ],
  [
    'UTF-8 header fields go to an MTA without SMTPUTF8 as they are',
    [],
    { smtputf8: true },
    'MAIL FROM:<sender@example.net>',
  ],
  [
    'all of them',
    usual,
    { smtputf8: true, eightBit: true },
    'MAIL FROM:<sender@example.net> SIZE=41 BODY=8BITMIME SMTPUTF8',
  ],
  ['a size limit of 0 is none', ['SIZE 0'], {}, 'MAIL FROM:<sender@example.net> SIZE=41'],
];

for (const [what, extensions, changes, line] of mailLines) {
  test(what, async () => {
    await withRelay({ mta: { extensions } }, async ({ mta, relay }) => {
      assert.equal((await relay.send(request(changes))).kind, 'accepted');
      assert.equal(mta.messages[0]?.from, line);
    });
  });
}

const impossible: readonly (readonly [string, Partial<RelayRequest>, string])[] = [
  [
    'a non-ASCII recipient',
    { recipients: ['ü@example.com'] },
    '553 5.6.7 The local mail server does not take internationalized addresses',
  ],
  [
    'a non-ASCII reverse-path',
    { reversePath: 'ü@example.com', smtputf8: true },
    '553 5.6.7 The local mail server does not take internationalized addresses',
  ],
  ['a message that is too big', { message: inMemory(Buffer.alloc(86)) }, '552 5.3.4 Message size exceeds the limit'],
];

for (const [what, changes, expected] of impossible) {
  test(`${what} is refused for an MTA that cannot take it, and the connection is kept`, async () => {
    await withRelay({ mta: { extensions: ['SIZE 101'] } }, async ({ mta, relay }) => {
      const result = await relay.send(request(changes));
      assert.equal(result.kind === 'refused' && replyText(result.reply), expected);
      assert.equal((await relay.send(request())).kind, 'accepted');
      assert.equal(mta.lines.length, 1);
    });
  });
}
