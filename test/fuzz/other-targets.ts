/** The parsers of what DNS, filters' MTAs, operators and readers of the quarantine say. */
import assert from 'node:assert/strict';
import type { DnsAnswer, RecordData, RecordType, Resolver } from '../../src/dns/resolver.js';
import { answersQuery, decodeMessage } from '../../src/dns/wire/message.js';
import { decodeName, encodeName, skipName } from '../../src/dns/wire/name.js';
import { decodeData, decodeTarget } from '../../src/dns/wire/record-data.js';
import { parseIp } from '../../src/mail/ip.js';
import { FrameReader } from '../../src/milter/codec.js';
import { type MilterPolicy, insertHeader, reject } from '../../src/milter/policy.js';
import { maxLine } from '../../src/lines/json-line.js';
import { type IndexEntry, indexLine, parseEntry } from '../../src/quarantine/disk/index-entry.js';
import { piecesOf } from '../../src/quarantine/disk/index-lines.js';
import { parseQuery } from '../../src/quarantine/look/query.js';
import { printConfig } from '../../src/settings/describe.js';
import { loadSettings, type LoadedSettings } from '../../src/settings/settings.js';
import { readDestinations } from '../../src/relay/destination/destination.js';
import { checkHost } from '../../src/spf/check-host.js';
import { expandMacro, parseMacroString } from '../../src/spf/macro.js';
import { isSpfRecord, parseRecord } from '../../src/spf/parse.js';
import { entryName } from '../../src/srv/entry-name.js';
import * as mta from '../support/milter-mta.js';
import { cutUp, type Target } from './target.js';

const unsafe = /[\p{Cc}\p{Bidi_Control}]/u;

const types: readonly RecordType[] = ['A', 'AAAA', 'MX', 'TXT', 'PTR'];
const answer =
  '\x12\x34\x81\x80\0\x01\0\x02\0\0\0\x01\x01a\x04test\0\0\x10\0\x01' +
  '\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0e' +
  '\xc0\x24\0\x10\0\x01\0\0\0\x3c\0\x0c\x0bv=spf1 -all' +
  '\0\0\x29\x04\xd0\0\0\0\0\0\0';

const dnsMessage: Target = {
  seeds: [
    answer,
    '\0\0\x81\x83\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01',
    '\0\0\x83\x80\0\0\0\x01\0\0\0\0\xc0\x0c\0\x0f\0\x01\0\0\0\0\0\x04\0\x01\xc0\x0c',
  ],
  check(octets) {
    answersQuery(octets, Buffer.from(answer, 'latin1'));
    const message = decodeMessage(octets);
    for (const record of message?.answers ?? []) {
      assert.ok(record.start <= record.end && record.end <= octets.length);
      const span = { octets, start: record.start, end: record.end };
      for (const type of types) decodeData(type, span);
      decodeTarget(span);
    }
    const name = decodeName(octets, 0);
    if (!name) return;
    assert.equal(skipName(octets, 0), name.next);
    assert.ok(name.name.length <= 254);
    const encoded = encodeName(name.name);
    if (encoded && !name.name.endsWith('.')) assert.equal(decodeName(encoded, 0)?.name, name.name);
  },
};

const entry: IndexEntry = {
  time: '2026-11-29T07:00:00.000Z',
  from: 'a@sender.example',
  recipient: 'alice@example.com',
  subject: 'Your \u{1f4b0} "invoice"',
  filename: 'new/1.2.mx',
  ip: '192.0.2.1',
  host: 'client.example',
  helo: 'client.example',
  reason: 'no SPF',
  plugin: 'spf',
  messageId: '<1@a>',
  size: 100,
};

const index: Target = {
  seeds: [
    indexLine(entry).toString('latin1'),
    indexLine({ ...entry, spf: 'fail', reply: '550 5.7.1 no', headerFrom: 'A <a@b>' }).toString('latin1'),
    `{"time":"2026${indexLine({ ...entry, subject: '\ud800\u202e\\"' }).toString('latin1')}`,
  ],
  check(octets) {
    for (const { start, length } of piecesOf(octets, 0)) assert.ok(start >= 0 && start + length <= octets.length);
    const read = parseEntry(octets.toString());
    if (!read) return;
    const line = indexLine(read);
    assert.ok(line.length <= maxLine);
    assert.ok(!unsafe.test(line.toString().slice(0, -1)), 'a line holds nothing that is unsafe to show');
    const again = parseEntry(line.toString());
    assert.ok(again, 'a line that was written is one that is read');
    assert.deepEqual(indexLine(again), line);
  },
};

const names: Target = {
  seeds: [
    'alice',
    'Jos\xc3\xa9',
    'jose\xcc\x81',
    '..',
    '*',
    'a/../b',
    'x'.repeat(255),
    '\xef\xbc\x8f',
    '\xc4\xb0',
    '\xe2\x80\xae',
  ],
  check(octets) {
    for (const text of [octets.toString(), octets.toString('latin1')]) {
      const name = entryName(text);
      if (name === undefined) continue;
      assert.ok(!/[/\p{Cc}]|^\.{0,2}$|^\*$/u.test(name), name);
      assert.ok(Buffer.byteLength(name) <= 255);
      assert.equal(entryName(name), name);
    }
  },
};

const now = new Date('2026-11-29T07:00:00Z');
const query: Target = {
  seeds: [
    'from:anna subject:"your invoice" after:2026-11-01 -plugin:spf word',
    'to:alice@example.com before:yesterday size:>1M is:deleted',
    'domain:example.com ip:192.0.2.0/24 spf:fail reason:no helo:client',
    '-"a b" \xe2\x84\xaa:x subject:\xf0\x9f\x92\xb0',
    'invoice',
  ],
  check(octets) {
    const parsed = parseQuery(octets.toString(), now);
    if (!parsed.ok) return assert.ok(!/[\r\n\x1b]/.test(parsed.problem) || /[\r\n\x1b]/.test(octets.toString()));
    const { prefilter, matches } = parsed.value;
    for (const one of [entry, { ...entry, spf: 'fail', from: octets.toString().slice(0, 100) }]) {
      const line = indexLine(one);
      const read = parseEntry(line.toString());
      if (read && matches(read, 'example.com') && prefilter)
        assert.ok(line.toString('latin1').search(prefilter) >= 0, 'what matches is not passed over');
    }
  },
};

const load = (text: string): LoadedSettings =>
  loadSettings({
    argv: ['--config=/fuzz.conf'],
    env: {},
    hostname: 'mx.test.example',
    readFile: (path) => {
      if (path === '/fuzz.conf') return text;
      throw Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
    },
  });

const settings: Target = {
  seeds: [
    'listen = 127.0.0.1:2525\nrelay = 127.0.0.1:10025\nsrv = /srv\n# c\nmax_size = 25M\ncommand_timeout = 5min\n',
    'workers = 2\nxclient_networks = 127.0.0.0/8, ::1\nlog_format = json # x\nhostname = mx.example.com\n',
    'web_listen = [::1]:8080\nexpire = 40d\nmax_errors=12\nmax_recipients=3\ndigest_url = https://a.example/\n',
    'listen = :2 \x01\n',
  ],
  check(octets) {
    const text = octets.toString();
    const loaded = load(text);
    if (!loaded.ok) {
      for (const problem of loaded.problem) assert.ok(!unsafe.test(problem), problem);
      return;
    }
    const again = load(printConfig(loaded.value.settings, loaded.value.sources));
    assert.ok(again.ok, again.ok ? '' : again.problem.join('\n'));
    assert.deepEqual(again.value.settings, loaded.value.settings, 'print-config writes what reads back to the same');
  },
};

const policy: MilterPolicy = {
  edits: ['insert-header'],
  rcpt: (_, path) => (JSON.stringify(path).includes('no') ? reject : undefined),
  eom: () => ({ kind: 'continue', edits: [insertHeader('X-Test', 'v')] }) as never,
};

const milter: Target = {
  seeds: [
    Buffer.concat([mta.opening, mta.message, mta.quit]).toString('latin1'),
    Buffer.concat([mta.negotiate(2), mta.macros('M', 'i', 'ID'), mta.connect('2001:db8::1'), mta.abort]).toString(
      'latin1',
    ),
    Buffer.concat([mta.opening, mta.mail('<>', 'SIZE=1'), mta.rcpt('<no>'), mta.nextSession, mta.unknown()]).toString(
      'latin1',
    ),
  ],
  check(octets, random) {
    const reader = new FrameReader(65_536);
    reader.push(octets);
    for (let left = octets.length; reader.next(); left--) assert.ok(left > 0, 'no more frames than octets');
    const whole = new mta.Talk(policy).send(octets);
    const pieces = new mta.Talk(policy);
    for (const piece of cutUp(octets, random)) if (!pieces.closed && pieces.dropped === undefined) pieces.send(piece);
    assert.deepEqual(pieces.answers, whole.answers, 'the same, however the stream is cut');
    assert.deepEqual(whole.failures, []);
  },
};

const record: Target = {
  seeds: [
    'v=spf1 mx a:%{d2}.example ip4:192.0.2.0/24 ip6:2001:db8::/32 include:b.test ?exists:%{ir}.%{v}._spf.%{d} -all',
    'v=spf1 redirect=_spf.%{d} exp=e.%{d} x=%%%_%-',
    'V=SPF1 +a//64 a/24//48 ptr:example.com ~all',
    'v=spf1 a:b.example:c mx:/ exists:%{x} ip4:1.2.3.4/33',
  ],
  async check(octets) {
    const text = octets.toString('latin1');
    if (isSpfRecord(text)) {
      const parsed = parseRecord(text);
      if (parsed.kind === 'problem') assert.ok(parsed.at >= 0 && parsed.at <= text.length);
      else assert.ok(parsed.record.terms.length <= text.length);
    }
    const resolver = new OneRecord(text);
    const asked = { ip: parseIp('192.0.2.1') ?? assert.fail(), helo: 'c.example', from: 'a@b.test' };
    const { result } = await checkHost(asked, { resolver, trace: true, now: () => 0 });
    assert.match(result, /^(?:none|neutral|pass|fail|softfail|temperror|permerror)$/);
    assert.ok(resolver.asked <= 250, `${resolver.asked} questions`);
  },
};

/** A zone in which every name has the same record, and some addresses. */
class OneRecord implements Resolver {
  asked = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  lookup<T extends RecordType>(name: string, type: T): DnsAnswer<RecordData[T]> {
    this.asked++;
    const records: Record<string, readonly unknown[]> = {
      TXT: [[this.#text]],
      A: [parseIp('198.51.100.7')],
      MX: Array.from({ length: 10 }, (_, i) => ({ preference: i, exchange: `m${i}.test` })),
      PTR: [`p.${name.slice(-20)}`],
    };
    const found = records[type];
    if (!found) return { kind: 'void', why: 'nodata' };
    return { kind: 'found', records: found as RecordData[T][] };
  }
}

const macro: Target = {
  seeds: [
    '%{s} %{l}@%{o} %{d2r-.}',
    '%{ir}.%{v}._spf.%{d}',
    '%{p} %{h} %{c} %{r} %{t} %{S} %{L}',
    '%%%_%-x',
    '%{d999r+,/_=}',
  ],
  check(octets) {
    const text = octets.toString('latin1');
    for (const place of ['domain-spec', 'unknown-modifier', 'explanation'] as const) {
      const parsed = parseMacroString(text, place);
      if ('kind' in parsed) {
        assert.ok(parsed.at >= 0 && parsed.at <= text.length);
        continue;
      }
      const values = {
        sender: 'a.b-c@sender.example',
        localPart: 'a.b-c',
        senderDomain: 'sender.example',
        ip: parseIp('2001:db8::1') ?? assert.fail(),
        helo: 'client.example',
        receiver: 'mx.example',
        now: () => 0,
      };
      const expanded = expandMacro(parsed, values, { domain: 'd.example', validated: 'unknown' });
      assert.ok(expanded === undefined || expanded.length <= 40 * (text.length + 1));
    }
  },
};

const destinations: Target = {
  seeds: [
    'mail.example.net, 192.0.2.7:10025 # two\n[2001:db8::1]:25 tls=must\n',
    'lmtp:unix:/run/lmtp; lmtp:[::1]:24 tls=may',
    'smtp:[mail.example.net]:25',
  ],
  check(octets) {
    const read = readDestinations(octets.toString('utf8'));
    if (!read.ok) return assert.ok(!unsafe.test(read.problem));
    assert.ok(!unsafe.test(read.value.text));
    assert.deepEqual(readDestinations(read.value.text), read, 'what is written is read again');
  },
};

export const otherTargets = {
  destinations,
  'dns-message': dnsMessage,
  index,
  'entry-name': names,
  query,
  settings,
  milter,
  'spf-record': record,
  'spf-macro': macro,
} as const;
