/** The submission policy: what is refused, marked and passed, and sos-milter's faults, which must not come back. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { answerTo, type Mail, Milter, send, type Setup } from './client.js';

const long = `v=spf1 ${Array.from({ length: 20 }, (_, i) => `ip4:198.51.100.${i}`).join(' ')} `;

const zone = {
  'strict.test': { TXT: ['v=spf1 mx -all'] },
  'permits.test': { TXT: ['v=spf1 include:us.test -all'] },
  'capitals.test': { TXT: ['V=SPF1 INCLUDE:US.TEST -ALL'] },
  'soft.test': { TXT: ['v=spf1 mx ~all'] },
  'open.test': { TXT: ['v=spf1 mx'] },
  'nothing.test': { TXT: ['hello'] },
  'nomail.test': { TXT: ['v=spf1 -all'] },
  'nomail-exp.test': { TXT: ['v=spf1 exp=why.test -all'] },
  'us.test': { TXT: ['v=spf1 ip4:192.0.2.1 -all'] },
  'redirect.test': { TXT: ['v=spf1 redirect=permits.test'] },
  'redirect-strict.test': { TXT: ['v=spf1 redirect=strict.test'] },
  'redirect-macro.test': { TXT: ['v=spf1 redirect=%{l}.%{d}'] },
  'a.redirect-macro.test': { TXT: ['v=spf1 include:us.test -all'] },
  'redirect-void.test': { TXT: ['v=spf1 redirect=gone.test'] },
  'syntax.test': { TXT: ['v=spf1 ipv4:1.2.3.4 -all'] },
  'slow.test': { TXT: 'TIMEOUT' },
};

interface Case {
  readonly mail: Mail;
  readonly setup?: Setup;
  readonly expected: RegExp;
}

const reject = { MILTER_MODE: 'reject' };
const passes = /^continue$/;
const refusedFor = (domain: string): RegExp =>
  new RegExp(
    `^550 5\\.7\\.1 sos-milter: QUEUEID SPF-record \\(-all\\) of 5321_from_domain=${domain} does not permit us to relay this message! Security policy violation!$`,
  );
const marked = /^continue, add X-SOS-Milter: failed SPF-expectation$/;

const cases: Readonly<Record<string, Case>> = {
  'reject mode: a foreign domain that does not permit us': {
    mail: {},
    setup: { env: reject },
    expected: refusedFor('strict\\.test'),
  },
  'reject mode: an own domain, too': {
    mail: {},
    setup: { env: reject, own: ['strict.test'] },
    expected: refusedFor('strict\\.test'),
  },
  'test mode: a foreign domain passes unmarked': { mail: {}, setup: { own: [] }, expected: passes },
  'test mode: an own domain is marked': { mail: {}, setup: { own: ['strict.test'] }, expected: marked },
  'test mode: without LDAP no domain is own': { mail: {}, expected: passes },
  'a record that the expression matches': {
    mail: { from: 'a@permits.test' },
    setup: { env: reject },
    expected: passes,
  },
  'matched without case': { mail: { from: 'a@CAPITALS.test' }, setup: { env: reject }, expected: passes },
  'an expression that is anchored at both ends': {
    mail: { from: 'a@permits.test' },
    setup: { env: { ...reject, SPF_REGEX: '^v=spf1 include:us\\.test -all$' } },
    expected: passes,
  },
  'an expression that counts on the quotes sos-milter saw': {
    mail: { from: 'a@permits.test' },
    setup: { env: { ...reject, SPF_REGEX: '^"v=spf1 .*include:us\\.test.*"$' } },
    expected: passes,
  },
  'an expression is matched from the start only': {
    mail: { from: 'a@permits.test' },
    setup: { env: { ...reject, SPF_REGEX: 'include:us' } },
    expected: refusedFor('permits\\.test'),
  },
  'softfail is no restriction': { mail: { from: 'a@soft.test' }, setup: { env: reject }, expected: passes },
  'a record without "all"': { mail: { from: 'a@open.test' }, setup: { env: reject }, expected: passes },
  'no record': { mail: { from: 'a@nothing.test' }, setup: { env: reject }, expected: passes },
  'no such domain': { mail: { from: 'a@gone.test' }, setup: { env: reject }, expected: passes },
  'the null reverse-path': { mail: { from: '' }, setup: { env: reject }, expected: passes },
  'a sender without a domain': { mail: { from: 'postmaster' }, setup: { env: reject }, expected: passes },
  'a sender at a single label': { mail: { from: 'root@localhost' }, setup: { env: reject }, expected: passes },
  'a sender at an address': { mail: { from: 'a@[192.0.2.1]' }, setup: { env: reject }, expected: passes },
  'a domain that sends no mail': {
    mail: { from: 'a@nomail.test' },
    setup: { env: reject },
    expected:
      /^550 5\.7\.1 sos-milter: QUEUEID nomail\.test says by its SPF record \(v=spf1 -all\) that it sends no mail! Security policy violation!$/,
  },
  'one that says why': {
    mail: { from: 'a@nomail-exp.test' },
    setup: { env: reject },
    expected: /that it sends no mail!/,
  },
  'a redirect is followed': { mail: { from: 'a@redirect.test' }, setup: { env: reject }, expected: passes },
  'to a record that does not permit us': {
    mail: { from: 'a@redirect-strict.test' },
    setup: { env: reject },
    expected: refusedFor('redirect-strict\\.test'),
  },
  'a redirect with macros': { mail: { from: 'a@redirect-macro.test' }, setup: { env: reject }, expected: passes },
  'a redirect to nothing is no policy': {
    mail: { from: 'a@redirect-void.test' },
    setup: { env: reject },
    expected: passes,
  },
  'a record that cannot be read is no policy': {
    mail: { from: 'a@syntax.test' },
    setup: { env: reject },
    expected: passes,
  },
  'DNS fails, reject mode': {
    mail: { from: 'a@slow.test' },
    setup: { env: reject },
    expected: /^450 4\.7\.1 sos-milter: QUEUEID Service temporarily not available! Please try again later\.$/,
  },
  'DNS fails, test mode': { mail: { from: 'a@slow.test' }, expected: passes },
  'DNS fails, the old way': {
    mail: { from: 'a@slow.test' },
    setup: { env: { ...reject, SUBMISSION_DNS_FAILURE: 'pass' } },
    expected: passes,
  },
  'LDAP fails: the domain is taken for foreign': {
    mail: {},
    setup: { env: reject, own: 'down' },
    expected: refusedFor('strict\\.test'),
  },
  'LDAP fails, and that is not wanted': {
    mail: {},
    setup: { env: { ...reject, SUBMISSION_LDAP_FAILURE: 'tempfail' }, own: 'down' },
    expected: /^450 4\.7\.1 /,
  },
  'LDAP fails in test mode, whatever is wanted': {
    mail: {},
    setup: { env: { SUBMISSION_LDAP_FAILURE: 'tempfail' }, own: 'down' },
    expected: passes,
  },
  'a bug of ours, in test mode': { mail: {}, setup: { own: 'bug' }, expected: passes },
  'a bug of ours, in reject mode': { mail: {}, setup: { env: reject, own: 'bug' }, expected: /^450 4\.7\.1 / },
  'the next hop is ignored': {
    mail: { hops: ['RELAY.test:123'] },
    setup: { env: { ...reject, IGNORED_NEXT_HOPS: 'other.test , relay.test:123' } },
    expected: passes,
  },
  'another port is another hop': {
    mail: { hops: ['relay.test:25'] },
    setup: { env: { ...reject, IGNORED_NEXT_HOPS: 'relay.test:123' } },
    expected: refusedFor('strict\\.test'),
  },
  'an ignored hop in test mode: an own domain is not marked': {
    mail: { hops: ['relay.test'] },
    setup: { env: { IGNORED_NEXT_HOPS: 'relay.test' }, own: ['strict.test'] },
    expected: passes,
  },
  'a name and messages of the operator’s': {
    mail: {},
    setup: { env: { ...reject, MILTER_NAME: 'gate', MILTER_REJECT_MESSAGE: '100% no' } },
    expected: /^550 5\.7\.1 gate: QUEUEID SPF-record .* message! 100%% no$/,
  },
  'an id of our own where the MTA has none': {
    mail: { id: '' },
    setup: { env: reject },
    expected: /^550 5\.7\.1 sos-milter: NEWID /,
  },
};
for (const [what, { mail, setup = {}, expected }] of Object.entries(cases))
  test(what, async () => assert.match((await answerTo(mail, { zone, ...setup })).answer, expected));

/** Each of them passed, refused or deferred what it should not. */
const faults: Readonly<Record<string, Case>> = {
  'redirects without end are not followed without end': {
    mail: { from: 'a@loop.test' },
    setup: { env: reject, zone: { 'loop.test': { TXT: ['v=spf1 redirect=loop.test'] } } },
    expected: passes,
  },
  'the strings of a record are joined': {
    mail: { from: 'a@split.test' },
    setup: { env: reject, zone: { 'split.test': { TXT: [[`${long}include:u`, 's.test -all']] } } },
    expected: passes,
  },
  'also where "-all" is cut in two': {
    mail: { from: 'a@split.test' },
    setup: { env: reject, zone: { 'split.test': { TXT: [[`${long}-a`, 'll']] } } },
    expected: refusedFor('split\\.test'),
  },
  'v=spf10 is no SPF record': {
    mail: { from: 'a@ten.test' },
    setup: { env: reject, zone: { 'ten.test': { TXT: ['v=spf10 -all'] } } },
    expected: passes,
  },
  'of several records none is the first': {
    mail: { from: 'a@two.test' },
    setup: { env: reject, zone: { 'two.test': { TXT: ['v=spf1 mx -all', 'v=spf1 include:us.test -all'] } } },
    expected: passes,
  },
  '"-all" counts where it stands: before a modifier': {
    mail: { from: 'a@exp.test' },
    setup: { env: reject, zone: { 'exp.test': { TXT: ['v=spf1 mx -all exp=why.test'] } } },
    expected: refusedFor('exp\\.test'),
  },
  '"-all" counts where it stands: before a space': {
    mail: { from: 'a@space.test' },
    setup: { env: reject, zone: { 'space.test': { TXT: ['v=spf1 mx -all '] } } },
    expected: refusedFor('space\\.test'),
  },
  '"-all" counts where it stands: not behind another "all"': {
    mail: { from: 'a@first.test' },
    setup: { env: reject, zone: { 'first.test': { TXT: ['v=spf1 ?all -all'] } } },
    expected: passes,
  },
  'a word that ends in "-all" is not "-all"': {
    mail: { from: 'a@word.test' },
    setup: { env: reject, zone: { 'word.test': { TXT: ['v=spf1 a:x-all'] } } },
    expected: passes,
  },
  'every recipient’s next hop counts, not the last one’s': {
    mail: { hops: ['next.test', 'relay.test'] },
    setup: { env: { ...reject, IGNORED_NEXT_HOPS: 'relay.test' } },
    expected: refusedFor('strict\\.test'),
  },
  'a recipient without a next hop is reached by none that is ignored': {
    mail: { hops: ['relay.test', null] },
    setup: { env: { ...reject, IGNORED_NEXT_HOPS: 'relay.test' } },
    expected: refusedFor('strict\\.test'),
  },
  'all of them ignored': {
    mail: { hops: ['relay.test', 'relay2.test', 'relay.test'] },
    setup: { env: { ...reject, IGNORED_NEXT_HOPS: 'relay.test,relay2.test' } },
    expected: passes,
  },
  'a domain that permits us by address': {
    mail: { from: 'a@byip.test' },
    setup: {
      env: { ...reject, OUTGOING_IPS: '198.51.100.1, 2001:db8::1' },
      zone: { 'byip.test': { TXT: ['v=spf1 ip6:2001:db8::/32 -all'] } },
    },
    expected: passes,
  },
  'a domain that permits us by another name': {
    mail: { from: 'a@byname.test' },
    setup: {
      env: { ...reject, OUTGOING_IPS: '198.51.100.1' },
      zone: { 'byname.test': { TXT: ['v=spf1 a:out.test -all'] }, 'out.test': { A: ['198.51.100.1'] } },
    },
    expected: passes,
  },
  'a domain that permits others by address': {
    mail: { from: 'a@byip.test' },
    setup: {
      env: { ...reject, OUTGOING_IPS: '203.0.113.1' },
      zone: { 'byip.test': { TXT: ['v=spf1 ip4:198.51.100.0/24 -all'] } },
    },
    expected: refusedFor('byip\\.test'),
  },
  'DNS fails while our address is judged': {
    mail: { from: 'a@half.test' },
    setup: {
      env: { ...reject, OUTGOING_IPS: '198.51.100.1' },
      zone: { 'half.test': { TXT: ['v=spf1 a:slow.test -all'] }, 'slow.test': { A: 'TIMEOUT' } },
    },
    expected: /^450 4\.7\.1 /,
  },
  'REJECT in capitals is reject mode': {
    mail: {},
    setup: { env: { MILTER_MODE: 'REJECT' } },
    expected: refusedFor('strict\\.test'),
  },
};
for (const [what, { mail, setup = {}, expected }] of Object.entries(faults))
  test(`fault: ${what}`, async () => assert.match((await answerTo(mail, { zone, ...setup })).answer, expected));

const milters: Milter[] = [];
after(() => Promise.all(milters.map((milter) => milter.close())));

async function start(setup: Setup): Promise<Milter> {
  const milter = await Milter.start({ zone, ...setup });
  milters.push(milter);
  return milter;
}

test('fault: LDAP_ENABLED=false does not ask LDAP for settings', async () => {
  assert.match((await answerTo({}, { zone, env: { ...reject, LDAP_ENABLED: 'false' } })).answer, /^550 /);
});

test('fault: without {client_addr} no mail is deferred; the address is that of CONNECT', async () => {
  const milter = await start({ env: reject });
  const client = await milter.session('2001:db8::7');
  assert.match(await send(client), /^550 /);
  assert.equal(milter.log.at(-1)?.facts['client'], '2001:db8::7');
  client.quit();
});

test('fault: where the MTA sends no CONNECT, {client_addr} is taken, and neither is needed', async () => {
  const milter = await start({ env: reject });
  const client = await milter.session(null);
  assert.match(await send(client, { macros: { client_addr: '192.0.2.77' } }), /^550 /);
  assert.equal(milter.log.at(-1)?.facts['client'], '192.0.2.77');
  assert.match(await send(client, { from: 'a@permits.test' }), passes);
  client.quit();
});

test('fault: {client_addr}, {rcpt_host} and i are asked for', async () => {
  const milter = await start({});
  const client = await milter.session();
  assert.deepEqual(client.macros, {
    0: '{client_addr}',
    2: 'i {client_addr}',
    3: 'i {rcpt_host}',
    5: 'i',
    6: 'i',
  });
  client.quit();
});

test('fault: a connection that is used again carries nothing over', async () => {
  const milter = await start({ env: { ...reject, IGNORED_NEXT_HOPS: 'relay.test' } });
  const client = await milter.session();
  assert.match(await send(client, { hops: ['relay.test'] }), passes);
  assert.match(await send(client), /^550 /);
  assert.match(await send(client, { from: '' }), passes);
  assert.match(await send(client, { from: 'a@permits.test' }), passes);
  await client.mail('a@permits.test');
  client.abort();
  assert.match(await send(client), /^550 /);
  client.quit();
});

test('a mark is not made of an earlier mail', async () => {
  const milter = await start({ own: ['strict.test'] });
  const client = await milter.session();
  assert.match(await send(client), marked);
  assert.match(await send(client, { from: 'a@permits.test' }), passes);
  assert.match(await send(client), marked);
  client.quit();
});

test('an MTA that takes no header passes the mail', async () => {
  const milter = await start({ own: ['strict.test'] });
  const client = await milter.session('192.0.2.9', { actions: 0 });
  assert.match(await send(client), passes);
  assert.ok(milter.events.some((event) => event.kind === 'violation' && event.action === 'passed'));
  client.quit();
});

test('the directory is asked for nothing that is permitted', async () => {
  const milter = await start({ own: [] });
  const client = await milter.session();
  for (const from of ['a@permits.test', 'a@soft.test', '', 'a@strict.test']) await send(client, { from });
  assert.deepEqual(milter.asked, ['strict.test']);
  client.quit();
});

test('what is counted, and what the log says', async () => {
  const milter = await start({ own: ['strict.test'] });
  const client = await milter.session();
  for (const from of [
    'a@permits.test',
    'a@strict.test',
    'a@us.test',
    'a@syntax.test',
    'a@slow.test',
    'a@soft.test',
    '',
  ])
    await send(client, { from });
  client.quit();
  assert.deepEqual(
    milter.events.flatMap((event) =>
      event.kind === 'message'
        ? [event.outcome]
        : event.kind === 'violation'
          ? [`${event.domain} ${event.of} ${event.action}`]
          : [],
    ),
    ['permitted', 'strict.test own marked', 'us.test foreign passed', 'broken', 'dns-failed', 'open', 'skipped'],
  );
  assert.deepEqual(
    milter.log.filter(({ level }) => level !== 'debug').map(({ level, text }) => `${level} ${text}`),
    [
      'info not permitted: SPF-record (-all) of 5321_from_domain=strict.test does not permit us to relay this message!',
      'info not permitted: SPF-record (-all) of 5321_from_domain=us.test does not permit us to relay this message!',
      'info not judged: the SPF record is broken',
      'warn DNS failed: passed',
    ],
  );
  const { facts } = milter.log.find(({ text }) => text.startsWith('not permitted')) ?? {};
  const { id, client: address, from, of, action, mode, next_hops: hops, records } = facts ?? {};
  assert.deepEqual(
    [id, address, from, of, action, mode, hops, records],
    ['QUEUEID', '192.0.2.9', 'a@strict.test', 'own', 'marked', 'test', ['next.test'], ['v=spf1 mx -all']],
  );
});
