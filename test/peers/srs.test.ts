/** The example srs through a listener: Mail::SRS reads what it writes, and it reads what Mail::SRS writes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test, type TestContext } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';

const secret = 'a secret of the test';
const folder = mkdtempSync(join(tmpdir(), 'postern-srs-'));
let mx: Mx;
before(async () => {
  writeFileSync(join(folder, 'secret'), `${secret}\n`);
  mx = await Mx.start({
    markers: [
      ...['alice', 'bob', 'carol'].map((name) => `example.com/users/valid/${name}`),
      'example.com/forwards=bob bob@elsewhere.example # since May\ncarol alice@example.com\n',
    ],
    settings: [`plugin_dirs=${join(packageRoot, 'plugins/examples')}`],
    plugins: [`srs secret=${join(folder, 'secret')} anywhere`, 'valid_users'],
  });
});
beforeEach(() => mx.forget());
after(async () => {
  await mx?.close();
  rmSync(folder, { recursive: true });
});

/** The reverse-path and the recipient of each mail that went on. */
const sent = (): readonly (readonly [from: string | undefined, to: string | undefined])[] =>
  mx
    .delivered()
    .map((mail) => [/^Return-Path: <(.*)>\r$/m.exec(mail)?.[1], /^X-Original-To: (.*)\r$/m.exec(mail)?.[1]]);

/** A line of Perl with `$srs`, and `@ARGV`. */
const perl = (code: string, ...words: readonly string[]): string =>
  execFileSync(
    'perl',
    ['-MMail::SRS', '-e', `my $srs = Mail::SRS->new(Secret => "${secret}", MaxAge => 21); ${code}`, ...words],
    { encoding: 'utf8' },
  );
const theirForward = (sender: string, domain: string): string => perl('print $srs->forward(@ARGV)', sender, domain);
const theirReverse = (address: string): string => perl('print $srs->reverse(@ARGV)', address);

test('a forwarded mail has a sender of ours, from which Mail::SRS reads the true one', async (t) => {
  if (!needPeer(t, 'mail-srs')) return;
  assert.match(await mx.send({ from: 'Some.One+x@b.example', to: 'bob@example.com' }), /^250 /);
  const [[from = '', to] = []] = sent();
  assert.match(from, /^SRS0=[^=]{4}=[A-Z2-7]{2}=b\.example=Some\.One\+x@example\.com$/);
  assert.equal(to, 'bob@elsewhere.example');
  assert.equal(theirReverse(from), 'Some.One+x@b.example');
});

test('what was rewritten twice before goes back by way of the first', async (t) => {
  if (!needPeer(t, 'mail-srs')) return;
  const first = theirForward('a@b.example', 'first.example');
  assert.match(await mx.send({ from: first, to: 'bob@example.com' }), /^250 /);
  const second = sent()[0]?.[0] ?? '';
  assert.match(second, /^SRS1=[^=]{4}=first\.example==/);
  assert.equal(theirReverse(second), first);
  mx.forget();
  assert.match(await mx.send({ from: theirForward(first, 'second.example'), to: 'bob@example.com' }), /^250 /);
  assert.equal(theirReverse(sent()[0]?.[0] ?? ''), first);
});

/** [what, the sender that comes back, where it goes] */
const returns: readonly (readonly [what: string, address: () => string, to: string])[] = [
  ['of Mail::SRS', () => theirForward('a@b.example', 'example.com'), 'a@b.example'],
  ['in lower case', () => theirForward('A@b.example', 'example.com').toLowerCase(), 'a@b.example'],
  [
    'of a second forwarding',
    () => theirForward('SRS0=abcd=AB=b.example=a@first.example', 'example.com'),
    'SRS0=abcd=AB=b.example=a@first.example',
  ],
];
for (const [what, address, to] of returns)
  test(`a bounce to a sender ${what} goes to where the mail came from`, async (t: TestContext) => {
    if (!needPeer(t, 'mail-srs')) return;
    assert.match(await mx.send({ from: '', to: address() }), /^250 /);
    assert.deepEqual(sent(), [['', to]]);
  });

/** [what, the sender of the mail, its recipient] */
const refused: readonly (readonly [what: string, from: string, to: () => string])[] = [
  ['no bounce', 'eve@elsewhere.example', () => theirForward('a@b.example', 'example.com')],
  ['a wrong hash', '', () => 'SRS0=abcd=AB=b.example=a@example.com'],
  ['a hash for another', '', () => theirForward('a@b.example', 'example.com').replace('=a@', '=eve@')],
  ['nothing but the beginning', '', () => 'SRS0=@example.com'],
  [
    'one that is too old',
    '',
    () =>
      perl(
        'my $day = $srs->timestamp_create(time - 30 * 86400); ' +
          'print "SRS0=", $srs->hash_create($day, "b.example", "a"), "=$day=b.example=a\\@example.com"',
      ),
  ],
];
for (const [what, from, to] of refused)
  test(`nobody sends elsewhere by way of us: ${what}`, async (t: TestContext) => {
    if (!needPeer(t, 'mail-srs')) return;
    const earlier = mx.archived().length;
    assert.match(await mx.send({ from, to: to() }), /^550 5\.1\.1 No such mailbox \(/);
    assert.deepEqual([sent(), mx.archived().length - earlier], [[], 1]);
  });

test('the null sender and a sender of ours stay, as does mail that nobody forwards', async () => {
  assert.match(await mx.send({ from: '', to: 'bob@example.com' }), /^250 /);
  assert.match(await mx.send({ from: 'alice@example.com', to: 'bob@example.com' }), /^250 /);
  assert.match(await mx.send({ from: 'a@b.example', to: 'alice@example.com' }), /^250 /);
  assert.deepEqual(sent(), [
    ['', 'bob@elsewhere.example'],
    ['alice@example.com', 'bob@elsewhere.example'],
    ['a@b.example', 'alice@example.com'],
  ]);
});

test('who is forwarded inside the house has a sender of ours, too', async () => {
  assert.match(await mx.send({ from: 'a@b.example', to: 'carol@example.com' }), /^250 /);
  const [[from = '', to] = []] = sent();
  assert.ok(from.startsWith('SRS0='));
  assert.equal(to, 'alice@example.com');
});

test('a forwarded recipient has a mail of its own', async () => {
  const say = (...to: readonly string[]): Promise<string[]> =>
    mx.say('EHLO a', 'MAIL FROM:<a@b.example>', ...to.map((name) => `RCPT TO:<${name}@example.com>`));
  assert.match((await say('bob', 'alice', 'carol')).slice(2).join('|'), /^250 .*\|452 4\.5\.3 .*\|452 4\.5\.3 /);
  assert.match((await say('alice', 'bob')).slice(2).join('|'), /^250 .*\|452 4\.5\.3 /);
});
