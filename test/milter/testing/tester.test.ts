import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { accept, type Edit, type MilterPolicy, proceed, reject, replyWith, skip } from '../../../src/milter/policy.js';
import { MilterServer } from '../../../src/milter/server.js';
import { MilterTester } from '../../../src/milter/testing/tester.js';

const seeing: MilterPolicy<undefined, { pieces: number }> = {
  edits: ['insert-header', 'add-recipient'],
  silent: ['header'],
  newTransaction: () => ({ pieces: 0 }),
  connect: () => proceed,
  helo: ({ helo }) => (helo === 'bad' ? reject : proceed),
  mail: (mail) => (mail.macro('auth_authen') === 'anna' ? accept : proceed),
  rcpt: (_, { address }) => (address === 'no@x' ? replyWith(550, '5.1.1', ['100% unknown', 'here']) : proceed),
  header: () => {},
  body: ({ state }) => (++state.pieces > 1 ? skip : proceed),
  async eom(mail) {
    mail.progress();
    await sleep(1);
    return { kind: 'continue', edits: [{ kind: 'insert-header', index: 0, name: 'X', value: `${mail.state.pieces}` }] };
  },
};

const ways: readonly [how: string, open: (t: { after(end: () => unknown): void }) => Promise<MilterTester>][] = [
  ['in this process', () => MilterTester.of(seeing)],
  [
    'over a socket',
    async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'tester-'));
      const server = new MilterServer(seeing);
      t.after(() => rmSync(folder, { recursive: true }));
      t.after(() => server.stop(0));
      const endpoint = { kind: 'unix', path: join(folder, 's') } as const;
      await server.listen(endpoint);
      return MilterTester.connect(endpoint);
    },
  ],
];

for (const [how, open] of ways)
  test(`a session ${how}: what each event is answered, and what the end changes`, async (t) => {
    const mta = await open(t);
    assert.deepEqual(await mta.connect(), { kind: 'continue' });
    assert.deepEqual(await mta.helo('bad'), { kind: 'reject' });
    await mta.helo('good');
    mta.macros('mail', { auth_authen: 'anna' });
    assert.deepEqual(await mta.mail('a@x'), { kind: 'accept' });
    mta.abort();
    assert.deepEqual(await mta.mail('a@x'), { kind: 'continue' });
    assert.deepEqual(await mta.rcpt('no@x'), {
      kind: 'reply',
      code: 550,
      enhanced: '5.1.1',
      text: ['100% unknown', 'here'],
    });
    await mta.rcpt('b@x');
    assert.deepEqual(await mta.header('Subject', 'x'), { kind: 'unanswered' });
    assert.deepEqual(await mta.eoh(), { kind: 'unseen' });
    const pieces = [await mta.body('1'), await mta.body('2'), await mta.body('3')];
    assert.deepEqual(
      pieces.map(({ kind }) => kind),
      ['continue', 'skip', 'unseen'],
    );
    const { answer, edits, mail } = await mta.eom();
    assert.deepEqual(answer, { kind: 'continue' });
    assert.deepEqual(edits, [{ kind: 'insert-header', index: 0, name: 'X', value: '2' }]);
    assert.deepEqual(mail.recipients, ['b@x']);
    assert.deepEqual(mail.header, [
      { name: 'X', value: '2' },
      { name: 'Subject', value: 'x' },
    ]);
    assert.equal(mta.progress, 1);
    mta.close();
  });

test('an MTA that is able to do less is told less', async () => {
  const mta = await MilterTester.of(seeing, { version: 2, actions: 0, protocol: 0 });
  await mta.connect();
  assert.deepEqual((await mta.deliver()).edits, [{ kind: 'insert-header', index: 0, name: 'X', value: '1' }]);
  mta.close();
  const none = await MilterTester.of(seeing, { actions: 0x100 });
  assert.deepEqual((await none.deliver()).edits, []);
});

test('a filter that asks for the blank behind the colon is shown it, and its own values stand without', async () => {
  const seen: string[] = [];
  const policy: MilterPolicy = {
    leadingSpace: true,
    edits: ['add-header'],
    header: (_, { value }) => void seen.push(value),
    eom: () => ({ kind: 'continue', edits: [{ kind: 'add-header', name: 'B', value: 'b' }] }),
  };
  const mta = await MilterTester.of(policy);
  const { mail } = await mta.deliver({ header: [['A', 'a']] });
  mta.close();
  assert.deepEqual(seen, [' a']);
  assert.deepEqual(mail.header, [
    { name: 'A', value: 'a' },
    { name: 'B', value: 'b' },
  ]);
});

test('what a handler throws is thrown at the test, or told to whoever wants it', async () => {
  const policy: MilterPolicy = {
    mail: () => {
      throw new Error('no data base');
    },
    eom: () => Promise.reject(new Error('no disk')),
  };
  const mta = await MilterTester.of(policy);
  await assert.rejects(mta.mail(), /no data base/);
  mta.abort();
  const told: string[] = [];
  const other = await MilterTester.of(policy, { problems: (event, error) => told.push(`${event}: ${String(error)}`) });
  assert.deepEqual(await other.mail(), { kind: 'tempfail' });
  assert.deepEqual(told, ['mail: Error: no data base']);
});

test('a filter that hangs up is an error that says so', async () => {
  await assert.rejects(MilterTester.of(seeing, { version: 1 }), /protocol version 1/);
  await assert.rejects(MilterTester.connect({ kind: 'unix', path: '/no/such/socket' }), /ENOENT/);
});

test('every edit comes out as the policy made it', async () => {
  const edits: readonly Edit[] = [
    { kind: 'change-header', name: 'A', index: 2, value: 'x' },
    { kind: 'delete-header', name: 'A', index: 1 },
    { kind: 'add-header', name: 'B', value: '' },
    { kind: 'change-sender', sender: '<s@x>', parameters: ['SIZE=1'] },
    { kind: 'delete-recipient', recipient: '<recipient@example.com>' },
    { kind: 'add-recipient', recipient: '<b@x>', parameters: ['NOTIFY=NEVER'] },
    { kind: 'replace-body', body: Buffer.alloc(70_000, 'x') },
    { kind: 'quarantine', reason: 'odd' },
  ];
  const mta = await MilterTester.of({
    edits: edits.map(({ kind }) => kind),
    eom: () => ({ kind: 'accept', edits }),
  });
  await mta.connect();
  const end = await mta.deliver({
    header: [
      ['A', '1'],
      ['a', '2'],
    ],
  });
  mta.close();
  const body = end.edits.filter(({ kind }) => kind === 'replace-body');
  assert.equal(body.length, 2);
  assert.deepEqual(
    end.edits.filter((one) => one.kind !== 'replace-body'),
    edits.filter((one) => one.kind !== 'replace-body'),
  );
  const { header, ...rest } = end.mail;
  assert.deepEqual(header, [
    { name: 'A', value: 'x' },
    { name: 'B', value: '' },
  ]);
  assert.deepEqual([rest.sender, rest.recipients, rest.body.length, rest.quarantined], ['s@x', ['b@x'], 70_000, 'odd']);
});
