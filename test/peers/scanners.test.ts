/** clamav, spamassassin and rspamd against the real clamd, spamd and rspamd; then these are ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encoded, multipart } from '../mime/mails.js';
import { message, Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { eicar, RealScanner, words } from '../support/scanners.js';

const clean = message();
const holding = (word: string): string => message({ body: `Look: ${word}.` });
const withFile = (octets: Buffer): string => `From: <a@b.example>\r\n${multipart([encoded('a.com', octets)])}`;
const spam = /^550 5\.7\.1 This looks like spam \([0-9A-Z]{14}\)$/;
const taken = /^250 /;
const bad = { from: 'x@bad.example', helo: 'bad.example', xclient: 'ADDR=203.0.113.66' };

type Mail = NonNullable<Parameters<Mx['send']>[0]>;
interface Peer {
  readonly program: 'clamd' | 'spamd' | 'rspamd';
  readonly plugin: string;
  readonly mails: readonly (readonly [what: string, mail: Mail, reply: RegExp])[];
}

const peers: readonly Peer[] = [
  {
    program: 'clamd',
    plugin: 'clamav',
    mails: [
      ['a clean mail', { message: clean }, taken],
      [
        'EICAR, attached',
        { message: withFile(Buffer.from(eicar)) },
        /^550 5\.7\.1 Infected: Eicar-Test\.UNOFFICIAL \(/,
      ],
      [
        'a signature of one’s own',
        { message: holding(words.virus) },
        /^550 5\.7\.1 Infected: Own\.Test\.UNOFFICIAL \(/,
      ],
      ['a clean mail from disk', { message: withFile(Buffer.alloc(500_000, 'ab')) }, taken],
      ['a mail beyond StreamMaxLength', { message: withFile(Buffer.alloc(2_000_000, 'ab')) }, /^451 4\.3\.0 /],
    ],
  },
  {
    program: 'spamd',
    plugin: 'spamassassin',
    mails: [
      ['a clean mail', { message: clean }, taken],
      ['spam', { message: holding(words.spam) }, spam],
      ['something odd', { message: holding(words.odd) }, taken],
      ['a client that a rule knows', { message: clean, ...bad }, spam],
    ],
  },
  {
    program: 'rspamd',
    plugin: 'rspamd',
    mails: [
      ['a clean mail', { message: clean }, taken],
      ['spam', { message: holding(words.spam) }, spam],
      ['something odd', { message: holding(words.odd) }, taken],
      ['a client and an envelope that a rule knows', { message: clean, ...bad }, spam],
    ],
  },
];

for (const { program, plugin, mails } of peers) {
  test(`${plugin} and the real ${program}`, { timeout: 180_000 }, async (t) => {
    if (!needPeer(t, program)) return;
    const scanner = await RealScanner.start(program);
    const mx = await Mx.start({
      settings: ['xclient_networks=loopback'],
      markers: [
        'example.com/users/valid/alice',
        'off.example/users/valid/alice',
        `example.com/checks/${plugin}`,
        'joined.example/users/valid/alice',
        `joined.example/checks/${plugin}`,
        'joined.example/score=reject 3',
      ],
      plugins: [
        'valid_users',
        `${plugin} ${scanner.socket} timeout=25${plugin === 'clamav' ? '' : ' join=0.5'}`,
        'score',
      ],
    });
    t.after(() => mx.close());
    t.after(() => scanner.close());
    for (const [what, mail, reply] of mails)
      assert.match(await mx.send(mail), reply, `${what}: ${JSON.stringify(mx.fates().at(-1))}`);
    if (plugin !== 'clamav') {
      const [marked = '', ...others] = mx.delivered().filter((text) => text.includes('X-SPAM-RESULT: '));
      assert.match(marked, new RegExp(`^X-SPAM-RESULT: [67] ${plugin}\r$`, 'm'));
      assert.ok(marked.includes(words.odd));
      assert.deepEqual(others, []);
      const joined = await mx.send({ message: holding(words.odd), to: 'alice@joined.example' });
      assert.match(joined, new RegExp(`^550 5\\.7\\.1 score 3(?:\\.5)?: ${plugin} 3`));
    }
    const both = await Promise.all(Array.from({ length: 10 }, () => mx.send({ message: clean })));
    assert.ok(
      both.every((reply) => taken.test(reply)),
      both.join(),
    );
    await scanner.close();
    assert.equal(
      await mx.send({ message: clean }),
      '451 4.3.0 Your mail cannot be scanned now, try again later',
      'ended',
    );
    assert.match(await mx.send({ message: clean, to: 'alice@off.example' }), taken, 'where it is off');
  });
}
