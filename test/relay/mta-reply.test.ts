import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replyText } from '../../src/mail/reply.js';
import { ehloExtensions, parseMtaReply, refusal } from '../../src/relay/connection/mta-reply.js';

const texts: readonly (readonly [string, string, string | undefined])[] = [
  ['a 5xx is passed on as it is', '550 5.1.1 <x@example.com>: User unknown', '550 5.1.1 <x@example.com>: User unknown'],
  ['a 4xx is passed on as it is', '450 4.2.0 Greylisted', '450 4.2.0 Greylisted'],
  ['without an enhanced code it gets its class', '550 no such user', '550 5.0.0 no such user'],
  ['an enhanced code of another class is only text', '450 5.1.1 odd', '450 4.0.0 5.1.1 odd'],
  ['what only looks like an enhanced code is text', '550 5.1.1x odd', '550 5.0.0 5.1.1x odd'],
  ['421 ends the MTA session, not the client session', '421 4.3.2 going down', '451 4.3.2 going down'],
  ['a bare code gets a text', '554', '554 5.0.0 Refused by the local mail server'],
  [
    'several lines become one, their enhanced codes said once',
    '550-5.7.1 first\n550-5.7.1\n550 5.7.1 last',
    '550 5.7.1 first  last',
  ],
  ['controls and 8-bit cannot forge anything', '550 5.7.1 a\u001b[2Jb\u202ec\rd', '550 5.7.1 a?[2Jb?c?d'],
  ['an intermediate reply is no yes', '354 go ahead', '451 4.5.0 Unexpected reply of the local mail server'],
  ['a yes is no refusal', '250 2.1.0 Ok', undefined],
];

for (const [what, raw, expected] of texts) {
  test(what, () => {
    const ruling = refusal(parseMtaReply(raw));
    assert.equal(ruling && replyText(ruling), expected);
  });
}

test('no reply is no yes', () => assert.equal(refusal(undefined)?.code, 451));

for (const raw of ['', 'hello', '25', '2500 x', '999 x', '150 x', ' 250 x']) {
  test(`${JSON.stringify(raw)} is no reply`, () => assert.equal(parseMtaReply(raw), undefined));
}

test('extensions are read line by line, the greeting is none of them', () => {
  const answer = parseMtaReply('250-SIZE mta\n250-PIPELINING\n250-SIZE 1000\n250-AUTH=PLAIN\n250 xforward NAME ADDR');
  assert.ok(answer);
  assert.deepEqual(
    [...ehloExtensions(answer)],
    [
      ['PIPELINING', ''],
      ['SIZE', '1000'],
      ['AUTH', 'PLAIN'],
      ['XFORWARD', 'NAME ADDR'],
    ],
  );
});
