/** dnsbl and rhsbl through the listener, answered from a zone file; against a real rbldnsd see test/peers. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readZone } from '../../plugins/shared/zone-line.js';
import { type Behaviour, fakeServer, reply as answerTo } from '../dns/support/fake-server.js';
import { Mx } from '../support/mx.js';

/** Answers of lists: of 192.0.2.N in bl.example. */
const answers: Readonly<Record<number, readonly string[]>> = {
  2: ['127.0.0.2'],
  4: ['127.0.0.4'],
  5: ['127.255.255.254'],
  6: ['203.0.113.80'],
  7: ['127.255.255.252', '127.0.0.2'],
  8: ['126.255.255.255', '128.0.0.1'],
};

const zone = {
  ...Object.fromEntries(
    Object.entries(answers).map(([n, A]) => [`${n}.2.0.192.bl.example`, { A, TXT: [['why not']] }]),
  ),
  '3.2.0.192.bl.example': {
    A: ['127.0.0.2'],
    TXT: [['line\r\n250 ok\x85', 'x'.repeat(250)], ['second record']],
  },
  '9.2.0.192.bl.example': { timeout: true },
  '9.2.0.192.other.example': { A: ['127.0.0.3'] },
  '10.2.0.192.a0123456789b0123456789.dq.example': { A: ['127.0.0.2'] },
  '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example': { A: ['127.0.0.2'] },
  '1.0.0.127.bl.example': { A: ['127.0.0.2'] },
  'spammer.example.dbl.example': { A: ['127.0.1.2'], TXT: [['spam domain']] },
  'example.org.dbl.example': { A: ['127.0.1.2'], TXT: [['spam domain']] },
  'shared.github.io.dbl.example': { A: ['127.0.1.3'] },
  'example.net.dbl.example': { A: ['127.0.1.102'] },
  'abused.example.dbl.example': { A: ['127.0.1.102'] },
};

let mx: Mx;
before(async () => {
  mx = await Mx.start({
    zone,
    markers: [
      'example.com/users/valid/alice',
      'example.com/zones=# comment\n\nbl.example\n',
      'codes.example/users/valid/alice',
      'codes.example/zones=bl.example=127.0.0.2, 127.0.0.3\n',
      'two.example/users/valid/alice',
      'two.example/zones=bl.example\nother.example # the second\n',
      'key.example/users/valid/alice',
      'key.example/zones=a0123456789b0123456789.dq.example\n',
      'bad.example/users/valid/alice',
      'bad.example/zones=not a zone\nbl.example=127.0.0.300\nbl.example\n',
      'trial.example/users/valid/alice',
      'trial.example/zones=bl.example\n',
      'trial.example/checks/dnsbl=log\n',
      'senders.example/users/valid/alice',
      'senders.example/domain_zones=dbl.example=127.0.1.0/28\n',
      'links.test/users/valid/alice',
      'links.test/uri_zones=dbl.example=127.0.1.0/28\n',
      'weak-links.test/users/valid/alice',
      'weak-links.test/uri_zones=dbl.example=127.0.1.[2..9]*2\n',
      'weak-links.test/score=reject 2',
      'off.example/users/valid/alice',
      'off.example/checks/dnsbl',
      'off.example/checks/all',
    ],
    settings: ['xclient_networks=loopback'],
    plugins: ['valid_users', 'dnsbl', 'rhsbl', 'uribl', 'blacklist', 'score', 'whitelist'],
  });
});
after(() => mx.close());

/** A mail of HTML with this in it. */
const linked = (html: string): string => `Subject: x\r\nContent-Type: text/html\r\n\r\n<p>${html}</p>`;

/** [what, last octet of the client or its whole address, more of the mail, the reply] */
const table: readonly (readonly [what: string, ip: string, mail: Parameters<Mx['send']>[0], reply: RegExp])[] = [
  ['a listed address', '192.0.2.2', {}, /^550 5\.7\.1 Your address 192\.0\.2\.2 is listed by bl\.example: why not \(/],
  ['an address that is not listed', '192.0.2.1', {}, /^250 /],
  [
    'a listed IPv6 address',
    'IPV6:2001:db8::1',
    {},
    /^550 5\.7\.1 Your address 2001:db8::1 is listed by bl\.example \(/,
  ],
  ['an IPv6 address that is not listed', 'IPV6:2001:db8::2', {}, /^250 /],
  [
    'a hostile reason',
    '192.0.2.3',
    {},
    /^550 5\.7\.1 Your address .* bl\.example: line\?\?250 ok\?x{20,}\.\.\. \([0-9A-Z]{14}\)$/,
  ],
  ['an error of the list (127.255.255.254)', '192.0.2.5', {}, /^250 /],
  ['an answer outside 127.0.0.0/8', '192.0.2.6', {}, /^250 /],
  ['answers just outside 127.0.0.0/8', '192.0.2.8', {}, /^250 /],
  ['a listing beside an error', '192.0.2.7', {}, /^550 5\.7\.1 Your address/],
  ['a list that does not answer', '192.0.2.9', {}, /^250 /],
  [
    'a list that does not answer beside one that lists',
    '192.0.2.9',
    { to: 'alice@two.example' },
    /^550 .* by other\.example/,
  ],
  ['our own machine', '127.0.0.1', {}, /^250 /],
  ['a code that counts', '192.0.2.2', { to: 'alice@codes.example' }, /^550 5\.7\.1 Your address/],
  ['a code that does not count', '192.0.2.4', { to: 'alice@codes.example' }, /^250 /],
  [
    'a key in the zone’s name is not told',
    '192.0.2.10',
    { to: 'alice@key.example' },
    /^550 .* is listed by dq\.example \(/,
  ],
  ['lines that are no zones are passed over', '192.0.2.2', { to: 'alice@bad.example' }, /^550 5\.7\.1 Your address/],
  ['a domain without zones, all checks on', '192.0.2.2', { to: 'alice@off.example' }, /^250 /],
  ['a listing that is only logged', '192.0.2.2', { to: 'alice@trial.example' }, /^250 /],
  [
    'a listed sender domain',
    '192.0.2.1',
    { from: 'a@Spammer.example', to: 'alice@senders.example' },
    /^550 5\.7\.1 Sender domain spammer\.example is listed by dbl\.example: spam domain \(/,
  ],
  [
    'a sender domain with a code that does not count',
    '192.0.2.1',
    { from: 'a@abused.example', to: 'alice@senders.example' },
    /^250 /,
  ],
  [
    'a null reverse-path from a listed HELO name',
    '192.0.2.1',
    { from: '', helo: 'spammer.example', to: 'alice@senders.example' },
    /^550 5\.7\.1 HELO name spammer/,
  ],
  [
    'a null reverse-path with an address literal for HELO name',
    '192.0.2.1',
    { from: '', helo: '[192.0.2.1]', to: 'alice@senders.example' },
    /^250 /,
  ],
  [
    'a link to a listed domain',
    '192.0.2.1',
    { to: 'alice@links.test', message: linked('See https://www.shop.example.org/x.') },
    /^550 5\.7\.1 Link to example\.org is listed by dbl\.example: spam domain \(/,
  ],
  [
    'a link to a listed name under a shared suffix',
    '192.0.2.1',
    { to: 'alice@links.test', message: linked('http://a.shared.github.io/') },
    /^550 5\.7\.1 Link to shared\.github\.io is listed/,
  ],
  [
    'a link to a name beside it',
    '192.0.2.1',
    { to: 'alice@links.test', message: linked('http://other.github.io/') },
    /^250 /,
  ],
  [
    'a link whose code does not count',
    '192.0.2.1',
    { to: 'alice@links.test', message: linked('http://example.net') },
    /^250 /,
  ],
  [
    'two links to what has a weight, which counts once',
    '192.0.2.1',
    { to: 'alice@weak-links.test', message: linked('http://example.org http://shared.github.io') },
    /^550 5\.7\.1 score 2: uribl 2 \(/,
  ],
  ['a listed address where only sender domains are looked up', '192.0.2.2', { to: 'alice@senders.example' }, /^250 /],
];

for (const [what, ip, mail, reply] of table) {
  test(what, async () => assert.match(await mx.send({ xclient: `ADDR=${ip}`, ...mail }), reply));
}

test('what a list said instead of an answer is in the log', async () => {
  const seen = mx.log.length;
  for (const n of [5, 6, 9]) await mx.send({ xclient: `ADDR=192.0.2.${n}` });
  const notes = mx.log.slice(seen).filter(({ msg, level }) => msg === 'note' && level === 30);
  assert.deepEqual(
    notes.map(({ plugin, why }) => `${String(plugin)}: ${String(why)}`),
    [
      'dnsbl: bl.example: answers 127.255.255.254: no listing',
      'dnsbl: bl.example: answers 203.0.113.80: no listing',
      'dnsbl: bl.example: timed out',
    ],
  );
});

test('a listing that is only logged is in the log', async () => {
  const seen = mx.log.length;
  await mx.send({ xclient: 'ADDR=192.0.2.2', to: 'alice@trial.example' });
  const [line] = mx.log.slice(seen).filter(({ msg }) => msg === 'note');
  assert.equal(line?.['why'], 'log only, would reject: 2.2.0.192.bl.example is 127.0.0.2: why not');
});

test('zones count from the next mail on', async () => {
  const mail = { xclient: 'ADDR=192.0.2.2', to: 'alice@off.example' };
  mx.touch('off.example/zones=bl.example');
  assert.match(await mx.send(mail), /^550 /);
  mx.touch('example.com/whitelisted/ips/192.0.2.2');
  assert.match(await mx.send({ ...mail, to: 'alice@example.com' }), /^250 /);
  mx.remove('off.example/zones');
  assert.match(await mx.send(mail), /^250 /);
});

test('zones that cannot be read defer', async () => {
  mx.touch('off.example/zones/not-a-file');
  assert.match(await mx.send({ xclient: 'ADDR=192.0.2.1', to: 'alice@off.example' }), /^451 4\.3\.0 /);
  mx.remove('off.example/zones');
});

const lines: readonly (readonly [line: string, isZone: boolean])[] = [
  ['bl.example*2.5', true],
  ['bl.example = 127.0.0.2,127.0.0.[4..11;13] * -3', true],
  ['list.dnswl.org=127.0.[0..255].[1..3]*-3', true],
  ['bl.example*', false],
  ['bl.example*2000', false],
  ['bl.example=*2', false],
  ['bl.example=127.0.0.[2..11', false],
  ['bl.example=127.0.0.[]', false],
  ['bl.example=127.0.0.[11..2]', false],
  ['bl.example=127.0.0.[2..256]', false],
  ['bl.example=127.0.[0..9].0.1', false],
  ['bl.example=127.0.[0..9]', false],
  ['zen.spamhaus.org', true],
  ['ZEN.spamhaus.org.', true],
  ['bl.example=127.0.0.2', true],
  ['bl.example = 127.0.0.2, 127.0.0.4/30', true],
  ['bl.example=', false],
  ['bl.example=127.0.0', false],
  ['bl.example=127.0.0.2=3', false],
  ['bl example', false],
  ['../zones', false],
];
for (const [line, isZone] of lines) {
  test(`"${line}" is ${isZone ? 'a' : 'no'} line of zones`, () => assert.equal(readZone(line) !== undefined, isZone));
}

/** What a name server may do instead of answering, or as an answer. */
const hostile: readonly (readonly [what: string, behave: Behaviour])[] = [
  ['is silent', () => []],
  ['sends octets that are no message', () => [{ octets: Buffer.from('hello') }]],
  ['refuses', (asked) => [answerTo(asked, { flags: 0x8185 })]],
  [
    'answers for another name',
    (asked) => [answerTo(asked, { question: Buffer.from('\x05other\x00\x00\x01\x00\x01', 'latin1') })],
  ],
];
for (const [what, behave] of hostile) {
  test(`a name server that ${what} costs a second, and no mail`, async () => {
    const server = await fakeServer(behave);
    const slow = await Mx.start({
      markers: ['example.com/users/valid/alice', 'example.com/zones=a.example\nb.example\nc.example\n'],
      settings: ['xclient_networks=loopback', 'dns_zone=', `dns_servers=${server.address}`, 'dns_timeout=20s'],
      plugins: ['valid_users', 'dnsbl 1'],
    });
    try {
      const client = await slow.connect();
      for (const line of [
        'EHLO c.example',
        'XCLIENT ADDR=192.0.2.2 NAME=c.example',
        'EHLO c.example',
        'MAIL FROM:<a@b.example>',
        'RCPT TO:<alice@example.com>',
        'DATA',
      ])
        await client.say(line);
      assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^250 /);
      client.end();
      const noted = String(slow.log.findLast(({ msg }) => msg === 'note')?.['why']);
      for (const name of ['a.example', 'b.example', 'c.example']) assert.ok(noted.includes(`${name}: `), noted);
    } finally {
      await slow.close();
      await server.close();
    }
  });
}
