/** srv-and-spam §3: checks, each switched on by its file, and the plugins that are not per domain. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Mx } from '../support/mx.js';
import {
  contrast,
  deferred,
  fateOf,
  type Mail,
  marked,
  noSuchUser,
  pipelined,
  rejected,
  relayed,
  startMx,
} from './support.js';

const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toUTCString().replace('GMT', '+0000');

let mx: Mx;
before(async () => {
  mx = await startMx({
    markers: ['example.com/users/valid/alice', 'other.example/users/valid/alice'],
    settings: ['xclient_networks=loopback', 'dns_timeout=200ms'],
    zone: {
      '1.2.0.192.in-addr.arpa': { PTR: ['client.example'] },
      'client.example': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] },
      '2.2.0.192.in-addr.arpa': { PTR: ['unconfirmed.example'] },
      '4.2.0.192.in-addr.arpa': { timeout: true },
      '5.2.0.192.in-addr.arpa': { PTR: ['not a host name'] },
      '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': { PTR: ['client.example'] },
    },
  });
});
after(() => mx.close());

const named = 'ADDR=192.0.2.1';
const unconfirmed = 'ADDR=192.0.2.2';
const nameless = 'ADDR=192.0.2.3';
const silent = 'ADDR=192.0.2.4';
const misnamed = 'ADDR=192.0.2.5';
const named6 = 'ADDR=IPV6:2001:db8::1';
const nameless6 = 'ADDR=IPV6:2001:db8::2';

const from = (value: string): Mail => ({ without: ['from'], fields: [`From: ${value}`] });
const dated = (value: string): Mail => ({ without: ['date'], fields: [`Date: ${value}`] });
const titled = (value: string): Mail => ({ without: ['subject'], fields: [`Subject: ${value}`] });

/** [check, what is wrong or right with the mail, the mail, what the sender is told; '' where it passes] */
const table: readonly (readonly [check: string, what: string, mail: Mail, reason: string])[] = [
  ['helo', 'a HELO name with _', { helo: 'mail_1.example' }, 'underscore'],
  ['helo', 'an unqualified HELO name', { helo: 'mail' }, 'not fully qualified'],
  ['helo', 'an unqualified HELO name with a final dot', { helo: 'mail.' }, 'not fully qualified'],
  ['helo', 'a bare IPv4 address for HELO name', { helo: '192.0.2.1' }, 'a bare IP address'],
  ['helo', 'a bare IPv6 address for HELO name', { helo: '2001:db8::1' }, 'a bare IP address'],
  ['helo', 'a HELO name under .lan', { helo: 'pc.lan' }, 'a private domain'],
  ['helo', 'a HELO name under .local, in capitals', { helo: 'PC.LOCAL' }, 'a private domain'],
  ['helo', 'a HELO name under .localdomain', { helo: 'localhost.localdomain' }, 'a private domain'],
  ['helo', 'a HELO name under .internal, with a final dot', { helo: 'pc.internal.' }, 'a private domain'],
  ['helo', 'brackets around what is no address', { helo: '[mail]' }, 'not fully qualified'],
  ['helo', 'an address literal', { helo: '[192.0.2.1]' }, ''],
  ['helo', 'an IPv6 address literal', { helo: '[IPv6:2001:db8::1]' }, ''],
  ['helo', 'a qualified HELO name', { helo: 'mail.example' }, ''],
  ['helo', 'a HELO name that only begins like a private one', { helo: 'local.lan.example' }, ''],
  ['date', 'no Date: field', { without: ['date'] }, 'Missing header - Date:'],
  ['date', 'a Date: field that does not parse, where no argument asks', dated('yesterday'), ''],
  ['date', 'a Date: field of last century, where no argument asks', dated('Mon, 1 Jan 1990 00:00:00 +0000'), ''],
  ['date', 'a Date: field in capitals', { without: ['date'], fields: [`DATE: ${day(0)}`] }, ''],
  ['date', 'a Date: in the body only', { without: ['date'], body: `Date: ${day(0)}` }, 'Missing header - Date:'],
  [
    'sender',
    'a reverse-path whose domain has no dot',
    { from: 'root@localhost' },
    'Sender domain is not fully qualified',
  ],
  ['sender', 'the null reverse-path', { from: '' }, ''],
  ['sender', 'a reverse-path whose domain has a dot', { from: 'root@mail.example' }, ''],
  ['sender', 'a reverse-path with an address literal', { from: 'root@[192.0.2.1]' }, ''],
  ['rdns', 'a client without a reverse name', { client: nameless }, 'No reverse name (PTR record) for your address'],
  [
    'rdns',
    'an IPv6 client without a reverse name',
    { client: nameless6 },
    'No reverse name (PTR record) for your address',
  ],
  [
    'rdns',
    'a client whose reverse name is no host name',
    { client: misnamed },
    'No reverse name (PTR record) for your address',
  ],
  ['rdns', 'a client with a reverse name', { client: named }, ''],
  ['rdns', 'a client with a reverse name that leads elsewhere', { client: unconfirmed }, ''],
  ['rdns', 'an IPv6 client with a reverse name', { client: named6 }, ''],
  [
    'rdns4',
    'an IPv4 client without a reverse name',
    { client: nameless },
    'No reverse name (PTR record) for your address',
  ],
  ['rdns4', 'an IPv6 client without a reverse name', { client: nameless6 }, ''],
  [
    'rdns4',
    'an IPv4-mapped client without a reverse name',
    { client: 'ADDR=IPV6:::ffff:192.0.2.3' },
    'No reverse name (PTR record) for your address',
  ],
  [
    'rdns6',
    'an IPv6 client without a reverse name',
    { client: nameless6 },
    'No reverse name (PTR record) for your address',
  ],
  ['rdns6', 'an IPv4 client without a reverse name', { client: nameless }, ''],
  ['address', 'From: missing', { without: ['from'] }, 'Missing header - From:'],
  ['address', 'From: empty', from(''), 'Empty header - From:'],
  ['address', 'From: with a name and an empty address', from('"Somebody" <>'), 'Empty header - From:'],
  ['address', 'an address that begins with -', from('-x@sender.example'), 'Invalid address in header - From:'],
  [
    'address',
    'an address that begins with |',
    from('"Shell" <|x@sender.example>'),
    'Invalid address in header - From:',
  ],
  ['address', 'an address that begins with _', from('<_x@sender.example>'), 'Invalid address in header - From:'],
  [
    'address',
    'an address that begins with !',
    from('good@sender.example, !x@sender.example'),
    'Invalid address in header - From:',
  ],
  ['address', 'an address with @@', from('x@@sender.example'), 'Invalid address in header - From:'],
  [
    'address',
    'an address behind a comment and a fold',
    from('(a, "comment)\r\n -x@sender.example'),
    'Invalid address in header - From:',
  ],
  ['address', 'a display name that begins with - and has @@', from('"-x@@y" <x@sender.example>'), ''],
  ['address', 'a plain address', from('x@sender.example'), ''],
  ['address', 'two good addresses', from('"a, b" <a@sender.example>, b@sender.example (c)'), ''],
  ['mailers', 'a known-bad X-Mailer', { fields: ['X-Mailer: The Mail Sender 1.2'] }, 'Sent by a known bulk mailer'],
  [
    'mailers',
    'a known-bad X-Mailer in capitals',
    { fields: ['X-MAILER: ADVANCED MASS SENDER'] },
    'Sent by a known bulk mailer',
  ],
  ['mailers', 'another X-Mailer', { fields: ['X-Mailer: Mutt'] }, ''],
  ['mailers', 'a known-bad name in another field', { fields: ['X-Note: The Mail Sender'] }, ''],
  ['mailers', 'no X-Mailer', {}, ''],
  [
    'mailman',
    '"post from … requires approval"',
    titled('List post from a@b.example requires approval'),
    'Mailman moderation notice',
  ],
  [
    'mailman',
    '"moderator request(s) waiting"',
    titled('7 Logcheck-devel moderator request(s) waiting'),
    'Mailman moderation notice',
  ],
  ['mailman', '"moderator request(s) waiting" of another list', titled('7 List moderator request(s) waiting'), ''],
  ['mailman', 'another subject', titled('Your post requires no approval'), ''],
  ['mailman', 'no subject', { without: ['subject'] }, ''],
];
for (const [check, what, mail, reason] of table) {
  test(`${check} ${reason === '' ? 'takes' : 'rejects'} ${what}`, async () => {
    const there = reason === '' ? relayed : rejected;
    const fate = await contrast(mx, { markers: [`example.com/checks/${check}`], mail, there, absent: relayed });
    if (reason === '') return;
    assert.ok(fate.reply.includes(reason), fate.reply);
    assert.equal(fate.index[0]?.['plugin'], check);
    assert.ok(String(fate.index[0]?.['reason']).includes(reason));
  });
}

/** [check, does checks/all enable it, a mail that it rejects] */
const inAll: readonly (readonly [check: string, inAll: boolean, mail: Mail])[] = [
  ['helo', true, { helo: 'mail' }],
  ['date', true, { without: ['date'] }],
  ['sender', true, { from: 'root@localhost' }],
  ['rdns', true, { client: nameless }],
  ['rdns4', false, { client: nameless }],
  ['rdns6', false, { client: nameless6 }],
  ['address', true, { without: ['from'] }],
  ['mailers', true, { fields: ['X-Mailer: SuperMail'] }],
  ['mailman', true, titled('post from x requires approval')],
];
test('checks/all enables every check that its table row says all for', async (t) => {
  for (const [check, expected, mail] of inAll) {
    await t.test(`${check}: ${expected ? 'yes' : 'no'}`, async () => {
      const other = await startMx({
        markers: ['example.com/users/valid/alice'],
        settings: ['xclient_networks=loopback'],
        plugins: ['valid_users', check],
      });
      try {
        const there = expected ? rejected : relayed;
        await contrast(other, { markers: ['example.com/checks/all'], mail, there, absent: relayed });
      } finally {
        await other.close();
      }
    });
  }
});

test("a check of another domain, or of _global_, is not this domain's", async () => {
  const mail: Mail = { without: ['date'] };
  for (const markers of [
    ['other.example/checks/date'],
    ['_global_/checks/date'],
    ['example.com/checks/dat'],
    ['example.com/date'],
  ])
    await contrast(mx, { markers, mail, there: relayed, absent: relayed });
  await marked(mx, ['other.example/checks/date'], async () => {
    assert.match((await fateOf(mx, { ...mail, to: 'alice@other.example' })).reply, rejected);
  });
});

test('rdns defers when DNS fails', async () => {
  for (const check of ['rdns', 'rdns4'])
    await contrast(mx, {
      markers: [`example.com/checks/${check}`],
      mail: { client: silent },
      there: deferred,
      absent: relayed,
    });
  await contrast(mx, {
    markers: ['example.com/checks/rdns6'],
    mail: { client: silent },
    there: relayed,
    absent: relayed,
  });
});

test('a mail that is already rejected is not checked further', async () => {
  const markers = ['example.com/checks/all', 'example.com/blacklisted/ips/127.0.0.1'];
  const fate = await marked(mx, markers, () => fateOf(mx, { helo: 'mail', without: ['date', 'from'] }));
  assert.match(fate.reply, /underscore|not fully qualified/);
  const said = fate.log
    .filter((line) => line['hook'] === 'dataPost')
    .map((line) => [line['plugin'], line['msg'], line['why']]);
  assert.deepEqual(said.find(([plugin]) => plugin === 'helo')?.[1], 'fail');
  for (const plugin of ['date', 'address', 'blacklist'])
    assert.deepEqual(
      said.find(([name]) => name === plugin),
      [plugin, 'skip', 'rejected already'],
    );
});

test('a mail for a refused recipient is not checked', async () => {
  const fate = await marked(mx, ['example.com/checks/date'], () =>
    fateOf(mx, { to: 'nobody@example.com', without: ['date'] }),
  );
  assert.match(fate.reply, noSuchUser);
  assert.equal(fate.index[0]?.['plugin'], 'valid_users');
});

test('each plugin that is asked logs one line: pass, fail, skip or error', async () => {
  const { log } = await marked(mx, ['example.com/checks/date'], () => fateOf(mx));
  const lines = log.filter((line) => line['hook'] === 'dataPost');
  const of = (plugin: string): unknown[] =>
    lines.filter((line) => line['plugin'] === plugin).map((line) => line['msg']);
  assert.deepEqual(of('date'), ['pass']);
  assert.deepEqual(of('helo'), ['skip']);
  assert.deepEqual(of('blacklist'), ['pass']);
  assert.deepEqual(of('whitelist'), ['skip'], 'there is nothing to lift');
});

// Arguments and configuration

test('date with arguments rejects what does not parse, or lies more than so many days in the past or future', async (t) => {
  const other = await startMx({
    markers: ['example.com/users/valid/alice', 'example.com/checks/date'],
    plugins: ['valid_users', 'date 30 2'],
  });
  t.after(() => other.close());
  const rows: readonly (readonly [what: string, value: string, reply: RegExp])[] = [
    ['now', day(0), relayed],
    ['29 days ago', day(-29), relayed],
    ['31 days ago', day(-31), /^550 5\.7\.1 Date: too far in the past /],
    ['in a day', day(1), relayed],
    ['in three days', day(3), /^550 5\.7\.1 Date: too far in the future /],
    ['no date', 'yesterday at noon', /^550 5\.7\.1 Invalid header - Date: /],
    ['empty', '', /^550 5\.7\.1 Invalid header - Date: /],
    ['a comment behind it', `${day(0)} (CET)`, relayed],
  ];
  for (const [what, value, reply] of rows)
    await t.test(what, async () => {
      assert.match((await fateOf(other, dated(value))).reply, reply);
    });
  await t.test('missing', async () => {
    assert.match((await fateOf(other, { without: ['date'] })).reply, /^550 5\.7\.1 Missing header - Date: /);
  });
});

test("mailers takes a list of the operator's own", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-mailers-'));
  writeFileSync(join(folder, 'bad.txt'), '# ours\nMutt   # no thanks\n\n');
  const other = await startMx({
    markers: ['example.com/users/valid/alice', 'example.com/checks/mailers'],
    plugins: ['valid_users', `mailers ${folder}/bad.txt`],
  });
  try {
    assert.match((await fateOf(other, { fields: ['X-Mailer: Mutt 2'] })).reply, rejected);
    assert.match((await fateOf(other, { fields: ['X-Mailer: SuperMail'] })).reply, relayed);
  } finally {
    await other.close();
    rmSync(folder, { recursive: true });
  }
});

// Global plugins, not per domain

test('system_load defers connections above a load', { skip: loadavg()[0] === 0 && 'the machine is idle' }, async () => {
  for (const [limit, greeting] of [
    ['9999', /^220 /],
    ['0.0', /^421 4\.3\.2 /],
  ] as const) {
    const other = await startMx({ plugins: [`system_load ${limit}`] });
    try {
      assert.match((await pipelined(other, 'QUIT\r\n'))[0] ?? '', greeting);
    } finally {
      await other.close();
    }
  }
});

test('unrecognized_commands disconnects after N', async () => {
  const other = await startMx({ plugins: ['unrecognized_commands 3', 'valid_users'] });
  try {
    const client = await other.connect();
    assert.match(await client.say('FOO'), /^500 5\.5\.2 /);
    assert.match(await client.say('EHLO c.example'), /^250/);
    assert.match(await client.say('BAR baz'), /^500 5\.5\.2 /);
    assert.match(await client.say('QUUX'), /^421 4\.7\.0 /);
    await assert.rejects(client.say('NOOP'));
  } finally {
    await other.close();
  }
});

test('valid_users: without it no recipient is refused', async () => {
  const other = await startMx({ markers: ['example.com/'], plugins: ['date'] });
  try {
    assert.match((await fateOf(other, { to: 'anybody@example.com' })).reply, relayed);
  } finally {
    await other.close();
  }
});
