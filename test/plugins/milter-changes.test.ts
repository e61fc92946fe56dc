/** milter: what a filter changes in a mail, what it is shown of one, and what happens when it is not there. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Mx } from '../support/mx.js';
import { type Script, ScriptedFilter, say } from '../support/scripted-filter.js';
import { until } from '../support/until.js';

interface Stage {
  readonly mx: Mx;
  readonly filters: readonly ScriptedFilter[];
}

interface StageOptions {
  /** Behind each filter's place in the list. */
  readonly words?: string;
  /** Before the filters in the list. */
  readonly before?: readonly string[];
  /** Plugins behind them. */
  readonly after?: readonly string[];
  readonly markers?: readonly string[];
  readonly settings?: readonly string[];
  readonly zone?: object;
}

async function stage(
  t: TestContext,
  scripts: readonly Script[],
  { words = '', before = [], after = [], markers = [], settings = [], zone = {} }: StageOptions = {},
): Promise<Stage> {
  const filters: ScriptedFilter[] = [];
  for (const script of scripts) filters.push(await ScriptedFilter.start(script));
  const mx = await Mx.start({
    markers: [...['alice', 'bob', 'carol'].map((name) => `example.com/users/valid/${name}`), ...markers],
    settings: ['xclient_networks=loopback', ...settings],
    zone,
    plugins: [
      'valid_users',
      ...before,
      ...filters.map(({ place }, i) => `milter ${place} name=f${i + 1} ${words}`),
      ...after,
      'whitelist',
    ],
  });
  t.after(async () => {
    await mx.close();
    for (const filter of filters) await filter.close();
  });
  return { mx, filters };
}

/** As the mailbox is read: octets, one to a character. */
const octets = (text: string): string => Buffer.from(text).toString('latin1');

const simple = ['From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three', '', 'Hello.'].join('\r\n');

/** The header section as a list of fields; our own are `ours`, once. */
function layout(mail: string): string[] {
  const header = mail.slice(0, mail.indexOf('\r\n\r\n'));
  const own =
    /^(?:Return-Path|X-Original-To|Delivered-To|Recipient|Received|X-(?:HELO|REMOTE|MAIL-FROM|RCPT|DOMAIN|LOCAL|REJECT))/;
  const fields = header.split(/\r\n(?![ \t])/);
  return fields
    .map((field) => (own.test(field) ? 'ours' : field))
    .filter((field, i, all) => field !== 'ours' || all[i - 1] !== 'ours');
}

/** The recipient's and the MTA's own lines are no field of ours. */
const delivered = (mx: Mx): string[] =>
  layout((mx.delivered()[0] ?? '').replace(/^(?:Return-Path|X-Original-To|Delivered-To):.*\r\n/gm, ''));

test('fields are inserted, added, changed and deleted where the filter means it', async (t) => {
  const { mx, filters } = await stage(t, [{}]);
  const [filter] = filters;
  for (const [what, edits, expected] of [
    [
      '0: above ours',
      [say.insert(0, 'X-A', 'a')],
      ['X-A: a', 'ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three'],
    ],
    [
      'two at 0 stand in reverse order',
      [say.insert(0, 'X-A', 'a'), say.insert(0, 'X-B', 'b')],
      ['X-B: b', 'X-A: a', 'ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three'],
    ],
    [
      '1: below ours',
      [say.insert(1, 'X-A', 'a')],
      ['ours', 'X-A: a', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three'],
    ],
    [
      '3: behind the second',
      [say.insert(3, 'X-A', 'a')],
      ['ours', 'From: <a@b.example>', 'Subject: one', 'X-A: a', 'X-Two: two', 'subject: three'],
    ],
    [
      '99: the last',
      [say.insert(99, 'X-A', 'a')],
      ['ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three', 'X-A: a'],
    ],
    [
      'added',
      [say.add('X-A', 'a'), say.add('X-A', 'b')],
      ['ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three', 'X-A: a', 'X-A: b'],
    ],
    [
      'the first of all is changed',
      [say.change(1, 'FROM', '<x@y.example>')],
      ['ours', 'FROM: <x@y.example>', 'Subject: one', 'X-Two: two', 'subject: three'],
    ],
    [
      'the second of a name, in any case',
      [say.change(2, 'SUBJECT', 'new')],
      ['ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'SUBJECT: new'],
    ],
    [
      '0 is 1',
      [say.change(0, 'Subject', 'new')],
      ['ours', 'From: <a@b.example>', 'Subject: new', 'X-Two: two', 'subject: three'],
    ],
    [
      'deleted, and counted anew',
      [say.change(1, 'Subject', ''), say.change(1, 'Subject', 'new')],
      ['ours', 'From: <a@b.example>', 'X-Two: two', 'Subject: new'],
    ],
    [
      'one that is not there is added',
      [say.change(3, 'Subject', 'new')],
      ['ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three', 'Subject: new'],
    ],
    [
      'one that is not there is not deleted',
      [say.change(3, 'Subject', '')],
      ['ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three'],
    ],
    [
      'a fold is kept, what would begin a field is indented',
      [say.add('X-A', 'a\n\tb\r\nBcc: c\rd')],
      [
        'ours',
        'From: <a@b.example>',
        'Subject: one',
        'X-Two: two',
        'subject: three',
        'X-A: a\r\n\tb\r\n\tBcc: c\r\n\td',
      ],
    ],
    [
      'what only we may write is refused',
      [say.add('X-Remote-IP', '127.0.0.1'), say.change(1, 'X-REJECT-REASON', 'none'), say.add('Bad Name', 'x')],
      ['ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three'],
    ],
  ] as const) {
    filter?.use({ answers: { E: [...edits, say.continue] } });
    mx.forget();
    assert.match(await mx.send({ message: simple }), /^250 /, what);
    assert.deepEqual(delivered(mx), expected, what);
  }
});

test('what a filter adds keeps every octet of the rest, and its own blank where it asked for that', async (t) => {
  const odd = 'From:<a@b.example>\r\nSUBJECT :  one\r\n\ttwo \r\nX-8bit: äß\r\nX-Empty:\r\n\r\nHello.';
  const { mx, filters } = await stage(t, [
    { protocol: 0x100000, answers: { E: [say.insert(1, 'X-A', '\n\tfolded'), say.continue] } },
  ]);
  assert.match(await mx.send({ message: odd }), /^250 /);
  assert.ok(mx.delivered()[0]?.includes(`\r\nX-A:\r\n\tfolded\r\n${octets(odd)}\r\n`), mx.delivered()[0]);
  assert.deepEqual(filters[0]?.heardOf('L'), [
    'From|<a@b.example>|',
    'SUBJECT|  one\n\ttwo |',
    octets('X-8bit| äß|'),
    'X-Empty||',
  ]);
});

test('without asking for it a filter is shown values without their blank', async (t) => {
  const { mx, filters } = await stage(t, [{}]);
  assert.match(await mx.send({ message: simple }), /^250 /);
  assert.deepEqual(filters[0]?.heardOf('L'), ['From|<a@b.example>|', 'Subject|one|', 'X-Two|two|', 'subject|three|']);
});

test('the second filter sees what the first has changed, and what our checks have found', async (t) => {
  const { mx, filters } = await stage(
    t,
    [
      {
        answers: {
          E: [
            say.insert(0, 'X-Top', 'a'),
            say.change(1, 'Subject', 'new'),
            say.add('X-End', 'z'),
            say.body('New\nbody.\r\n'),
            say.continue,
          ],
        },
      },
      { answers: { E: [say.insert(1, 'X-Below', 'b'), say.continue] } },
    ],
    { before: ['spf'], markers: ['example.com/checks/spf'], zone: { 'sender.example': { TXT: ['v=spf1 -all'] } } },
  );
  assert.match(await mx.send({ message: simple, to: 'alice@example.com' }), /^550 /, 'SPF fails');
  assert.equal(filters[0]?.commands, 'OCHMRA', 'what is rejected already is not shown');
  mx.touch('example.com/checks/spf');
  mx.touch('example.com/whitelisted/senders/other@sender.example');
  mx.remove('example.com/checks/spf');
  mx.touch('example.com/checks/spf=log');
  mx.forget();
  for (const filter of filters) filter.heard.length = 0;
  assert.match(await mx.send({ message: simple }), /^250 /);
  const names = (filters[1]?.heardOf('L') ?? []).map((field) => field.slice(0, field.indexOf('|')));
  assert.deepEqual(names, [
    'X-Top',
    'Received-SPF',
    'Authentication-Results',
    'From',
    'Subject',
    'X-Two',
    'subject',
    'X-End',
  ]);
  assert.deepEqual(filters[1]?.heardOf('B'), ['New\r\nbody.\r\n']);
  const [relayed = ''] = mx.delivered();
  assert.deepEqual(
    layout(relayed)
      .filter((field) => !/^(?:Received-SPF|Authentication-Results)/.test(field))
      .slice(-7),
    ['ours', 'X-Below: b', 'From: <a@b.example>', 'Subject: new', 'X-Two: two', 'subject: three', 'X-End: z'],
  );
  assert.ok(relayed.endsWith('\r\n\r\nNew\r\nbody.\r\n'));
});

test('a new body may come in pieces, cut anywhere, with other edits between', async (t) => {
  const { mx } = await stage(t, [
    {
      answers: {
        E: [
          say.body('one\r'),
          say.add('X-A', 'a'),
          say.body('\ntwo\n'),
          say.body(Buffer.alloc(200_000, 'x')),
          say.continue,
        ],
      },
    },
  ]);
  assert.match(await mx.send({ message: simple }), /^250 /);
  assert.ok(mx.delivered()[0]?.endsWith(`X-A: a\r\n\r\none\r\ntwo\r\n${'x'.repeat(200_000)}\r\n`));
});

test('what is rejected is archived as it came, but for the fields', async (t) => {
  const edits = [
    say.add('X-Virus', 'yes'),
    say.change(1, 'X-Two', ''),
    say.body('gone'),
    say.deleteRecipient('<alice@example.com>'),
    say.sender('<evil@x.example>'),
  ];
  const { mx } = await stage(t, [{ answers: { E: [...edits, say.reply('554-5.7.0 no\r\n554 5.7.0 really not')] } }]);
  const reply = await mx.send({ message: simple });
  assert.match(reply, /^550-5\.7\.0 no\r\n550 5\.7\.0 really not \([0-9A-Z]{14}\)$/);
  const [kept] = mx.archived();
  assert.deepEqual(layout(kept?.text ?? '').slice(-4), [
    'From: <a@b.example>',
    'Subject: one',
    'subject: three',
    'X-Virus: yes',
  ]);
  assert.ok(kept?.text.endsWith('\r\n\r\nHello.\r\n'));
  assert.match(kept?.text ?? '', /^X-MAIL-FROM: sender@sender\.example\r$/m);
  assert.match(kept?.text ?? '', /^X-REJECT-PLUGIN: milter-f1\r$/m);
  assert.equal(mx.index()[0]?.['plugin'], 'milter-f1');
});

test('recipients are added where they are of the domain and deliverable, and taken away', async (t) => {
  const { mx, filters } = await stage(t, [{}], { markers: ['example.net/users/valid/dora'] });
  const recipientsOf = (): string[] =>
    mx
      .delivered()
      .map((mail) => /^X-Original-To: (.*)\r$/m.exec(mail)?.[1] ?? '')
      .toSorted();
  for (const [what, edits, expected] of [
    ['one more', [say.addRecipient('<bob@example.com>')], ['alice@example.com', 'bob@example.com']],
    [
      'without brackets, twice',
      [say.addRecipient('bob@example.com'), say.addRecipient('<bob@EXAMPLE.com>')],
      ['alice@example.com', 'bob@example.com'],
    ],
    [
      'another in his place',
      [say.deleteRecipient('<alice@example.com>'), say.addRecipient('<carol@example.com>')],
      ['carol@example.com'],
    ],
    ['nobody we know', [say.addRecipient('<nobody@example.com>')], ['alice@example.com']],
    ['of another domain of ours', [say.addRecipient('<dora@example.net>')], ['alice@example.com']],
    ['a stranger', [say.addRecipient('<eve@elsewhere.example>')], ['alice@example.com']],
    ['what might be routed on', [say.addRecipient('<eve%elsewhere.example@example.com>')], ['alice@example.com']],
    ['no address at all', [say.addRecipient('\r\nDATA'), say.addRecipient('<>')], ['alice@example.com']],
  ] as const) {
    filters[0]?.use({ answers: { E: [...edits, say.continue] } });
    mx.forget();
    assert.match(await mx.send({ message: simple }), /^250 /, what);
    assert.deepEqual(recipientsOf(), expected, what);
  }
  assert.equal(
    filters[0]?.heardOf('R').every((heard) => heard === '<alice@example.com>|'),
    true,
    'it is asked about none of them',
  );
  filters[0]?.use({ answers: { E: [say.deleteRecipient('<alice@example.com>'), say.continue] } });
  mx.forget();
  assert.match(await mx.send({ message: simple }), /^250 2\.0\.0 Ok \([0-9A-Z]{14}\)$/, 'nobody is left');
  assert.deepEqual([recipientsOf(), mx.archived().length], [[], 1]);
  assert.equal(mx.fates().at(-1)?.['verdict'], 'discarded');
});

test('the sender is changed for the MTA, and stays what it was for us', async (t) => {
  const { mx, filters } = await stage(t, [{}]);
  for (const [given, expected] of [
    ['<srs0=x@relay.example>', 'srs0=x@relay.example'],
    ['<>', ''],
    ['not an address', 'sender@sender.example'],
    ['<a@b.example> SIZE=1', 'sender@sender.example'],
  ] as const) {
    filters[0]?.use({ answers: { E: [say.sender(given), say.continue] } });
    mx.forget();
    assert.match(await mx.send({ message: simple }), /^250 /, given);
    const [relayed = ''] = mx.delivered();
    assert.match(relayed, new RegExp(`^Return-Path: <${expected.replace(/[.=]/g, '\\$&')}>\\r$`, 'm'), given);
    assert.match(relayed, /^X-MAIL-FROM: sender@sender\.example\r$/m);
  }
});

test('what a filter holds back or throws away is marked or archived, as the list says', async (t) => {
  for (const [words, answer, reply, mark] of [
    [
      '',
      [say.quarantine('smells\r\nof spam'), say.continue],
      /^250 2\.0\.0 (?!Ok \()/,
      'X-Quarantine: smells??of spam',
    ],
    ['quarantine=archive', [say.quarantine('smells'), say.continue], /^550 5\.7\.1 smells \(/, undefined],
    ['', [say.discard], /^250 2\.0\.0 Ok \(/, undefined],
    ['discard=relay', [say.discard], /^250 2\.0\.0 (?!Ok \()/, 'X-Quarantine: Discarded by f1'],
  ] as const) {
    await t.test(`${words} ${mark ?? 'archived'}`, async (inner) => {
      const { mx } = await stage(inner, [{ answers: { E: answer } }], { words });
      assert.match(await mx.send({ message: `X-Quarantine: forged\r\n${simple}` }), reply);
      const marks = mx.delivered().flatMap((mail) => mail.match(/^X-Quarantine.*(?=\r$)/gm) ?? []);
      assert.deepEqual(marks, mark === undefined ? [] : [mark]);
      assert.equal(mx.archived().length, mark === undefined ? 1 : 0);
    });
  }
});

test('a marker with the word log tries a filter out', async (t) => {
  const { mx, filters } = await stage(t, [{}], { markers: ['example.com/checks/milter-f1=log'] });
  for (const answers of [
    { E: [say.add('X-A', 'a'), say.body('gone'), say.reject] },
    { E: say.discard },
    { E: say.tempfail },
    { E: [say.add('X-A', 'a'), say.body('gone'), say.deleteRecipient('<alice@example.com>'), say.continue] },
    { R: say.reject },
    { M: say.reject },
    { B: say.reply('450 4.7.1 grey') },
  ]) {
    filters[0]?.use({ answers });
    mx.forget();
    assert.match(await mx.send({ message: simple }), /^250 2\.0\.0 (?!Ok \()/, JSON.stringify(answers));
    assert.deepEqual(delivered(mx), ['ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three']);
    const why = mx.log.find(({ plugin, msg }) => plugin === 'milter-f1' && msg === 'note')?.['why'];
    assert.match(String(why), /^log only, would /);
  }
});

test('a marker with points makes a weak sign of what a filter rejects', async (t) => {
  const { mx, filters } = await stage(t, [{}], {
    markers: ['example.com/checks/milter-f1=score 3', 'example.com/score=reject 4'],
    after: ['score'],
  });
  for (const answers of [{ E: [say.add('X-A', 'a'), say.reject] }, { R: say.reject }, { M: say.reject }]) {
    filters[0]?.use({ answers });
    mx.forget();
    const reply = await mx.send({ message: simple, to: ['alice@example.com', 'bob@example.com'] });
    assert.match(reply, /^250 2\.0\.0 (?!Ok \()/, JSON.stringify(answers));
    assert.equal(mx.log.find(({ verdict }) => verdict === 'relayed')?.['score'], 3);
  }
  filters[0]?.use({ answers: { E: say.tempfail } });
  assert.match(await mx.send({ message: simple }), /^4/);
  mx.touch('example.com/score=reject 3');
  filters[0]?.use({ answers: { E: say.reject } });
  assert.match(await mx.send({ message: simple }), /^550 5\.7\.1 score 3: milter-f1 3 \(/);
});

test('a whitelisted sender is not shown to a filter that would refuse him', async (t) => {
  const { mx, filters } = await stage(t, [{ answers: { E: say.reject } }], {
    markers: ['example.com/whitelisted/senders/sender@sender.example'],
  });
  assert.match(await mx.send(), /^250 /);
  assert.equal(filters[0]?.commands, 'OCHMRA');
});

test('a recipient that we refuse is told to a filter only that asks for such', async (t) => {
  for (const [protocol, told] of [
    [0, []],
    [0x800, ['<nobody@example.com>|']],
  ] as const) {
    await t.test(`protocol ${protocol}`, async (inner) => {
      const { mx, filters } = await stage(inner, [{ protocol }]);
      assert.match(await mx.send({ to: 'nobody@example.com' }), /^550 5\.1\.1 /);
      assert.deepEqual(filters[0]?.heardOf('R'), told);
    });
  }
});

test('who is refused beside one that was taken comes again by himself, and the others are delivered', async (t) => {
  const refused = say.reply('550 5.1.1 no such user');
  const { mx, filters } = await stage(t, [{ answers: { R: (nth) => (nth === 1 ? refused : say.continue) } }]);
  assert.match(await mx.send({ to: ['alice@example.com', 'bob@example.com', 'carol@example.com'] }), /^250 /);
  assert.equal(mx.delivered().length, 2);
  filters[0]?.use({ answers: { R: refused } });
  assert.match(await mx.send({ to: 'bob@example.com' }), /^550 5\.1\.1 no such user \(/);
  assert.equal(mx.archived().length, 1);
});

test('a filter is told who the client is, and the macros that Postfix sends, each with its value', async (t) => {
  const { mx, filters } = await stage(t, [{}]);
  await mx.send({ xclient: 'ADDR=2001:db8::9 NAME=mail.sender.example', helo: 'helo.example' });
  const [filter] = filters;
  const [id = ''] = /[0-9A-Z]{14}/.exec(filter?.heardOf('DM')[0] ?? '') ?? [];
  assert.deepEqual(filter?.heardOf('C'), ['mail.sender.example|6||2001:db8::9|']);
  assert.deepEqual(filter?.heardOf('H'), ['helo.example|']);
  assert.deepEqual(filter?.heardOf('DC'), [
    'j|mx.test.example|{daemon_name}|mx.test.example|{daemon_addr}|127.0.0.1|{if_name}|mx.test.example|{if_addr}|127.0.0.1|v|postern|_|mail.sender.example [2001:db8::9]|',
  ]);
  assert.deepEqual(filter?.heardOf('DM'), [
    `i|${id}|{mail_addr}|sender@sender.example|{mail_host}|sender.example|{mail_mailer}|smtp|`,
  ]);
  assert.deepEqual(filter?.heardOf('DR'), [
    `i|${id}|{rcpt_addr}|alice@example.com|{rcpt_host}|example.com|{rcpt_mailer}|smtp|`,
  ]);
  assert.deepEqual(filter?.heardOf('DE'), [`i|${id}|`]);
});

test('a filter that asks for macros gets those that there are, and no name without a value', async (t) => {
  const { mx, filters } = await stage(t, [
    { lists: { 0: '{client_addr} {nothing} {constructor} j', 1: '', 2: '{auth_authen} i' } },
  ]);
  await mx.send({ xclient: 'ADDR=2001:db8::9 NAME=mail.sender.example' });
  const [filter] = filters;
  assert.deepEqual(filter?.heardOf('DC'), ['{client_addr}|IPv6:2001:db8::9|j|mx.test.example|']);
  assert.deepEqual(filter?.heardOf('DH'), []);
  assert.match(filter?.heardOf('DM')[0] ?? '', /^i\|[0-9A-Z]{14}\|$/);
});

test('what a filter does not want is not sent, and what it does not answer is not waited for', async (t) => {
  const noneButEnd = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200;
  const silent = 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000;
  const { mx, filters } = await stage(t, [{ protocol: noneButEnd }, { protocol: silent }, { version: 2 }]);
  assert.match(await mx.send({ message: simple }), /^250 /);
  await until(() => filters.every(({ commands }) => commands.endsWith('AQ')));
  assert.deepEqual(
    filters.map(({ commands }) => commands),
    ['OEAQ', 'OCHMRTLLLLNBEAQ', 'OCHMRLLLLNBEAQ'],
  );
});

test('one connection serves a session, and a mail that is broken off is aborted', async (t) => {
  const { mx, filters } = await stage(t, [{}]);
  await mx.say(
    'EHLO one.example',
    'MAIL FROM:<a@sender.example> SIZE=100',
    'RCPT TO:<alice@example.com>',
    'RSET',
    'MAIL FROM:<>',
    'RCPT TO:<alice@example.com>',
    'DATA',
    `${simple}\r\n.`,
    'EHLO two.example',
    'MAIL FROM:<c@sender.example>',
    'QUIT',
  );
  await until(() => filters[0]?.commands.endsWith('Q') === true);
  assert.equal(filters[0]?.commands, 'OCHMRAMRTLLLLNBEAHMAQ');
  assert.deepEqual(filters[0]?.heardOf('M'), ['<a@sender.example>|SIZE=100|', '<>|', '<c@sender.example>|']);
  const silent = await mx.say('EHLO three.example', 'QUIT');
  assert.equal(silent.length, 2);
  assert.equal(filters[0]?.connections, 1, 'who never sends a mail costs nothing');
});

test('a connection that is gone is opened anew, and all is said again', async (t) => {
  const { mx, filters } = await stage(t, [{}]);
  const [filter] = filters;
  const client = await mx.connect();
  await client.say('EHLO client.example');
  await client.say('MAIL FROM:<a@sender.example>');
  await client.say('RCPT TO:<alice@example.com>');
  filter?.hangUp();
  await client.say('RCPT TO:<bob@example.com>');
  filter?.hangUp();
  await client.say('DATA');
  assert.match(await client.say(`${simple}\r\n.`), /^250 /);
  client.end();
  assert.equal(filter?.commands.slice(0, 22), 'OCHMROCHMRROCHMRRTLLLL');
});

test('one that closes in the middle of a message is asked once more, and behind its end not', async (t) => {
  for (const [code, connections, reply] of [
    ['T', 2, /^250 /],
    ['L', 2, /^250 /],
    ['B', 2, /^250 /],
    ['E', 1, /^451 4\.3\.0 /],
  ] as const) {
    await t.test(code, async (inner) => {
      const { mx, filters } = await stage(inner, [{}]);
      const [filter] = filters;
      filter?.use({ answers: { [code]: () => (filter.connections === 1 ? 'close' : say.continue) } });
      assert.match(await mx.send({ message: simple }), reply);
      assert.equal(filter?.connections, connections);
    });
  }
});

test('down=pass goes on without a filter, and nothing of what it wanted is done', async (t) => {
  for (const answers of [
    { E: [say.add('X-A', 'a'), say.body('gone'), 'close'] },
    { E: [say.add('X-A', 'a'), Buffer.from('garbage')] },
    { E: Array.from({ length: 101 }, () => say.add('X-A', 'a')) },
    { M: Buffer.from([0, 0, 0, 0]) },
    { R: Buffer.from('HTTP/1.1 400 Bad Request\r\n') },
    { O: say.continue },
    { O: Buffer.from([0, 0, 0, 13, 0x4f, 0, 0, 0, 6, 0xff, 0, 0, 0, 0, 0, 0, 0]) },
    { O: 'close' as const },
  ] as const) {
    await t.test(JSON.stringify(answers).slice(0, 60), async (inner) => {
      const { mx } = await stage(inner, [{ answers }], { words: 'down=pass' });
      assert.match(await mx.send({ message: simple }), /^250 /);
      assert.deepEqual(delivered(mx), ['ours', 'From: <a@b.example>', 'Subject: one', 'X-Two: two', 'subject: three']);
      assert.ok(mx.delivered()[0]?.endsWith('\r\n\r\nHello.\r\n'));
    });
  }
});

test('a body over max_size, and an edit that was not asked for, are no edits', async (t) => {
  const { mx } = await stage(t, [{ answers: { E: [say.body(Buffer.alloc(20_001, 'x')), say.continue] } }, {}], {
    settings: ['max_size=20000'],
  });
  assert.match(await mx.send({ message: simple }), /^451 4\.3\.0 /);
  const second = await stage(t, [{ actions: 0x1, answers: { E: [say.body('gone'), say.continue] } }]);
  assert.match(await second.mx.send({ message: simple }), /^451 4\.3\.0 /);
});

test('a filter that hangs is waited for as long as the list says, at every moment', async (t) => {
  await Promise.all(
    ['O', 'C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E'].map(async (code) => {
      const { mx, filters } = await stage(t, [{ answers: { [code]: 'hang' } }], { words: 'timeout=1s content=1s' });
      assert.match(await mx.send({ message: simple }), /^451 4\.3\.0 /, code);
      const before = filters[0]?.connections;
      assert.match(await mx.send({ message: simple }), /^451 4\.3\.0 /, code);
      assert.equal(filters[0]?.connections, before, `${code}: it is left alone`);
      assert.deepEqual([mx.delivered().length, mx.archived().length], [0, 0], code);
    }),
  );
});

test('PROGRESS without an end is an end', async (t) => {
  const { mx, filters } = await stage(t, [{}], { words: 'timeout=1s content=2s' });
  const timers: NodeJS.Timeout[] = [];
  t.after(() => timers.forEach((timer) => clearInterval(timer)));
  const forever = Buffer.concat(Array.from({ length: 100_000 }, () => say.progress));
  filters[0]?.use({ answers: { E: [forever, 'hang'] } });
  assert.match(await mx.send({ message: simple }), /^451 4\.3\.0 /);
});

test('a filter that is started anew is asked from its first moment on', async (t) => {
  const { mx, filters } = await stage(t, [{ tcp: true }]);
  const [filter] = filters;
  assert.match(await mx.send(), /^250 /);
  const port = filter?.port ?? 0;
  await filter?.stop();
  assert.match(await mx.send(), /^451 4\.3\.0 /);
  assert.match(await mx.send(), /^451 4\.3\.0 /);
  await filter?.listen(port);
  assert.match(await mx.send(), /^250 /);
});

test('a filter that is restarted under load loses no mail, doubles none, and lets none pass unseen', async (t) => {
  const { mx, filters } = await stage(t, [{ tcp: true, answers: { E: [say.add('X-Seen', 'yes'), say.continue] } }]);
  const [filter] = filters;
  const port = filter?.port ?? 0;
  const over = new AbortController();
  const replies: string[] = [];
  const clients = Array.from({ length: 4 }, async () => {
    while (!over.signal.aborted) replies.push(await mx.send({ message: simple }));
  });
  for (let restart = 1; restart <= 3; restart++) {
    await until(() => replies.filter((reply) => reply.startsWith('250 ')).length >= 5 * restart);
    await filter?.stop();
    await until(() => replies.at(-1)?.startsWith('451 4.3.0 ') === true);
    await filter?.listen(port);
  }
  await until(() => replies.at(-1)?.startsWith('250 ') === true);
  over.abort();
  await Promise.all(clients);
  const taken = replies.filter((reply) => reply.startsWith('250 '));
  assert.deepEqual(
    replies.filter((reply) => !/^(?:250|451 4\.3\.0) /.test(reply)),
    [],
  );
  assert.equal(mx.delivered().length, taken.length);
  assert.ok(mx.delivered().every((mail) => mail.includes('\r\nX-Seen: yes\r\n')));
});

test('large fields are cut for the filter and kept in the mail, large bodies come in pieces', async (t) => {
  const { mx, filters } = await stage(t, [{ answers: { E: [say.add('X-A', 'a'), say.continue] } }]);
  const long = `X-Long: ${'y'.repeat(70_000)}`;
  const body = `${'z'.repeat(76)}\r\n`.repeat(3_000);
  assert.match(await mx.send({ message: `${long}\r\n${simple.replace('Hello.', body)}` }), /^250 /);
  assert.equal(filters[0]?.heardOf('L')[0]?.length, 60_002);
  assert.deepEqual(
    filters[0]?.heardOf('B').map(({ length }) => length),
    [65_535, 65_535, 65_535, 78 * 3_000 + 2 - 3 * 65_535],
  );
  assert.ok(mx.delivered()[0]?.includes(`\r\n${long}\r\n`));
  assert.ok(mx.delivered()[0]?.endsWith(`\r\n\r\n${body}\r\n`));
});

test('a header that breaks off is body for the filter, as for the MTA', async (t) => {
  const { mx, filters } = await stage(t, [{ answers: { E: [say.add('X-A', 'a'), say.continue] } }]);
  assert.match(await mx.send({ message: 'From: <a@b.example>\r\nno field\r\nSubject: late\r\n\r\nHello.' }), /^250 /);
  assert.deepEqual(filters[0]?.heardOf('L'), ['From|<a@b.example>|']);
  assert.deepEqual(filters[0]?.heardOf('B'), ['no field\r\nSubject: late\r\n\r\nHello.\r\n']);
  assert.ok(
    mx.delivered()[0]?.endsWith('From: <a@b.example>\r\nX-A: a\r\nno field\r\nSubject: late\r\n\r\nHello.\r\n'),
  );
});

test('over TCP a verdict that Nagle’s algorithm holds back is fetched', async (t) => {
  const { mx, filters } = await stage(t, [
    { tcp: true, answers: { E: [say.add('X-A', 'a'), say.add('X-B', 'b'), say.continue] } },
  ]);
  assert.match(await mx.send({ message: simple }), /^250 /);
  assert.deepEqual(delivered(mx).slice(-2), ['X-A: a', 'X-B: b']);
  assert.ok(filters[0]?.heard.length);
});

test('what filters take, and whether they are there, is counted by their names', async (t) => {
  const { mx, filters } = await stage(t, [{}, {}]);
  const numbers = (): Record<string, number> =>
    Object.fromEntries(
      mx.listener.services.metrics.registry.snapshot
        .filter(({ name }) => name.startsWith('postern_milter_client'))
        .flatMap(({ name, series }) => series.map(([rest, value]) => [`${name}${rest}`, value])),
    );
  assert.match(await mx.send(), /^250 /);
  await filters[1]?.stop();
  assert.match(await mx.send(), /^451 /);
  const counted = numbers();
  assert.equal(counted['postern_milter_client_seconds_count{name="f1"}'], 1);
  assert.equal(counted['postern_milter_client_up{name="f1"}'], 1);
  assert.equal(counted['postern_milter_client_up{name="f2"}'], 0);
});

test('words of the list that make no sense stop the start, and say what would', async () => {
  for (const [words, complaint] of [
    ['', 'needs the place of a filter, such as unix:/run/opendkim/opendkim.sock'],
    ['unix:/run/x', 'needs a name, such as name=opendkim'],
    ['nowhere name=a', '"nowhere" is none of inet:HOST:PORT'],
    ['fd:3 name=a', '"fd:3": a filter is asked at a path, or at a host and a port'],
    ['unix:/run/x name=a/b', 'name must be a name of letters, digits, - and _'],
    ['unix:/run/x name=a down=maybe', 'down must be defer or pass'],
    ['unix:/run/x name=a timeout=10m', 'content must not be shorter than timeout'],
  ] as const)
    await assert.rejects(
      Mx.start({ plugins: [`milter ${words}`] }),
      new RegExp(complaint.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')),
    );
  const twice = ['milter unix:/run/x name=a', 'milter unix:/run/y name=a'];
  await assert.rejects(Mx.start({ plugins: twice }), /milter-a is listed twice/);
});
