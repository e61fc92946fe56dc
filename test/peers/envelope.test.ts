/**
 * Envelopes as clients write them, said to a real Postfix with its defaults and to postern: reply by reply the same,
 * but where we have a reason.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Mx } from '../support/mx.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postfix } from '../support/postfix.js';
import { RawClient } from '../support/raw-client.js';

let postfix: Postfix | undefined;
let loose: Mx | undefined;
let strict: Mx | undefined;
before(async () => {
  if (!hasPeer('postfix')) return;
  postfix = await Postfix.start({ domains: ['example.com'], recipients: ['alice@example.com'] });
  const markers = ['example.com/users/valid/alice'];
  const plugins = ['valid_users'];
  loose = await Mx.start({ markers, plugins, relayPort: postfix.port });
  strict = await Mx.start({ markers, plugins, relayPort: postfix.port, settings: ['strict_envelope=yes'] });
});
after(async () => {
  await loose?.close();
  await strict?.close();
  await postfix?.close();
});

/** The same address in different writing; `strictly`: it is taken also where RFC 5321 alone counts. */
const taken: readonly (readonly [argument: string, strictly?: 'strictly'])[] = [
  ['<alice@example.com>', 'strictly'],
  [' <alice@example.com>', 'strictly'],
  ['\t<alice@example.com>', 'strictly'],
  ['<"alice"@example.com>', 'strictly'],
  ['<@relay.example:alice@example.com>', 'strictly'],
  ['<alice@EXAMPLE.com>', 'strictly'],
  ['alice@example.com'],
  [' alice@example.com'],
  ['"alice"@example.com'],
  ['@relay.example:alice@example.com'],
  ['< alice@example.com>'],
  ['<alice@example.com >'],
  ['<\talice@example.com\t>'],
  ['<alice @example.com>'],
  ['<alice@ example.com>'],
  ['<alice@example .com>'],
  ['<alice@example.com.>'],
  ['alice@example.com.'],
];

/** Refused for good by both. */
const refused: readonly string[] = [
  '',
  '  ',
  '<alice@example.com',
  '<"alice@example.com>',
  '<alice@example.com>x',
  '<alice@example.com>SIZE=10',
  '<alice@example.com> <bob@example.com>',
  '<alice@example.com> (comment)',
  '<alice@example.com,bob@example.com>',
  '<alice@example.com bob@example.com>',
  'alice@example.com,bob@example.com',
  'alice bob@example.com',
  '<alice bob@example.com>',
  'Alice <alice@example.com>',
  '"Alice" <alice@example.com>',
  "'alice@example.com'",
  '[alice@example.com]',
  '<alice@>',
  '<alice@.>',
  '<alice@example..com>',
  '<alice@.example.com>',
  '<alice@example.com..>',
  '<alice@-example.com>',
  '<alice@192.0.2.1>',
  '<al\xefce@example.com>',
];

/** Postfix takes these, and we do not. */
const ours: readonly (readonly [argument: string, why: string])[] = [
  ['<alice>', 'what has no domain is of no hosted domain: Postfix appends its own'],
  ['alice', 'the same without brackets'],
  ['<@example.com>', 'nobody'],
  ['<(comment)alice@example.com>', 'a comment is text of a header section, and may be read as an address elsewhere'],
  ['<alice@example.com(comment)>', 'the same behind it'],
  ['<alice@example.com;>', 'the end of a group'],
  ['<<alice@example.com>>', 'which of the brackets count is for each reader to guess'],
  ['alice@example.com>', 'the same'],
  ['<alice@bob@example.com>', 'a route in the local-part'],
  ['<alice\\@bob@example.com>', 'the same'],
  ['<al\x1bice@example.com>', 'control characters are for terminals'],
];

const code = (reply: string): string => /^\d{3}/.exec(reply.split('\n').at(-1) ?? '')?.[0] ?? reply;

/** The codes of MAIL and RCPT with that argument. */
async function asked(port: number | undefined, argument: string): Promise<readonly string[]> {
  const client = await RawClient.open({ port: port ?? 0 });
  await client.say('EHLO client.example');
  const mail = await client.say(`MAIL FROM:${argument}`);
  await client.sayAll('RSET', 'MAIL FROM:<sender@sender.example>');
  const rcpt = await client.say(`RCPT TO:${argument}`);
  client.end();
  return [mail, rcpt].map(code);
}

const isRefused = (codes: readonly string[]): boolean => codes.every((one) => /^50[01]$|^55[0135]$/.test(one));

for (const [argument, strictly] of taken) {
  test(`taken as by Postfix: ${JSON.stringify(argument)}`, async (t) => {
    if (!needPeer(t, 'postfix')) return;
    const theirs = await asked(postfix?.port, argument);
    assert.deepEqual(theirs, ['250', '250'], 'Postfix');
    assert.deepEqual(await asked(loose?.port, argument), theirs);
    assert.equal(isRefused(await asked(strict?.port, argument)), strictly === undefined, 'strict_envelope = yes');
  });
}

for (const argument of refused) {
  test(`refused as by Postfix: ${JSON.stringify(argument)}`, async (t) => {
    if (!needPeer(t, 'postfix')) return;
    assert.ok(isRefused(await asked(postfix?.port, argument)), 'Postfix');
    assert.ok(isRefused(await asked(loose?.port, argument)));
    assert.ok(isRefused(await asked(strict?.port, argument)), 'strict_envelope = yes');
  });
}

for (const [argument, why] of ours) {
  test(`refused by us alone: ${JSON.stringify(argument)}: ${why}`, async (t) => {
    if (!needPeer(t, 'postfix')) return;
    assert.equal((await asked(postfix?.port, argument))[0], '250', 'Postfix');
    assert.ok(isRefused(await asked(loose?.port, argument)));
  });
}

test('the null reverse-path is one with blanks in it, too, and no recipient', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  for (const argument of ['<>', '< >']) {
    assert.deepEqual(await asked(postfix?.port, argument), ['250', '501'], 'Postfix');
    assert.deepEqual(await asked(loose?.port, argument), ['250', '501'], argument);
  }
});

/** [argument of EHLO and HELO, code by both, with strict_envelope = yes by us] */
const names: readonly (readonly [name: string, both: string, strictly: string])[] = [
  ['client.example', '250', '250'],
  ['client.example.', '250', '250'],
  ['two words', '250', '501'],
  ['three\twords  here ', '250', '501'],
  ['b\xc3\xbccher.example', '250', '501'],
  ['"', '250', '250'],
  ['<a>', '250', '250'],
  ['a:b c', '250', '501'],
  ['', '501', '501'],
];
for (const [name, both, strictly] of names) {
  test(`EHLO and HELO ${JSON.stringify(name)}`, async (t) => {
    if (!needPeer(t, 'postfix')) return;
    for (const verb of ['EHLO', 'HELO']) {
      const [theirs, looseOne, strictOne] = await Promise.all(
        [postfix?.port, loose?.port, strict?.port].map((port) => said(port, `${verb} ${name}`)),
      );
      assert.deepEqual([theirs, looseOne, strictOne], [both, both, strictly]);
    }
  });
}

async function said(port: number | undefined, line: string): Promise<string> {
  const client = await RawClient.open({ port: port ?? 0 });
  const reply = await client.say(line);
  client.end();
  return code(reply);
}

test('whatever the HELO name, the mail reaches Postfix, and its fields are ASCII', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  for (const helo of ['my mail server', 'b\xc3\xbccher.example', '\xc3\xbc'.repeat(127), 'a"(<@;\\>)b'])
    assert.match(
      (await loose?.send({ helo: Buffer.from(helo, 'latin1').toString(), to: 'alice@example.com' })) ?? '',
      /^250/,
      helo,
    );
  await postfix?.until(() => postfix?.delivered.length === 4);
  const texts = postfix?.delivered.map(({ text }) => text) ?? [];
  for (const text of texts) assert.match(text, /^[\x00-\x7f]*$/);
  assert.match(texts.join(''), /^Received: from my\?mail\?server \(/m);
  assert.match(texts.join(''), /^X-HELO: my mail server$/m);
});
