import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePathArgument } from '../../src/mail/address.js';
import { replyText } from '../../src/mail/reply.js';
import { readMailParameters } from '../../src/smtp/command/mail-parameters.js';
import { anyOctets } from '../mail/nasty.js';

function read(parameters: string): string {
  const path = parsePathArgument(Buffer.from(`<a@b.example>${parameters}`, 'latin1'));
  if (!path.ok) return path.problem;
  const asked = readMailParameters(path.value.parameters, 1000);
  if (!asked.ok) return replyText(asked.problem);
  return [asked.value.smtpUtf8 && 'smtputf8', asked.value.eightBit && '8bit'].filter(Boolean).join(' ');
}

const table: readonly (readonly [parameters: string, expected: string | RegExp])[] = [
  ['', ''],
  [' SIZE=1000', ''],
  [' size=0', ''],
  [' SIZE=1001', /^552 5\.3\.4 /],
  [' SIZE=99999999999999999999', /^552 5\.3\.4 /],
  [' SIZE=999999999999999999999', /^501 5\.5\.4 /],
  [' SIZE', /^501 5\.5\.4 /],
  [' SIZE=-1', /^501 5\.5\.4 /],
  [' SIZE=1e3', /^501 5\.5\.4 /],
  [' SIZE=0x10', /^501 5\.5\.4 /],
  [' BODY=7BIT', ''],
  [' BODY=8bitmime', '8bit'],
  [' BODY=BINARYMIME', /^501 5\.5\.4 /],
  [' BODY', /^501 5\.5\.4 /],
  [' SMTPUTF8', 'smtputf8'],
  [' SMTPUTF8=1', /^501 5\.5\.4 /],
  [' SIZE=1 BODY=8BITMIME SMTPUTF8', 'smtputf8 8bit'],
  [' RET=HDRS', /^555 5\.5\.4 .*RET/],
  [' AUTH=<>', /^555 5\.5\.4 /],
  [' __proto__=1', 'bad parameter syntax'],
  [' CONSTRUCTOR=1', /^555 5\.5\.4 /],
];
for (const [parameters, expected] of table) {
  test(`MAIL FROM:<a@b.example>${parameters}`, () => {
    if (typeof expected === 'string') assert.equal(read(parameters), expected);
    else assert.match(read(parameters), expected);
  });
}

test('never throws', () => {
  fc.assert(
    fc.property(anyOctets, (text) => assert.equal(typeof read(` ${text}`), 'string')),
    { numRuns: 2000 },
  );
});
