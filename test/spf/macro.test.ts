/** Macros as templates: what is known of every text that comes of one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Ip, parseIp } from '../../src/mail/ip.js';
import { isCheckable, isQueryName, withoutFinalDot } from '../../src/spf/domain.js';
import { expandMacro, parseMacroString } from '../../src/spf/macro.js';

/** [macro, is every text of it a name?] */
const templates: readonly (readonly [macro: string, isName: boolean])[] = [
  ['%{ir}.%{v}._spf.%{d2}', true],
  ['_spf.example.org.', true],
  ['%{o}', true],
  ['%{d.}.example', true],
  ['x%{i}.example', false],
  ['%{v}%{v}.example', false],
  ['%{d-}.example', false],
  ['%{l}._spf.example', false],
  ['%{h}', false],
  ['%{D}.example', false],
  ['a..example', false],
  [`${'a'.repeat(64)}.example`, false],
];

for (const [text, isName] of templates) {
  test(`${text} ${isName ? 'always makes' : 'may make what is not'} a name`, () => {
    const macro = parseMacroString(text, 'domain-spec');
    assert.ok(!('kind' in macro));
    assert.equal(macro.isName, isName);
  });
}

const piece = fc.constantFrom('.', '.', 'a', '_spf', 'b'.repeat(40), '%{ir}', '%{i}', '%{v}', '%{d}', '%{d2}', '%{O}');
const domain = fc
  .array(fc.constantFrom('a', 'example', '_x', 'c'.repeat(63)), { minLength: 2, maxLength: 4 })
  .map((labels) => labels.join('.'))
  .filter((name) => isCheckable(name));
const ip = fc.constantFrom('192.0.2.1', '255.255.255.255', '2001:db8::ab').map((text) => parseIp(text) as Ip);

test('whatever a template that makes names makes of a domain and an address is a name, if it is short enough', () => {
  let names = 0;
  fc.assert(
    fc.property(
      fc.array(piece, { minLength: 1, maxLength: 8 }),
      domain,
      domain,
      ip,
      (pieces, first, second, client) => {
        const macro = parseMacroString(pieces.join(''), 'domain-spec');
        if ('kind' in macro || !macro.isName) return;
        const values = {
          sender: `u@${first}`,
          localPart: 'u',
          senderDomain: first,
          ip: client,
          helo: '-',
          receiver: '-',
        };
        const text = expandMacro(macro, { ...values, now: () => 0 }, { domain: second, validated: 'unknown' }) ?? '';
        const name = withoutFinalDot(text);
        if (name.length > 253) return;
        names++;
        assert.ok(isQueryName(name), name);
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(names > 100, `${names}`);
});
