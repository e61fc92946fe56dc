/** The search language: which mails a text finds, and what it says to a text it cannot read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexLine, type IndexEntry } from '../../../src/quarantine/disk/index-entry.js';
import { parseQuery } from '../../../src/quarantine/look/query.js';
import { entryFor } from '../support.js';

const now = new Date(2026, 10, 25, 15);

const entry: IndexEntry = {
  ...entryFor('1795178529.6AD976HBEEVN63_1.mx.example', now),
  from: 'Anna.Mueller@Sender.example',
  headerFrom: 'Jürgen "der Chef" <boss@bank.example>',
  recipient: 'bob@example.com',
  subject: 'Grüße: "50 % off" [today]',
  ip: '192.0.2.77',
  reason: 'SPF fail: sender.example does not permit 192.0.2.77',
  plugin: 'spf',
  spf: 'fail',
  size: 2_000_000,
};

const finds: readonly [what: string, text: string, expected: boolean][] = [
  ['nothing asked finds all', '', true],
  ['a part of the sender, in any case', 'from:anna.mueller@', true],
  ['another sender', 'from:berta', false],
  ['the visible sender by its name', 'from:jürgen', true],
  ['the visible sender by its address', 'from:BOSS@', true],
  ['the visible sender alone', 'header-from:boss@bank', true],
  ['the envelope is not the visible sender', 'header-from:anna', false],
  ['not from, of both', '-from:bank.example', false],
  ['not that visible sender', '-header-from:anna', true],
  ['a visible sender in quotes', 'header-from:"der chef"', true],
  ['nothing over both ends', 'from:examplejürgen', false],
  ['the visible sender as a free word', 'bank.example', true],
  ['the recipient', 'to:bob@example.com', true],
  ['the recipient is not the sender', 'from:bob', false],
  ['a word of the subject beyond ASCII', 'subject:GRÜSSE', false],
  ['a word of the subject beyond ASCII, in its own letters', 'subject:GRÜßE', true],
  ['words in quotes', 'subject:"50 % off"', true],
  ['words in quotes in another order', 'subject:"off % 50"', false],
  ['a quoted part with a space', 'subject:"% off"', true],
  ['characters that a pattern would read as its own', 'subject:[today]', true],
  ['the same in a free word', '[today]', true],
  ['a free word in the reason', 'permit', true],
  ['a free word nowhere', 'zebra', false],
  ['all words must be met', 'permit zebra', false],
  ['a word that must not be there', '-zebra', true],
  ['a word that must not be there and is', '-permit', false],
  ['the plugin, whole', 'plugin:spf', true],
  ['a part of a plugin is no plugin', 'plugin:sp', false],
  ['not by that plugin', '-plugin:spf', false],
  ['the SPF result', 'spf:FAIL', true],
  ['the address', 'ip:192.0.2.77', true],
  ['not an address that begins alike', 'ip:192.0.2.7', false],
  ['the beginning of an address', 'ip:192.0.2.', true],
  ['a network', 'ip:192.0.2.64/26', true],
  ['another network', 'ip:192.0.2.0/26', false],
  ['the domain of the folder', 'domain:Example.com', true],
  ['another domain', 'domain:example.net', false],
  ['not that domain', '-domain:example.net', true],
  ['larger', 'larger:1m', true],
  ['not that large', 'larger:2M', false],
  ['the ID of the 550', 'id:6AD976HBEEVN63', true],
  ['the ID as a free word', '6ad976hbeevn63', true],
];

for (const [what, text, expected] of finds) {
  test(`finds: ${what}`, () => {
    const parsed = parseQuery(text, now);
    assert.ok(parsed.ok, text);
    const { value: query } = parsed;
    assert.equal(query.matches(entry, 'example.com'), expected);
    if (!expected || !query.prefilter) return;
    query.prefilter.lastIndex = 0;
    assert.ok(query.prefilter.test(indexLine(entry).toString('latin1')), 'the reader would pass the line over');
  });
}

const folded: readonly [what: string, subject: string, text: string, expected: boolean][] = [
  ['the sign of the kelvin is a k', '10 \u212a\u212a', 'subject:kk', true],
  ['a capital I with a dot begins with an i', 'ACT\u0130', 'subject:acti', true],
  ['its dot stands before what follows', 'ACT\u0130ON', 'subject:action', false],
  ['a k is a K', 'BLACK KITE', 'subject:"black kite"', true],
];

for (const [what, subject, text, expected] of folded) {
  test(`lower case: ${what}`, () => {
    const parsed = parseQuery(text, now);
    assert.ok(parsed.ok && parsed.value.prefilter, text);
    const { matches, prefilter } = parsed.value;
    assert.equal(matches({ ...entry, subject }, 'example.com'), expected);
    if (!expected) return;
    const line = indexLine({ ...entry, subject }).toString('latin1');
    assert.ok(prefilter.test(line), 'the reader would pass the line over');
  });
}

const day = (month: number, date: number): number => new Date(2026, month, date).getTime();

const times: readonly [text: string, after: number | undefined, before: number | undefined][] = [
  ['after:2026-11-20', day(10, 20), undefined],
  ['before:2026-11-20', undefined, day(10, 20)],
  ['after:today', day(10, 25), undefined],
  ['after:yesterday before:today', day(10, 24), day(10, 25)],
  ['after:7d', day(10, 18), undefined],
  ['after:2026-11-01 after:2026-11-10', day(10, 10), undefined],
];

for (const [text, after, before] of times) {
  test(`${text} is a time`, () => {
    const parsed = parseQuery(text, now);
    assert.ok(parsed.ok);
    assert.deepEqual([parsed.value.after, parsed.value.before], [after, before]);
  });
}

const problems: readonly [text: string, problem: RegExp][] = [
  ['form:anna', /no key form:; the keys are from, to/],
  ['constructor:x', /no key constructor:/],
  ['after:soon', /after: needs a day/],
  ['after:2026-02-30', /after: needs a day/],
  ['larger:big', /larger: needs a size/],
  ['ip:localhost', /ip: needs an address/],
  ['is:lost', /released or deleted/],
  ['x'.repeat(1001), /too long/],
];

for (const [text, problem] of problems) {
  test(`${text.slice(0, 30)} is explained`, () => {
    const parsed = parseQuery(text, now);
    assert.ok(!parsed.ok);
    assert.match(parsed.problem, problem);
  });
}

test('after:2h is two hours ago, to the millisecond', () => {
  const parsed = parseQuery('after:2h', now);
  assert.ok(parsed.ok && parsed.value.after === now.getTime() - 7_200_000);
});
