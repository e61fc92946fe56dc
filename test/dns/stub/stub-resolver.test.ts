/** The stub resolver against a server that answers in every wrong way, over real sockets: what comes of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DnsAnswer, RecordType } from '../../../src/dns/resolver.js';
import { stubResolver, type StubResolver } from '../../../src/dns/stub/stub-resolver.js';
import { behaveByName } from '../support/behaviours.js';
import { fakeServer, type FakeServer } from '../support/fake-server.js';

let server: FakeServer;
let resolver: StubResolver;
/** For what ends in a time-out. */
let hasty: StubResolver;

before(async () => {
  server = await fakeServer(behaveByName);
  resolver = stubResolver({ servers: [server.address] });
  hasty = stubResolver({ servers: [server.address], tryMs: 100, tries: 2, totalMs: 1000 });
});
after(() => server.close());

/** One line for an answer: what was found, or why nothing was. */
function shown(answer: DnsAnswer<unknown>): unknown {
  if (answer.kind === 'found') return answer.records;
  return answer.kind === 'void' ? answer.why : `failed: ${answer.problem}`;
}

const table: readonly (readonly [what: string, name: string, type: RecordType, expected: unknown])[] = [
  ['an answer', 'ok.test', 'TXT', [['v=spf1 -all']]],
  ['our question echoed in other case', 'othercase.test', 'TXT', [['v=spf1 -all']]],
  ['a final dot changes nothing', 'ok.test.', 'TXT', [['v=spf1 -all']]],
  ['no such name', 'nxdomain.test', 'TXT', 'nxdomain'],
  ['no such record', 'nodata.test', 'TXT', 'nodata'],
  ['SERVFAIL', 'servfail.test', 'TXT', 'failed: SERVFAIL'],
  ['REFUSED', 'refused.test', 'TXT', 'failed: REFUSED'],
  ['an RCODE of no use to a stub', 'yxdomain.test', 'TXT', 'failed: RCODE 6'],
  ['no such record, and no SOA', 'nosoa.test', 'TXT', 'nodata'],
  ['no such record, and instead of the SOA the zone’s servers', 'nsonly.test', 'TXT', 'nodata'],
  ['a lame server', 'lame.test', 'TXT', 'failed: lame server'],
  ['silence', 'silent.test', 'TXT', 'failed: timed out'],
  ['an answer after the time-out', 'slow.test', 'TXT', 'failed: timed out'],
  ['a slow answer within it', 'late.test', 'TXT', [['v=spf1 -all']]],
  ['an empty datagram', 'empty.test', 'TXT', 'failed: timed out'],
  ['three octets', 'short.test', 'TXT', 'failed: timed out'],
  ['garbage', 'garbage.test', 'TXT', 'failed: timed out'],
  ['another id', 'wrongid.test', 'TXT', 'failed: timed out'],
  ['another question', 'wrongquestion.test', 'TXT', 'failed: timed out'],
  ['another type', 'wrongtype.test', 'TXT', 'failed: timed out'],
  ['no question', 'noquestion.test', 'TXT', 'failed: timed out'],
  ['our own query sent back', 'echo.test', 'TXT', 'failed: timed out'],
  ['an answer from another port', 'otherport.test', 'TXT', 'failed: timed out'],
  ['forged answers before the true one', 'forgedfirst.test', 'TXT', [['v=spf1 -all']]],
  ['a flood of guessed ids', 'flood.test', 'TXT', 'failed: too many forged answers'],
  ['more records promised than sent', 'countlie.test', 'TXT', 'failed: malformed answer'],
  ['record data cut', 'lengthlie.test', 'TXT', 'failed: malformed answer'],
  ['an owner name that points to itself', 'selfpointer.test', 'TXT', 'failed: malformed answer'],
  ['a record of another owner', 'otherowner.test', 'TXT', 'nodata'],
  ['a record of class CHAOS', 'chaos.test', 'TXT', 'nodata'],
  ['of several records only those of our name, class and type', 'mixed.test', 'TXT', [['c']]],
  ['records in the other sections', 'authority.test', 'TXT', 'nodata'],
  ['a CNAME to itself', 'cnameself.test', 'TXT', 'failed: CNAME loop'],
  ['a CNAME loop', 'cnameloop.test', 'TXT', 'failed: CNAME loop'],
  ['a CNAME loop across answers', 'loopacross.a.test', 'TXT', 'failed: CNAME loop'],
  ['a chain of 200 CNAMEs', 'chain200.test', 'TXT', 'failed: CNAME chain too long'],
  ['a chain without end across answers', 'endless.test', 'TXT', 'failed: CNAME chain too long'],
  ['a chain inside an answer, in any order and case', 'inside.test', 'TXT', [['v=spf1 -all']]],
  ['a chain that leaves the answer', 'outside.test', 'TXT', [['v=spf1 -all']]],
  ['a CNAME to a name that does not exist', 'tonowhere.test', 'TXT', 'nxdomain'],
  ['a malformed CNAME', 'badcname.test', 'TXT', 'failed: malformed CNAME'],
  ['a TXT without strings, and one with an empty string', 'notxt.test', 'TXT', [[], ['']]],
  ['control and high octets in TXT come as they are', 'binary.test', 'TXT', [['v=spf1 \0\x1b[31m\r\n\xff\xfe']]],
  ['the strings of a TXT are not joined', 'strings.test', 'TXT', [['v=sp', 'f1 -a', 'll']]],
  ['one malformed TXT among others', 'txtlie.test', 'TXT', 'failed: malformed TXT record'],
  [
    'control and high octets in PTR come as they are',
    'ptrevil.test',
    'PTR',
    ['a\r\nRCPT TO<x>\x1b]0;\0.test', '*', 'a/b.test', '\xe9'],
  ],
  ['a dot inside a label of a PTR', 'ptrdot.test', 'PTR', 'failed: malformed PTR record'],
  ['an over-long PTR', 'ptrlong.test', 'PTR', 'failed: malformed PTR record'],
  ['octets behind the name of a PTR', 'ptrtail.test', 'PTR', 'failed: malformed PTR record'],
  ['one malformed PTR among others spoils itself', 'oneptr.test', 'PTR', ['h.test']],
  [
    'one malformed MX among others spoils itself',
    'onemx.test',
    'MX',
    [
      { preference: 10, exchange: 'a.test' },
      { preference: 20, exchange: 'b.test' },
    ],
  ],
  ['a null MX', 'nullmx.test', 'MX', [{ preference: 0, exchange: '' }]],
  ['an MX without a name', 'shortmx.test', 'MX', 'failed: malformed MX record'],
  ['an A of three octets', 'a3.test', 'A', 'failed: malformed A record'],
  ['an AAAA of four octets', 'aaaa4.test', 'AAAA', 'failed: malformed AAAA record'],
  ['truncated, and TCP is closed', 'tcpclose.test', 'TXT', 'failed: TCP: connection closed'],
  ['truncated, and TCP promises more than it sends', 'tcphuge.test', 'TXT', 'failed: timed out'],
  ['truncated, and an empty message over TCP', 'tcpempty.test', 'TXT', 'failed: answer to another question'],
  ['truncated, and another id over TCP', 'tcpwrongid.test', 'TXT', 'failed: answer to another question'],
  ['truncated over UDP and TCP', 'tcptruncated.test', 'TXT', 'failed: truncated over TCP'],
  ['truncated, and TCP octet by octet', 'tcpsplit.test', 'TXT', [['v=spf1 -all']]],
  ['FORMERR to EDNS', 'noedns.test', 'TXT', [['v=spf1 -all']]],
  ['FORMERR to EDNS, without the question', 'noednsbare.test', 'TXT', [['v=spf1 -all']]],
  ['NOTIMP to EDNS', 'notimp.test', 'TXT', [['v=spf1 -all']]],
  ['BADVERS to EDNS', 'badvers.test', 'TXT', [['v=spf1 -all']]],
  ['FORMERR to everything', 'formerr.test', 'TXT', 'failed: FORMERR'],
];

for (const [what, name, type, expected] of table) {
  const asking = (): StubResolver => (expected === 'failed: timed out' ? hasty : resolver);
  test(what, async () => assert.deepEqual(shown(await asking().lookup(name, type)), expected));
}

const texts: readonly (readonly [what: string, name: string, type: 'A' | 'AAAA', expected: readonly string[]])[] = [
  ['addresses', 'a.test', 'A', ['192.0.2.1', '127.0.0.2']],
  ['IPv6 addresses', 'aaaa.test', 'AAAA', ['2001:db8::1']],
  ['a mapped address is its IPv4 address', 'mapped.test', 'AAAA', ['192.0.2.1']],
];

for (const [what, name, type, expected] of texts) {
  test(what, async () => {
    const answer = await resolver.lookup(name, type);
    assert.deepEqual(answer.kind === 'found' && answer.records.map(({ text }) => text), expected);
  });
}

const sizes: readonly (readonly [what: string, name: string, type: 'TXT' | 'MX', expected: number])[] = [
  ['2000 TXT over TCP', 'manytxt.test', 'TXT', 2000],
  ['500 MX over TCP', 'manymx.test', 'MX', 500],
  ['a TXT of 64,000 octets', 'huge.test', 'TXT', 1],
];

for (const [what, name, type, expected] of sizes) {
  test(what, async () => {
    const answer = await resolver.lookup(name, type);
    assert.equal(answer.kind === 'found' && answer.records.length, expected);
  });
}

const octets: readonly (readonly [what: string, label: string])[] = [
  ['what c-ares refuses', '!"#$%&\'()+,:;<=>?@[]^'],
  ['a space', 'a b'],
  ['an address of VERP kind', 'bounce+a=b@c'],
  ['NUL and control octets', 'a\0b\r\n\x1b'],
  ['UTF-8 as latin1', 'b\xc3\xbccher'],
  ['the highest octets', '\x80\xfe\xff'],
  ['a backslash', 'a\\046b'],
  ['upper case', 'ABC'],
];

for (const [what, label] of octets) {
  test(`any octets can be asked for: ${what}`, async () => {
    assert.deepEqual(shown(await resolver.lookup(`ok.${label}.test`, 'TXT')), [['v=spf1 -all']]);
    const asked = server.asked[server.asked.length - 1];
    assert.equal(asked?.name, `ok.${label.toLowerCase() === 'abc' ? 'abc' : label}.test`);
  });
}

const impossible: readonly (readonly [what: string, name: string])[] = [
  ['over 253 octets', `ok.${'a.'.repeat(125)}b`],
  ['a label over 63 octets', `ok.${'a'.repeat(64)}.test`],
  ['an empty label', 'ok..test'],
  ['a character that is no octet', 'ok.\u2028.test'],
];

for (const [what, name] of impossible) {
  test(`names that cannot exist are void at once, without asking: ${what}`, () => {
    const count = server.asked.length;
    assert.deepEqual(resolver.lookup(name, 'TXT'), { kind: 'void', why: 'nxdomain' });
    assert.equal(server.asked.length, count);
  });
}

const ttls: readonly (readonly [what: string, name: string, expected: number | undefined])[] = [
  ['of the records', 'ok.test', 60],
  ['void: of the SOA', 'nodata.test', 60],
  ['void without SOA', 'nxdomain.test', undefined],
  ['failed', 'servfail.test', undefined],
];

for (const [what, name, expected] of ttls) {
  test(`TTL ${what}`, async () => assert.equal((await resolver.ask(name, 'TXT')).ttl, expected));
}
