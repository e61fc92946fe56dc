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
  'mail.helo.example': { TXT: [['v=spf1 -all']] },
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
