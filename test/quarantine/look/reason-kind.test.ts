/** Reasons are counted by their kind, and a kind leads to its mails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQuery } from '../../../src/quarantine/look/query.js';
import { reasonKind, searchForKind } from '../../../src/quarantine/look/reason-kind.js';
import { entryFor } from '../support.js';

/** [plugin, reasons of one kind, the kind] */
const kinds: readonly (readonly [plugin: string, reasons: readonly string[], kind: string])[] = [
  [
    'spf',
    [
      'SPF fail: partner.example does not permit 203.0.113.9 to send its mail by -all',
      'SPF fail: a-b.example.org does not permit 2001:db8::1 to send its mail by -all',
    ],
    'spf: SPF fail: … does not permit … to send its mail by -all',
  ],
  ['valid_users', ['No such user'], 'valid_users: No such user'],
  [
    'blacklist',
    ['anna@sender.example is blacklisted', '"a b"@x.example is blacklisted'],
    'blacklist: … is blacklisted',
  ],
  [
    'dnsbl',
    ['your address 192.0.2.1 is listed by bl.example.org (127.0.0.2)'],
    'dnsbl: your address … is listed by … (…)',
  ],
  ['rspamd', ['score 15.2 of 15', 'score 18 of 15'], 'rspamd: score … of …'],
  ['x', ['<script>alert(1)</script>'], 'x: <script>alert(…)</script>'],
  ['', [''], ': '],
];
for (const [plugin, reasons, kind] of kinds) {
  test(`${kind} stands for ${reasons.length} of ${plugin || 'no plugin'}`, () => {
    for (const reason of reasons) {
      assert.equal(reasonKind(plugin, reason).replace('……', '…'), kind);
      const parsed = parseQuery(searchForKind(kind));
      assert.ok(parsed.ok);
      assert.ok(
        parsed.value.matches({ ...entryFor('x', new Date()), plugin, reason }, 'example.com'),
        searchForKind(kind),
      );
    }
  });
}

test('a reason of any length is one kind, soon', () => {
  for (const reason of [
    'a.'.repeat(8_000),
    ':'.repeat(16_000),
    `${'a'.repeat(8_000)}@`,
    '1.'.repeat(8_000),
    '"'.repeat(16_000),
  ])
    assert.ok(reasonKind('x', reason).length < 200);
});
