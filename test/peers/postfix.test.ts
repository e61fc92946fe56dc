/**
 * A real Postfix as local MTA: what real clients send through postern arrives octet by octet, once, and nothing else
 * does.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { makeCertificate } from '../support/certificate.js';
import { PosternProcess } from '../support/child.js';
import { falseEnds, smuggled } from '../support/false-ends.js';
import { Mx, message } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { Postfix, belowPostfix } from '../support/postfix.js';
import { RawClient } from '../support/raw-client.js';

const markers = [
  ...['alice', 'bob', 'carol', 'mta-refuses', 'mta-denies', 'mta-defers'].map(
    (name) => `example.com/users/valid/${name}`,
  ),
  'example.com/checks/date',
  'wild.example/users/valid/*',
];
const recipients = [
  'alice@example.com',
  'bob@example.com',
  'carol@example.com',
  'mta-defers@example.com',
  '@wild.example',
];
const mainCf = [
  'smtpd_recipient_restrictions = check_recipient_access inline:{mta-defers@example.com=DEFER}',
  // As a Debian system has its own domains. Only in these does Postfix look for a route in the local-part, user%domain.
  'mydestination = wild.example',
  'local_transport = virtual',
];

interface Pair {
  readonly postern: PosternProcess;
  readonly postfix: Postfix;
}

let pair: Promise<Pair> | undefined;
const folder = mkdtempSync(join(tmpdir(), 'postern-peers-'));

/** Both, started once for all tests of this file. */
function both(): Promise<Pair> {
  pair ??= (async () => {
    const postfix = await Postfix.start({ domains: ['example.com'], recipients, settings: mainCf });
    const { cert, key } = makeCertificate('mx.test.example');
    writeFileSync(join(folder, 'cert.pem'), cert);
    writeFileSync(join(folder, 'key.pem'), key);
    const settings = ['xclient_networks=loopback', `tls_cert=${folder}/cert.pem`, `tls_key=${folder}/key.pem`];
    try {
      return { postfix, postern: await PosternProcess.start({ markers, relayPort: postfix.port, settings }) };
    } catch (error) {
      await postfix.close();
      throw error;
    }
  })();
  return pair;
}

after(async () => {
  const made = await pair?.catch(() => undefined);
  await made?.postern.close();
  await made?.postfix.close();
  rmSync(folder, { recursive: true });
});

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end, at most half a minute; what it wrote, as octets in latin1. */
function run(program: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      timeout: 30_000,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets: Buffer) => (output += octets.toString('latin1')));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

let sent = 0;

/** Sends one message by swaks, as its octets stand; `words` are further arguments. */
async function swaks(port: number, text: string, words: readonly string[] = []): Promise<Ran> {
  const file = join(folder, `mail-${++sent}`);
  writeFileSync(file, text, 'latin1');
  const usual = [
    '--server',
    '127.0.0.1',
    '--port',
    String(port),
    '--helo',
    'client.example',
    '--from',
    'sender@sender.example',
  ];
  return run('swaks', [
    ...usual,
    '--no-data-fixup',
    '--data',
    `@${file}`,
    ...(words.includes('--to') ? [] : ['--to', 'alice@example.com']),
    ...words,
  ]);
}

/** Each mail of these tests carries a field that finds it in a mailbox. */
const mark = (): string => `X-Mark: ${process.pid}-${++sent}`;

/** The text below our fields, of every copy that carries the mark; lines end in LF, as in a maildir. */
function belowOurs(postfix: Postfix, marked: string): string[] {
  const copies = postfix.delivered.filter(({ text }) => text.includes(`${marked}\n`));
  return copies.map(({ text }) => {
    const ours =
      /^Received: from [^\n]*\n(?:\t\([^\n]*\n)*\tby mx\.test\.example \(postern\)[^\n]*\n(?:\t[^\n]*\n)*(?:X-(?:HELO|REMOTE-IP|REMOTE-HOST|MAIL-FROM|RCPT-TO|DOMAIN|LOCALPART): ?[^\n]*\n)+/;
    const below = belowPostfix(text);
    assert.match(below, ours);
    return below.replace(ours, '');
  });
}

const asInMaildir = (text: string): string => text.replaceAll('\r\n', '\n');

/** [what, the body] */
const bodies: readonly [what: string, body: string][] = [
  ['plain', 'Hello.\r\n'],
  ['8-bit octets, valid UTF-8 and not', 'gr\xc3\xbc\xc3\x9fe \xff\xfe\x80\xc3\x28\r\n'],
  ['lines of 998 octets', `${'z'.repeat(998)}\r\n${'\xe9'.repeat(998)}\r\n`],
  ['dots', '.\r\n..\r\n.dot\r\n...\r\n. \r\n'],
  ['spaces at line ends, tabs, empty lines', 'x  \r\n\t \r\n\r\n\r\n  y\t\r\n'],
  ['what looks like an envelope', 'From someone Thu Jan  1 00:00:00 1970\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n'],
  ['300 kB', `${'0123456789abcdef'.repeat(4)}\r\n`.repeat(4700)],
];
for (const [what, body] of bodies) {
  test(`what swaks sends arrives octet by octet below our fields: ${what}`, async (t) => {
    if (!needPeer(t, 'postfix', 'swaks')) return;
    const { postern, postfix } = await both();
    const marked = mark();
    const text = message({ fields: [marked], body });
    const { output } = await swaks(postern.port, `${text.replace(/(^|\r\n)\./g, '$1..')}.\r\n`);
    assert.match(output, /^<[-~*][-~* ] +250 2\.0\.0 Ok: queued as [0-9A-F]+\r?$/m, output);
    await postfix.until(() => belowOurs(postfix, marked).length > 0);
    assert.deepEqual(belowOurs(postfix, marked), [asInMaildir(text)]);
  });
}

test('swaks over STARTTLS: the mail arrives, and its Received: says so', async (t) => {
  if (!needPeer(t, 'postfix', 'swaks')) return;
  const { postern, postfix } = await both();
  const marked = mark();
  const { code, output } = await swaks(postern.port, `${message({ fields: [marked] })}\r\n.\r\n`, ['--tls']);
  assert.equal(code, 0, output);
  assert.match(output, /=== TLS started with cipher TLSv1\.[23]:/);
  assert.match(output, /mx\.test\.example/);
  await postfix.until(() => belowOurs(postfix, marked).length > 0);
  const [copy] = postfix.delivered.filter(({ text }) => text.includes(marked));
  assert.match(copy?.text ?? '', /\(postern\) with ESMTPS id /);
});

test('what smtp-source sends arrives as it does without postern: 100 mails over 5 connections', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const { postern, postfix } = await both();
  const bodyOf = (text: string): string => text.slice(text.indexOf('\n\n'));
  const arrived = async (port: number, to: string, count: number): Promise<string[]> => {
    const words = [
      '-l',
      '3000',
      '-m',
      String(count),
      '-s',
      '5',
      '-f',
      'source@sender.example',
      '-M',
      'source.example',
      '-t',
      to,
    ];
    const { code, output } = await run('/usr/sbin/smtp-source', [...words, `127.0.0.1:${port}`]);
    assert.equal(code, 0, output);
    const here = (): string[] =>
      postfix.delivered
        .filter(({ text }) => text.includes(`<${to}>`) && text.includes('source@sender.example'))
        .map(({ text }) => text);
    await postfix.until(() => here().length >= count);
    return here();
  };
  const direct = await arrived(postfix.port, 'direct@wild.example', 1);
  const through = await arrived(postern.port, 'through@wild.example', 100);
  assert.equal(through.length, 100);
  assert.deepEqual(new Set(through.map(bodyOf)), new Set(direct.map(bodyOf)));
  assert.ok(bodyOf(direct[0] ?? '').length > 2500);
});

/** The reply that settled one mail: to DATA where there is no transaction, to the end of data else. */
async function dialog(port: number, lines: readonly string[], text: string): Promise<string> {
  const client = await RawClient.open({ port });
  let reply = await client.sayAll(...lines);
  const data = await client.say('DATA');
  if (data.startsWith('354')) reply = await client.say(`${text}\r\n.`);
  await client.say('QUIT');
  client.end();
  return reply;
}

const ehlo = 'EHLO client.example';

test('the null reverse-path, and several recipients: each has its copy', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const { postern, postfix } = await both();
  const marked = mark();
  const text = `${message({ fields: [marked] })}\r\n`;
  const to = ['alice', 'bob', 'carol'].map((name) => `RCPT TO:<${name}@example.com>`);
  assert.match(await dialog(postern.port, [ehlo, 'MAIL FROM:<>', ...to], text.trimEnd()), /^250 /);
  await postfix.until(() => belowOurs(postfix, marked).length === 3);
  const copies = postfix.delivered.filter((mail) => mail.text.includes(marked));
  assert.deepEqual(copies.map(({ mailbox }) => mailbox).toSorted(), [
    'example.com/alice',
    'example.com/bob',
    'example.com/carol',
  ]);
  assert.ok(copies.every((mail) => mail.text.startsWith('Return-Path: <>\n')));
  assert.deepEqual(
    belowOurs(postfix, marked),
    Array.from({ length: 3 }, () => asInMaildir(text)),
  );
});

test('SMTPUTF8: addresses and header arrive as they are', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const { postern, postfix } = await both();
  const marked = mark();
  const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
  const lines = [
    ehlo,
    utf8('MAIL FROM:<grüße@sender.example> SMTPUTF8 BODY=8BITMIME'),
    utf8('RCPT TO:<δοκιμή@wild.example>'),
  ];
  const text = utf8(message({ fields: [marked, 'X-Greeting: grüße'] }));
  assert.match(await dialog(postern.port, lines, text), /^250 /);
  await postfix.until(() => belowOurs(postfix, marked).length > 0);
  const [copy] = postfix.delivered.filter((mail) => mail.text.includes(marked));
  assert.ok(copy?.text.includes(utf8('Delivered-To: δοκιμή@wild.example\n')));
  assert.deepEqual(belowOurs(postfix, marked), [asInMaildir(`${text}\r\n`)]);
});

test('Postfix knows the client’s address and name by XFORWARD', async (t) => {
  if (!needPeer(t, 'postfix', 'swaks')) return;
  const { postern, postfix } = await both();
  const { output } = await swaks(postern.port, `${message()}\r\n.\r\n`, [
    '--xclient',
    'ADDR=192.0.2.25 NAME=mail.sender.example',
  ]);
  const id = /250 2\.0\.0 Ok: queued as ([0-9A-F]+)/.exec(output)?.[1];
  assert.ok(id, output);
  await postfix.until(() => postfix.log.includes(`${id}: client=`));
  assert.match(postfix.log, new RegExp(`${id}: client=.*mail\\.sender\\.example\\[192\\.0\\.2\\.25\\]`));
});

test('Postfix refuses one of three recipients: 451 and nothing is delivered; on the retry each has its true answer', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const { postern, postfix } = await both();
  const marked = mark();
  const to = ['alice', 'mta-refuses', 'bob'].map((name) => `RCPT TO:<${name}@example.com>`);
  const from = 'MAIL FROM:<sender@sender.example>';
  const text = message({ fields: [marked] });
  assert.match(await dialog(postern.port, [ehlo, from, ...to], text), /^451 4\.5\.3 /);
  const client = await RawClient.open({ port: postern.port });
  await client.sayAll(ehlo, from);
  const answers: string[] = [];
  for (const line of to) answers.push(await client.say(line));
  assert.deepEqual(
    answers.map((answer) => answer.slice(0, 9)),
    ['250 2.1.5', '550 5.1.1', '250 2.1.5'],
  );
  assert.match(answers[1] ?? '', /User unknown in virtual mailbox table/);
  assert.equal(belowOurs(postfix, marked).length, 0);
  assert.match(await client.sayAll('DATA', `${text}\r\n.`), /^250 /);
  client.end();
  await postfix.until(() => belowOurs(postfix, marked).length >= 2);
  assert.deepEqual(
    postfix.delivered
      .filter((mail) => mail.text.includes(marked))
      .map(({ mailbox }) => mailbox)
      .toSorted(),
    ['example.com/alice', 'example.com/bob'],
  );
});

test('what Postfix says to the only recipient is the client’s reply', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const { postern } = await both();
  for (const [name, reply] of [
    ['mta-denies', /^550 5\.1\.1 <mta-denies@example\.com>: Recipient address rejected: User unknown/],
    ['mta-defers', /^450 4\.7\.1 <mta-defers@example\.com>: Recipient address rejected: Access denied/],
  ] as const) {
    assert.match(
      await dialog(
        postern.port,
        [ehlo, 'MAIL FROM:<sender@sender.example>', `RCPT TO:<${name}@example.com>`],
        message(),
      ),
      reply,
    );
  }
});

const routed = [
  'victim%elsewhere.example@wild.example',
  'elsewhere.example!victim@wild.example',
  '"victim%elsewhere.example"@wild.example',
  '"victim@elsewhere.example"@wild.example',
  'victim%elsewhere.example@example.com',
];

test('sender-specified routing: Postfix alone would send it on, behind postern it never sees it', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const { postern, postfix } = await both();
  const from = 'MAIL FROM:<spammer@sender.example>';
  const control = mark();
  await dialog(
    postfix.port,
    [ehlo, from, 'RCPT TO:<control%elsewhere.example@wild.example>'],
    message({ fields: [control] }),
  );
  await postfix.until(() => postfix.log.includes('to=<control@elsewhere.example>'));
  for (const address of routed) {
    const reply = await dialog(postern.port, [ehlo, from, `RCPT TO:<${address}>`], message());
    assert.match(reply, /^550 5\.1\.1 /, address);
  }
  assert.doesNotMatch(postfix.log, /victim/);
});

/** The `-o name=value` of the listener in docs/in-front-of.md, as lines of main.cf. */
function pagesListener(): string[] {
  const page = readFileSync(join(packageRoot, 'docs/in-front-of.md'), 'utf8');
  const block = /^127\.0\.0\.1:10025 inet .*\n(?: .*\n)+/m.exec(page)?.[0] ?? '';
  return [...block.matchAll(/-o (\w+)=(\S*)/g)].map(([, name, value]) => `${name} = ${value}`);
}

test('the listener that docs/in-front-of.md shows takes mail from postern, and nothing that leads elsewhere from anybody', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const listener = pagesListener();
  assert.ok(listener.length >= 6, listener.join('\n'));
  const settings = [...mainCf.slice(1), ...listener];
  const postfix = await Postfix.start({ domains: ['example.com'], recipients, settings });
  const postern = await PosternProcess.start({ markers, relayPort: postfix.port });
  try {
    const from = [ehlo, 'MAIL FROM:<sender@sender.example>'];
    const marked = mark();
    const text = message({ fields: [marked] });
    assert.match(await dialog(postern.port, [...from, 'RCPT TO:<alice@example.com>'], text), /^250 /);
    await postfix.until(() => belowOurs(postfix, marked).length === 1);
    for (const address of ['victim@elsewhere.example', ...routed.slice(0, 4)])
      assert.match(await dialog(postfix.port, [...from, `RCPT TO:<${address}>`], message()), /^55[04] /, address);
    assert.doesNotMatch(postfix.log, /to=<victim.*status=sent/);
  } finally {
    await postern.close();
    await postfix.close();
  }
});

test('no false end of data smuggles a mail through both: each arrives once', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const { postern, postfix } = await both();
  const lines = [ehlo, 'MAIL FROM:<sender@sender.example>', 'RCPT TO:<alice@example.com>'];
  const marks = new Map<string, string>();
  for (const [what, octets] of falseEnds) {
    const marked = mark();
    marks.set(what, marked);
    assert.match(
      await dialog(postern.port, lines, message({ fields: [marked], body: `first${octets}${smuggled}` })),
      /^250 /,
      what,
    );
  }
  await postfix.until(() => [...marks.values()].every((marked) => belowOurs(postfix, marked).length > 0));
  for (const [what, marked] of marks) assert.equal(belowOurs(postfix, marked).length, 1, what);
  assert.doesNotMatch(postfix.log, /from=<smuggled@/);
});

test('Postfix is stopped: 451; it is back: 250', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const { postern, postfix } = await both();
  const lines = [ehlo, 'MAIL FROM:<sender@sender.example>', 'RCPT TO:<alice@example.com>'];
  await postfix.down();
  assert.match(await dialog(postern.port, lines, message()), /^451 4\.4\.1 /);
  await postfix.up();
  assert.match(await dialog(postern.port, lines, message()), /^250 /);
});

test('a refused mail is found in the quarantine by mutt as well as by the index', async (t) => {
  if (!needPeer(t, 'postfix', 'swaks', 'mutt', 'script')) return;
  const { postern } = await both();
  const subjects = [`refused ${process.pid}`, `gr\xc3\xbc\xc3\x9fe ${process.pid}`];
  const written = [subjects[0], `=?utf-8?Q?gr=C3=BC=C3=9Fe_${process.pid}?=`];
  for (const subject of written) {
    const text = message({ fields: [`Subject: ${subject}`], without: ['Subject', 'Date'] });
    const { output } = await swaks(postern.port, `${text}\r\n.\r\n`);
    assert.match(output, /^<[-~*][-~* ] +550 5\.7\.1 [^\n]* \([0-9A-Z]{14}\)/m, output);
  }
  const [day = ''] = readdirSync(join(postern.root, 'spam')).filter((name) => /^\d+$/.test(name));
  const maildir = join(postern.root, 'spam', day, 'example.com');
  const shown = await muttIndex(maildir);
  for (const subject of subjects) assert.ok(shown.includes(`<<${subject}>>`), shown);
  const index = readFileSync(join(maildir, 'index'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>);
  const inLatin1 = index.map(({ subject }) => Buffer.from(subject ?? '').toString('latin1'));
  for (const subject of subjects) assert.ok(inLatin1.includes(subject));
  for (const { filename } of index) assert.ok(readdirSync(join(maildir, 'new')).includes(filename ?? ''));
});

/** What mutt shows of a maildir, on a terminal of its own; octets as latin1. */
async function muttIndex(maildir: string): Promise<string> {
  const commands = [
    `set folder='${maildir}'`,
    "set index_format='<<%s>>'",
    'set charset=utf-8',
    'set sleep_time=0',
    "push '<quit>'",
  ];
  const words = [
    'mutt',
    '-n',
    '-F',
    '/dev/null',
    '-R',
    '-f',
    maildir,
    ...commands.flatMap((command) => ['-e', command]),
  ];
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const { output } = await run('script', ['-qec', `stty cols 200 rows 60; ${quoted}`, '/dev/null'], {
    TERM: 'vt100',
    LC_ALL: 'C.UTF-8',
    HOME: folder,
  });
  return output;
}

test('valid_users ahead: Postfix is asked, a refusal is archived, and many of them do not wear its sessions out', async (t) => {
  if (!needPeer(t, 'postfix')) return;
  const { postfix } = await both();
  const mx = await Mx.start({
    markers: ['example.com/users/valid/*'],
    plugins: ['valid_users ahead'],
    relayPort: postfix.port,
  });
  try {
    assert.match(await mx.send({ to: 'nobody-here@example.com' }), /^550 5\.1\.1 No such user \([0-9A-Z]{14}\)$/);
    assert.equal(mx.archived().length, 1);
    const strangers = Array.from({ length: 30 }, (_, i) => `RCPT TO:<stranger${i}@example.com>`);
    const said = await mx.say('EHLO client.example', 'MAIL FROM:<sender@sender.example>', ...strangers);
    assert.deepEqual(new Set(said.slice(2).map((reply) => reply.slice(0, 3))), new Set(['250']));
    const answers = mx.log.filter(({ msg, hook }) => msg === 'fail' && hook === 'rcpt').map(({ why }) => String(why));
    assert.equal(answers.length, 31);
    assert.ok(answers.every((why) => /^the local MTA: 550 5\.1\.1 .* User unknown/.test(why)));
    assert.match(await mx.send({ to: `${recipients[0]}` }), /^250 2\.0\.0 /);
  } finally {
    await mx.close();
  }
});
