/** srv-and-spam §2: hosted domains and recipients. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Mx } from '../support/mx.js';
import {
  contrast,
  fateOf,
  fieldOf,
  type Mail,
  marked,
  noSuchUser,
  pipelined,
  relayed,
  relayingDenied,
  watched,
  startMx,
  sorted,
} from './support.js';

const at = (address: string): Pick<Mail, 'client'> => ({ client: `ADDR=${address}` });

let mx: Mx;
before(async () => {
  mx = await startMx({
    markers: [
      'example.com/users/valid/alice',
      'example.com/users/valid/bob',
      'wild.example/users/valid/*',
      'bare.example/README',
    ],
    settings: ['xclient_networks=loopback', 'relay_networks=198.51.100.0/24, 2001:db8:5::/48'],
  });
});
after(() => mx.close());

// The table of markers, row by row.

const rows: readonly (readonly [
  what: string,
  markers: readonly string[],
  mail: Mail,
  there: RegExp,
  absent: RegExp,
])[] = [
  ['/srv/DOMAIN/: the domain is hosted', ['new.example/'], { to: 'x@new.example' }, noSuchUser, relayingDenied],
  [
    'users/valid/LOCAL (file): recipient accepted',
    ['example.com/users/valid/carol'],
    { to: 'carol@example.com' },
    relayed,
    noSuchUser,
  ],
  [
    'users/valid/LOCAL in a domain without anything else',
    ['bare.example/users/valid/carol'],
    { to: 'carol@bare.example' },
    relayed,
    noSuchUser,
  ],
  [
    'users/valid/LOCAL accepts nobody in another domain',
    ['wild.example/users/valid/carol'],
    { to: 'carol@example.com' },
    noSuchUser,
    noSuchUser,
  ],
  [
    'users/valid/LOCAL/: accepted from an address that has an entry in it',
    ['example.com/users/valid/list/192.0.2.1'],
    { to: 'list@example.com', ...at('192.0.2.1') },
    relayed,
    noSuchUser,
  ],
  [
    'users/valid/LOCAL/: accepted from an IPv6 address that has an entry in it',
    ['example.com/users/valid/list/2001:db8::1'],
    { to: 'list@example.com', ...at('IPV6:2001:db8::1') },
    relayed,
    noSuchUser,
  ],
  [
    'users/valid/LOCAL/: refused from an address without an entry in it',
    ['example.com/users/valid/list/192.0.2.1'],
    { to: 'list@example.com', ...at('192.0.2.2') },
    noSuchUser,
    noSuchUser,
  ],
  [
    'users/valid/LOCAL/: an empty one accepts from nowhere',
    ['example.com/users/valid/list/'],
    { to: 'list@example.com' },
    noSuchUser,
    noSuchUser,
  ],
  [
    'users/valid/LOCAL/: beats the wildcard',
    ['wild.example/users/valid/list/192.0.2.1'],
    { to: 'list@wild.example', ...at('192.0.2.2') },
    noSuchUser,
    relayed,
  ],
  [
    'users/valid/*: every recipient accepted',
    ['example.com/users/valid/*'],
    { to: 'whoever@example.com' },
    relayed,
    noSuchUser,
  ],
  [
    'users/invalid/LOCAL: recipient refused, beats users/valid/LOCAL',
    ['example.com/users/invalid/alice'],
    {},
    noSuchUser,
    relayed,
  ],
  [
    'users/invalid/LOCAL: beats the wildcard',
    ['wild.example/users/invalid/x'],
    { to: 'x@wild.example' },
    noSuchUser,
    relayed,
  ],
  ['users/invalid/LOCAL: refuses nobody else', ['example.com/users/invalid/bob'], {}, relayed, relayed],
];
for (const [what, markers, mail, there, absent] of rows) {
  test(what, async () => {
    await contrast(mx, { markers, mail, there, absent });
  });
}

test('users/invalid/LOCAL beats an ACL directory that lists the client', async () => {
  const mail = { to: 'list@example.com', ...at('192.0.2.1') };
  await marked(mx, ['example.com/users/valid/list/192.0.2.1'], async () => {
    await contrast(mx, { markers: ['example.com/users/invalid/list'], mail, there: noSuchUser, absent: relayed });
  });
});

test('RCPT for any other domain: 550 5.7.1 at once, nothing archived', async () => {
  const { rcpt } = await fateOf(mx, { to: 'x@elsewhere.example' });
  assert.match(rcpt[0] ?? '', relayingDenied);
  const { rcpt: beside } = await fateOf(mx, { to: ['x@elsewhere.example', 'alice@example.com'] });
  assert.match(beside[0] ?? '', relayingDenied);
});

test('RCPT for any other domain: whatever the whitelists say, never an open relay', async () => {
  const markers = [
    '_global_/whitelisted/senders/sender@sender.example',
    '_global_/whitelisted/domains/sender.example',
    '_global_/whitelisted/ips/127.0.0.1',
    '_global_/whitelisted/ips/0.0.0.0_0',
    '_global_/whitelisted/recipients/x',
    '_global_/users/valid/*',
    'example.com/whitelisted/recipients/x',
  ];
  await marked(mx, markers, async () => {
    for (const domain of ['elsewhere.example', 'sub.example.com', 'com', '[127.0.0.1]', '[IPv6:::1]', 'localhost'])
      assert.match((await fateOf(mx, { to: `x@${domain}` })).reply, relayingDenied, domain);
    assert.match((await fateOf(mx, { to: 'x@example.com' })).reply, relayed, 'the whitelist works');
  });
});

test('without a taken recipient DATA is refused', async () => {
  const replies = await mx.say(
    'EHLO c.example',
    'MAIL FROM:<>',
    'RCPT TO:<x@elsewhere.example>',
    'DATA',
    'RSET',
    'MAIL FROM:<>',
    'DATA',
  );
  assert.match(replies[3] ?? '', /^554 5\.5\.1 /);
  assert.match(replies[6] ?? '', /^503 5\.5\.1 /);
});

test('a refused recipient is accepted at RCPT, the mail is read to its end, archived, and answered 550 5.1.1', async () => {
  const fate = await fateOf(mx, { to: 'nobody@example.com', body: 'read to its end' });
  assert.match(fate.rcpt[0] ?? '', /^250 2\.1\.5 /);
  assert.match(fate.reply, noSuchUser);
  assert.match(fate.archived[0]?.text ?? '', /\r\n\r\nread to its end\r\n$/);
  const summary = fate.log.find((line) => 'verdict' in line);
  assert.equal(summary?.['verdict'], 'rejected');
  assert.equal(summary?.['plugin'], 'valid_users');
});

test('the public reply says nothing of the markers, the log line does', async () => {
  const { reply, log } = await marked(mx, ['example.com/users/invalid/alice'], () => fateOf(mx));
  assert.doesNotMatch(reply, /invalid|marker|srv/);
  assert.match(JSON.stringify(log), /users\/invalid\/alice/);
});

// recipient_delimiter

test('without recipient_delimiter foo+bar is looked up as itself only', async () => {
  assert.match((await fateOf(mx, { to: 'alice+news@example.com' })).reply, noSuchUser);
  await contrast(mx, {
    markers: ['example.com/users/valid/alice+news'],
    mail: { to: 'alice+news@example.com' },
    there: relayed,
    absent: noSuchUser,
  });
});

test('with recipient_delimiter = + it is looked up as itself first, then as foo', async (t) => {
  const other = await startMx({
    markers: ['example.com/users/valid/alice', 'wild.example/users/valid/*', 'acl.example/users/valid/list/192.0.2.1'],
    settings: ['recipient_delimiter=+', 'xclient_networks=loopback'],
  });
  t.after(() => other.close());
  const table: readonly (readonly [
    what: string,
    markers: readonly string[],
    mail: Mail,
    there: RegExp,
    absent: RegExp,
  ])[] = [
    ['foo is refused', ['example.com/users/invalid/alice'], { to: 'alice+news@example.com' }, noSuchUser, relayed],
    [
      'foo+bar itself is refused',
      ['example.com/users/invalid/alice+news'],
      { to: 'alice+news@example.com' },
      noSuchUser,
      relayed,
    ],
    [
      'foo+bar itself is valid, foo is not there',
      ['example.com/users/valid/bob+news'],
      { to: 'bob+news@example.com' },
      relayed,
      noSuchUser,
    ],
    [
      'bar may be empty, and may have a + in it',
      ['example.com/users/valid/carol'],
      { to: 'carol++x@example.com' },
      relayed,
      noSuchUser,
    ],
    ['foo is not empty', ['example.com/users/valid/news'], { to: '+news@example.com' }, noSuchUser, noSuchUser],
    [
      'the wildcard does not revive foo',
      ['wild.example/users/invalid/foo'],
      { to: 'foo+bar@wild.example' },
      noSuchUser,
      relayed,
    ],
    [
      'the ACL of foo holds for foo+bar',
      ['acl.example/users/valid/list/192.0.2.2'],
      { to: 'list+x@acl.example', ...at('192.0.2.2') },
      relayed,
      noSuchUser,
    ],
    [
      'a whitelisted foo is whitelisted as foo+bar',
      ['example.com/whitelisted/recipients/nobody'],
      { to: 'nobody+x@example.com' },
      relayed,
      noSuchUser,
    ],
  ];
  for (const [what, markers, mail, there, absent] of table)
    await t.test(what, () => contrast(other, { markers, mail, there, absent }).then(() => undefined));
  await t.test('the address is relayed as it came', async () => {
    const fate = await fateOf(other, { to: 'alice+News@example.com' });
    assert.equal(fieldOf(fate.relayed[0] ?? '', 'Delivered-To'), 'alice+News@example.com');
  });
});

// postmaster

test('<postmaster> without a domain is always accepted and relayed as it is', async () => {
  for (const to of ['postmaster', 'Postmaster', 'POSTMASTER']) {
    const fate = await marked(mx, ['example.com/checks/date', '_global_/blacklisted/ips/127.0.0.1'], () =>
      fateOf(mx, { to, without: ['date'] }),
    );
    assert.match(fate.reply, relayed);
    assert.equal(fieldOf(fate.relayed[0] ?? '', 'Delivered-To'), 'postmaster');
  }
});

test('<postmaster> is relayed to the setting postmaster', async () => {
  const other = await startMx({ settings: ['postmaster=Admin@ops.example'] });
  try {
    const fate = await fateOf(other, { to: 'postmaster' });
    assert.match(fate.reply, relayed);
    assert.equal(fieldOf(fate.relayed[0] ?? '', 'Delivered-To'), 'Admin@ops.example');
  } finally {
    await other.close();
  }
});

test('no other local-part goes without a domain, and postmaster of a domain needs its marker', async () => {
  assert.match((await fateOf(mx, { to: 'root' })).reply, /^501 5\.1\.3 /);
  assert.match((await fateOf(mx, { to: 'postmaster@elsewhere.example' })).reply, relayingDenied);
  assert.match((await fateOf(mx, { to: 'postmaster@example.com' })).reply, noSuchUser);
});

// relay_networks

test('a client in relay_networks may relay anywhere and skips the checks', async () => {
  const everywhere = ['x@elsewhere.example', 'nobody@example.com', 'y@other.example'];
  const markers = [
    'example.com/checks/date',
    'example.com/blacklisted/ips/198.51.100.7',
    '_global_/blacklisted/ips/198.51.100.7',
  ];
  await marked(mx, markers, async () => {
    for (const address of ['198.51.100.7', 'IPV6:2001:db8:5::7', 'IPV6:::ffff:198.51.100.7']) {
      const fate = await fateOf(mx, { ...at(address), to: everywhere, without: ['date'] });
      assert.match(fate.reply, relayed, address);
      assert.deepEqual(sorted(fate.relayed.map((copy) => fieldOf(copy, 'Delivered-To'))), sorted(everywhere));
    }
    const other = await fateOf(mx, { ...at('198.51.101.7'), to: everywhere, without: ['date'] });
    assert.match(other.rcpt[0] ?? '', relayingDenied, 'a client that is not');
    assert.match(other.reply, noSuchUser);
  });
});

test('loopback is not special', async () => {
  assert.match((await fateOf(mx, { to: 'x@elsewhere.example' })).reply, relayingDenied);
});

test('XCLIENT from a client that is not trusted is refused, and changes nothing', async () => {
  const other = await startMx({
    markers: ['example.com/users/valid/alice'],
    settings: ['relay_networks=198.51.100.7'],
  });
  try {
    const replies = await other.say(
      'EHLO c.example',
      'XCLIENT ADDR=198.51.100.7',
      'EHLO c.example',
      'MAIL FROM:<>',
      'RCPT TO:<x@elsewhere.example>',
    );
    assert.doesNotMatch(replies[0] ?? '', /XCLIENT/);
    assert.match(replies[1] ?? '', /^550 5\.7\.0 /);
    assert.match(replies[4] ?? '', relayingDenied);
  } finally {
    await other.close();
  }
});

// What is relayed: exactly the recipients and the reverse-path.

test('the same recipient twice counts once', async () => {
  const fate = await fateOf(mx, { to: ['alice@example.com', 'alice@example.com'] });
  assert.equal(fate.relayed.length, 1);
});

test('RCPT parameters that are not offered are refused', async () => {
  const replies = await mx.say(
    'EHLO c.example',
    'MAIL FROM:<>',
    'RCPT TO:<alice@example.com> NOTIFY=NEVER',
    'RCPT TO:<alice@example.com> FOO',
  );
  assert.match(replies[2] ?? '', /^555 /);
  assert.match(replies[3] ?? '', /^555 /);
});

test('recipients beyond max_recipients are told to come in another transaction', async () => {
  const other = await startMx({ markers: ['wild.example/users/valid/*'], settings: ['max_recipients=2'] });
  try {
    const { rcpt, relayed: copies } = await fateOf(other, {
      to: ['a@wild.example', 'b@wild.example', 'c@wild.example'],
    });
    assert.deepEqual(
      rcpt.map((reply) => reply.slice(0, 3)),
      ['250', '250', '452'],
    );
    assert.equal(copies.length, 2);
  } finally {
    await other.close();
  }
});

test('a mail that breaks off before its end is nowhere', async () => {
  await watched(mx, async () => {
    const client = await mx.connect();
    for (const line of ['EHLO c.example', 'MAIL FROM:<>', 'RCPT TO:<nobody@example.com>', 'DATA'])
      await client.say(line);
    client.end();
    await pipelined(mx, 'QUIT\r\n');
    return '';
  });
});
