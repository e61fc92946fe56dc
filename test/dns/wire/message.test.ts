import assert from 'node:assert/strict';
import { test } from 'node:test';
import packet from 'dns-packet';
import * as fc from 'fast-check';
import { answersQuery, decodeMessage, encodeQuery } from '../../../src/dns/wire/message.js';
import { encodeName } from '../../../src/dns/wire/name.js';
import { readAnswer, trailFrom } from '../../../src/dns/stub/reading.js';
import type { RecordType } from '../../../src/dns/resolver.js';
import {
  a,
  aaaa,
  cname,
  messageOctets,
  mx,
  ns,
  ptr,
  questionOctets,
  soa,
  T,
  txt,
  u16,
  type MessageParts,
} from '../support/wire.js';

const name = encodeName('www.Example.test') ?? Buffer.of(0);
const query = encodeQuery({ id: 0x1234, name, type: 'TXT', edns: true });
const question = questionOctets('www.Example.test', T.TXT);

test('another implementation reads our query', () => {
  const read = packet.decode(query);
  assert.deepEqual(
    [read.id, read.flag_rd, read.questions?.[0]],
    [0x1234, true, { name: 'www.Example.test', type: 'TXT', class: 'IN' }],
  );
  assert.equal((read.additionals?.[0] as { udpPayloadSize?: number } | undefined)?.udpPayloadSize, 1232);
});

const header = (flags: number, questions: number): Buffer =>
  Buffer.concat([u16(0x1234), u16(flags), u16(questions), Buffer.alloc(6)]);

const recognitions: readonly (readonly [what: string, octets: Buffer, expected: boolean])[] = [
  ['id and question of ours', messageOctets({ id: 0x1234, question }), true],
  [
    'our question in other case',
    messageOctets({ id: 0x1234, question: questionOctets('WWW.eXAMPLE.test', T.TXT) }),
    true,
  ],
  ['another id', messageOctets({ id: 0x1235, question }), false],
  ['another name', messageOctets({ id: 0x1234, question: questionOctets('www.example.tesT.', T.TXT) }), false],
  ['another type', messageOctets({ id: 0x1234, question: questionOctets('www.example.test', T.A) }), false],
  ['a query, not a response', messageOctets({ id: 0x1234, question, flags: 0x0100 }), false],
  ['a response to a NOTIFY', messageOctets({ id: 0x1234, question, flags: 0xa000 }), false],
  ['no question', header(0x8180, 0), false],
  ['no question, but FORMERR', header(0x8181, 0), true],
  ['two questions', Buffer.concat([header(0x8180, 2), question, question]), false],
  ['the question cut short', Buffer.concat([header(0x8180, 1), question.subarray(0, 9)]), false],
  ['a header cut short', header(0x8180, 1).subarray(0, 11), false],
  ['nothing', Buffer.alloc(0), false],
];

for (const [what, octets, expected] of recognitions) {
  test(`recognise: ${what}`, () => assert.equal(answersQuery(octets, query), expected));
}

const messages: readonly (readonly [what: string, parts: Partial<MessageParts>, expected: object | undefined])[] = [
  ['RCODE', { rcode: 3 }, { rcode: 3 }],
  [
    'the RCODE bits of EDNS: BADVERS',
    { additional: [{ owner: '', type: T.OPT, class: 1232, ttl: 0x01000000, data: Buffer.alloc(0) }] },
    { rcode: 16 },
  ],
  ['SOA minimum below its TTL', { authority: [soa(30)] }, { negativeTtl: 30 }],
  ['SOA minimum over its TTL', { authority: [soa(900, 60)] }, { negativeTtl: 60 }],
  [
    'an SOA too short to have a minimum',
    { authority: [{ ...soa(1), data: Buffer.alloc(9) }] },
    { negativeTtl: undefined },
  ],
  ['a referral', { flags: 0x8100, authority: [ns('ns.test')] }, { referral: true }],
  ['NS from a server that offers recursion is no referral', { authority: [ns('ns.test')] }, { referral: false }],
  ['NS beside an SOA is no referral', { flags: 0x8100, authority: [ns('ns.test'), soa(1)] }, { referral: false }],
  ['NS from an authority is no referral', { flags: 0x8400, authority: [ns('ns.test')] }, { referral: false }],
  [
    'truncated: the sections are not read',
    { flags: 0x8380, answers: [{ type: T.A, owner: Buffer.of(0xc0), data: Buffer.alloc(0) }] },
    { truncated: true, answers: [] },
  ],
  [
    'an owner name that points to itself',
    { answers: [{ ...txt('x'), owner: Buffer.from([0xc0, 12 + question.length]) }] },
    undefined,
  ],
];

for (const [what, parts, expected] of messages) {
  test(`decode: ${what}`, () => {
    const { octets: _, ...message } = decodeMessage(messageOctets({ id: 1, question, ...parts })) ?? {
      octets: undefined,
    };
    if (expected === undefined) assert.deepEqual(message, {});
    else assert.deepEqual({ ...message, ...expected }, message);
  });
}

test('decode: a count higher than the records', () => {
  const octets = messageOctets({ id: 1, question, answers: [txt('x')] });
  octets.writeUInt16BE(0xffff, 6);
  assert.equal(decodeMessage(octets), undefined);
});

test('decode: a TTL over 2^31-1 is zero (RFC 2181 §8)', () => {
  const octets = messageOctets({ id: 1, question, answers: [{ ...txt('x'), ttl: 0xffffffff }] });
  assert.equal(decodeMessage(octets)?.answers[0]?.ttl, 0);
});

const types: readonly RecordType[] = ['A', 'AAAA', 'MX', 'TXT', 'PTR', 'NS', 'SRV', 'CAA', 'TLSA'];

/** [type, as another library writes it, as we read it] */
const written: readonly (readonly [type: RecordType, data: unknown, expected: unknown])[] = [
  ['NS', 'ns1.example.test', 'ns1.example.test'],
  [
    'SRV',
    { priority: 1, weight: 2, port: 465, target: 'mail.example.test' },
    { priority: 1, weight: 2, port: 465, target: 'mail.example.test' },
  ],
  ['SRV', { priority: 0, weight: 0, port: 0, target: '.' }, { priority: 0, weight: 0, port: 0, target: '' }],
  [
    'CAA',
    { issuerCritical: true, tag: 'issue', value: 'ca.example.test; a=b' },
    { critical: true, tag: 'issue', value: 'ca.example.test; a=b' },
  ],
  ['CAA', { tag: 'iodef', value: 'mailto:x@y.test' }, { critical: false, tag: 'iodef', value: 'mailto:x@y.test' }],
  [
    'TLSA',
    { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from('ab01', 'hex') },
    { usage: 3, selector: 1, matching: 1, data: 'ab01' },
  ],
];
for (const [type, data, expected] of written)
  test(`${type} as npm dns-packet writes it: ${JSON.stringify(expected)}`, () => {
    const answer = { name: 'www.example.test', type, ttl: 60, data } as packet.Answer;
    const message = decodeMessage(packet.encode({ type: 'response', id: 1, questions: [], answers: [answer] }));
    assert.ok(message);
    const read = readAnswer(message, type, trailFrom('www.example.test'));
    assert.deepEqual(read, { kind: 'found', records: [expected], ttl: 60 });
  });

test('the question for a type beyond 255 has both its octets', () => {
  const asked = encodeQuery({ id: 1, name: Buffer.from([1, 97, 0]), type: 'CAA', edns: false });
  assert.deepEqual([...asked.subarray(-4)], [1, 1, 0, 1]);
});

function readEverything(octets: Buffer): void {
  answersQuery(octets, query);
  const message = decodeMessage(octets);
  if (!message) return;
  for (const type of types) readAnswer(message, type, trailFrom('www.example.test'));
}

test('any octets: nothing throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      readEverything(Buffer.from(octets));
      // The same behind a header and question of ours, so that sections are reached.
      readEverything(
        Buffer.concat([
          messageOctets({ id: 0x1234, question }).subarray(0, 6),
          Buffer.from([0, 3, 0, 2, 0, 1]),
          question,
          octets,
        ]),
      );
    }),
    { numRuns: 5000 },
  );
});

const full = messageOctets({
  id: 0x1234,
  question,
  answers: [
    cname('b.test'),
    { ...txt('v=spf1 ', '-all'), owner: 'b.test' },
    a(1, 2, 3, 4),
    aaaa('20010db8'.padEnd(32, '0')),
    mx(10, 'm.test'),
    ptr('p.test'),
  ],
  authority: [soa(5)],
  additional: [{ owner: '', type: T.OPT, class: 1232, data: Buffer.alloc(0) }],
});

test('a good answer with any octets changed, cut anywhere: nothing throws', () => {
  const change = fc.tuple(fc.nat(full.length - 1), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(full.length), (changes, cut) => {
      const octets = Buffer.from(full);
      for (const [at, value] of changes) octets[at] = value;
      readEverything(octets);
      readEverything(octets.subarray(0, cut));
    }),
    { numRuns: 5000 },
  );
});
