import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePathArgument } from '../../src/mail/address.js';
import { replyText } from '../../src/mail/reply.js';
import { readMailParameters, readRcptParameters } from '../../src/smtp/command/mail-parameters.js';
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

const dsn = (octets: string, by: typeof readMailParameters | typeof readRcptParameters): string => {
  const path = parsePathArgument(Buffer.from(`<a@b.example>${octets}`));
  if (!path.ok) return path.problem;
  const asked =
    by === readRcptParameters
      ? readRcptParameters(path.value.parameters, true)
      : readMailParameters(path.value.parameters, 1000, true);
  if (!asked.ok) return replyText(asked.problem);
  return typeof asked.value === 'string' ? asked.value : asked.value.dsn;
};

/** [parameters, the same octets where they go on, else what is said] */
const mailDsn: readonly (readonly [string, string | RegExp])[] = [
  [' RET=FULL', ' RET=FULL'],
  [' ret=hdrs ENVID=QQ314159', ' RET=hdrs ENVID=QQ314159'],
  [' ENVID=a+2Bb+3D SIZE=10', ' ENVID=a+2Bb+3D'],
  [` ENVID=${'x'.repeat(100)}`, ` ENVID=${'x'.repeat(100)}`],
  [` ENVID=${'x'.repeat(101)}`, /^501 5\.5\.4 Bad ENVID/],
  [' ENVID=a+2b', /^501 5\.5\.4 Bad ENVID/],
  [' ENVID=a+', /^501 5\.5\.4 Bad ENVID/],
  [' ENVID=ü', /^501 5\.5\.4 Bad ENVID/],
  [' RET', /^501 5\.5\.4 Bad RET/],
  [' RET=ALL', /^501 5\.5\.4 Bad RET/],
  [' RET=FULL RET=HDRS', 'bad parameter syntax'],
  [' NOTIFY=NEVER', /^555 5\.5\.4 /],
];
for (const [parameters, expected] of mailDsn) {
  test(`where DSN is offered: MAIL FROM:<a@b.example>${parameters.slice(0, 60)}`, () => {
    const said = dsn(parameters, readMailParameters);
    if (typeof expected === 'string') assert.equal(said, expected);
    else assert.match(said, expected);
  });
}

const rcptDsn: readonly (readonly [string, string | RegExp])[] = [
  ['', ''],
  [' NOTIFY=NEVER', ' NOTIFY=NEVER'],
  [' NOTIFY=success,Failure,DELAY', ' NOTIFY=success,Failure,DELAY'],
  [' ORCPT=rfc822;Bob+40x@b.example NOTIFY=FAILURE', ' ORCPT=rfc822;Bob+40x@b.example NOTIFY=FAILURE'],
  [' ORCPT=utf-8;büro@b.example', ' ORCPT=utf-8;büro@b.example'],
  [' ORCPT=utf-8;b\\x{FC}ro@b.example', ' ORCPT=utf-8;b\\x{FC}ro@b.example'],
  [' NOTIFY=NEVER,SUCCESS', /^501 5\.5\.4 Bad NOTIFY/],
  [' NOTIFY=SUCCESS,SUCCESS', /^501 5\.5\.4 Bad NOTIFY/],
  [' NOTIFY=', 'bad parameter syntax'],
  [' NOTIFY=SUCCESS,', /^501 5\.5\.4 Bad NOTIFY/],
  [' ORCPT=bob@b.example', /^501 5\.5\.4 Bad ORCPT/],
  [' ORCPT=rfc822;', /^501 5\.5\.4 Bad ORCPT/],
  [' ORCPT=rfc822;bö@b.example', /^501 5\.5\.4 Bad ORCPT/],
  [` ORCPT=rfc822;${'x'.repeat(500)}`, /^501 5\.5\.4 Bad ORCPT/],
  [' RET=FULL', /^555 5\.5\.4 /],
  [' FOO', /^555 5\.5\.4 /],
];
for (const [parameters, expected] of rcptDsn) {
  test(`where DSN is offered: RCPT TO:<a@b.example>${parameters.slice(0, 60)}`, () => {
    const said = dsn(parameters, readRcptParameters);
    if (typeof expected === 'string') assert.equal(said, expected);
    else assert.match(said, expected);
  });
}

test('what goes on is printable, holds no space but before a word, and nothing that ends a line', () => {
  fc.assert(
    fc.property(anyOctets, (text) => {
      for (const by of [readMailParameters, readRcptParameters])
        assert.match(dsn(` ${text}`, by), /^(?: [A-Z]+=[^\s\p{Cc}]+)*$|^5|^bad|^not UTF-8|^control|^path|^no path/u);
    }),
    { numRuns: 2000 },
  );
});

test('never throws', () => {
  fc.assert(
    fc.property(anyOctets, (text) => assert.equal(typeof read(` ${text}`), 'string')),
    { numRuns: 2000 },
  );
});
