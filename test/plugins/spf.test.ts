import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { message, Mx } from '../support/mx.js';

const zone = {
  'pass.example': { TXT: [['v=spf1 ip4:192.0.2.1 -all']] },
  'fail.example': { TXT: [['v=spf1 exp=why.fail.example -all']] },
  'why.fail.example': { TXT: [['%{i} is no host of ours']] },
  'redirect.example': { TXT: [['v=spf1 redirect=fail.example']] },
  'soft.example': { TXT: [['v=spf1 ~all']] },
  'neutral.example': { TXT: [['v=spf1 ?all']] },
  'perm.example': { TXT: [['v=spf1 foo:bar -all']] },
  'temp.example': { timeout: true },
  'include.example': { TXT: [['v=spf1 ip4:198.51.100.0/24 include:pass2.example -all']] },
  'pass2.example': { TXT: [['v=spf1 ip4:192.0.2.2 -all']] },
  'controls.example': { TXT: [['v=spf1 ip4:192.0.2.2 x=\r\nX-Forged:\u001b[2J\u00e9\u0085 -all']] },
  'long.example': { TXT: [[`v=spf1 x=${'y'.repeat(60_000)} -all`]] },
  'many.example': { TXT: [[`v=spf1 ${'ip4:192.0.2.2 ip6:2001:db8::1 '.repeat(500)}-all`]] },
  'mail.helo.example': { TXT: [['v=spf1 -all']] },
  'void.example': { TXT: [['v=spf1 a mx exists:no.example ip4:192.0.2.1 -all']] },
  'out.forwarder.example': { A: ['192.0.2.7'] },
  '7.2.0.192.in-addr.arpa': { PTR: ['out.forwarder.example'] },
};

let mx: Mx;
before(async () => {
  mx = await Mx.start({
    zone,
    markers: ['example.com/users/valid/alice', 'example.com/checks/spf', 'off.example/users/valid/alice'],
    settings: ['xclient_networks=loopback', 'spf_forwarders=*.forwarder.example', 'relay_networks=192.0.2.99'],
  });
});
after(() => mx.close());

const fail = { from: 'a@fail.example' };
const forwarder = { ...fail, helo: 'out.forwarder.example' };
const table: readonly (readonly [what: string, mail: Parameters<Mx['send']>[0], reply: RegExp])[] = [
  ['pass is taken', { from: 'a@pass.example' }, /^250 /],
  ['fail is rejected', fail, /^550 5\.7\.1 SPF fail: fail\.example does not permit 192\.0\.2\.1 /],
  [
    'with fail the domain speaks in its own words',
    fail,
    /; fail\.example explains: 192\.0\.2\.1 is no host of ours \(/,
  ],
  [
    'behind a redirect it is the target that speaks',
    { from: 'a@redirect.example' },
    /of fail\.example; fail\.example explains: /,
  ],
  ['softfail is taken', { from: 'a@soft.example' }, /^250 /],
  ['neutral is taken', { from: 'a@neutral.example' }, /^250 /],
  ['none is taken', { from: 'a@none.example' }, /^250 /],
  [
    'permerror is rejected',
    { from: 'a@perm.example' },
    /^550 5\.7\.1 SPF permerror: the SPF record of perm\.example is/,
  ],
  ['a record of three void terms is rejected', { from: 'a@void.example' }, /^550 5\.7\.1 SPF permerror/],
  ['temperror defers', { from: 'a@temp.example' }, /^451 4\.4\.3 SPF temperror/],
  [
    'a null reverse-path is judged by HELO',
    { from: '', helo: 'mail.helo.example' },
    /^550 5\.7\.1 SPF fail: mail\.helo/,
  ],
  ['a forwarder is trusted when its name is confirmed', { ...forwarder, xclient: 'ADDR=192.0.2.7' }, /^250 /],
  ['a claim to be that forwarder is not enough', forwarder, /^550 5\.7\.1 SPF fail/],
  ['the check is off without its marker', { ...fail, to: 'alice@off.example' }, /^250 /],
  ['a client in relay_networks is not asked', { ...fail, xclient: 'ADDR=192.0.2.99' }, /^250 /],
];

for (const [what, mail, reply] of table) {
  test(what, async () => assert.match(await mx.send({ xclient: 'ADDR=192.0.2.1', ...mail }), reply));
}

test('each mail of a session is judged by its own sender and HELO name, however fast they come', async () => {
  const earlier = mx.delivered().length;
  const client = await mx.connect();
  await client.say('EHLO client.example');
  await client.say('XCLIENT ADDR=192.0.2.1');
  for (const [helo, from, reply] of [
    ['client.example', 'a@pass.example', /^250 /],
    ['client.example', 'a@pass.example', /^250 /],
    ['client.example', 'a@fail.example', /^550 5\.7\.1 SPF fail/],
    ['client.example', 'b@pass.example', /^250 /],
    ['client.example', '', /^250 /],
    ['mail.helo.example', '', /^550 5\.7\.1 SPF fail/],
  ] as const) {
    for (const line of [`EHLO ${helo}`, `MAIL FROM:<${from}>`, 'RCPT TO:<alice@example.com>', 'DATA'])
      assert.match(await client.say(line), /^[23]/);
    assert.match(await client.say(`${message()}\r\n.`), reply);
  }
  client.end();
  const fields = mx
    .delivered()
    .slice(earlier)
    .map((text) => /^Received-SPF: (\w+) .*?identity=(\S+)/ms.exec(text)?.slice(1).join(' by '));
  assert.deepEqual(fields, ['pass by mailfrom;', 'pass by mailfrom;', 'pass by mailfrom;', 'none by helo;']);
});

test('a sender in UTF-8 stands in Received-SPF as it is', async () => {
  const client = await mx.connect();
  await client.say('EHLO client.example');
  await client.say('XCLIENT ADDR=192.0.2.1');
  for (const line of [
    'EHLO client.example',
    'MAIL FROM:<zoë@pass.example> SMTPUTF8',
    'RCPT TO:<alice@example.com>',
    'DATA',
  ])
    assert.match(await client.say(line), /^[23]/);
  assert.match(await client.say(`${message()}\r\n.`), /^250 /);
  client.end();
  const mails = mx.delivered().map((text) => Buffer.from(text, 'latin1').toString());
  assert.ok(
    mails.some((text) => /^Received-SPF: pass .*\s+envelope-from="zoë@pass\.example";/ms.test(text)),
    mails.at(-1),
  );
});

test('a whitelisted sender is not asked', async () => {
  mx.touch('example.com/whitelisted/senders/friend@fail.example');
  assert.match(await mx.send({ from: 'friend@fail.example', xclient: 'ADDR=192.0.2.1' }), /^250 /);
});

test('the result is recorded in header, index and log, and a forged field of its name is gone', async () => {
  const forged = message({ fields: ['Received-SPF: fail (forged)'] });
  await mx.send({ from: 'b@pass.example', xclient: 'ADDR=192.0.2.1', message: forged });
  const mail = mx.delivered().find((text) => text.includes('b@pass.example')) ?? '';
  assert.match(mail, /^Received-SPF: pass \(mx\.test\.example: pass\.example designates/m);
  assert.match(mail, /^Authentication-Results: mx\.test\.example;\s+spf=pass/m);
  assert.doesNotMatch(mail, /forged/);
  assert.equal(mx.fates().at(-1)?.['spf'], 'pass');
  await mx.send({ from: 'c@fail.example', xclient: 'ADDR=192.0.2.1' });
  assert.equal(mx.index().at(-1)?.['spf'], 'fail');
  assert.match(mx.archived().at(-1)?.text ?? '', /^Received-SPF: fail /m);
});

test('a refused mail carries the trace, term by term, and no forged one; a relayed mail carries none', async () => {
  const forged = message({ fields: ['X-SPF-Trace: pass'] });
  await mx.send({ from: 'd@include.example', xclient: 'ADDR=192.0.2.1', message: forged });
  const { text = '' } = mx.archived().at(-1) ?? {};
  const [field, ...others] = text.match(/^X-SPF-TRACE:.*(?:\r\n[ \t].*)*/gim) ?? [];
  assert.deepEqual(others, []);
  assert.deepEqual(field?.split('\r\n\t'), [
    'X-SPF-TRACE: include.example  v=spf1 ip4:198.51.100.0/24 include:pass2.example -all  (1 of 10 look-ups, 0 of 2 void)',
    '|- ip4:198.51.100.0/24  no match',
    '|- include:pass2.example  no match (it says fail)',
    '|  `- pass2.example  v=spf1 ip4:192.0.2.2 -all',
    '|     |- ip4:192.0.2.2  no match',
    '|     `- -all  match -> fail',
    '`- -all  match -> fail',
  ]);
  await mx.send({ from: 'e@pass.example', xclient: 'ADDR=192.0.2.1', message: forged });
  const relayed = mx.delivered().find((one) => one.includes('e@pass.example')) ?? '';
  assert.match(relayed, /^Received-SPF: pass /m);
  assert.doesNotMatch(relayed, /^X-SPF-TRACE/im);
});

test('a stranger’s record in the trace ends no field and has no end of lines', async () => {
  for (const from of ['f@controls.example', 'g@long.example', 'h@many.example'])
    await mx.send({ from, xclient: 'ADDR=192.0.2.1' });
  const fields = mx
    .archived()
    .slice(-3)
    .map(({ text }) => /^X-SPF-TRACE:.*(?:\r\n[ \t].*)*\r\n(?=[\w-]+: )/m.exec(text)?.[0] ?? '');
  for (const field of fields) {
    assert.match(field, /^X-SPF-TRACE: \w+\.example {2}/);
    assert.match(field, /^(?:[\x20-\x7e\t]{1,420}\r\n)+$/);
    assert.ok(field.split('\r\n').length <= 103, field);
  }
  assert.match(fields[2] ?? '', /\.\.\. \d+ lines more/);
});

test('spf_voids says how many terms may find nothing', async () => {
  const lenient = await Mx.start({
    zone,
    markers: ['example.com/users/valid/alice', 'example.com/checks/spf'],
    settings: ['xclient_networks=loopback', 'spf_voids=3'],
  });
  const reply = await lenient.send({ from: 'a@void.example', xclient: 'ADDR=192.0.2.1' });
  await lenient.close();
  assert.match(reply, /^250 /);
});
