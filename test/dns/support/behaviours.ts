/**
 * Every way to answer a question, right and wrong, by the first label of the name asked for; any other is answered
 * well.
 */
import { reply, type Asked, type Behaviour } from './fake-server.js';
import { a, aaaa, cname, messageOctets, mx, ns, ptr, questionOctets, soa, T, txt } from './wire.js';

const spf = txt('v=spf1 -all');
const overTcp = (asked: Asked, then: Behaviour): ReturnType<Behaviour> =>
  asked.over === 'udp' ? [reply(asked, { flags: 0x8380 })] : then(asked);
const repeat = <V>(count: number, make: (i: number) => V): V[] => Array.from({ length: count }, (_, i) => make(i));

const behaviours: { readonly [label: string]: Behaviour } = {
  ok: (asked) => [reply(asked, { answers: [spf] })],
  othercase: (asked) => [reply(asked, { question: questionOctets('OTHERcase.TEST', asked.type), answers: [spf] })],
  nxdomain: (asked) => [reply(asked, { rcode: 3 })],
  nodata: (asked) => [reply(asked, { authority: [soa(60)] })],
  servfail: (asked) => [reply(asked, { rcode: 2 })],
  refused: (asked) => [reply(asked, { rcode: 5 })],
  yxdomain: (asked) => [reply(asked, { rcode: 6 })],
  lame: (asked) => [reply(asked, { flags: 0x8100, authority: [ns('ns.test')] })],
  nosoa: (asked) => [reply(asked)],
  nsonly: (asked) => [reply(asked, { authority: [ns('ns.test')] })],
  silent: () => [],
  slow: (asked) => [{ ...reply(asked, { answers: [spf] }), afterMs: 2000 }],
  late: (asked) => [{ ...reply(asked, { answers: [spf] }), afterMs: 60 }],
  empty: () => [{ octets: Buffer.alloc(0) }],
  short: () => [{ octets: Buffer.from([1, 2, 3]) }],
  garbage: () => [{ octets: Buffer.alloc(512, 0xff) }],
  wrongid: (asked) => [reply(asked, { id: asked.id ^ 1, answers: [spf] })],
  wrongquestion: (asked) => [reply(asked, { question: questionOctets('attacker.test', T.TXT), answers: [spf] })],
  wrongtype: (asked) => [reply(asked, { question: questionOctets(asked.name, T.A), answers: [spf] })],
  noquestion: (asked) => [reply(asked, { question: Buffer.alloc(0), answers: [spf] })],
  echo: (asked) => [{ octets: asked.octets }],
  otherport: (asked) => [{ ...reply(asked, { answers: [spf] }), elsewhere: true }],
  forgedfirst: (asked) => [
    reply(asked, { id: asked.id ^ 1, answers: [txt('forged')] }),
    { ...reply(asked, { answers: [txt('forged')] }), elsewhere: true },
    reply(asked, { answers: [spf] }),
  ],
  flood: (asked) => repeat(150, (i) => reply(asked, { id: (asked.id + 1 + i) & 0xffff, answers: [spf] })),
  countlie: (asked) =>
    [reply(asked, { answers: [spf] })].map(({ octets }) => ({
      octets: Buffer.concat([octets.subarray(0, 6), Buffer.from([255, 255]), octets.subarray(8)]),
    })),
  lengthlie: (asked) => [reply(asked, { answers: [spf] })].map(({ octets }) => ({ octets: octets.subarray(0, -1) })),
  selfpointer: (asked) => [
    reply(asked, { answers: [{ ...spf, owner: Buffer.from([0xc0, 12 + asked.question.length]) }] }),
  ],
  otherowner: (asked) => [reply(asked, { answers: [{ ...spf, owner: 'elsewhere.test' }] })],
  chaos: (asked) => [reply(asked, { answers: [{ ...spf, class: 3 }] })],
  mixed: (asked) => [
    reply(asked, {
      answers: [
        { ...txt('a'), class: 3 },
        { ...txt('b'), owner: 'x' },
        { ...txt('c'), owner: 'MIXED.Test' },
        a(1, 2, 3, 4),
      ],
    }),
  ],
  authority: (asked) => [reply(asked, { authority: [spf], additional: [spf] })],
  cnameself: (asked) => [reply(asked, { answers: [cname(asked.name)] })],
  cnameloop: (asked) => [reply(asked, { answers: [cname('b.test'), cname('CNAMELOOP.test', 'b.test')] })],
  loopacross: (asked) => [
    reply(asked, {
      answers: [cname(asked.name.startsWith('loopacross.a') ? 'loopacross.b.test' : 'loopacross.a.test')],
    }),
  ],
  chain200: (asked) => [
    reply(asked, { answers: repeat(200, (i) => cname(`c${i + 1}.test`, i === 0 ? asked.name : `c${i}.test`)) }),
  ],
  endless: (asked) => [reply(asked, { answers: [cname(`endless.x${asked.name.length}.${asked.name.slice(8)}`)] })],
  inside: (asked) => [
    reply(asked, { answers: [{ ...spf, owner: 'Target.test' }, cname('B.test'), cname('target.TEST', 'b.test')] }),
  ],
  outside: (asked) => [reply(asked, { answers: [cname('ok.test')] })],
  tonowhere: (asked) => [reply(asked, { rcode: 3, answers: [cname('gone.test')] })],
  badcname: (asked) => [reply(asked, { answers: [{ type: T.CNAME, data: Buffer.from([5, 1]) }] })],
  manytxt: (asked) => overTcp(asked, () => [reply(asked, { answers: repeat(2000, (i) => txt(`x${i}`)) })]),
  manymx: (asked) => overTcp(asked, () => [reply(asked, { answers: repeat(500, (i) => mx(10, `mx${i}.test`)) })]),
  huge: (asked) =>
    overTcp(asked, () => [
      reply(asked, {
        answers: [
          { type: T.TXT, data: Buffer.concat(repeat(250, () => Buffer.from(`\xff${'a'.repeat(255)}`, 'latin1'))) },
        ],
      }),
    ]),
  notxt: (asked) => [reply(asked, { answers: [{ type: T.TXT, data: Buffer.alloc(0) }, txt('')] })],
  binary: (asked) => [reply(asked, { answers: [txt('v=spf1 \0\x1b[31m\r\n\xff\xfe')] })],
  strings: (asked) => [reply(asked, { answers: [txt('v=sp', 'f1 -a', 'll')] })],
  txtlie: (asked) => [reply(asked, { answers: [spf, { type: T.TXT, data: Buffer.from([200, 1, 2]) }] })],
  ptrevil: (asked) => [
    reply(asked, { answers: [ptr('a\r\nRCPT TO<x>\x1b]0;\0.test'), ptr('*'), ptr('a/b.test'), ptr('\xe9')] }),
  ],
  ptrdot: (asked) => [reply(asked, { answers: [{ type: T.PTR, data: Buffer.from('\x03a.b\0') }] })],
  ptrlong: (asked) => [reply(asked, { answers: [ptr(repeat(8, () => 'a'.repeat(63)).join('.'))] })],
  oneptr: (asked) => [reply(asked, { answers: [{ type: T.PTR, data: Buffer.from('\x03a.b\0') }, ptr('h.test')] })],
  ptrtail: (asked) => [reply(asked, { answers: [{ type: T.PTR, data: Buffer.from('\x01a\0junk') }] })],
  nullmx: (asked) => [reply(asked, { answers: [mx(0, '')] })],
  shortmx: (asked) => [reply(asked, { answers: [{ type: T.MX, data: Buffer.from([0, 1]) }] })],
  onemx: (asked) => [
    reply(asked, {
      answers: [mx(10, 'a.test'), { type: T.MX, data: Buffer.from('\0\x0a\x03a.b\0') }, mx(20, 'b.test')],
    }),
  ],
  a: (asked) => [reply(asked, { answers: [a(192, 0, 2, 1), a(127, 0, 0, 2)] })],
  a3: (asked) => [reply(asked, { answers: [{ type: T.A, data: Buffer.from([1, 2, 3]) }] })],
  aaaa: (asked) => [reply(asked, { answers: [aaaa('20010db8000000000000000000000001')] })],
  mapped: (asked) => [reply(asked, { answers: [aaaa('00000000000000000000ffffc0000201')] })],
  aaaa4: (asked) => [reply(asked, { answers: [aaaa('01020304')] })],
  tcpclose: (asked) => overTcp(asked, () => [{ octets: Buffer.alloc(0), bare: true, close: true }]),
  tcphuge: (asked) => overTcp(asked, () => [{ octets: Buffer.alloc(1000, 255), bare: true }]),
  tcpempty: (asked) => overTcp(asked, () => [{ octets: Buffer.alloc(0) }]),
  tcpwrongid: (asked) => overTcp(asked, () => [reply(asked, { id: asked.id ^ 1, answers: [spf] })]),
  tcptruncated: (asked) => [reply(asked, { flags: 0x8380 })],
  tcpsplit: (asked) => overTcp(asked, () => splitFrame(asked)),
  noedns: (asked) => [asked.edns ? reply(asked, { rcode: 1 }) : reply(asked, { answers: [spf] })],
  noednsbare: (asked) => [
    asked.edns ? reply(asked, { rcode: 1, question: Buffer.alloc(0) }) : reply(asked, { answers: [spf] }),
  ],
  notimp: (asked) => [asked.edns ? reply(asked, { rcode: 4 }) : reply(asked, { answers: [spf] })],
  badvers: (asked) => [
    asked.edns
      ? reply(asked, { additional: [{ owner: '', type: T.OPT, ttl: 0x01000000, data: Buffer.alloc(0) }] })
      : reply(asked, { answers: [spf] }),
  ],
  formerr: (asked) => [reply(asked, { rcode: 1 })],
};

function splitFrame(asked: Asked): ReturnType<Behaviour> {
  const octets = messageOctets({ id: asked.id, question: asked.question, answers: [spf] });
  const framed = Buffer.concat([Buffer.from([0, octets.length]), octets]);
  return [...framed].map((octet) => ({ octets: Buffer.of(octet), bare: true }));
}

export const behaveByName: Behaviour = (asked) =>
  (behaviours[asked.name.split('.')[0] ?? ''] ?? behaviours['ok'])?.(asked) ?? [];
