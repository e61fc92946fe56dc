/** Random lines of the journal with hostile text, and random searches for what is in them. */
import fc from 'fast-check';
import type { JournalLine } from '../../src/journal/line.js';

const word = fc.constantFrom('anna', 'Bob', 'kim', 'İstanbul', 'x', 'ünal', '"q"', '\u202e', 'a b', '日本');
const domain = fc.constantFrom('example.com', 'example.net', 'sender.example', 'Ünal.example');
const address = fc.oneof(
  fc.tuple(word, domain).map(([local, name]) => `${local}@${name}`),
  fc.constant(''),
);
/** They are of the four days before that time. */
export const randomLines = (now: number): fc.Arbitrary<JournalLine> =>
  fc.record({
    time: fc.integer({ min: now - 4 * 86_400_000, max: now }).map((time) => new Date(time).toISOString()),
    verdict: fc.constantFrom('relayed', 'rejected', 'deferred', 'turned away'),
    stage: fc.constantFrom('rcpt', 'dot'),
    id: fc.constantFrom('6AD976HBEEVN63', '6AD976HBEEVN64'),
    domain,
    from: address,
    header_from: address.map((text) => `Name <${text}>`),
    to: fc.array(fc.record({ address, reply: fc.constantFrom('250 2.1.5 Ok', '451 4.7.1 Later') }), { maxLength: 3 }),
    subject: fc.oneof(word, fc.string({ unit: 'binary' })),
    ip: fc.constantFrom('203.0.113.9', '2001:db8::1'),
    plugin: fc.option(fc.constantFrom('spf', 'Spf', 'dnsbl'), { nil: undefined }),
    said: fc.constantFrom(
      undefined,
      [['spf', 'pass', 'log only, would reject: fail']],
      [['dnsbl', 'reject', 'listed']],
    ),
    score: fc.option(fc.integer({ min: -5, max: 20 }), { nil: undefined }),
    size: fc.nat(10_000_000),
  });
const term = fc.oneof(
  word,
  address,
  domain.map((name) => `@${name}`),
  fc
    .tuple(fc.constantFrom('from:', 'to:', 'subject:', 'header-from:'), fc.oneof(word, address))
    .map((two) => two.join('')),
  domain.map((name) => `domain:${name}`),
  fc.constantFrom(
    'verdict:relayed',
    'verdict:r',
    'plugin:SPF',
    'would:spf',
    'would:*',
    'verdict:turned',
    'score:>5',
    'reply:451',
    'ip:203.0.113.9',
    'larger:1m',
    'id:6AD976HBEEVN63',
  ),
);

/** Up to three terms each. */
export const randomSearches = fc
  .array(fc.tuple(fc.boolean(), term), { maxLength: 3 })
  .map((terms) => terms.map(([not, one]) => `${not ? '-' : ''}${one}`).join(' '));
