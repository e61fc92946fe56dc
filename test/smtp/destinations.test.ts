/** Each domain's mail goes where its file says, and nothing that a file says lets in what is not ours. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test, type TestContext } from 'node:test';
import { byDomain } from '../../src/cli/relay/relaying.js';
import { release } from '../../src/quarantine/care/release.js';
import { destinationsOf } from '../../src/smtp/recipients/destinations.js';
import { request } from '../relay/support/requests.js';
import { type Answer, ScriptedMta, type Verb } from '../relay/support/scripted-mta.js';
import { usual } from '../relay/support/with-relay.js';
import { Mx } from '../support/mx.js';

/** Where mail usually goes, two MTAs by SMTP and one by LMTP. */
let main: ScriptedMta;
let second: ScriptedMta;
let third: ScriptedMta;
let lmtp: ScriptedMta;
let mx: Mx;

const notLmtp = ({ verb }: { verb: Verb }): Answer => (verb === 'LHLO' ? '500 5.5.1 EHLO first' : undefined);
const onlyLmtp = ({ verb }: { verb: Verb }): Answer =>
  verb === 'EHLO' || verb === 'HELO' ? '500 5.5.1 LHLO first' : undefined;

before(async () => {
  const smtp = { extensions: usual, script: notLmtp };
  [main, second, third, lmtp] = await Promise.all([
    ScriptedMta.start(smtp),
    ScriptedMta.start(smtp),
    ScriptedMta.start(smtp),
    ScriptedMta.start({ extensions: usual, script: onlyLmtp }),
  ]);
  mx = await Mx.start({
    relayPort: main.port,
    markers: ['a.example/users/valid/*', 'b.example/users/valid/*', 'b.example/users/invalid/nobody'],
    settings: ['postmaster=root@b.example', 'relay_networks=192.0.2.0/24', 'xclient_networks=loopback'],
    plugins: ['blacklist', 'whitelist', 'valid_users', 'date'],
    zone: {},
  });
});
after(async () => {
  await mx.close();
  await Promise.all([main, second, third, lmtp].map((mta) => mta.stop()));
});
beforeEach(() => {
  for (const mta of [main, second, third, lmtp]) mta.messages.length = 0;
  mx.forget();
});

const at = (mta: ScriptedMta): string => `127.0.0.1:${mta.port}`;
const counts = (): readonly number[] => [main, second, third, lmtp].map(({ messages }) => messages.length);

/** The file is there for one test. */
function relayOf(t: TestContext, domain: string, text: string): void {
  mx.touch(`${domain}/relay=${text}`);
  t.after(() => mx.remove(`${domain}/relay`));
}

test('a domain’s mail goes where its file says, from the next command on, and the others’ stays as it was', async (t) => {
  assert.match(await mx.send({ to: 'x@b.example' }), /^250 /);
  relayOf(t, 'b.example', `# the new one\n${at(second)}\n`);
  assert.match(await mx.send({ to: 'x@b.example' }), /^250 /);
  assert.match(await mx.send({ to: 'x@a.example' }), /^250 /);
  assert.deepEqual(counts(), [2, 1, 0, 0]);
  assert.deepEqual(
    mx.fates().map(({ destination }) => destination),
    [at(main), at(second), at(main)],
  );
  mx.touch(`b.example/relay=${at(third)}`);
  assert.match(await mx.send({ to: 'x@b.example' }), /^250 /);
  mx.remove('b.example/relay');
  assert.match(await mx.send({ to: 'x@b.example' }), /^250 /);
  assert.deepEqual(counts(), [3, 1, 1, 0]);
});

test('what is changed between RCPT and the end of data counts', async (t) => {
  relayOf(t, 'b.example', at(second));
  const client = await mx.connect();
  for (const line of ['EHLO c.example', 'MAIL FROM:<s@sender.example>', 'RCPT TO:<x@b.example>'])
    await client.say(line);
  mx.touch(`b.example/relay=${at(third)}`);
  await client.say('DATA');
  assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^250 /);
  client.end();
  assert.deepEqual(counts(), [0, 0, 1, 0]);
});

for (const [what, text] of [
  ['empty', ''],
  ['nonsense', 'over there'],
  ['binary', '\0\x01\xff\n\x80'],
  ['contradictory', 'a.example tls=no tls=must'],
] as const) {
  test(`a file that is ${what} defers the domain’s mail at RCPT, is named by the log, and touches no other domain`, async (t) => {
    relayOf(t, 'b.example', text);
    assert.match(await mx.send({ to: 'x@b.example' }), /^451 4\.3\.0 /);
    assert.match(await mx.send({ to: 'x@a.example' }), /^250 /);
    assert.deepEqual(counts(), [1, 0, 0, 0]);
    const told = mx.log.map(({ problem }) => problem).filter((problem) => typeof problem === 'string');
    assert.ok(
      told.some((problem) => problem.includes(`${mx.root}/srv/b.example/relay: `)),
      told.join('\n'),
    );
  });
}

test('a file that breaks behind RCPT defers the mail', async (t) => {
  relayOf(t, 'b.example', at(second));
  const client = await mx.connect();
  for (const line of ['EHLO c.example', 'MAIL FROM:<s@sender.example>', 'RCPT TO:<x@b.example>'])
    await client.say(line);
  mx.touch('b.example/relay=');
  await client.say('DATA');
  assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^451 4\.3\.0 /);
  client.end();
  assert.deepEqual(counts(), [0, 0, 0, 0]);
});

test('LMTP has one recipient a transaction: the second is told 452, the same one again is not', async (t) => {
  relayOf(t, 'b.example', `lmtp:${at(lmtp)}`);
  const replies = await mx.say(
    'EHLO c.example',
    'MAIL FROM:<s@sender.example>',
    'RCPT TO:<x@b.example>',
    'RCPT TO:<y@b.example>',
    'RCPT TO:<nobody@b.example>',
    'RCPT TO:<x@b.example>',
    'DATA',
    'Subject: x\r\n\r\nx\r\n.',
  );
  const codes = replies.map((reply) => reply.slice(0, 3));
  assert.deepEqual(codes, ['250', '250', '250', '452', '452', '250', '354', '250']);
  assert.deepEqual(counts(), [0, 0, 0, 1]);
  assert.deepEqual(lmtp.messages[0]?.to, ['RCPT TO:<x@b.example>']);
  assert.ok(lmtp.said.includes('LHLO mx.test.example'));
  assert.ok(!lmtp.said.some((line) => /^(?:EHLO|HELO) /.test(line)));
});

test('the wrong protocol is found at run time, and named', async (t) => {
  relayOf(t, 'b.example', at(lmtp));
  assert.match(await mx.send({ to: 'x@b.example' }), /^451 4\.4\.1 /);
  mx.touch(`b.example/relay=lmtp:${at(second)}`);
  assert.match(await mx.send({ to: 'x@b.example' }), /^451 4\.4\.1 /);
  const told = mx.log.map(({ problem }) => String(problem)).join('\n');
  assert.match(told, /is it LMTP\?/);
  assert.match(told, /is it SMTP\?/);
});

test('a destination that is ourselves is found at run time, and no mail goes round', async (t) => {
  relayOf(t, 'b.example', `127.0.0.1:${mx.port}\n`);
  assert.match(await mx.send({ to: 'x@b.example' }), /^451 4\.4\.1 /);
  assert.match(String(mx.fates()[0]?.['reason']), /it is postern itself/);
  mx.touch(`b.example/relay=127.0.0.1:${mx.port}\n${at(second)}\n`);
  assert.match(await mx.send({ to: 'x@b.example' }), /^250 /);
  assert.deepEqual(counts(), [0, 1, 0, 0]);
});

test('mail for <postmaster> goes where the domain of the setting has it; a client that may relay, as usual', async (t) => {
  relayOf(t, 'b.example', at(second));
  assert.match(await mx.send({ to: 'postmaster' }), /^250 /);
  assert.deepEqual(counts(), [0, 1, 0, 0]);
  assert.match(await mx.send({ to: 'x@b.example', xclient: 'ADDR=192.0.2.9' }), /^250 /);
  assert.deepEqual(counts(), [1, 1, 0, 0]);
});

test('where the first is down the mail is counted for both, and relayed', async (t) => {
  const down = await ScriptedMta.start({ script: ({ verb }) => (verb === 'CONNECT' ? '421 4.3.2 no' : undefined) });
  t.after(() => down.stop());
  relayOf(t, 'b.example', `${at(down)}\n${at(second)}`);
  assert.match(await mx.send({ to: 'x@b.example' }), /^250 /);
  assert.deepEqual(counts(), [0, 1, 0, 0]);
  const values = mx.listener.services.metrics.registry.snapshot;
  const text = JSON.stringify(values);
  assert.ok(text.includes(at(down)) && text.includes(at(second)), text);
});

test('a kept mail is released to where its domain’s mail goes; while the file is broken it stays', async (t) => {
  assert.match(await mx.send({ to: 'x@b.example', message: 'Subject: none' }), /^250 /);
  mx.touch('b.example/checks/date');
  t.after(() => mx.remove('b.example/checks/date'));
  assert.match(await mx.send({ to: 'x@b.example', message: 'Subject: no date' }), /^550 /);
  const [, yday = '', domain = '', filename = ''] =
    /([0-9]+)\/([^/]+)\/new\/([^/]+)$/.exec(mx.archived()[0]?.path ?? '') ?? assert.fail('nothing is kept');
  const { relay, srv } = mx.listener.services;
  const options = { root: `${mx.root}/spam`, relay: byDomain(relay, srv), hostname: 'mx.test.example', by: 'anna' };
  const releasing = { ...options, form: 'raw', again: false, hasUser: () => true } as const;
  const ref = { yday, domain, filename };
  main.messages.length = 0;
  relayOf(t, 'b.example', 'nowhere to go');
  const kept = await release(ref, releasing);
  assert.match(kept.kind === 'unreachable' ? kept.problem : kept.kind, /b\.example\/relay: "to" must be tls=no/);
  mx.touch(`b.example/relay=${at(second)}`);
  assert.equal((await release(ref, releasing)).kind, 'released');
  assert.deepEqual(counts(), [0, 1, 0, 0]);
});

/** What nearly every MTA takes from 127.0.0.1, or looks for a route in. */
const elsewhere = [
  'victim@elsewhere.example',
  '@b.example:victim@elsewhere.example',
  'victim%elsewhere.example@b.example',
  'elsewhere.example!victim@b.example',
  '"victim%elsewhere.example"@b.example',
  '"victim@elsewhere.example"@b.example',
  'victim@[127.0.0.1]',
  'victim@relay',
  'victim@_global_',
];

/** Each way to say where mail goes. */
const ways: readonly (readonly [what: string, text: () => string])[] = [
  ['an MTA', () => at(second)],
  ['several that share the load', () => `${at(second)}, ${at(third)}`],
  ['one after the other', () => `127.0.0.1:1\n${at(second)}`],
  ['a name', () => `localhost:${second.port}`],
  ['LMTP', () => `lmtp:${at(lmtp)}`],
  ['TLS where it is offered', () => `${at(second)} tls=may`],
  ['what makes no sense', () => 'elsewhere.example!'],
  ['nothing', () => ''],
  ['another domain that is hosted nowhere', () => 'elsewhere.example'],
];
for (const [what, text] of ways) {
  test(`no open relay, where a domain’s file names ${what}, nor where all do`, async (t) => {
    relayOf(t, 'b.example', text());
    mx.touch(`_global_/relay=${at(second)}`);
    t.after(() => mx.remove('_global_'));
    const client = await mx.connect();
    await client.say('EHLO c.example');
    for (const address of elsewhere) {
      await client.say('MAIL FROM:<s@sender.example>');
      const rcpt = await client.say(`RCPT TO:<${address}>`);
      // What might be routed is read to its end and kept.
      if (rcpt.startsWith('250')) {
        await client.say('DATA');
        assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^550 5\.1\.1 /, address);
      } else {
        assert.match(rcpt, /^(?:550 5\.7\.1|501 5\.1\.3|451 4\.3\.0) /, address);
        await client.say('RSET');
      }
    }
    client.end();
    assert.deepEqual(counts(), [0, 0, 0, 0]);
  });
}

test('the destination of a domain that is not hosted is that of the setting, which no recipient of it reaches', () => {
  const { services } = mx.listener;
  assert.equal(destinationsOf('elsewhere.example', services), services.settings.relay);
  assert.equal(destinationsOf('_global_', services), services.settings.relay);
  assert.equal(destinationsOf('..', services), services.settings.relay);
});

test('a mail with several recipients is never given to LMTP, whatever led there', async (t) => {
  relayOf(t, 'b.example', `lmtp:${at(lmtp)}`);
  const { services } = mx.listener;
  const to = destinationsOf('b.example', services);
  const result = await services.relay.send(request({ to, recipients: ['x@b.example', 'y@b.example'] }));
  assert.deepEqual(result, { kind: 'unreachable', problem: 'LMTP takes one recipient a mail, and this one has 2' });
  assert.equal(lmtp.messages.length, 0);
});
