/** `valid_users ahead` against a scripted MTA; against Postfix see test/peers. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ScriptedMta, type Answer, type Step, silence } from '../relay/support/scripted-mta.js';
import { Mx } from '../support/mx.js';

async function start(
  t: TestContext,
  script: (step: Step) => Answer,
  options: { readonly plugins?: readonly string[]; readonly extensions?: readonly string[] } = {},
): Promise<{ readonly mx: Mx; readonly mta: ScriptedMta }> {
  const mta = await ScriptedMta.start({ script, extensions: options.extensions ?? ['PIPELINING', 'XFORWARD ADDR'] });
  const mx = await Mx.start({
    markers: ['all.example/users/valid/*', 'all.example/users/valid/listed', 'all.example/users/invalid/gone'],
    plugins: options.plugins ?? ['valid_users ahead', 'whitelist'],
    relayPort: mta.port,
    settings: ['relay_timeout=1s', 'xclient_networks=loopback'],
  });
  t.after(async () => {
    await mx.close();
    await mta.stop();
  });
  return { mx, mta };
}

const rcpts = (mta: ScriptedMta, name: string): number =>
  mta.said.filter((line) => line === `RCPT TO:<${name}@all.example>`).length;
const noSuchUser = /^550 5\.1\.1 No such user \([0-9A-Z]{14}\)$/;
const refusing =
  (reply: string) =>
  ({ verb, line }: Step): Answer =>
    verb === 'RCPT' && line.includes('nobody') ? reply : undefined;

/** [what the MTA says to RCPT, is it taken for "no such mailbox"?] */
const replies: readonly (readonly [reply: string, isRefusal: boolean])[] = [
  ['550 5.1.1 unknown', true],
  ['550 Unrouteable address', true],
  ['551 5.1.6 moved', true],
  ['553 no such user', true],
  ['550-5.1.1 two\r\n550 5.1.1 lines', true],
  ['550 5.7.1 policy', false],
  ['554 5.7.1 relaying denied', false],
  ['552 5.2.2 full', false],
  ['550 5.2.1 disabled', false],
  ['450 4.2.0 greylisted', false],
  ['451 4.3.0 broken', false],
];
for (const [reply, isRefusal] of replies) {
  test(`"${reply.replace('\r\n', ' ')}" ${isRefusal ? 'refuses' : 'does not refuse'} the recipient`, async (t) => {
    const { mx, mta } = await start(t, refusing(reply));
    const answer = await mx.send({ to: 'nobody@all.example' });
    if (isRefusal) {
      assert.match(answer, noSuchUser);
      assert.equal(mx.archived().length, 1);
      assert.equal(rcpts(mta, 'nobody'), 1);
    } else {
      // The mail goes its way, and the MTA gives its own answer to it.
      assert.equal(answer.slice(0, 3), reply.slice(0, 3));
      assert.deepEqual(mx.archived(), []);
    }
    assert.equal(mta.messages.length, 0);
  });
}

test('yes and no are remembered, and one question is asked for all who wait', async (t) => {
  const { mx, mta } = await start(t, refusing('550 5.1.1 unknown'));
  const send = (to: string): Promise<string> => mx.send({ to: `${to}@all.example` });
  const answers = await Promise.all(['nobody', 'nobody', 'nobody', 'somebody', 'somebody'].map(send));
  answers.push(await send('Nobody'), await send('somebody'));
  assert.deepEqual(
    answers.map((answer) => answer.slice(0, 3)),
    ['550', '550', '550', '250', '250', '550', '250'],
  );
  assert.equal(rcpts(mta, 'nobody'), 1);
  assert.equal(rcpts(mta, 'somebody'), 1 + 3);
  assert.equal(mta.messages.length, 3);
});

test('only who users/valid/* alone makes valid is asked for', async (t) => {
  const { mx, mta } = await start(t, () => undefined);
  await mx.say(
    'EHLO c.example',
    'MAIL FROM:<a@b.example>',
    'RCPT TO:<listed@all.example>',
    'RCPT TO:<gone@all.example>',
  );
  await mx.say('EHLO c.example', 'MAIL FROM:<a@b.example>', 'RCPT TO:<x%y@all.example>', 'RCPT TO:<x@other.example>');
  assert.equal(mta.said.length, 0);
  await mx.say('EHLO c.example', 'MAIL FROM:<a@b.example>', 'RCPT TO:<new@all.example>');
  assert.equal(rcpts(mta, 'new'), 1);
  assert.ok(mta.said.includes('MAIL FROM:<>'));
  assert.equal(mta.messages.length, 0);
});

test('without the argument nobody is asked', async (t) => {
  const { mx, mta } = await start(t, () => undefined, { plugins: ['valid_users'] });
  await mx.say('EHLO c.example', 'MAIL FROM:<a@b.example>', 'RCPT TO:<new@all.example>');
  assert.equal(mta.said.length, 0);
});

test('an MTA that falls silent is as one that was not asked, and is left alone for a moment', async (t) => {
  const { mx, mta } = await start(t, ({ verb, mail }) => (verb === 'RCPT' && mail === 1 ? silence : undefined));
  const said = await mx.say(
    'EHLO c.example',
    'MAIL FROM:<a@b.example>',
    ...['one', 'two', 'three'].map((name) => `RCPT TO:<${name}@all.example>`),
  );
  assert.deepEqual(
    said.slice(2).map((reply) => reply.slice(0, 3)),
    ['250', '250', '250'],
  );
  assert.deepEqual([rcpts(mta, 'one'), rcpts(mta, 'two')], [1, 0]);
  assert.match(await mx.send({ to: 'one@all.example' }), /^250 /);
  assert.ok(mx.log.some(({ msg, why }) => msg === 'note' && /^not asked ahead: /.test(String(why))));
});

test('an MTA that is down is as one that was not asked', async (t) => {
  const { mx, mta } = await start(t, () => undefined);
  await mta.stop();
  assert.match(await mx.send({ to: 'one@all.example' }), /^451 4\.4\.1 /);
  assert.deepEqual(mx.archived(), []);
});

test('a connection that ended while it was kept costs no answer', async (t) => {
  const { mx, mta } = await start(t, refusing('550 5.1.1 unknown'));
  assert.match(await mx.send({ to: 'one@all.example' }), /^250 /);
  mta.disconnect();
  assert.match(await mx.send({ to: 'nobody@all.example' }), noSuchUser);
});

test('a question goes under our own name, not under that of the client before (XCLIENT)', async (t) => {
  const { mx, mta } = await start(t, refusing('550 5.1.1 unknown'), { extensions: ['PIPELINING', 'XCLIENT ADDR'] });
  assert.match(await mx.send({ to: 'listed@all.example', xclient: 'ADDR=192.0.2.1' }), /^250 /);
  assert.match(await mx.send({ to: 'nobody@all.example', xclient: 'ADDR=192.0.2.2' }), noSuchUser);
  const asking = mta.lines.findIndex((lines) => lines.includes('MAIL FROM:<>'));
  assert.equal(
    mta.lines[asking]?.some((line) => line.startsWith('XCLIENT')),
    false,
  );
});

test('a whitelisted recipient is not refused, whatever the MTA says ahead', async (t) => {
  const { mx } = await start(t, refusing('550 5.1.1 unknown'));
  mx.touch('all.example/whitelisted/recipients/nobody');
  assert.match(await mx.send({ to: 'nobody@all.example' }), /^550 5\.1\.1 unknown$/);
  assert.deepEqual(mx.archived(), []);
});
