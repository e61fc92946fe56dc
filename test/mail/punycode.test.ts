import assert from 'node:assert/strict';
import { domainToASCII } from 'node:url';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodePunycode } from '../../src/mail/punycode.js';

/** RFC 3492 §7.1, its letters in lower case. */
const samples: readonly (readonly [punycode: string, text: string])[] = [
  ['egbpdaj6bu4bxfgehfvwxn', 'ليهمابتكلموشعربي؟'],
  ['ihqwcrb4cv8a8dqg056pqjye', '他们为什么不说中文'],
  ['proprostnemluvesky-uyb24dma41a', 'pročprostěnemluvíčesky'],
  ['4dbcagdahymbxekheh6e0a7fei0b', 'למההםפשוטלאמדבריםעברית'],
  ['n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa', 'なぜみんな日本語を話してくれないのか'],
  ['b1abfaaepdrnnbgefbadotcwatmq2g4l', 'почемужеонинеговорятпорусски'],
  ['porqunopuedensimplementehablarenespaol-fmd56a', 'porquénopuedensimplementehablarenespañol'],
  ['3b-ww4c5e180e575a65lsy2b', '3年b組金八先生'],
  ['bcher-kva', 'bücher'],
];
for (const [punycode, text] of samples) test(text, () => assert.equal(decodePunycode(punycode), text));

/** [what, the text] */
const bad: readonly (readonly [what: string, text: string])[] = [
  ['a number that does not end', 'bcher-k'],
  ['a number over all bounds', '99999999'],
  ['a surrogate', 'ib9b'],
  ['what is no digit', 'a-ü'],
  ['an endless one', 'z'.repeat(100_000)],
];
for (const [what, text] of bad) test(`${what} is none`, () => assert.equal(decodePunycode(text), undefined));

test('what the platform encodes comes back', () => {
  const letters = fc.constantFrom(...Array.from('aäöüßçñéαβγабв日本語한글アא1-'));
  fc.assert(
    fc.property(fc.array(letters, { minLength: 1, maxLength: 20 }), (characters) => {
      const ascii = domainToASCII(`a${characters.join('')}`);
      fc.pre(ascii.startsWith('xn--'));
      assert.equal(domainToASCII(decodePunycode(ascii.slice(4)) ?? ''), ascii);
    }),
  );
});

test('any text decodes or does not, and never throws', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...Array.from('abcxyz0189-')) }),
      (text) => void decodePunycode(text),
    ),
  );
});
