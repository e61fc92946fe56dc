import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Talk, body, connect, data, eom, helo, mail, negotiate, rcpt } from '../support/milter-mta.js';
import { recipientLimit } from './example-filter.js';

test('the example filter refuses the third recipient of two, and counts anew for the next message', () => {
  const talk = new Talk(recipientLimit(2)).send(negotiate(), connect(), helo());
  assert.deepEqual(talk.said(), ['O 0x6 0x1 0x170', 'c', 'c']);
  talk.send(mail(), rcpt('<a@b>'), rcpt('<b@b>'), rcpt('<c@b>'), data, eom());
  const refused = 'y452 4.5.3 Too many recipients, send to the others later|';
  assert.deepEqual(talk.said(), ['c', 'c', 'c', refused, 'c', 'i[0]X-Recipients|2|', 'a']);
  talk.send(mail(), rcpt('<a@b>'), data, body('unasked for\r\n'), eom());
  assert.deepEqual(talk.said(), ['c', 'c', 'c', 'c', 'i[0]X-Recipients|1|', 'a']);
});
