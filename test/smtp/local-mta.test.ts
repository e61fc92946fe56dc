/**
 * The local MTA's answer is ours, at each step of the handing over; where it has none, ours is 451, and the next mail
 * goes through.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Answer, ScriptedMta, type Step, close, reset, silence, stall } from '../relay/support/scripted-mta.js';
import { Mx } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

const markers = ['example.com/users/valid/alice', 'example.com/users/valid/bob', 'example.com/users/valid/carol'];
const extensions = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE 1000000', 'XFORWARD NAME ADDR PROTO HELO SOURCE'];

type Script = (step: Step) => Answer;

/** An MX whose local MTA does as `script` says; `say` changes that on the way. */
async function withMta(
  script: Script,
  run: (mx: Mx, mta: ScriptedMta, say: (next: Script) => void) => Promise<void>,
): Promise<void> {
  let current = script;
  const mta = await ScriptedMta.start({ extensions, script: (step) => current(step) });
  try {
    const mx = await Mx.start({ markers, relayPort: mta.port, settings: ['relay_timeout=1s'] });
    try {
      await run(mx, mta, (next) => (current = next));
    } finally {
      await mx.close();
    }
  } finally {
    await mta.stop();
  }
}

const good: Script = () => undefined;
const at =
  (verb: string, answer: Answer): Script =>
  (step) =>
    step.verb === verb ? answer : undefined;
const verbs = ['CONNECT', 'MAIL', 'RCPT', 'DATA', '.'] as const;

for (const verb of verbs) {
  /** [what the MTA does at this step, the client's reply] */
  const answers: readonly [what: string, answer: Answer, reply: RegExp][] = [
    ['says 4xx', '451 4.3.0 Not now', verb === 'CONNECT' ? /^451 4\.4\.1 / : /^451 4\.3\.0 Not now$/],
    [
      'says 421',
      '421 4.3.2 Going down',
      verb === 'CONNECT' ? /^451 4\.4\.1 / : /^451 4\.(?:3\.2 Going down|4\.1 Cannot deliver now, try again later)$/,
    ],
    ['says 5xx', '554 5.7.1 Never', verb === 'CONNECT' ? /^451 4\.4\.1 / : /^554 5\.7\.1 Never$/],
    ['says nothing', silence, /^451 4\.4\.1 Cannot deliver now, try again later$/],
    ['closes', close, /^451 4\.4\.1 /],
    ['resets', reset, /^451 4\.4\.1 /],
    ['talks nonsense', 'whatever', /^451 4\.4\.1 /],
  ];
  for (const [what, answer, reply] of answers) {
    if (verb === '.' && what === 'says 5xx') continue; // that mail is kept, see below
    test(`the local MTA ${what} at ${verb}: the client hears it, nothing is archived, and the next mail goes through`, async () => {
      await withMta(at(verb, answer), async (mx, mta, say) => {
        assert.match(await mx.send(), reply);
        say(good);
        const had = mta.messages.length;
        assert.match(await mx.send(), /^250 2\.0\.0 /);
        assert.equal(mta.messages.length, had + 1);
        assert.equal(mx.archived().length, 0);
        assert.deepEqual(
          mx.fates().map(({ verdict }) => verdict),
          [reply.source.startsWith('^5') ? 'refused' : 'deferred', 'relayed'],
        );
      });
    });
  }
}

/** [what the MTA says behind the message, what the client hears before the ID] */
const refusals: readonly [answer: string, reply: string][] = [
  ['554 5.6.0 Line too long', '554 5.6.0 Line too long'],
  ['550 Virus', '550 5.6.0 Virus'],
  ['552-5.3.4 Too\r\n552 5.3.4 large', '552 5.3.4 Too large'],
  [`550 5.7.1 ${'x'.repeat(480)}`, `550 5.7.1 ${'x'.repeat(377)}...`],
];
for (const [answer, heard] of refusals) {
  test(`what the local MTA refuses for its content is kept: ${answer.slice(0, 30)}`, async () => {
    await withMta(at('.', answer), async (mx, mta, say) => {
      const reply = await mx.send();
      const [, id = ''] = / \(([0-9A-Z]{14})\)$/.exec(reply) ?? [];
      assert.equal(reply, `${heard} (${id})`);
      const [kept, ...others] = mx.archived();
      assert.equal(others.length, 0);
      assert.match(kept?.text ?? '', /^Recipient: alice@example\.com\r$/m);
      assert.match(kept?.text ?? '', /^X-REJECT-PLUGIN: relay\r$/m);
      assert.match(kept?.text ?? '', /\r\n\r\nHello\.\r\n$/);
      assert.deepEqual(
        mx.index().map(({ plugin, reply: said }) => [plugin, said]),
        [['relay', reply]],
      );
      assert.deepEqual(
        mx.fates().map(({ verdict, plugin }) => [verdict, plugin]),
        [['rejected', 'relay']],
      );
      say(good);
      assert.match(await mx.send(), /^250 /);
      assert.equal(mta.messages.length, 2);
    });
  });
}

test('mail to <postmaster> that the local MTA refuses has no quarantine: its reply, and nothing is kept', async () => {
  await withMta(at('.', '554 5.6.0 Never'), async (mx) => {
    assert.equal(await mx.send({ to: 'postmaster' }), '554 5.6.0 Never');
    assert.equal(mx.archived().length, 0);
  });
});

/** [what the MTA does at EHLO, the client's reply] */
const greetings: readonly [what: string, answer: Answer, reply: RegExp][] = [
  ['says nothing', silence, /^451 4\.4\.1 /],
  ['closes', close, /^451 4\.4\.1 /],
  ['resets', reset, /^451 4\.4\.1 /],
  ['says 421', '421 4.3.2 Going down', /^451 4\.4\.1 /],
  ['says that it knows HELO only', '502 5.5.1 What?', /^250 /],
];
for (const [what, answer, reply] of greetings) {
  test(`the local MTA ${what} at EHLO`, async () => {
    await withMta(at('EHLO', answer), async (mx) => assert.match(await mx.send(), reply));
  });
}

test('an MTA that reads no octet of the message: 451 within relay_timeout', async () => {
  await withMta(at('DATA', stall), async (mx) => {
    assert.match(await mx.send({ message: `Subject: x\r\n\r\n${'x'.repeat(500_000)}` }), /^451 4\.4\.1 /);
  });
});

test('the MTA refuses one of three recipients: 451 and nothing is handed over; on the retry each hears its own answer', async () => {
  const script = (step: Step): Answer =>
    step.verb === 'RCPT' && step.line.includes('bob@') ? '550 5.1.1 No such user' : undefined;
  await withMta(script, async (mx, mta) => {
    const to = ['alice@example.com', 'bob@example.com', 'carol@example.com'];
    assert.match(await mx.send({ to }), /^451 4\.5\.3 /);
    assert.equal(mta.messages.length, 0);
    const again = await mx.say(
      'EHLO c.example',
      'MAIL FROM:<sender@sender.example>',
      ...to.map((one) => `RCPT TO:<${one}>`),
    );
    assert.deepEqual(
      again.slice(2).map((reply) => reply.slice(0, 9)),
      ['250 2.1.5', '550 5.1.1', '250 2.1.5'],
    );
    assert.match(await mx.send({ to: ['alice@example.com', 'carol@example.com'] }), /^250 /);
    assert.deepEqual(
      mta.messages.map((mail) => mail.to),
      [['RCPT TO:<alice@example.com>', 'RCPT TO:<carol@example.com>']],
    );
  });
});

test('the MTA refuses one of two recipients for now: 451, then its own 450 to that one', async () => {
  const script = (step: Step): Answer =>
    step.verb === 'RCPT' && step.line.includes('bob@') ? '450 4.2.0 Mailbox busy' : undefined;
  await withMta(script, async (mx, mta) => {
    assert.match(await mx.send({ to: ['alice@example.com', 'bob@example.com'] }), /^451 4\.5\.3 /);
    assert.match(await mx.send({ to: 'bob@example.com' }), /^450 4\.2\.0 Mailbox busy$/);
    assert.match(await mx.send({ to: 'alice@example.com' }), /^250 /);
    assert.equal(mta.messages.length, 1);
  });
});

test('an MTA that is down, then back: 451 at once, then 250', async () => {
  const mta = await ScriptedMta.start({ extensions });
  const { port } = mta;
  const mx = await Mx.start({ markers, relayPort: port });
  await mta.stop();
  assert.match(await mx.send(), /^451 4\.4\.1 /);
  await mta.listen(port);
  assert.match(await mx.send(), /^250 /);
  await mx.close();
  await mta.stop();
});

test('the local MTA on a unix socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-mta-'));
  const mta = await ScriptedMta.start({ extensions, path: join(folder, 'smtp') });
  const mx = await Mx.start({ markers, settings: [`relay=unix:${folder}/smtp`] });
  assert.match(await mx.send(), /^250 2\.0\.0 /);
  assert.equal(mta.messages.length, 1);
  await mta.stop();
  assert.match(await mx.send(), /^451 4\.4\.1 /);
  await mx.close();
  rmSync(folder, { recursive: true, force: true });
});

test('the envelope reaches the MTA as the client gave it, with the extensions that it asked for', async () => {
  await withMta(good, async (mx, mta) => {
    const client = await mx.connect();
    await client.say('EHLO client.example');
    await client.say('MAIL FROM:<"a,b"@sender.example> BODY=8BITMIME SMTPUTF8');
    await client.say('RCPT TO:<alice@example.com>');
    await client.say('DATA');
    assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^250 /);
    client.end();
    const [mail] = mta.messages;
    assert.match(mail?.from ?? '', /^MAIL FROM:<"a,b"@sender\.example> SIZE=\d+ BODY=8BITMIME SMTPUTF8$/);
    assert.deepEqual(mail?.to, ['RCPT TO:<alice@example.com>']);
    assert.ok(
      mta.said.some((line) =>
        line.startsWith('XFORWARD ADDR=127.0.0.1 NAME=localhost PROTO=ESMTP SOURCE=REMOTE HELO=client.example'),
      ),
    );
  });
});

test('the octets of a message go through unchanged below our fields', async () => {
  const text = Buffer.concat([
    Buffer.from('X-a: 1\r\nx-A: 2\r\nX-Fold: q\r\n\t r\r\nSubject: b\xfccher\r\n\r\n..dots\r\n..\r\n', 'latin1'),
    Buffer.from(Array.from({ length: 256 }, (_, i) => (i === 10 || i === 13 ? 46 : i))),
    Buffer.from(`\r\n${'z'.repeat(998)}\r\n  trailing  \t \r\n`, 'latin1'),
  ]);
  await withMta(good, async (mx, mta) => {
    const client = await RawClient.open({ port: mx.port });
    await client.sayAll(
      'EHLO client.example',
      'MAIL FROM:<sender@sender.example> BODY=8BITMIME',
      'RCPT TO:<alice@example.com>',
      'DATA',
    );
    const stuffed = text.toString('latin1').replace(/(^|\r\n)\./g, '$1..');
    client.write(`${stuffed}.\r\n`);
    assert.match(await client.reply(), /^250 /);
    client.end();
    const wire = mta.messages[0]?.wire.toString('latin1') ?? '';
    const below = wire.slice(wire.indexOf('X-a: 1')).replace(/\r\n\./g, '\r\n');
    assert.equal(below, text.toString('latin1'));
  });
});
