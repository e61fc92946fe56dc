/** srv-and-spam §5: what happens to the mail. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Answer, close, ScriptedMta, silence, type Step } from '../relay/support/scripted-mta.js';
import { message, type Mx } from '../support/mx.js';
import {
  converse,
  deferred,
  type Fate,
  fateOf,
  fieldOf,
  fieldsOf,
  type Mail,
  marked,
  pipelined,
  rejected,
  relayed,
  watched,
  startMx,
  sorted,
} from './support.js';

let mx: Mx;
before(async () => {
  mx = await startMx({
    markers: ['example.com/users/valid/alice', 'example.com/users/valid/bob', 'example.com/checks/date'],
    settings: ['xclient_networks=loopback', 'dns_timeout=200ms', 'memory_limit=64k'],
    zone: {
      '1.2.0.192.in-addr.arpa': { PTR: ['client.example'] },
      'client.example': { A: ['192.0.2.1'] },
      '2.2.0.192.in-addr.arpa': { PTR: ['unconfirmed.example'] },
      '4.2.0.192.in-addr.arpa': { timeout: true },
    },
  });
});
after(() => mx.close());

/** What the local MTA or the quarantine puts above our fields. */
const above = /^(?:Return-Path: .*\r\nX-Original-To: .*\r\nDelivered-To: .*\r\n|Recipient: .*\r\n)/;

/** A message with Date: goes to the local MTA, one without into the quarantine: [where, what tells it apart]. */
const places: readonly (readonly [where: string, mail: Mail])[] = [
  ['relayed', {}],
  ['archived', { without: ['date'] }],
];

const copyOf = (fate: Fate): string => fate.relayed[0] ?? fate.archived[0]?.text ?? '';

/** The fields that stand above the message as the client sent it. */
function ourFields(copy: string, sent: string): string[] {
  const end = copy.lastIndexOf(sent);
  assert.ok(
    end > 0 && end + sent.length === copy.length,
    `the octets below our fields are not as they were sent:\n${copy}`,
  );
  return fieldsOf(copy.slice(0, end).replace(above, '').replace(/\r\n$/, ''));
}

/** Our fields as unfolded lines: those above the first one of the client's. */
const fieldsAbove = (copy: string, first: string): string[] =>
  fieldsOf(copy.slice(0, copy.indexOf(`\r\n${first}`)).replace(above, ''));

/** Sends octets (latin1, CRLF at the end) as the message. */
const sendOctets = (sent: string, to: readonly string[] = ['alice@example.com']): Promise<Fate> =>
  watched(mx, async () => {
    const stuffed = sent.replace(/^\./gm, '..');
    const rcpt = to.map((address) => `RCPT TO:<${address}>\r\n`).join('');
    const replies = await pipelined(
      mx,
      `EHLO client.example\r\nMAIL FROM:<sender@sender.example>\r\n${rcpt}DATA\r\n${stuffed}.\r\nQUIT\r\n`,
    );
    return replies.at(-2) ?? '';
  });

// Fields added on top of the message, for archived and relayed mail alike.

for (const [where, mail] of places) {
  test(`fields added on top of a mail that is ${where}`, async () => {
    const fate = await fateOf(mx, { ...mail, client: 'ADDR=192.0.2.1', helo: 'Mail.Client.Example' });
    const [received, ...others] = fieldsAbove(copyOf(fate), 'From: <sender@sender.example>');
    assert.match(
      received ?? '',
      /^Received: from Mail\.Client\.Example \(client\.example \[192\.0\.2\.1\]\) by mx\.test\.example \(postern\) with ESMTP id [0-9A-Z]{14} for <alice@example\.com>; (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}$/,
    );
    const reason = ['X-REJECT-REASON: Missing header - Date:', 'X-REJECT-PLUGIN: date'];
    assert.deepEqual(others, [
      'X-HELO: Mail.Client.Example',
      'X-REMOTE-IP: 192.0.2.1',
      'X-REMOTE-HOST: client.example',
      'X-MAIL-FROM: sender@sender.example',
      'X-RCPT-TO: alice@example.com',
      'X-DOMAIN: example.com',
      'X-LOCALPART: alice',
      ...(where === 'archived' ? reason : []),
    ]);
  });
}

const values: readonly (readonly [what: string, mail: Mail, field: string, value: string])[] = [
  ['the null reverse-path', { from: '' }, 'X-MAIL-FROM', ''],
  ['a client without a name', { client: 'ADDR=192.0.2.3' }, 'X-REMOTE-HOST', ''],
  ['a client whose name leads elsewhere', { client: 'ADDR=192.0.2.2' }, 'X-REMOTE-HOST', 'unconfirmed.example'],
  ['an IPv6 client', { client: 'ADDR=IPV6:2001:DB8:0:0::1' }, 'X-REMOTE-IP', '2001:db8::1'],
  ['an IPv4-mapped client', { client: 'ADDR=IPV6:::ffff:192.0.2.3' }, 'X-REMOTE-IP', '192.0.2.3'],
  ['a recipient in capitals', { to: 'Alice@EXAMPLE.com' }, 'X-RCPT-TO', 'Alice@example.com'],
  ['a HELO address literal', { helo: '[192.0.2.1]' }, 'X-HELO', '[192.0.2.1]'],
];
for (const [what, mail, field, value] of values) {
  test(`${field} of ${what} is ${value || 'empty'}`, async () => {
    for (const [, place] of places)
      assert.equal(fieldOf(copyOf(await fateOf(mx, { ...mail, ...place })), field), value);
  });
}

test('only a forward-confirmed name is stated in Received:, and IPv6 is marked as such', async () => {
  for (const [client, text] of [
    ['ADDR=192.0.2.2', '(unknown [192.0.2.2])'],
    ['ADDR=192.0.2.3', '(unknown [192.0.2.3])'],
    ['ADDR=192.0.2.4', '(unknown [192.0.2.4])'],
    ['ADDR=IPV6:2001:db8::1', '(unknown [IPv6:2001:db8::1])'],
  ] as const)
    assert.ok(fieldOf(copyOf(await fateOf(mx, { client })), 'Received')?.includes(text), text);
});

test('Received: says with which protocol the mail came (RFC 3848, RFC 6531)', async () => {
  const of = async (helo: string, parameters: string): Promise<string | undefined> => {
    const fate = await watched(mx, async () => {
      const replies = await mx.say(
        helo,
        `MAIL FROM:<a@b.example>${parameters}`,
        'RCPT TO:<alice@example.com>',
        'DATA',
        `${message()}\r\n.`,
      );
      return replies.at(-1) ?? '';
    });
    return / with (\S+) id /.exec(fieldOf(copyOf(fate), 'Received') ?? '')?.[1];
  };
  assert.equal(await of('HELO c.example', ''), 'SMTP');
  assert.equal(await of('EHLO c.example', ''), 'ESMTP');
  assert.equal(await of('EHLO c.example', ' SMTPUTF8'), 'UTF8SMTP');
});

test('nothing that a client says puts a line of its own into our fields', async () => {
  const hostile: readonly Mail[] = [
    { helo: 'a);\tb' },
    { helo: 'x(y)<z>;@"\\' },
    { from: '"a b);(,<>"@sender.example' },
    { from: '"\\"\\\\"@sender.example' },
  ];
  for (const mail of hostile) {
    for (const [, place] of places) {
      const fate = await fateOf(mx, { ...mail, ...place });
      if (fate.reply.startsWith('501')) continue;
      const names = fieldsAbove(copyOf(fate), 'From: <').map((field) => field.split(':')[0]);
      assert.deepEqual(names.slice(0, 8), [
        'Received',
        'X-HELO',
        'X-REMOTE-IP',
        'X-REMOTE-HOST',
        'X-MAIL-FROM',
        'X-RCPT-TO',
        'X-DOMAIN',
        'X-LOCALPART',
      ]);
    }
  }
});

test('X-RCPT-TO and X-LOCALPART are left out of a relayed mail with several recipients: Bcc stays blind', async () => {
  const fate = await fateOf(mx, { to: ['alice@example.com', 'bob@example.com'] });
  assert.equal(fate.relayed.length, 2);
  for (const copy of fate.relayed) {
    assert.equal(fieldOf(copy, 'X-RCPT-TO'), undefined);
    assert.equal(fieldOf(copy, 'X-LOCALPART'), undefined);
    assert.equal(fieldOf(copy, 'X-DOMAIN'), 'example.com');
    assert.doesNotMatch(fieldOf(copy, 'Received') ?? '', /alice|bob/);
  }
});

test('each archived copy names its own recipient', async () => {
  const to = ['alice@example.com', 'bob@example.com'];
  const fate = await fateOf(mx, { to, without: ['date'] });
  for (const field of ['Recipient', 'X-RCPT-TO'])
    assert.deepEqual(sorted(fate.archived.map(({ text }) => fieldOf(text, field))), to);
});

// Fields of those names that came with the mail are removed first.

const forged: readonly string[] = [
  'X-HELO: trusted.example',
  'X-REMOTE-IP: 203.0.113.1',
  'X-REMOTE-HOST: trusted.example',
  'X-MAIL-FROM: boss@example.com',
  'X-RCPT-TO: boss@example.com',
  'X-DOMAIN: trusted.example',
  'X-LOCALPART: boss',
  'X-DKIM-RESULT: pass',
  'X-REJECT-REASON: none',
  'X-REJECT-PLUGIN: none',
  'x-reject-reason: none',
  'X-Reject-Plugin : none',
  'X-HELO:\r\n folded\r\n\tand folded',
  'X-HELO:',
  'Received-SPF: pass',
  'received-spf: Pass (forged)',
  'Authentication-Results: mx.test.example; spf=pass',
  'authentication-results:\r\n\tMX.Test.Example 1; dkim=pass',
  'Authentication-Results: (a comment) mx.test.example; spf=pass',
  'Authentication-Results: ((nested) comment) mx.test.example; spf=pass',
  'Authentication-Results: "mx.test.example"; spf=pass',
  'Authentication-Results: mx.test.example; none',
];
const kept: readonly string[] = [
  'Authentication-Results: other.example; spf=pass',
  'Authentication-Results: mx.test.example.org; spf=pass',
  'Authentication-Results: other.example; spf=pass smtp.mailfrom=mx.test.example',
  'Received: from a.example by b.example; Mon, 1 Jan 2024 00:00:00 +0000',
  'X-HELO-Other: x',
  'X-Spam: no',
  'DKIM-Signature: v=1; d=sender.example',
  'ARC-Authentication-Results: i=1; mx.test.example; spf=pass',
];
for (const [where, mail] of places) {
  for (const field of forged) {
    test(`removed from a mail that is ${where}: ${JSON.stringify(field)}`, async () => {
      const copy = copyOf(await fateOf(mx, { ...mail, fields: [field, 'X-Mark: here'] }));
      const value = field.slice(field.indexOf(':') + 1).trim();
      assert.ok(['', 'none'].includes(value) || !copy.includes(value), 'the forged value is gone');
      const name = (field.split(':')[0] ?? '').trim().toLowerCase();
      const all = fieldsOf(copy).filter((line) => line.toLowerCase().replace(/\s*:.*/, '') === name);
      const ours = fieldsAbove(copy, 'X-Mark: here').filter((line) => line.toLowerCase().startsWith(`${name}:`));
      assert.deepEqual(all, ours, 'what is left is ours');
      assert.ok(copy.includes('\r\nX-Mark: here\r\nFrom: <sender@sender.example>\r\n'), 'the rest stays');
    });
  }

  for (const field of kept) {
    test(`kept in a mail that is ${where}: ${JSON.stringify(field)}`, async () => {
      const copy = copyOf(await fateOf(mx, { ...mail, fields: [field] }));
      assert.ok(copy.includes(`\r\n${field}\r\nFrom:`));
    });
  }
}

test('what looks like our fields in the body stays', async () => {
  const body = 'X-HELO: body\r\nReceived-SPF: body\r\nAuthentication-Results: mx.test.example; body';
  for (const [, mail] of places) assert.ok(copyOf(await fateOf(mx, { ...mail, body })).endsWith(`\r\n\r\n${body}\r\n`));
});

// The bytes of the message are relayed unchanged below our fields.

const everyOctet = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  .toString('latin1')
  .replace(/[\r\n]/g, '');
const head = 'From: <a@sender.example>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n';
const unchanged: readonly (readonly [what: string, sent: string])[] = [
  ['every octet there is', `${head}\r\n${everyOctet}\r\n`],
  ['8-bit in header and body', `${head}Subject: \xe4\xf6\xfc \xff\r\n\r\n\x80\xff\xfe\r\n`],
  ['NUL', `${head}Subject: a\0b\r\n\r\na\0b\0\r\n`],
  ['a line of 100,000 octets', `${head}\r\n${'x'.repeat(100_000)}\r\n`],
  ['a header line of 10,000 octets', `${head}Subject: ${'x'.repeat(10_000)}\r\n\r\nbody\r\n`],
  ['dots at the start of lines', `${head}\r\n.\r\n..\r\n...a\r\n.b\r\n`],
  ['a dot first in the message', `.odd\r\n`],
  ['empty lines at the end', `${head}\r\nbody\r\n\r\n\r\n\r\n`],
  ['trailing spaces and tabs', `${head}Subject: a \t \r\n\r\nbody \t\r\n \r\n`],
  ['folds, odd case and odd spaces in fields', `${head}SUBJECT :a\r\n\t b\r\n  c\r\nX:\r\n\r\nbody\r\n`],
  ['several fields of one name, Bcc: among them', `${head}Bcc: x@sender.example\r\nTo: a\r\nTo: b\r\n\r\nbody\r\n`],
  ['a header that no empty line ends', head],
  ['a line that is no field', `${head}no field\r\nX: y\r\n\r\nbody\r\n`],
  ['a field named __proto__', `${head}__proto__: x\r\nconstructor: y\r\n\r\nbody\r\n`],
  ['no header', `\r\nbody\r\n`],
  ['nothing at all', ''],
  ['more than is held in memory', `${head}\r\n${'0123456789abcdef\r\n'.repeat(40_000)}`],
];
for (const [what, sent] of unchanged) {
  for (const to of ['alice@example.com', 'nobody@example.com']) {
    const where = to.startsWith('alice') ? 'relayed' : 'archived';
    test(`${what}: ${where} unchanged`, async () => {
      const dateless = !sent.includes('Date:');
      if (dateless) mx.remove('example.com/checks/date');
      const fate = await sendOctets(sent, [to]).finally(() => mx.touch('example.com/checks/date'));
      assert.equal(fate.relayed.length, where === 'relayed' ? 1 : 0, fate.reply);
      const names = ourFields(copyOf(fate), sent).map((field) => field.split(':')[0]);
      assert.equal(names[0], 'Received');
      assert.ok(
        names.every((name) =>
          /^(?:Received|X-(?:HELO|REMOTE-(?:IP|HOST)|MAIL-FROM|RCPT-TO|DOMAIN|LOCALPART|REJECT-(?:REASON|PLUGIN)))$/.test(
            name ?? '',
          ),
        ),
        String(names),
      );
    });
  }
}

test('a message that begins with white space does not continue our last field', async () => {
  mx.remove('example.com/checks/date');
  const fate = await sendOctets(' sly: continuation\r\n\r\nbody\r\n').finally(() =>
    mx.touch('example.com/checks/date'),
  );
  assert.ok(copyOf(fate).endsWith('\r\nX-LOCALPART: alice\r\n\r\n sly: continuation\r\n\r\nbody\r\n'));
});

// Rejected

test('rejected: archived, then answered 550 5.7.1 REASON (ID), where ID names the archived mail', async () => {
  const { reply, archived, index } = await fateOf(mx, { without: ['date'] });
  const id = /^550 5\.7\.1 Missing header - Date: \(([0-9A-Z]{14})\)$/.exec(reply)?.[1] ?? '';
  assert.ok(archived[0]?.path.includes(id));
  assert.ok(String(index[0]?.['filename']).includes(id));
  assert.match(fieldOf(archived[0]?.text ?? '', 'Received') ?? '', new RegExp(` id ${id} `));
});

// Accepted

/** A postern before an MTA of the test's own. */
async function withMta(
  script: (step: Step) => Answer,
  act: (front: Mx, mta: ScriptedMta) => Promise<void>,
): Promise<void> {
  const mta = await ScriptedMta.start({ extensions: ['PIPELINING', '8BITMIME', 'SIZE'], script });
  const front = await startMx({
    markers: ['wild.example/users/valid/*'],
    relayPort: mta.port,
    settings: ['relay_timeout=400ms', 'xclient_networks=loopback'],
  });
  try {
    await act(front, mta);
  } finally {
    await front.close();
    await mta.stop();
  }
}

/** The reply to a whole mail; nothing is looked up. */
async function replyOf(front: Mx, mail: Mail = {}): Promise<{ reply: string; rcpt: readonly string[] }> {
  const client = await front.connect();
  try {
    return await converse(client, { to: 'a@wild.example', ...mail });
  } finally {
    client.end();
  }
}

const verdicts: readonly (readonly [what: string, step: Partial<Step>, answer: Answer, reply: RegExp])[] = [
  [
    'its 250 becomes our 250, the queue id in the text',
    { verb: '.' },
    '250 2.0.0 Ok: queued as 4711ABC',
    /^250 2\.0\.0 .*queued as 4711ABC/,
  ],
  ['its 4xx at the end of data becomes our 4xx', { verb: '.' }, '452 4.3.1 No space', /^452 4\.3\.1 .*No space/],
  ['its 5xx to RCPT becomes our 5xx', { verb: 'RCPT' }, '550 5.1.1 Who?', /^550 5\.1\.1 .*Who\?/],
  ['its 4xx to RCPT becomes our 4xx', { verb: 'RCPT' }, '450 4.2.0 Greylisted', /^450 4\.2\.0 .*Greylisted/],
  ['its 5xx to MAIL becomes our 5xx', { verb: 'MAIL' }, '550 5.7.1 Not you', /^550 5\.7\.1 .*Not you/],
  ['its 4xx to MAIL becomes our 4xx', { verb: 'MAIL' }, '451 4.3.0 Not now', /^451 4\.3\.0 .*Not now/],
  ['its 4xx to DATA becomes our 4xx', { verb: 'DATA' }, '451 4.3.0 Not now', /^451 4\.3\.0 .*Not now/],
  ['silence at its greeting: 451 4.4.1', { verb: 'CONNECT' }, silence, /^451 4\.4\.1 /],
  ['silence to MAIL: 451 4.4.1', { verb: 'MAIL' }, silence, /^451 4\.4\.1 /],
  ['silence at the end of data: 451 4.4.1, and no 250 before it', { verb: '.' }, silence, /^451 4\.4\.1 /],
  ['hanging up at the end of data: 451 4.4.1', { verb: '.' }, close, /^451 4\.4\.1 /],
  ['hanging up at RCPT: 451 4.4.1', { verb: 'RCPT' }, close, /^451 4\.4\.1 /],
  ['an answer that is none at the end of data: 451', { verb: '.' }, 'Yes indeed', /^451 /],
];
for (const [what, { verb }, answer, reply] of verdicts) {
  test(`the local MTA's verdict is ours: ${what}`, async () => {
    await withMta(
      (step) => (step.verb === verb ? answer : undefined),
      async (front) => {
        assert.match((await replyOf(front)).reply, reply);
        assert.deepEqual(front.archived(), []);
      },
    );
  });
}

test("the local MTA's 5xx at the end of data is ours, with an ID, and the mail is archived", async () => {
  const script = ({ verb }: Step): Answer => (verb === '.' ? '554 5.6.0 Broken MIME' : undefined);
  await withMta(script, async (front) => {
    const { reply } = await replyOf(front);
    assert.match(reply, /^554 5\.6\.0 Broken MIME \([0-9A-Z]{14}\)$/);
    const [mail] = front.archived();
    assert.equal(fieldOf(mail?.text ?? '', 'X-REJECT-PLUGIN'), 'relay');
    assert.equal(fieldOf(mail?.text ?? '', 'X-REJECT-REASON'), 'Broken MIME');
  });
});

test('an unreachable local MTA: 451 4.4.1, and the next mail is taken once it is back', async () => {
  const mta = await ScriptedMta.start();
  const { port } = mta;
  await mta.stop();
  const front = await startMx({
    markers: ['wild.example/users/valid/*'],
    relayPort: port,
    settings: ['relay_timeout=400ms'],
  });
  const back = new ScriptedMta({});
  try {
    assert.match((await replyOf(front)).reply, /^451 4\.4\.1 /);
    await back.listen(port);
    assert.match((await replyOf(front)).reply, relayed);
    assert.equal(back.messages.length, 1);
  } finally {
    await front.close();
    await back.stop();
  }
});

test('the embedded local MTA that says no is believed, and what it refuses behind the message is kept', async () => {
  const answer = join(mx.root, 'sink', 'answer');
  for (const [line, reply] of [
    ['451 4.3.0 Later', /^451 4\.3\.0 .*Later/],
    ['554 5.6.0 Never', /^554 5\.6\.0 Never \([0-9A-Z]{14}\)$/],
    ['rcpt 550 5.1.1 Nobody', /^550 5\.1\.1 .*Nobody$/],
  ] as const) {
    writeFileSync(answer, `${line}\n`);
    assert.match((await fateOf(mx).finally(() => rmSync(answer))).reply, reply);
  }
});

const envelopes: readonly (readonly [what: string, from: string, to: string])[] = [
  ['a plain one', 'Sender@sender.example', 'Alice@wild.example'],
  ['the null reverse-path', '', 'alice@wild.example'],
  ['a sender that looks like a list', '"a,b"@sender.example', 'alice@wild.example'],
  ['a sender with a comment', '"a(c)"@sender.example', 'alice@wild.example'],
  ['a sender with a group', '"g:a;"@sender.example', 'alice@wild.example'],
  ['a recipient with = and /-less oddities', 'a@sender.example', "o'brien+x=y&z{~}@wild.example"],
];
for (const [what, from, to] of envelopes) {
  test(`exactly the recipients and reverse-path of the transaction are handed over: ${what}`, async () => {
    await withMta(
      () => undefined,
      async (front, mta) => {
        assert.match((await replyOf(front, { from, to })).reply, relayed);
        assert.equal(mta.messages.length, 1);
        assert.match(mta.messages[0]?.from ?? '', /^MAIL FROM:/);
        assert.ok(mta.messages[0]?.from.startsWith(`MAIL FROM:<${from}>`), mta.messages[0]?.from);
        assert.deepEqual(mta.messages[0]?.to, [`RCPT TO:<${to}>`]);
      },
    );
  });
}

test('if the MTA refuses some of several recipients nothing is handed over, and on the retry each gets its own answer at RCPT', async () => {
  await withMta(
    ({ verb, line }) => (verb === 'RCPT' && line.includes('<b@') ? '550 5.1.1 No b here' : undefined),
    async (front, mta) => {
      const to = ['a@wild.example', 'b@wild.example', 'c@wild.example'];
      const first = await replyOf(front, { to });
      assert.deepEqual(
        first.rcpt.map((reply) => reply.slice(0, 3)),
        ['250', '250', '250'],
      );
      assert.match(first.reply, deferred, 'never a plain 250');
      assert.equal(mta.messages.length, 0, 'nothing is handed over');
      const again = await replyOf(front, { to });
      assert.deepEqual(
        again.rcpt.map((reply) => reply.slice(0, 3)),
        ['250', '550', '250'],
      );
      assert.match(again.rcpt[1] ?? '', /No b here/);
      assert.match(again.reply, relayed);
      assert.deepEqual(
        mta.messages.map(({ to: taken }) => taken),
        [['RCPT TO:<a@wild.example>', 'RCPT TO:<c@wild.example>']],
      );
    },
  );
});

test('if the MTA defers some of several recipients, they hear that at RCPT on the retry, and nobody gets the mail twice', async () => {
  await withMta(
    ({ verb, line }) => (verb === 'RCPT' && line.includes('<b@') ? '450 4.2.2 Full' : undefined),
    async (front, mta) => {
      const to = ['a@wild.example', 'b@wild.example'];
      assert.match((await replyOf(front, { to })).reply, deferred);
      const again = await replyOf(front, { to });
      assert.match(again.rcpt[1] ?? '', /^450 4\.2\.2 /);
      assert.match(again.reply, relayed);
      assert.equal(mta.messages.length, 1);
    },
  );
});

// Deferred (4xx): neither archived nor relayed. (The same is asked of every mail in these tests.)

const deferrals: readonly (readonly [what: string, markers: readonly string[], mail: Mail])[] = [
  ['a check that cannot be done now', ['example.com/checks/rdns'], { client: 'ADDR=192.0.2.4' }],
  [
    'a check that cannot be done now, for a mail that another would reject',
    ['example.com/checks/rdns'],
    { client: 'ADDR=192.0.2.4', without: ['date'] },
  ],
];
for (const [what, markers, mail] of deferrals) {
  test(`deferred: ${what}, neither archived nor relayed`, async () => {
    const fate = await marked(mx, markers, () => fateOf(mx, mail));
    assert.match(fate.reply, deferred);
    assert.equal(fate.log.find((line) => 'verdict' in line)?.['verdict'], 'deferred');
  });
}

// One log line for each transaction, whatever became of it.

test('the log has one line for each mail, with what became of it', async () => {
  for (const [verdict, mail, reply] of [
    ['relayed', {}, relayed],
    ['rejected', { without: ['date'] }, rejected],
  ] as const) {
    const fate = await fateOf(mx, { ...mail, from: 'x@sender.example', helo: 'h.example' });
    const [line, ...more] = fate.log.filter((entry) => 'verdict' in entry);
    assert.match(fate.reply, reply);
    assert.equal(more.length, 0);
    assert.equal(line?.['verdict'], verdict);
    assert.equal(line?.['from'], 'x@sender.example');
    assert.equal(line?.['helo'], 'h.example');
    assert.deepEqual(line?.['rcpts'], ['alice@example.com']);
    assert.equal(line?.['reply'], fate.reply);
  }
});
