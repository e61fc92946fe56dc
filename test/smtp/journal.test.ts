/** What became of each mail stands in the journal, and so does who was turned away before there was one. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalLine } from '../../src/journal/line.js';
import { found } from '../journal/support.js';
import { ScriptedMta, type Step } from '../relay/support/scripted-mta.js';
import { makeCertificate } from '../support/certificate.js';
import { Mx, type MxOptions } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';
import { patience } from '../support/until.js';

const markers = ['example.com/users/valid/alice', 'example.com/users/valid/bob'];
const hello = 'EHLO client.test.example';
const mail = (from = '<anna@sender.example>'): string[] => [hello, `MAIL FROM:${from}`];
const to = (...names: readonly string[]): string[] => names.map((name) => `RCPT TO:<${name}>`);
const text = 'From: Anna <anna@sender.example>\r\nSubject: Angebot\r\nMessage-ID: <1@sender.example>\r\n\r\nx\r\n.';

/** The lines, oldest first, when there are so many. */
async function linesOf(mx: Mx, count: number): Promise<readonly JournalLine[]> {
  for (const late = Date.now() + patience; ; await sleep(20)) {
    const lines = (await found(join(mx.root, 'state/journal'))).map(({ line }) => line).toReversed();
    if (lines.length >= count || Date.now() > late) return lines;
  }
}

async function withMx(options: MxOptions, run: (mx: Mx) => Promise<void>): Promise<void> {
  const mx = await Mx.start({ markers, ...options });
  try {
    await run(mx);
  } finally {
    await mx.close();
  }
}

test('a relayed mail: who, to whom, what was said of it, where it went, and how long it took', () =>
  withMx({ markers: [...markers, 'example.com/checks/date=log'] }, async (mx) => {
    await mx.say(...mail(), ...to('alice@example.com', 'Bob@Example.COM'), 'DATA', text);
    const [line, ...more] = await linesOf(mx, 1);
    assert.ok(line);
    assert.deepEqual(more, []);
    const { time, id, session, reply, queue, ms, relay_ms, size, said, destination, tries, tls, ...rest } = line;
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    assert.match(id ?? '', /^[0-9A-Z]{14}$/);
    assert.match(session ?? '', /^[0-9A-Z]{14}$/);
    assert.ok(queue !== undefined && reply?.includes(queue), reply);
    assert.ok(ms !== undefined && relay_ms !== undefined && ms >= relay_ms);
    assert.ok(size !== undefined && size > 50);
    assert.match(destination ?? '', /^127\.0\.0\.1:\d+$/);
    assert.equal(tries, undefined, 'it is no second try, and there will be none');
    assert.equal(tls, 'no');
    const date = said?.find(([plugin]) => plugin === 'date');
    assert.deepEqual(date, ['date', 'pass', 'log only, would reject: Missing header - Date:']);
    assert.deepEqual(rest, {
      node: 'mx.test.example',
      verdict: 'relayed',
      stage: 'dot',
      domain: 'example.com',
      from: 'anna@sender.example',
      header_from: 'Anna <anna@sender.example>',
      to: [
        { address: 'alice@example.com', reply: '250 2.1.5 Recipient ok' },
        { address: 'Bob@example.com', reply: '250 2.1.5 Recipient ok' },
      ],
      subject: 'Angebot',
      'message-id': '<1@sender.example>',
      ip: '127.0.0.1',
      host: 'localhost',
      helo: 'client.test.example',
    });
  }));

test('a rejected mail names the plugin, the reason, the reply and the file', () =>
  withMx({ markers: [...markers, 'example.com/checks/date'] }, async (mx) => {
    await mx.say(...mail(), ...to('alice@example.com'), 'DATA', text);
    const [line] = await linesOf(mx, 1);
    assert.equal(line?.verdict, 'rejected');
    assert.equal(line.plugin, 'date');
    assert.equal(line.reason, 'Missing header - Date:');
    assert.equal(line.reply, `550 5.7.1 Missing header - Date: (${line.id})`);
    assert.ok(mx.archived().some(({ path }) => path.endsWith(line.filename ?? 'none')));
    assert.deepEqual(
      line.said?.find(([plugin]) => plugin === 'date'),
      ['date', 'reject', 'Missing header - Date:'],
    );
  }));

test('greylisting: the tries of one mail have a key in common, and are counted', () =>
  withMx({ markers: [...markers, 'example.com/checks/greylisting'] }, async (mx) => {
    for (let i = 0; i < 2; i++) await mx.say(...mail(), ...to('alice@example.com'), 'DATA', text);
    await mx.say(...mail('<other@sender.example>'), ...to('alice@example.com'), 'DATA', text);
    const lines = await linesOf(mx, 3);
    assert.deepEqual(
      lines.map(({ verdict, plugin, tries }) => [verdict, plugin, tries?.n]),
      [
        ['deferred', 'greylisting', 1],
        ['deferred', 'greylisting', 2],
        ['deferred', 'greylisting', 1],
      ],
    );
    assert.equal(lines[0]?.tries?.key, lines[1]?.tries?.key);
    assert.notEqual(lines[0]?.tries?.key, lines[2]?.tries?.key);
    assert.equal(lines[1]?.tries?.first, lines[0]?.time);
  }));

test('what the local MTA refuses, for each recipient and for all', async () => {
  const no: Record<string, string> = { 'RCPT TO:<bob@example.com>': '550 5.1.1 unknown' };
  const script = ({ line }: Step): string | undefined =>
    Object.entries(no).find(([begin]) => line.startsWith(begin))?.[1];
  const mta = await ScriptedMta.start({ extensions: ['PIPELINING'], script });
  try {
    await withMx({ relayPort: mta.port }, async (mx) => {
      await mx.say(...mail(), ...to('alice@example.com', 'bob@example.com'), 'DATA', text);
      await mx.say(...mail(), ...to('alice@example.com', 'bob@example.com'), 'RSET', 'QUIT');
      no['MAIL'] = '552 5.3.4 too large';
      await mx.say(...mail(), ...to('alice@example.com'), 'DATA', text);
      const [partly, recalled, refused] = await linesOf(mx, 3);
      assert.deepEqual([partly?.verdict, recalled?.verdict, refused?.verdict], ['deferred', 'refused', 'refused']);
      assert.deepEqual(partly?.to, [
        { address: 'alice@example.com', reply: '250 2.1.5 Recipient ok' },
        { address: 'bob@example.com', reply: '550 5.1.1 unknown' },
      ]);
      assert.deepEqual(
        [recalled?.stage, recalled?.to, recalled?.domain],
        ['rcpt', [{ address: 'bob@example.com', reply: '550 5.1.1 unknown' }], 'example.com'],
      );
      assert.equal(refused?.reply, '552 5.3.4 too large');
      assert.equal(refused.destination, `127.0.0.1:${mta.port}`);
    });
  } finally {
    await mta.stop();
  }
});

test('what breaks at RCPT is named as the log names it', () =>
  withMx({ markers: [...markers, 'example.com/relay=over there'] }, async (mx) => {
    assert.match((await mx.say(...mail(), ...to('alice@example.com'))).at(-1) ?? '', /^451 4\.3\.0 /);
    const [line] = await linesOf(mx, 1);
    const problem = mx.log.find(({ msg }) => msg === 'cannot be judged now')?.['problem'];
    assert.ok(String(problem).startsWith(`${mx.root}/srv/example.com/relay: `), String(problem));
    assert.deepEqual([line?.verdict, line?.reason], ['deferred', `cannot be judged now: ${String(problem)}`]);
  }));

test('turned away before there was a mail: relaying, too many errors, too many connections', () =>
  withMx({ settings: ['max_connections_per_ip=1', 'max_errors=2'] }, async (mx) => {
    const replies = await mx.say(...mail(), ...to('x@other.example'));
    assert.match(replies.at(-1) ?? '', /^550 5\.7\.1 /);
    const client = await mx.connect();
    await mx.connect().catch(() => undefined);
    await client.say('NONSENSE');
    await client.say('NONSENSE');
    const lines = await linesOf(mx, 3);
    assert.deepEqual(
      new Set(lines.map(({ verdict, stage, plugin, reply }) => `${verdict}, ${stage}, ${plugin}: ${reply}`)),
      new Set([
        'turned away, connect, limits: 421 4.7.0 Too many connections from your address',
        'turned away, connect, limits: 421 4.7.0 Too many errors',
        'turned away, rcpt, undefined: 550 5.7.1 Relaying denied',
      ]),
    );
    const foreign = lines.find(({ stage }) => stage === 'rcpt');
    assert.equal(foreign?.domain, '');
    assert.equal(foreign.from, 'anna@sender.example');
    assert.deepEqual(foreign.to, [{ address: 'x@other.example', reply: '550 5.7.1 Relaying denied' }]);
  }));

/** [what the client says behind EHLO, the lines: verdict, stage, from, to, reply] */
const declined: readonly (readonly [said: readonly string[], ...lines: (readonly (string | undefined)[])[]])[] = [
  [['MAIL FRM:<a@b.example>'], ['turned away', 'mail', undefined, undefined, '501 5.5.4 Syntax: MAIL FROM:<address>']],
  [['MAIL FROM:<a@>'], ['turned away', 'mail', undefined, undefined, '501 5.1.7 Bad sender address: ']],
  [['MAIL FROM:<postmaster>'], ['turned away', 'mail', undefined, undefined, '501 5.1.7 Bad sender address: ']],
  [['MAIL FROM:<a@b.example> SIZE=99999999'], ['turned away', 'mail', 'a@b.example', undefined, '552 5.3.4 ']],
  [['MAIL FROM:<a@b.example> X=1'], ['turned away', 'mail', 'a@b.example', undefined, '555 5.5.4 ']],
  [
    ['MAIL FROM:<gr\u00fc\u00df@b.example>'],
    ['turned away', 'mail', 'gr\u00fc\u00df@b.example', undefined, '553 5.6.7 '],
  ],
  [
    ['MAIL FROM:<a@b.example>', 'MAIL FROM:<c@d.example>'],
    ['turned away', 'mail', undefined, undefined, '503 5.5.1 Nested MAIL command'],
  ],
  [
    ['MAIL FROM:<a@b.example>', 'RCPT FOR:<alice@example.com>'],
    ['turned away', 'rcpt', 'a@b.example', undefined, '501 5.5.4 Syntax: RCPT TO:<address>'],
  ],
  [
    ['MAIL FROM:<a@b.example>', 'RCPT TO:<alice@>'],
    ['turned away', 'rcpt', 'a@b.example', undefined, '501 5.1.3 Bad recipient address: '],
  ],
  [
    ['MAIL FROM:<a@b.example>', 'RCPT TO:<>'],
    ['turned away', 'rcpt', 'a@b.example', undefined, '501 5.1.3 Bad recipient address: empty'],
  ],
  [
    ['MAIL FROM:<a@b.example>', 'RCPT TO:<alice@example.com> NOTIFY=NEVER'],
    ['turned away', 'rcpt', 'a@b.example', 'alice@example.com', '555 5.5.4 Parameter not supported: NOTIFY'],
  ],
  [
    [
      'MAIL FROM:<a@b.example>',
      'RCPT TO:<alice@example.com>',
      'RCPT TO:<bob@example.com>',
      'RCPT TO:<carl@example.com>',
    ],
    ['deferred', 'rcpt', 'a@b.example', 'carl@example.com', '452 4.5.3 Too many recipients'],
  ],
  [
    ['MAIL FROM:<a@b.example>', 'RCPT TO:<alice@example.com>', 'RCPT TO:<x@example.net>'],
    ['deferred', 'rcpt', 'a@b.example', 'x@example.net', '452 4.5.3 Send this recipient in a transaction of its own'],
  ],
  [
    ['MAIL FROM:<a@b.example>', 'RCPT TO:<alice@example.com>', 'RCPT TO:<nobody@example.com>'],
    [
      'deferred',
      'rcpt',
      'a@b.example',
      'nobody@example.com',
      '452 4.5.3 Send this recipient in a transaction of its own',
    ],
  ],
  [[`MAIL FROM:<${'x'.repeat(5000)}`], ['turned away', 'mail', undefined, undefined, '421 5.5.2 Line too long']],
];
for (const [said, ...expected] of declined) {
  test(`the journal has who was told no: ${said.at(-1)?.slice(0, 60)}`, () =>
    withMx({ markers: [...markers, 'example.net/users/valid/x'], settings: ['max_recipients=2'] }, async (mx) => {
      await mx.say(hello, ...said);
      const lines = await linesOf(mx, expected.length);
      assert.equal(lines.length, expected.length);
      for (const [i, [verdict, stage, from, recipient, reply = '']] of expected.entries()) {
        const line = lines[i];
        assert.deepEqual(
          [line?.verdict, line?.stage, line?.from, line?.to?.[0]?.address],
          [verdict, stage, from, recipient],
        );
        assert.ok(line?.reply?.startsWith(reply) === true, line?.reply);
        assert.equal(line?.ip, '127.0.0.1');
      }
    }));
}

test('MAIL without EHLO is in the journal, what follows it is not', () =>
  withMx({}, async (mx) => {
    await mx.say('MAIL FROM:<a@b.example>', ...to('alice@example.com'), 'DATA', 'QUIT');
    await mx.say(hello, 'MAIL FROM:<a@>', ...to('alice@example.com'), 'DATA', 'QUIT');
    const lines = await linesOf(mx, 2);
    await sleep(500);
    assert.deepEqual(
      (await linesOf(mx, 2)).map(({ stage, reply }) => `${stage} ${reply?.slice(0, 9)}`),
      ['mail 503 5.5.1', 'mail 501 5.1.7'],
    );
    assert.equal(lines.length, 2);
  }));

test('who is idle for too long: before its mail, in the middle of it, and not behind it', () =>
  withMx({ settings: ['command_timeout=300ms', 'data_timeout=300ms'] }, async (mx) => {
    const waiting = await mx.connect();
    assert.match(await waiting.reply(), /^421 4\.4\.2 /);
    const halfway = await RawClient.open({ port: mx.port });
    await halfway.sayAll(...mail(), ...to('alice@example.com'), 'DATA');
    halfway.write('Subject: half\r\n');
    assert.match(await halfway.reply(), /^421 4\.4\.2 /);
    const served = await mx.connect();
    for (const line of [...mail(), ...to('alice@example.com'), 'DATA', text]) await served.say(line);
    assert.match(await served.reply(), /^421 4\.4\.2 /);
    const lines = await linesOf(mx, 3);
    assert.deepEqual(
      lines.map(({ verdict, stage, plugin, to: [first] = [] }) => [verdict, stage, plugin, first?.address]),
      [
        ['turned away', 'connect', 'limits', undefined],
        ['deferred', 'data', 'limits', 'alice@example.com'],
        ['relayed', 'dot', undefined, 'alice@example.com'],
      ],
    );
    assert.match(lines[1]?.reply ?? '', /^421 4\.4\.2 Timeout/);
  }));

test('a client that leaves in the middle of its mail', async () => {
  await withMx({}, async (mx) => {
    const client = await mx.connect();
    for (const line of [...mail(), ...to('alice@example.com'), 'DATA']) await client.say(line);
    client.end();
    const [line] = await linesOf(mx, 1);
    assert.deepEqual(
      [line?.verdict, line?.stage, line?.reason, line?.to?.[0]?.address],
      ['deferred', 'data', 'the connection ended before the mail did', 'alice@example.com'],
    );
  });
});

test('a mail’s lines say what held for it, and come first, when the client has said more in the same segment', () =>
  withMx({}, async (mx) => {
    const client = await RawClient.open({ port: mx.port });
    await client.sayAll(hello, 'MAIL FROM:<anna@sender.example>', ...to('alice@example.com'), 'DATA');
    client.write(`${text}\r\nEHLO other.example\r\nMAIL FROM:<bob@sender.example>\r\nRCPT TO:<x@other.example>\r\n`);
    await client.hear(4);
    client.end();
    const lines = (await linesOf(mx, 2)).map(({ helo, from, verdict }) => [helo, from, verdict]);
    const expected = [
      ['client.test.example', 'anna@sender.example', 'relayed'],
      ['other.example', 'bob@sender.example', 'turned away'],
    ];
    assert.deepEqual(lines, expected);
    const logged = mx.log.filter((line) => 'helo' in line).map(({ helo, verdict, msg }) => [helo, verdict ?? msg]);
    assert.deepEqual(logged, [
      ['client.test.example', 'relayed'],
      ['other.example', 'turned away'],
    ]);
  }));

test('a mail whose log line cannot be made is answered, is in the journal, and is said to have none', (t) =>
  withMx({}, async (mx) => {
    t.mock.method(mx.listener.services.log, 'infoMade', () => {
      throw new Error('a bug');
    });
    const one = [...to('alice@example.com'), 'DATA', text];
    const replies = await mx.say(...mail(), ...one, 'MAIL FROM:<bob@sender.example>', ...one);
    assert.deepEqual(
      replies.slice(-6).map((reply) => reply.slice(0, 3)),
      ['354', '250', '250', '250', '354', '250'],
    );
    assert.equal((await linesOf(mx, 2)).length, 2);
    const problems = mx.log.filter(({ msg }) => msg === 'what became of a mail cannot be logged');
    assert.equal(problems.length, 2);
    assert.match(String(problems[0]?.['problem']), /^Error: a bug/);
  }));

test('the encryption of the session', () =>
  withMx({ certificate: makeCertificate('mx.test.example') }, async (mx) => {
    const client = await RawClient.open({ port: mx.port });
    await client.sayAll(hello, 'STARTTLS');
    await client.handshake();
    await client.sayAll(...mail(), ...to('alice@example.com'), 'DATA', text);
    client.end();
    const [line] = await linesOf(mx, 1);
    assert.equal(line?.tls, '1.3 TLS_AES_256_GCM_SHA384');
  }));

test('journal_subject = no leaves subjects out; journal = 0 leaves all out', async () => {
  await withMx({ settings: ['journal_subject=no'] }, async (mx) => {
    await mx.say(...mail(), ...to('alice@example.com'), 'DATA', text);
    const [line] = await linesOf(mx, 1);
    assert.equal(line?.subject, undefined);
    assert.equal(line?.header_from, 'Anna <anna@sender.example>');
  });
  await withMx({ settings: ['journal=0'] }, async (mx) => {
    const replies = await mx.say(...mail(), ...to('alice@example.com'), 'DATA', text);
    assert.match(replies.at(-1) ?? '', /^250 /);
    assert.equal(mx.listener.services.journal, undefined);
  });
});
