import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { agree, maxDataOf, wishesOf } from '../../src/milter/negotiation.js';
import type { MilterHandlers, MilterWishes } from '../../src/milter/policy.js';
import { MilterTester } from '../../src/milter/testing/tester.js';
import { Talk, body, connect, mail, negotiate } from '../support/milter-mta.js';

type Filter = MilterWishes & MilterHandlers<undefined, undefined>;

const nothing = (): void => {};
const every: Filter = { rcpt: nothing, header: nothing, eoh: nothing, body: nothing, unknown: nothing };
const all = { version: 6, actions: 0x1ff, protocol: 0x1fffff };

const table: readonly [what: string, filter: Filter, offer: readonly [number?, number?, number?], answer: string][] = [
  ['a filter of nothing sees session, sender, DATA and the end', {}, [], '0x6 0x0 0x178'],
  ['one of everything', every, [], '0x6 0x0 0x400'],
  ['header fields only', { header: nothing }, [], '0x6 0x0 0x158'],
  ['recipients only', { rcpt: nothing }, [], '0x6 0x0 0x170'],
  ['refused recipients too', { ...every, refusedRecipients: true }, [], '0x6 0x0 0xc00'],
  ['values with their space', { ...every, leadingSpace: true }, [], '0x6 0x0 0x100400'],
  ['header fields it only looks at', { ...every, silent: ['header'] }, [], '0x6 0x0 0x480'],
  [
    'all it only looks at',
    {
      ...every,
      connect: nothing,
      helo: nothing,
      mail: nothing,
      silent: ['connect', 'helo', 'mail', 'rcpt', 'header', 'eoh', 'body', 'unknown'],
    },
    [],
    '0x6 0x0 0xef480',
  ],
  ['what has no handler cannot be looked at', { silent: ['header'] }, [], '0x6 0x0 0x178'],
  ['insertions', { edits: ['insert-header', 'add-header'] }, [], '0x6 0x1 0x178'],
  [
    'all edits',
    {
      edits: [
        'add-header',
        'delete-header',
        'change-sender',
        'add-recipient',
        'delete-recipient',
        'replace-body',
        'quarantine',
      ],
    },
    [],
    '0x6 0xff 0x178',
  ],
  [
    'macros',
    { macros: { mail: ['i', 'auth_type', '{client_addr}'] } },
    [],
    '0x6 0x100 0x178 2:i {auth_type} {client_addr}',
  ],
  ['macros for the end of the message are given twice', { macros: { eom: ['i'] } }, [], '0x6 0x100 0x178 5:i 6:i'],
  [
    'those for the end of the header too',
    { macros: { connect: ['j'], eoh: ['i'] } },
    [],
    '0x6 0x100 0x178 0:j 5:i 6:i',
  ],
  ['both as they are', { macros: { eoh: ['i'], eom: ['j'] } }, [], '0x6 0x100 0x178 5:j 6:i'],
  ['no lists where none are taken', { macros: { mail: ['i'] } }, [6, 0xff], '0x6 0x0 0x178'],
  ['no edits where none are taken', { edits: ['insert-header'] }, [6, 0], '0x6 0x0 0x178'],
  ['no flags where none are offered', { silent: ['header'], header: nothing }, [6, 0x1ff, 0], '0x6 0x0 0x0'],
  ['version 2', { edits: ['insert-header', 'change-sender'] }, [2, 0x3f, 0x7f], '0x2 0x1 0x78'],
  [
    'version 2 that offers nothing means what version 1 had',
    { edits: ['insert-header', 'quarantine'] },
    [2, 0, 0],
    '0x2 0x1 0x38',
  ],
  ['version 3', {}, [3, 0x3f, 0x1ff], '0x3 0x0 0x178'],
  ['version 4', {}, [4, 0x3f, 0x3ff], '0x4 0x0 0x178'],
  ['version 5', {}, [5, 0x3f, 0x3ff], '0x5 0x0 0x178'],
  ['a version to come', {}, [7, 0xffffffff, 0xffffffff], '0x6 0x0 0x178'],
];

for (const [what, filter, [version, actions, protocol], answer] of table) {
  test(`negotiation: ${what}`, () => {
    assert.deepEqual(new Talk(filter).send(negotiate(version, actions, protocol)).answers, [`O ${answer}`]);
  });
}

for (const version of [0, 1]) {
  test(`negotiation: version ${version} is refused by closing`, () => {
    const talk = new Talk({}).send(negotiate(version));
    assert.deepEqual([talk.answers, talk.dropped], [[], `protocol version ${version}`]);
  });
}

const sizes: readonly [wish: '256K' | '1M' | undefined, offered: number, agreed: number, octets: number][] = [
  [undefined, 0x30000000, 0, 65_535],
  ['256K', 0x30000000, 0x10000000, 262_143],
  ['1M', 0x30000000, 0x20000000, 1_048_575],
  ['1M', 0x10000000, 0x10000000, 262_143],
  ['1M', 0x40000000, 0, 65_535],
  ['256K', 0x20000000, 0, 65_535],
];

for (const [dataSize, offered, bit, octets] of sizes)
  test(`negotiation of the size of data: ${dataSize ?? 'no'} wish, offered 0x${offered.toString(16)}`, () => {
    const wished = wishesOf({ ...(dataSize && { dataSize }), body: () => {} });
    const agreed = agree(wished, { version: 6, actions: 0x1ff, protocol: 0x1fffff | offered });
    assert.equal((agreed?.protocol ?? 0) & 0x70000000, bit);
    assert.equal(agreed && maxDataOf(agreed), octets);
  });

for (const [dataSize, offered, pieces] of [
  ['1M', 0x20000000, [1_048_575, 300_000]],
  [undefined, 0x20000000, [65_535, 65_535]],
] as const)
  test(`pieces of a body, both ways, where ${dataSize ?? '64K'} are agreed on`, async () => {
    const seen: number[] = [];
    const text = Buffer.alloc(1_348_575);
    const mta = await MilterTester.of(
      {
        ...(dataSize && { dataSize }),
        edits: ['replace-body'],
        body: (_, chunk) => void seen.push(chunk.length),
        eom: () => ({ kind: 'continue', edits: [{ kind: 'replace-body', body: text }] }),
      },
      { protocol: 0x1fffff | offered },
    );
    await mta.connect();
    const { edits, mail: changed } = await mta.deliver({ body: text });
    const sent = edits.flatMap((edit) => (edit.kind === 'replace-body' ? [edit.body.length] : []));
    assert.deepEqual([seen.slice(0, 2), sent.slice(0, 2), changed.body.length], [pieces, pieces, text.length]);
  });

test('a piece of more than was agreed on breaks the protocol', () => {
  const talk = new Talk({ dataSize: '256K', body: () => {} });
  talk.send(negotiate(6, 0x1ff, 0x101fffff), connect(), mail());
  talk.send(body('x'.repeat(262_143)));
  assert.equal(talk.dropped, undefined);
  talk.send(body('x'.repeat(262_144)));
  assert.match(talk.dropped ?? '', /a frame of 262145 octets, over 262144/);
});

test('property: nothing is asked for that was not offered', () => {
  const wished = wishesOf({
    ...every,
    edits: ['replace-body', 'quarantine'],
    macros: { mail: ['i'] },
    silent: ['body'],
  });
  const bits = fc.integer({ min: 0, max: 0xffffffff });
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 9 }), bits, bits, (version, actions, protocol) => {
      const agreed = agree(wished, { version, actions, protocol });
      assert.ok(agreed && agreed.version <= Math.min(version, all.version));
      assert.equal(agreed.actions & ~actions, 0);
      assert.equal(agreed.protocol & ~(protocol & all.protocol), 0);
      assert.equal(agreed.lists.length > 0, (actions & 0x100) !== 0);
    }),
  );
});
