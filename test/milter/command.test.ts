import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../src/mail/ip.js';
import { parseCommand } from '../../src/milter/command.js';
import * as mta from '../support/milter-mta.js';

/** The octets of a packet, between others, as `FrameReader` shows them. */
function parse(packet: Buffer): unknown {
  const octets = Buffer.concat([Buffer.from('\0\0\0'), packet, Buffer.from('\0\0\0')]);
  return parseCommand({ code: packet[4] ?? 0, octets, start: 8, end: 3 + packet.length });
}

const path = (text: string, ...parameters: readonly string[]): object => ({
  path: text,
  address: text.replace(/^<(.*)>$/s, '$1'),
  parameters,
});
const from = (ip: string): object => ({ kind: 'ip', name: 'h', ip: parseIp(ip), port: 0x401 });
const connect = (rest: string): Buffer => mta.packet('C', `h\0${rest}`);

const table: readonly [what: string, packet: Buffer, expected: object | string][] = [
  [
    'a negotiation',
    mta.negotiate(6, 0x1ff, 0x1fffff),
    { kind: 'negotiate', version: 6, actions: 0x1ff, protocol: 0x1fffff },
  ],
  [
    'flags up to the highest bit',
    mta.negotiate(6, 0xffffffff, 0x80000000),
    { kind: 'negotiate', version: 6, actions: 0xffffffff, protocol: 0x80000000 },
  ],
  ['a negotiation that is too short', mta.packet('O', '\0\0\0\x06'), 'negotiation of fewer than 12 octets'],
  ['macros', mta.macros('M', 'i', 'ID'), { kind: 'macros', code: 0x4d, definitions: 'i\0ID\0' }],
  ['macros of which there are none', mta.macros('M'), { kind: 'macros', code: 0x4d, definitions: '' }],
  ['macros of no command', mta.packet('D'), 'macros of no command'],
  ['a client by IPv4', mta.connect('192.0.2.1', 'h'), { kind: 'connect', client: from('192.0.2.1') }],
  ['a client by IPv6', mta.connect('2001:db8::1', 'h'), { kind: 'connect', client: from('2001:db8::1') }],
  ['Sendmail’s IPv6: prefix', mta.connect('IPv6:2001:db8::1', 'h'), { kind: 'connect', client: from('2001:db8::1') }],
  [
    'the prefix in other letters',
    mta.connect('ipv6:2001:db8::1', 'h'),
    { kind: 'connect', client: from('2001:db8::1') },
  ],
  ['a mapped address is IPv4', mta.connect('::ffff:192.0.2.1', 'h'), { kind: 'connect', client: from('192.0.2.1') }],
  ['an address with a zone', mta.connect('fe80::1%eth0', 'h'), { kind: 'connect', client: from('fe80::1') }],
  [
    'a UNIX socket',
    connect('L\0\0/run/x\0'),
    { kind: 'connect', client: { kind: 'unix', name: 'h', ip: undefined, path: '/run/x' } },
  ],
  ['an unknown family', connect('U'), { kind: 'connect', client: { kind: 'unknown', name: 'h', ip: undefined } }],
  ['an empty CONNECT', mta.packet('C'), 'CONNECT without a family'],
  ['a CONNECT without a family', connect(''), 'CONNECT without a family'],
  ['a family that is none', connect('X\0\0x\0'), 'CONNECT from what is no address'],
  ['an address that is none', connect('4\0\x01999.1.2.3\0'), 'CONNECT from what is no address'],
  ['an address without its end', connect('4\0\x01192.0.2.1'), 'CONNECT without an address'],
  ['a port and no address', connect('4\0\x01'), 'CONNECT without an address'],
  ['a family and nothing else', connect('4'), 'CONNECT without an address'],
  ['HELO', mta.helo('h'), { kind: 'helo', name: 'h' }],
  ['HELO with an empty name', mta.helo(''), { kind: 'helo', name: '' }],
  ['HELO with nothing at all', mta.packet('H'), 'HELO without a string'],
  ['HELO without its end', mta.packet('H', 'h'), 'HELO without a string'],
  [
    'MAIL',
    mta.mail('<a@b>', 'SIZE=1', 'BODY=8BITMIME'),
    { kind: 'mail', sender: path('<a@b>', 'SIZE=1', 'BODY=8BITMIME') },
  ],
  ['the null sender', mta.mail('<>'), { kind: 'mail', sender: path('<>') }],
  ['a sender without brackets', mta.mail('a@b'), { kind: 'mail', sender: path('a@b') }],
  ['one bracket', mta.mail('<'), { kind: 'mail', sender: { path: '<', address: '<', parameters: [] } }],
  ['MAIL without its end', mta.packet('M', '<a@b>'), 'MAIL without a string'],
  ['RCPT', mta.rcpt('<a@b>', 'NOTIFY=NEVER'), { kind: 'rcpt', recipient: path('<a@b>', 'NOTIFY=NEVER') }],
  ['RCPT without anything', mta.packet('R'), 'RCPT without a string'],
  ['DATA', mta.data, { kind: 'data' }],
  ['a header field', mta.header('Subject', 'a\n b'), { kind: 'header', field: { name: 'Subject', value: 'a\n b' } }],
  ['a header field of 8-bit octets', mta.header('X', '\xe4'), { kind: 'header', field: { name: 'X', value: '\xe4' } }],
  ['a header field without value', mta.packet('L', 'Subject\0'), 'HEADER without name and value'],
  ['end of header', mta.eoh, { kind: 'eoh' }],
  ['body', mta.body('a\0b'), { kind: 'body', chunk: Buffer.from('a\0b') }],
  ['end of message', mta.eom(), { kind: 'eom', chunk: Buffer.alloc(0) }],
  ['end of message with a last piece', mta.eom('x'), { kind: 'eom', chunk: Buffer.from('x') }],
  ['an unknown SMTP command', mta.unknown('FOO'), { kind: 'unknown', line: 'FOO' }],
  ['abort', mta.abort, { kind: 'abort' }],
  ['quit', mta.quit, { kind: 'quit' }],
  ['quit, and a new session', mta.nextSession, { kind: 'next-session' }],
  ['an unknown command', mta.packet('Z', 'x'), 'unknown command 0x5a'],
  ['an answer is no command', mta.packet('c'), 'unknown command 0x63'],
];

for (const [what, packet, expected] of table) {
  test(what, () => {
    const problem = typeof expected === 'string' ? { kind: 'broken', problem: expected } : expected;
    assert.deepEqual(parse(packet), problem);
  });
}

test('property: whatever a frame holds, it is a command or a problem', () => {
  fc.assert(
    fc.property(fc.constantFrom(...'OCHMRTLNBEUDAQK'.split('')), fc.uint8Array({ maxLength: 60 }), (code, octets) => {
      parse(mta.packet(code, Buffer.from(octets)));
    }),
    { numRuns: 2000 },
  );
});
