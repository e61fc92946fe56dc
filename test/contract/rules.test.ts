/** srv-and-spam §1: rules that hold everywhere. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { message, type Mx } from '../support/mx.js';
import {
  contrast,
  deferred,
  drop,
  fateOf,
  fieldOf,
  type Mail,
  marked,
  noSuchUser,
  octets,
  pipelined,
  rejected,
  relayed,
  relayingDenied,
  separate,
  watched,
  startMx,
} from './support.js';

let mx: Mx;
let outside: string;
before(async () => {
  outside = mkdtempSync(join(tmpdir(), 'postern-outside-'));
  mx = await startMx({
    markers: [
      'example.com/users/valid/alice',
      'example.com/users/valid/bob',
      'example.com/users/valid/acl/192.0.2.9',
      'wild.example/users/valid/*',
    ],
    settings: ['xclient_networks=loopback', `blacklist_dir=${outside}/blacklist.d`, 'recipient_delimiter=+'],
    zone: {
      '70.2.0.192.in-addr.arpa': { PTR: ['Mail.Shouting.Example'] },
      'mail.shouting.example': { A: ['192.0.2.70'] },
      '72.2.0.192.in-addr.arpa': { PTR: ['../domains/x', '..', '*'] },
    },
  });
});
after(async () => {
  await mx.close();
  rmSync(outside, { recursive: true, force: true });
});

// 1. A marker counts from the next command on.

test('a hosted domain counts from the next RCPT on, and its removal too', async () => {
  const client = await mx.connect();
  const rcpt = 'RCPT TO:<carol@new.example>';
  await client.say('EHLO client.example');
  await client.say('MAIL FROM:<sender@sender.example>');
  assert.match(await client.say(rcpt), relayingDenied);
  mx.touch('new.example/users/valid/carol');
  assert.match(await client.say(rcpt), /^250 2\.1\.5 /);
  mx.remove('new.example');
  assert.match(await client.say(rcpt), relayingDenied);
  client.end();
});

test('a valid user counts from the next RCPT on', async () => {
  const client = await mx.connect();
  await client.say('EHLO client.example');
  await client.say('MAIL FROM:<sender@sender.example>');
  assert.match(await client.say('RCPT TO:<late@example.com>'), /^250 /, 'known to be refused');
  await marked(mx, ['example.com/users/valid/late'], async () => {
    assert.match(await client.say('RCPT TO:<late@example.com>'), separate, 'deliverable now');
  });
  assert.match(await client.say('RCPT TO:<late@example.com>'), /^250 /);
  client.end();
});

const duringTheMail: readonly (readonly [
  what: string,
  marker: string,
  to: string,
  without: RegExp,
  dropped: RegExp,
])[] = [
  ['a blacklist entry', 'example.com/blacklisted/senders/sender@sender.example', 'alice', relayed, rejected],
  ['a check', 'example.com/checks/date', 'alice', relayed, rejected],
  ['a whitelisted recipient', 'example.com/whitelisted/recipients/nobody', 'nobody', noSuchUser, relayed],
];
for (const [what, marker, to, without, dropped] of duringTheMail) {
  test(`${what} dropped between RCPT and the end of data counts`, async () => {
    for (const [markers, expected] of [
      [[], without],
      [[marker], dropped],
    ] as const) {
      const fate = await watched(mx, async () => {
        const client = await mx.connect();
        for (const line of ['EHLO client.example', 'MAIL FROM:<sender@sender.example>', `RCPT TO:<${to}@example.com>`])
          await client.say(line);
        assert.match(await client.say('DATA'), /^354/);
        const end = `${message({ without: ['date'] })}\r\n.`;
        return marked(mx, markers, () => client.say(end)).finally(() => client.end());
      });
      assert.match(fate.reply, expected);
    }
  });
}

// 2. Names on disk are lower case.

const alike: readonly (readonly [what: string, mail: Mail])[] = [
  ['a local-part in capitals finds the lower-case marker', { to: 'ALICE@example.com' }],
  ['a domain in capitals finds the lower-case directory', { to: 'alice@EXAMPLE.Com' }],
];
for (const [what, mail] of alike) {
  test(what, async () => {
    assert.match((await fateOf(mx, mail)).reply, relayed);
  });
}

const markersByCase: readonly (readonly [what: string, marker: string, mail: Mail, there: RegExp, absent: RegExp])[] = [
  [
    'a marker with capitals is found by nobody',
    'example.com/users/valid/Carol',
    { to: 'Carol@example.com' },
    noSuchUser,
    noSuchUser,
  ],
  [
    'a directory with capitals hosts nothing',
    'Caps.example/users/valid/*',
    { to: 'x@Caps.example' },
    relayingDenied,
    relayingDenied,
  ],
  [
    'a sender in capitals finds the lower-case entry',
    'example.com/blacklisted/senders/spam@bulk.example',
    { from: 'SPAM@Bulk.Example' },
    rejected,
    relayed,
  ],
  [
    "a sender's domain in capitals finds the lower-case entry",
    'example.com/blacklisted/domains/bulk.example',
    { from: 'x@BULK.example' },
    rejected,
    relayed,
  ],
  [
    'a client name in capitals finds the lower-case entry',
    'example.com/blacklisted/hosts/mail.shouting.example',
    { client: 'ADDR=192.0.2.70' },
    rejected,
    relayed,
  ],
  [
    'a domain is looked up as A-labels, whatever the client writes',
    'xn--bcher-kva.example/users/valid/carol',
    { to: 'carol@bücher.example' },
    relayed,
    relayingDenied,
  ],
  [
    'a domain given as A-labels is looked up as such',
    'xn--bcher-kva.example/users/valid/carol',
    { to: 'carol@XN--BCHER-KVA.example' },
    relayed,
    relayingDenied,
  ],
  [
    'a directory named by U-labels hosts the domain as well',
    'bücher.example/users/valid/carol',
    { to: 'carol@xn--bcher-kva.example' },
    relayed,
    relayingDenied,
  ],
  [
    "a sender's domain is looked up as A-labels",
    'example.com/blacklisted/domains/xn--bcher-kva.example',
    { from: 'x@bücher.example' },
    rejected,
    relayed,
  ],
  [
    'a local-part beyond ASCII is looked up composed and in lower case',
    'example.com/users/valid/jürgen',
    { to: 'JU\u0308RGEN@example.com', parameters: ' SMTPUTF8' },
    relayed,
    noSuchUser,
  ],
  [
    'an IPv6 address is looked up in the form of RFC 5952',
    'example.com/blacklisted/ips/2001:db8::a',
    { client: 'ADDR=IPV6:2001:0DB8:0:0:0:0:0:A' },
    rejected,
    relayed,
  ],
  [
    'an IPv4-mapped address is looked up as its IPv4 address',
    'example.com/blacklisted/ips/192.0.2.71',
    { client: 'ADDR=IPV6:::ffff:192.0.2.71' },
    rejected,
    relayed,
  ],
];
for (const [what, marker, mail, there, absent] of markersByCase) {
  test(what, async () => {
    await contrast(mx, { markers: [marker], mail, there, absent });
  });
}

// 3. Client text never becomes a path by itself.

const noEntry: readonly (readonly [what: string, localPart: string])[] = [
  ['.', '"."'],
  ['..', '".."'],
  ['.. unquoted', '..'],
  ['a literal *', '*'],
  ['a quoted *', '"*"'],
  ['a slash', 'a/b'],
  ['a path upwards', '../../../etc/passwd'],
  ['an absolute path', '/etc/passwd'],
  ['a slash into an ACL directory', 'acl/192.0.2.9'],
  ['a slash at the end', 'alice/'],
  ['* with an extension', '*+x'],
  ['more than 255 octets once composed', '\u0958'.repeat(70)],
];
for (const domain of ['wild.example', 'example.com']) {
  for (const [what, localPart] of noEntry) {
    // `*+x` is a name like others, and has no second one.
    const expected = localPart === '*+x' && domain === 'wild.example' ? relayed : noSuchUser;
    test(`the local-part of ${what} has no entry at ${domain}`, async () => {
      const parameters = /[^\0-\x7f]/.test(localPart) ? ' SMTPUTF8' : '';
      assert.match((await fateOf(mx, { to: `${localPart}@${domain}`, parameters })).reply, expected);
    });
  }
}

test('a NUL or a control character in an address is refused', async () => {
  for (const c of ['\0', '\x01', '\x1b', '\x7f', octets('\u0085')]) {
    const replies = await pipelined(
      mx,
      `EHLO client.example\r\nMAIL FROM:<a${c}b@sender.example>\r\nMAIL FROM:<>\r\nRCPT TO:<a${c}b@wild.example>\r\nRCPT TO:<"a${c}b"@wild.example>\r\nQUIT\r\n`,
    );
    assert.match(replies[2] ?? '', /^501 5\.1\.7 /, JSON.stringify(c));
    assert.match(replies[4] ?? '', /^501 5\.1\.3 /, JSON.stringify(c));
    assert.match(replies[5] ?? '', /^501 5\.1\.3 /, JSON.stringify(c));
  }
});

test('a local-part of 256 octets is refused as too long a path, one of 200 is found by the wildcard', async () => {
  const { rcpt } = await fateOf(mx, { to: [`${'a'.repeat(256)}@wild.example`, `${'a'.repeat(200)}@wild.example`] });
  assert.match(rcpt[0] ?? '', /^501 5\.1\.3 /);
  assert.match(rcpt[1] ?? '', /^250 /);
});

test('_global_ is never a hosted domain', async () => {
  await marked(mx, ['_global_/users/valid/*', '_global_/users/valid/alice'], async () => {
    assert.match((await fateOf(mx, { to: 'alice@_global_' })).reply, relayingDenied);
  });
});

test('no name that is no valid domain is ever hosted', async () => {
  for (const name of [
    '..',
    '.',
    '*',
    '-',
    'a..b',
    '.example',
    'example..',
    'a b',
    '1.2.3.4',
    'a,b',
    '\u200b.example',
  ]) {
    const { reply } = await fateOf(mx, { to: `alice@${name}` });
    assert.match(reply, /^501 5\.1\.3 /, name);
  }
});

test('a hostile sender, HELO or client name finds no marker, and breaks nothing', async () => {
  await marked(
    mx,
    ['example.com/whitelisted/domains/x', 'example.com/whitelisted/senders/x', 'example.com/checks/date'],
    async () => {
      const mails: readonly Mail[] = [
        { from: '"../domains/x"@sender.example' },
        { from: '"."@sender.example' },
        { from: '*@sender.example' },
        { from: '../senders/x@sender.example' },
        { helo: '../../../etc/passwd' },
        { helo: '..' },
        { client: 'ADDR=192.0.2.72' },
      ];
      for (const mail of mails)
        assert.match((await fateOf(mx, { ...mail, without: ['date'] })).reply, rejected, JSON.stringify(mail));
    },
  );
});

// 4. Absent is absent, broken is broken.

/** Markers in whose place a link that leads to itself stands (ELOOP), and the mail that has to be looked up there. */
const broken: readonly (readonly [what: string, path: string, mail: Mail])[] = [
  ["a domain's directory", 'loop.example', { to: 'alice@loop.example' }],
  ["a domain's directory of users", 'example.com/users/valid/looped', { to: 'looped@example.com' }],
  ['a valid user', 'example.com/users/valid/carol', { to: 'carol@example.com' }],
  ['an invalid user', 'example.com/users/invalid/alice', {}],
  ['all invalid users', 'example.com/users/invalid', {}],
  ['the wildcard', 'example.com/users/valid/*', { to: 'nobody@example.com' }],
  ['an address in an ACL', 'example.com/users/valid/acl/127.0.0.1', { to: 'acl@example.com' }],
  ['a check', 'example.com/checks/date', {}],
  ['all checks', 'example.com/checks/all', {}],
  ['the folder of checks', 'example.com/checks', {}],
  ['a blacklisted address', 'example.com/blacklisted/ips/127.0.0.1', {}],
  ['a blacklisted network', 'example.com/blacklisted/ips/127.0.0.0_8', {}],
  ['a blacklisted sender', 'example.com/blacklisted/senders/sender@sender.example', {}],
  ["a blacklisted sender's domain", 'example.com/blacklisted/domains/sender.example', {}],
  ['a blacklisted host', 'example.com/blacklisted/hosts/localhost', {}],
  ['a blacklisted top-level domain', 'example.com/blacklisted/tld/localhost', {}],
  ['the blacklist for all domains', '_global_/blacklisted', {}],
  ['a whitelisted address', 'example.com/whitelisted/ips/127.0.0.1', {}],
  ['a whitelisted sender', 'example.com/whitelisted/senders/sender@sender.example', {}],
  ["a whitelisted sender's domain", 'example.com/whitelisted/domains/sender.example', {}],
  ['a whitelisted recipient', 'example.com/whitelisted/recipients/alice', {}],
  ['whatever is for all domains', '_global_', {}],
];
for (const [what, path, mail] of broken) {
  test(`${what} that cannot be read defers the mail with 451 and a log line that names the path`, async () => {
    const file = join(mx.root, 'srv', path);
    mkdirSync(dirname(file), { recursive: true });
    symlinkSync(file, file);
    const fate = await fateOf(mx, mail).finally(() => drop(mx, path));
    assert.match(fate.reply, deferred);
    assert.ok(
      fate.log.some((line) => Number(line['level']) >= 50 && JSON.stringify(line).includes(file)),
      JSON.stringify(fate.log),
    );
    assert.doesNotMatch((await fateOf(mx, mail)).reply, deferred, 'mended');
  });
}

test('blacklist_dir that cannot be read defers the mail', async () => {
  const path = join(outside, 'blacklist.d');
  symlinkSync(path, path);
  const { reply, log } = await fateOf(mx).finally(() => rmSync(path));
  assert.match(reply, deferred);
  assert.ok(log.some((line) => JSON.stringify(line).includes(path)));
});

test('a marker that leads to an over-long name (ENAMETOOLONG) is broken, not absent', async () => {
  const file = join(mx.root, 'srv/example.com/users/valid/carol');
  symlinkSync('a'.repeat(300), file);
  assert.match((await fateOf(mx, { to: 'carol@example.com' }).finally(() => rmSync(file))).reply, deferred);
});

test('a marker without permission (EACCES) is broken, not absent', async () => {
  const folder = join(mx.root, 'srv/example.com/blacklisted');
  mkdirSync(folder, { mode: 0 });
  const { reply } = await asNobody(() => fateOf(mx)).finally(() => rmSync(folder, { recursive: true }));
  assert.match(reply, deferred);
});

/** Root may read all. */
async function asNobody<T>(run: () => Promise<T>): Promise<T> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chmodSync(mx.root, 0o755);
  if (isRoot) process.seteuid?.('nobody');
  try {
    return await run();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

/** ENOENT and ENOTDIR. */
const absent: readonly (readonly [what: string, make: (srv: string) => string, mail: Mail, reply: RegExp])[] = [
  [
    'a file where users/ is expected',
    (srv) => fileAt(srv, 'bare.example/users'),
    { to: 'alice@bare.example' },
    noSuchUser,
  ],
  [
    'a file where users/valid/ is expected',
    (srv) => fileAt(srv, 'bare.example/users/valid'),
    { to: 'alice@bare.example' },
    noSuchUser,
  ],
  ['a file where checks/ is expected', (srv) => fileAt(srv, 'example.com/checks'), { without: ['date'] }, relayed],
  ['a file where blacklisted/ is expected', (srv) => fileAt(srv, 'example.com/blacklisted'), {}, relayed],
  ['a file where blacklisted/ips/ is expected', (srv) => fileAt(srv, 'example.com/blacklisted/ips'), {}, relayed],
  ['a file where _global_/ is expected', (srv) => fileAt(srv, '_global_'), {}, relayed],
  [
    'a file where a domain is expected',
    (srv) => fileAt(srv, 'file.example'),
    { to: 'alice@file.example' },
    relayingDenied,
  ],
  [
    'a link to nowhere for a user',
    (srv) => linkAt(srv, 'example.com/users/valid/carol', 'gone'),
    { to: 'carol@example.com' },
    noSuchUser,
  ],
  [
    'a link to nowhere for a domain',
    (srv) => linkAt(srv, 'gone.example', 'gone'),
    { to: 'alice@gone.example' },
    relayingDenied,
  ],
];
for (const [what, make, mail, reply] of absent) {
  test(`${what} is no marker`, async () => {
    const path = make(join(mx.root, 'srv'));
    try {
      assert.match((await fateOf(mx, mail)).reply, reply);
    } finally {
      drop(mx, relative(join(mx.root, 'srv'), path));
    }
  });
}

function fileAt(srv: string, path: string): string {
  mkdirSync(dirname(join(srv, path)), { recursive: true });
  writeFileSync(join(srv, path), '');
  return join(srv, path);
}

function linkAt(srv: string, path: string, target: string): string {
  symlinkSync(target, join(srv, path));
  return join(srv, path);
}

/** What stands where a file is expected, and counts all the same: only its name is looked at. */
const anyKind: readonly (readonly [what: string, make: (path: string) => void])[] = [
  ['a FIFO', (path) => execFileSync('mkfifo', [path])],
  ['a directory', (path) => mkdirSync(path)],
  ['a link to a device', (path) => symlinkSync('/dev/zero', path)],
  ['a file of a megabyte', (path) => writeFileSync(path, Buffer.alloc(1 << 20))],
];
const markersOfAnyKind: readonly (readonly [marker: string, mail: Mail, there: RegExp])[] = [
  ['example.com/users/invalid/alice', {}, noSuchUser],
  ['example.com/checks/date', { without: ['date'] }, rejected],
  ['example.com/blacklisted/ips/127.0.0.1', {}, rejected],
];
for (const [what, make] of anyKind) {
  for (const [marker, mail, there] of markersOfAnyKind) {
    test(`${what} is a marker: ${marker}`, { timeout: 5000 }, async () => {
      const path = join(mx.root, 'srv', marker);
      assert.match((await fateOf(mx, mail)).reply, relayed, 'without');
      mkdirSync(dirname(path), { recursive: true });
      make(path);
      const { reply } = await fateOf(mx, mail).finally(() => drop(mx, marker));
      assert.match(reply, there);
    });
  }
}

test('a check that throws defers the mail', async () => {
  const dir = join(outside, 'plugins');
  mkdirSync(dir);
  writeFileSync(
    join(dir, 'throwing.mjs'),
    `export default { name: 'throwing', inspect() { throw new Error('out of order'); } };`,
  );
  const other = await startMx({
    markers: ['example.com/users/valid/alice'],
    settings: [`plugin_dirs=${dir}`],
    plugins: ['valid_users', 'throwing'],
  });
  try {
    assert.match((await fateOf(other)).reply, relayed, 'not enabled');
    other.touch('example.com/checks/throwing');
    const { reply, log } = await fateOf(other);
    assert.match(reply, deferred);
    assert.ok(
      log.some((line) => line['plugin'] === 'throwing' && line['why'] === 'out of order' && line['msg'] === 'error'),
    );
  } finally {
    await other.close();
  }
});

// 5. Names are taken from the wire, not from the library.

const noDomain: readonly string[] = [
  'x@。。', // U+3002: smtp-server makes `x@..` of it
  'x@。',
  'x@\uff0e\uff0e',
  'x@\uff61',
  'x@example。com', // U+3002 for the dot
  'x@example\uff0ecom',
  'x@xn--', // smtp-server makes `x@` of it
  'x@xn--.com',
  'x@example.xn--com-', // smtp-server makes `x@example.com` of it
  'x@xn--example-.com',
  'x@exam\u00adple.com', // a soft hyphen vanishes in UTS #46
  'x@exam\u200bple.com',
  'x@\uff45xample.com', // a full-width e
  'x@example.com..',
  'x@.example.com',
  'x@example..com',
  'x@-example.com',
  'x@exam ple.com',
  'x@example.com/',
  'x@..',
  'x@/srv/example.com',
  'x@example.com\\',
  'x@[example.com]',
  'x@',
  'x',
  '@example.com',
  'x@@example.com',
];
for (const address of noDomain) {
  test(`${JSON.stringify(address)} is no address: 501 5.1.3 in RCPT, 501 5.1.7 in MAIL`, async () => {
    const [, , mail, rcpt] = await pipelined(
      mx,
      octets(`EHLO c.example\r\nMAIL FROM:<${address}>\r\nRSET\r\nQUIT\r\n`),
    ).then(async (replies) => {
      const asked = await pipelined(mx, octets(`EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<${address}>\r\nQUIT\r\n`));
      return [replies[0], replies[1], replies[2], asked[3]];
    });
    assert.match(mail ?? '', /^501 5\.1\.7 /);
    assert.match(rcpt ?? '', /^501 5\.1\.3 /);
  });
}

test('a sender does not whitelist itself by a domain that the library makes `.` of', async () => {
  mkdirSync(join(mx.root, 'srv/example.com/whitelisted/domains'), { recursive: true });
  await marked(mx, ['example.com/checks/date'], async () => {
    assert.match((await fateOf(mx, { from: 'x@。', without: ['date'] })).reply, /^501 5\.1\.7 /);
  });
  mx.remove('example.com/whitelisted');
});

test('a link that leads out of the tree is no hosted domain', async () => {
  mkdirSync(join(outside, 'users/valid'), { recursive: true });
  writeFileSync(join(outside, 'users/valid/*'), '');
  for (const [name, target] of [
    ['out.example', outside],
    ['up.example', '..'],
    ['self.example', '.'],
    ['root.example', '/'],
  ] as const) {
    const path = linkAt(join(mx.root, 'srv'), name, target);
    assert.match((await fateOf(mx, { to: `alice@${name}` }).finally(() => rmSync(path))).reply, relayingDenied, name);
  }
});

test('a link that stays in the tree is a hosted domain', async () => {
  for (const target of ['example.com', join(mx.root, 'srv/example.com'), './wild.example/../example.com']) {
    const path = linkAt(join(mx.root, 'srv'), 'alias.example', target);
    const fate = await fateOf(mx, { to: 'alice@alias.example' }).finally(() => rmSync(path));
    assert.match(fate.reply, relayed, target);
    assert.equal(fieldOf(fate.relayed[0] ?? '', 'Delivered-To'), 'alice@alias.example');
  }
});

// 6. Nothing that a downstream MTA would route elsewhere.

const routing: readonly (readonly [character: string, wire: string, marker: string])[] = [
  ['%', 'victim%elsewhere.example', 'victim%elsewhere.example'],
  ['% in quotes', '"victim%elsewhere.example"', 'victim%elsewhere.example'],
  ['!', 'elsewhere.example!victim', 'elsewhere.example!victim'],
  ['@', '"victim@elsewhere.example"', 'victim@elsewhere.example'],
  [':', '"group:victim"', 'group:victim'],
  [',', '"alice,victim"', 'alice,victim'],
  [';', '"alice;victim"', 'alice;victim'],
  ['(', '"alice(c"', 'alice(c'],
  [')', '"c)alice"', 'c)alice'],
  ['<', '"<alice"', '<alice'],
  ['>', '"alice>"', 'alice>'],
  ['\\', '"alice\\\\bob"', 'alice\\bob'],
  ['a space', '"alice bob"', 'alice bob'],
];
for (const [character, wire, marker] of routing) {
  test(`a local-part with ${character} is deliverable only if it has a marker of exactly that name`, async () => {
    const mail = { to: `${wire}@wild.example` };
    const { relayed: copies } = await contrast(mx, {
      markers: [`wild.example/users/valid/${marker}`],
      mail,
      there: relayed,
      absent: noSuchUser,
    });
    const quoted = /^[^@ ,:;()<>\\]+$/.test(marker) ? marker : `"${marker.replace(/["\\]/g, '\\$&')}"`;
    assert.equal(fieldOf(copies[0] ?? '', 'Delivered-To'), `${quoted}@wild.example`);
  });

  test(`no whitelist covers a local-part with ${character}`, async () => {
    const markers = [
      `wild.example/whitelisted/recipients/${marker}`,
      'wild.example/whitelisted/senders/sender@sender.example',
      'wild.example/whitelisted/domains/sender.example',
      'wild.example/whitelisted/ips/127.0.0.1',
    ];
    await marked(mx, markers, async () => {
      assert.match((await fateOf(mx, { to: `${wire}@wild.example` })).reply, noSuchUser);
      assert.match((await fateOf(mx, { to: 'plain@wild.example' })).reply, relayed);
    });
  });
}

test('a local-part that could be routed elsewhere has no second name by recipient_delimiter', async () => {
  assert.match((await fateOf(mx, { to: 'alice+x@example.com' })).reply, relayed);
  assert.match((await fateOf(mx, { to: 'alice+x%elsewhere.example@example.com' })).reply, noSuchUser);
});

test('a source route is not followed', async () => {
  const fate = await fateOf(mx, { to: '@elsewhere.example,@other.example:alice@example.com' });
  assert.match(fate.reply, relayed);
  assert.equal(fieldOf(fate.relayed[0] ?? '', 'Delivered-To'), 'alice@example.com');
});

test('a refused recipient that could be routed elsewhere is not lifted by another one that is whitelisted meanwhile', async () => {
  const fate = await watched(mx, async () => {
    const client = await mx.connect();
    for (const line of [
      'EHLO c.example',
      'MAIL FROM:<s@sender.example>',
      'RCPT TO:<nobody@example.com>',
      'RCPT TO:<victim%elsewhere.example@example.com>',
      'DATA',
    ])
      await client.say(line);
    return marked(mx, ['example.com/whitelisted/recipients/nobody'], () => client.say(`${message()}\r\n.`)).finally(
      () => client.end(),
    );
  });
  assert.match(fate.reply, noSuchUser);
});

// 7. One transaction, one verdict.

const together: readonly (readonly [what: string, to: readonly string[], rcpt: readonly RegExp[], reply: RegExp])[] = [
  ['two valid recipients of a domain go together', ['alice@example.com', 'bob@example.com'], [/^250/, /^250/], relayed],
  [
    'two refused recipients of a domain go together',
    ['no@example.com', 'body@example.com'],
    [/^250/, /^250/],
    noSuchUser,
  ],
  [
    'a valid recipient of another hosted domain is told to come alone',
    ['alice@example.com', 'x@wild.example'],
    [/^250/, separate],
    relayed,
  ],
  [
    'a refused recipient beside a valid one is told to come alone',
    ['alice@example.com', 'nobody@example.com'],
    [/^250/, separate],
    relayed,
  ],
  [
    'a valid recipient beside a refused one is told to come alone',
    ['nobody@example.com', 'alice@example.com'],
    [/^250/, separate],
    noSuchUser,
  ],
  [
    'a refused recipient of another hosted domain is told to come alone',
    ['nobody@example.com', '"x y"@wild.example'],
    [/^250/, separate],
    noSuchUser,
  ],
  [
    'postmaster beside a valid recipient is told to come alone',
    ['alice@example.com', 'postmaster'],
    [/^250/, separate],
    relayed,
  ],
  [
    'a valid recipient beside postmaster is told to come alone',
    ['postmaster', 'alice@example.com'],
    [/^250/, separate],
    relayed,
  ],
  [
    'a domain that is not hosted is refused beside a valid recipient, which is delivered',
    ['alice@example.com', 'x@elsewhere.example'],
    [/^250/, relayingDenied],
    relayed,
  ],
  [
    'one that is refused at RCPT fixes nothing',
    ['x@elsewhere.example', 'alice@example.com'],
    [relayingDenied, /^250/],
    relayed,
  ],
  [
    'one that is told to come alone changes nothing for those behind it',
    ['alice@example.com', 'x@wild.example', 'bob@example.com'],
    [/^250/, separate, /^250/],
    relayed,
  ],
];
for (const [what, to, rcpt, reply] of together) {
  test(what, async () => {
    const fate = await fateOf(mx, { to });
    for (const [i, expected] of rcpt.entries()) assert.match(fate.rcpt[i] ?? '', expected, to[i]);
    assert.match(fate.reply, reply);
    const taken = fate.rcpt.filter((answer) => answer.startsWith('250')).length;
    assert.equal(fate.relayed.length + fate.archived.length, taken);
  });
}

test('pipelined recipients are judged one by one as well, and each transaction has its own verdict', async () => {
  const envelope = (...to: readonly string[]): string =>
    `MAIL FROM:<sender@sender.example>\r\n${to.map((address) => `RCPT TO:<${address}>\r\n`).join('')}DATA\r\n${message()}\r\n.\r\n`;
  let replies: string[] = [];
  await watched(mx, async () => {
    replies = await pipelined(
      mx,
      `EHLO c.example\r\n${envelope('alice@example.com', 'nobody@example.com', 'x@wild.example', 'bob@example.com')}QUIT\r\n`,
    );
    return replies.at(-2) ?? '';
  });
  const codes = replies.map((reply) => reply.slice(0, 3)).join(' ');
  assert.equal(codes, '220 250 250 250 452 452 250 354 250 221');
  replies = await pipelined(
    mx,
    `EHLO c.example\r\n${envelope('nobody@example.com', 'alice@example.com')}${envelope('alice@example.com')}QUIT\r\n`,
  );
  assert.equal(replies.map((reply) => reply.slice(0, 3)).join(' '), '220 250 250 250 452 354 550 250 250 354 250 221');
});
