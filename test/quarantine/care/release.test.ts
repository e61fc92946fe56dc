/** Release: the way of a kept mail to the local MTA, once. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { checkDay } from '../../../src/quarantine/care/check.js';
import { dispositionOf } from '../../../src/quarantine/look/disposition.js';
import { type MailRef, parseRef } from '../../../src/quarantine/disk/mail-ref.js';
import { release, type ReleaseOptions } from '../../../src/quarantine/care/release.js';
import { destinations } from '../../relay/support/with-relay.js';
import { openRelay, type Relay, type RelayRequest, type RelayResult } from '../../../src/relay/relay.js';
import { startSink } from '../../../src/trial/sink.js';
import { folderOf, namesIn, quarantineIn, request, spamFolder } from '../support.js';

const head = Buffer.from('X-MAIL-FROM: a@example.net\r\nX-REJECT-REASON: No such user\r\n');
const text = 'Subject: hello\r\nX-MAIL-FROM: forged@example.net\r\n\r\n.body\r\n';

async function keptMail(t: TestContext, mail = text): Promise<{ root: string; ref: MailRef }> {
  const root = spamFolder(t);
  const archived = await quarantineIn(root).archive(
    request({ text: mail, copies: [{ recipient: 'foo@example.com', head }] }),
  );
  assert.ok(archived.kind === 'archived');
  const yday = path.basename(path.dirname(folderOf(root)));
  return { root, ref: { yday, domain: 'example.com', filename: archived.filenames[0] ?? '' } };
}

interface FakeRelay extends Pick<Relay, 'send' | 'close'> {
  readonly requests: RelayRequest[];
}

function fakeRelay(answer: () => RelayResult | Promise<RelayResult>): FakeRelay {
  const requests: RelayRequest[] = [];
  return {
    requests,
    async send(sent) {
      requests.push(sent);
      return answer();
    },
    close: () => Promise.resolve(),
  };
}

const options = (root: string, relay: Pick<Relay, 'send'>, more: Partial<ReleaseOptions> = {}): ReleaseOptions => ({
  root,
  relay,
  hostname: 'mx.example',
  by: 'anna',
  form: 'raw',
  again: false,
  hasUser: () => false,
  ...more,
});

test('the MTA gets the message as it was kept, with its own envelope, under X-Released-By', async (t) => {
  const { root, ref } = await keptMail(t);
  const dir = path.join(root, 'sink');
  const sink = await startSink({ host: '127.0.0.1', port: 0, dir, log: () => {} });
  const relay = openRelay({
    destinations: destinations(`127.0.0.1:${sink.port}`),
    hostname: 'mx.example',
    connections: 1,
    timeoutMs: 20_000,
  });
  t.after(async () => {
    await relay.close();
    await sink.close();
  });
  const result = await release(ref, options(root, relay));
  assert.equal(result.kind, 'released');
  const [name = ''] = namesIn(dir, 'new');
  const delivered = fs.readFileSync(path.join(dir, 'new', name), 'latin1');
  assert.ok(delivered.includes(`X-Released-By: anna\r\n${head.toString()}${text}`), delivered);
  assert.match(delivered, /a@example\.net/);
  assert.ok(!delivered.includes('Recipient: foo@example.com'));
  const { mark } = dispositionOf(root, ref);
  assert.deepEqual([mark?.kind, mark?.by], ['released', 'anna']);
  assert.match(mark?.detail ?? '', /queued as/);
});

test('the envelope is the kept one, and no field of the sender’s can change it', async (t) => {
  const { root, ref } = await keptMail(t);
  const relay = fakeRelay(() => ({ kind: 'accepted', text: 'Ok' }));
  await release(ref, options(root, relay));
  assert.deepEqual(
    relay.requests.map(({ reversePath, recipients }) => [reversePath, recipients]),
    [['a@example.net', ['foo@example.com']]],
  );
});

test('what was released is not released again, unless that is asked for', async (t) => {
  const { root, ref } = await keptMail(t);
  const relay = fakeRelay(() => ({ kind: 'accepted', text: 'Ok' }));
  const kinds = [];
  for (const again of [false, false, true]) kinds.push((await release(ref, options(root, relay, { again }))).kind);
  assert.deepEqual(kinds, ['released', 'already', 'released']);
  assert.equal(relay.requests.length, 2);
});

test('of two at once one sends it', async (t) => {
  const { root, ref } = await keptMail(t);
  const relay = fakeRelay(
    () => new Promise((resolve) => setTimeout(() => resolve({ kind: 'accepted', text: 'Ok' }), 100)),
  );
  const results = await Promise.all([1, 2, 3].map(() => release(ref, options(root, relay))));
  assert.deepEqual(results.map(({ kind }) => kind).sort(), ['busy', 'busy', 'released']);
  assert.equal(relay.requests.length, 1);
  assert.deepEqual(
    fs.readdirSync(root).filter((name) => name.startsWith('.releasing')),
    [],
  );
});

const failures: readonly [what: string, answer: RelayResult, expected: object][] = [
  [
    'the MTA’s refusal is told',
    { kind: 'refused', reply: { code: 550, enhanced: '5.1.1', text: 'No', close: false } },
    { kind: 'refused', reply: '550 5.1.1 No' },
  ],
  [
    'an MTA that is down is told',
    { kind: 'unreachable', problem: 'refused' },
    { kind: 'unreachable', problem: 'refused' },
  ],
];

for (const [what, answer, expected] of failures) {
  test(`${what}, and nothing is marked`, async (t) => {
    const { root, ref } = await keptMail(t);
    assert.deepEqual(
      await release(
        ref,
        options(
          root,
          fakeRelay(() => answer),
        ),
      ),
      expected,
    );
    assert.equal(dispositionOf(root, ref).mark, undefined);
    assert.equal(
      (
        await release(
          ref,
          options(
            root,
            fakeRelay(() => ({ kind: 'accepted', text: 'Ok' })),
          ),
        )
      ).kind,
      'released',
    );
  });
}

test('as an attachment it comes whole inside a mail of postmaster’s that nobody answers', async (t) => {
  const { root, ref } = await keptMail(t);
  const relay = fakeRelay(() => ({ kind: 'accepted', text: 'Ok' }));
  await release(ref, options(root, relay, { form: 'attachment' }));
  const [sent] = relay.requests;
  assert.ok(sent);
  assert.equal(sent.reversePath, '');
  const parts: Buffer[] = [];
  for await (const part of sent.message.parts()) parts.push(part);
  const whole = Buffer.concat(parts);
  assert.equal(whole.length, sent.message.size);
  assert.match(whole.toString(), /^From: Quarantine <postmaster@example\.com>\r\n/);
  assert.ok(
    whole
      .toString()
      .includes(`filename="${/\.([A-Z0-9]+)_/.exec(ref.filename)?.[1]}.eml"\r\n\r\n${head.toString()}${text}`),
  );
});

test('a mail that a reader has moved to cur/ is found by its old name; one that is gone is told', async (t) => {
  const { root, ref } = await keptMail(t);
  const folder = folderOf(root);
  fs.renameSync(path.join(folder, 'new', ref.filename), path.join(folder, 'cur', `${ref.filename}:2,RS`));
  const relay = fakeRelay(() => ({ kind: 'accepted', text: 'Ok' }));
  assert.equal((await release(ref, options(root, relay))).kind, 'released');
  fs.rmSync(path.join(folder, 'cur', `${ref.filename}:2,RS`));
  assert.equal((await release(ref, options(root, relay, { again: true }))).kind, 'gone');
});

test('check leaves marks where they are, also a last one without its newline', async (t) => {
  const { root, ref } = await keptMail(t);
  await release(
    ref,
    options(
      root,
      fakeRelay(() => ({ kind: 'accepted', text: 'Ok' })),
    ),
  );
  const index = path.join(folderOf(root), 'index');
  const before = fs.readFileSync(index, 'utf8');
  fs.truncateSync(index, before.length - 1);
  await checkDay(folderOf(root));
  assert.equal(fs.readFileSync(index, 'utf8'), before);
  assert.equal(dispositionOf(root, ref).mark?.kind, 'released');
});

test('a name that begins with a backslash is looked for in the index, and that ends', async (t) => {
  const { root, ref } = await keptMail(t);
  assert.deepEqual(dispositionOf(root, { ...ref, filename: '\\1.A_1.mx' }), {});
});

const refs: readonly [what: string, text: string, isRef: boolean][] = [
  ['a mail of ours', '329/example.com/1795178529.6AD976HBEEVN63_1.mx.example.com', true],
  ['a slash in the host name', '329/example.com/1.A_1.mx\\057x', true],
  ['the parent folder as a day', '../example.com/1.A_1.mx', false],
  ['a link’s name as a day', 'today/example.com/1.A_1.mx', false],
  ['the parent folder as a domain', '329/../1.A_1.mx', false],
  ['the parent folder as a file', '329/example.com/..', false],
  ['a hidden file', '329/example.com/.lock', false],
  ['a path as a file', '329/example.com/new/1.A_1.mx', false],
  ['NUL', '329/example.com/1.A_1.mx\0.eml', false],
  ['flags without a name', '329/example.com/:2,S', false],
  ['nothing', '', false],
  ['day 367', '367/example.com/1.A_1.mx', false],
];

for (const [what, ref, isRef] of refs) {
  test(`${what} ${isRef ? 'is' : 'is not'} a mail’s name`, () => assert.equal(parseRef(ref) !== undefined, isRef));
}
