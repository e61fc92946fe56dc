/**
 * Two real MTAs behind postern, of which one is killed under load and comes back: every mail that was answered 250 is
 * in a mailbox, once, unless the MTA died between taking a mail and saying so (RFC 1047); no other mail is there twice.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDovecotLmtp } from '../support/dovecot-lmtp.js';
import { message, Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { Postfix } from '../support/postfix.js';
import { until } from '../support/until.js';

interface Behind {
  /** As a destination. */
  readonly text: string;
  /** Texts of what is in its mailboxes. */
  readonly stored: () => readonly string[];
  readonly down: () => Promise<void>;
  readonly up: () => Promise<void>;
}

async function postfix(t: TestContext): Promise<Behind> {
  const mta = await Postfix.start({ domains: ['example.com'] });
  t.after(() => mta.close());
  return {
    text: `127.0.0.1:${mta.port}`,
    stored: () => mta.delivered.map(({ text }) => text),
    down: () => mta.down(),
    up: () => mta.up(),
  };
}

async function dovecot(t: TestContext): Promise<Behind> {
  const mta = await startDovecotLmtp({ people: ['alice@example.com'] });
  t.after(() => mta.close());
  return {
    text: `lmtp:127.0.0.1:${mta.port}`,
    stored: () => mta.delivered.map(({ text }) => text),
    down: () => mta.down(),
    up: () => mta.up(),
  };
}

const clients = 8;
/** Mails before the first one dies, while it is down, and once it is back. */
const phases = [60, 60, 60];

/** [who dies, who stays, how they are listed] */
const pairs: readonly (readonly [string, typeof postfix, string, typeof postfix, string])[] = [
  ['Postfix', postfix, 'another Postfix', postfix, ', '],
  ['Postfix', postfix, 'Dovecot by LMTP', dovecot, '; '],
  ['Dovecot by LMTP', dovecot, 'Postfix', postfix, ', '],
];

for (const [what, startMortal, other, startOther, between] of pairs) {
  test(`${what} dies under load and comes back, ${other} stays${between === ', ' ? ', both share the load' : ''}`, async (t) => {
    if (!needPeer(t, 'postfix', 'dovecot-lmtp')) return;
    const [mortal, stays] = await Promise.all([startMortal(t), startOther(t)]);
    const mx = await Mx.start({
      settings: [`relay=${mortal.text}${between}${stays.text}`, 'max_connections_per_ip=100'],
      markers: ['example.com/users/valid/*'],
      plugins: ['valid_users'],
    });
    t.after(() => mx.close());
    const answers = new Map<string, string>();
    let next = 0;
    const sendUpTo = async (last: number): Promise<void> => {
      while (next < last) {
        const mark = `X-Mark: ${process.pid}-${next++}-end`;
        answers.set(mark, await mx.send({ message: `${mark}\r\n${message({ body: 'x'.repeat(5_000) })}` }));
      }
    };
    const load = (last: number): Promise<unknown> => Promise.all(Array.from({ length: clients }, () => sendUpTo(last)));
    const [before = 0, during = 0, behind = 0] = phases;
    await load(before);
    const dying = sleep(50).then(() => mortal.down());
    await load(before + during);
    await dying;
    await mortal.up();
    await load(before + during + behind);

    const isAccepted = (reply: string): boolean => reply.startsWith('250');
    const accepted = [...answers].filter(([, reply]) => isAccepted(reply)).map(([mark]) => mark);
    const copiesOf = (mark: string): number =>
      [...mortal.stored(), ...stays.stored()].filter((text) => text.includes(mark)).length;
    await until(() => accepted.every((mark) => copiesOf(mark) > 0), 'each mail that was answered 250 is stored');
    const refused = [...answers].filter(([, reply]) => !isAccepted(reply));
    for (const [, reply] of refused) assert.match(reply, /^4\d\d /);
    // One at most a connection: it had the mail, and died before it said so.
    assert.ok(refused.length <= clients, `${refused.length} of ${answers.size} were put off`);
    const twice = accepted.filter((mark) => copiesOf(mark) > 1);
    assert.deepEqual(twice, []);
    assert.ok(stays.stored().length > 0);
    const took = mx.fates().filter(({ destination }) => destination === mortal.text);
    assert.ok(took.length > 0);
  });
}
