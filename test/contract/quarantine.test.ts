/** srv-and-spam §6: the quarantine. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { message, type Mx } from '../support/mx.js';
import { contrast, deferred, fateOf, fieldOf, type Mail, noSuchUser, relayed, startMx, sorted } from './support.js';

let mx: Mx;
let today: string;
before(async () => {
  today = execFileSync('date', ['+%-j'], { encoding: 'utf8' }).trim();
  mx = await startMx({
    markers: [
      'example.com/users/valid/alice',
      'other.example/',
      'xn--bcher-kva.example/',
      'old.example/',
      'torn.example/',
      'many.example/',
      'big.example/',
    ],
    settings: ['xclient_networks=loopback'],
    zone: { '1.2.0.192.in-addr.arpa': { PTR: ['client.example'] }, 'client.example': { A: ['192.0.2.1'] } },
  });
});
after(() => mx.close());

const refused = { to: 'nobody@example.com' };
const folder = (domain: string): string => join(mx.root, 'spam', today, domain);

test('/spam/YDAY/DOMAIN/{tmp,new,cur} is a maildir, YDAY as date +%-j prints it', async () => {
  const { archived } = await fateOf(mx, refused);
  assert.equal(dirname(archived[0]?.path ?? ''), join(folder('example.com'), 'new'));
  for (const name of ['tmp', 'new', 'cur']) assert.ok(statSync(join(folder('example.com'), name)).isDirectory(), name);
  assert.deepEqual(readdirSync(join(folder('example.com'), 'tmp')), [], 'nothing is left in tmp');
});

test('each domain has a folder of its own, named by its A-labels', async () => {
  for (const [to, domain] of [
    ['x@OTHER.example', 'other.example'],
    ['x@bücher.example', 'xn--bcher-kva.example'],
  ] as const) {
    const { archived, index } = await fateOf(mx, { to });
    assert.equal(dirname(archived[0]?.path ?? ''), join(folder(domain), 'new'));
    assert.equal(index.length, 1);
    assert.ok(readFileSync(join(folder(domain), 'index'), 'utf8').includes(String(index[0]?.['filename'])));
  }
});

test('one copy a refused recipient, and one index line a copy', async () => {
  const to = ['one@example.com', 'two@example.com', 'three@example.com'];
  const { archived, index } = await fateOf(mx, { to });
  assert.deepEqual(sorted(archived.map(({ text }) => fieldOf(text, 'Recipient'))), sorted(to));
  assert.deepEqual(
    index.map(({ recipient }) => recipient),
    to,
  );
  for (const { recipient, filename } of index) {
    const copy = archived.find(({ path }) => basename(path) === filename);
    assert.equal(fieldOf(copy?.text ?? '', 'Recipient'), recipient, 'the line names its own copy');
  }
});

test('the copy begins with Recipient: ADDRESS, then the message with our fields', async () => {
  const { archived } = await fateOf(mx, { to: '"No Body"@EXAMPLE.com', body: 'text' });
  const [{ text } = { text: '' }] = archived;
  assert.ok(text.startsWith('Recipient: "No Body"@example.com\r\nReceived: from '), text);
  assert.ok(text.endsWith('\r\n\r\ntext\r\n'));
});

test('a Recipient: field that came with the mail does not stand first', async () => {
  const { archived } = await fateOf(mx, { ...refused, fields: ['Recipient: boss@example.com'] });
  assert.equal(fieldOf(archived[0]?.text ?? '', 'Recipient'), 'nobody@example.com');
});

test('/spam/today leads to the folder of this day', async () => {
  await fateOf(mx, refused);
  assert.equal(readlinkSync(join(mx.root, 'spam', 'today')), today);
});

// The index

const keys = [
  'time',
  'from',
  'recipient',
  'subject',
  'filename',
  'ip',
  'host',
  'helo',
  'reason',
  'plugin',
  'message-id',
  'size',
  'reply',
  'header_from',
];

test('the index has one JSON object a line: its keys, in order', async () => {
  const { index } = await fateOf(mx, refused);
  assert.deepEqual(Object.keys(index[0] ?? {}), keys);
});

test('the values of an index line', async () => {
  const begun = Date.now();
  const { archived, index } = await fateOf(mx, {
    from: 'Sender@Sender.Example',
    to: 'Nobody@example.com',
    helo: 'Mail.Client.Example',
    client: 'ADDR=192.0.2.1',
    without: ['from', 'subject', 'message-id'],
    fields: [
      'From: =?iso-8859-1?Q?J=FCrgen?= <juergen@bank.example>',
      'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= an alle',
      'Message-ID: <4711@client.example>',
    ],
  });
  const { time, filename, size, reply, ...values } = index[0] ?? {};
  assert.deepEqual(values, {
    from: 'Sender@sender.example',
    recipient: 'Nobody@example.com',
    subject: 'Grüße an alle',
    ip: '192.0.2.1',
    host: 'client.example',
    helo: 'Mail.Client.Example',
    reason: 'No such user',
    plugin: 'valid_users',
    'message-id': '<4711@client.example>',
    header_from: 'Jürgen <juergen@bank.example>',
  });
  assert.match(String(reply), noSuchUser);
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/);
  assert.ok(Math.abs(Date.parse(String(time)) - begun) < 5000);
  assert.equal(filename, basename(archived[0]?.path ?? ''));
  assert.equal(size, statSync(archived[0]?.path ?? '').size);
});

const absentValues: readonly (readonly [key: string, mail: Mail])[] = [
  ['from', { from: '' }],
  ['subject', { without: ['subject'] }],
  ['header_from', { without: ['from'] }],
  ['message-id', { without: ['message-id'] }],
  ['host', { client: 'ADDR=192.0.2.9' }],
];
for (const [key, mail] of absentValues) {
  test(`a mail without its ${key} has '' there`, async () => {
    const { index } = await fateOf(mx, { ...refused, ...mail });
    assert.equal(index[0]?.[key], '');
    assert.deepEqual(Object.keys(index[0] ?? {}), keys);
  });
}

const hostile: readonly (readonly [what: string, mail: Mail, key: string])[] = [
  ['a line break in an encoded word', { fields: ['Subject: =?utf-8?Q?a=0D=0A{"time":"x"}?='] }, 'subject'],
  ['an escape sequence', { fields: ['Subject: \x1b[2J\x1b]0;x\x07'] }, 'subject'],
  ['a right-to-left override', { fields: ['Subject: =?utf-8?B?4oCuZ3Bq?='] }, 'subject'],
  ['a line separator', { fields: ['Subject: =?utf-8?B?YeKAqGI=?='] }, 'subject'],
  [
    'a whole line in a name',
    { without: ['from'], fields: ['From: =?utf-8?Q?=0D=0A{"time":"x"=E2=80=AE?= <a@b.example>'] },
    'header_from',
  ],
  ['quotes and backslashes', { fields: ['Message-ID: <"\\",":{}">'] }, 'message-id'],
  ['NUL', { fields: ['Subject: a\0b'] }, 'subject'],
  ['a subject of 50,000 octets', { fields: [`Subject: ${'x'.repeat(50_000)}`] }, 'subject'],
  ['a quoted sender', { from: '"\\"},{\\""@sender.example' }, 'from'],
];
for (const [what, mail, key] of hostile) {
  test(`${what} stays inside its value of one line`, async () => {
    const { index } = await fateOf(mx, { ...refused, without: ['subject', 'message-id'], ...mail });
    assert.equal(index.length, 1);
    assert.deepEqual(Object.keys(index[0] ?? {}), keys);
    assert.notEqual(index[0]?.[key], '');
    const raw =
      readFileSync(join(folder('example.com'), 'index'), 'utf8')
        .trimEnd()
        .split('\n')
        .at(-1) ?? '';
    assert.doesNotMatch(raw, /[\p{Cc}\p{Cf}\u2028\u2029]/u);
    assert.ok(raw.length <= 16_384);
  });
}

test('many at once: every 550 is one whole line, and two processes may share the folder', async () => {
  const other = await startMx({ markers: ['many.example/'], settings: [`spam=${mx.root}/spam`] });
  try {
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? mx : other).send({ to: `u${i}@many.example` })),
    );
    for (const reply of replies) assert.match(reply, noSuchUser);
    const ids = replies.map((reply) => /\((\w+)\)$/.exec(reply)?.[1]);
    const lines = readFileSync(join(folder('many.example'), 'index'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { filename: string });
    assert.deepEqual(sorted(lines.map(({ filename }) => /\.(\w+)_1\./.exec(filename)?.[1])), sorted(ids));
    assert.deepEqual(
      sorted(readdirSync(join(folder('many.example'), 'new'))),
      sorted(lines.map(({ filename }) => filename)),
    );
  } finally {
    await other.close();
  }
});

test('a reader never sees half a mail', async () => {
  const body = `${'0123456789abcdef'.repeat(60)}\r\n`.repeat(1500);
  const inNew = join(folder('big.example'), 'new');
  let seen = 0;
  const sending = new AbortController();
  const reading = (async () => {
    while (!sending.signal.aborted) {
      for (const name of statSync(inNew, { throwIfNoEntry: false }) ? readdirSync(inNew) : []) {
        assert.ok(readFileSync(join(inNew, name), 'latin1').endsWith(body), 'a mail in new/ is whole');
        seen++;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  await Promise.all(Array.from({ length: 4 }, () => sendBig(body))).finally(() => sending.abort());
  await reading;
  assert.ok(seen > 0 || readdirSync(inNew).length === 4);
});

async function sendBig(body: string): Promise<void> {
  assert.match(await mx.send({ to: 'x@big.example', message: message({ body: body.trimEnd() }) }), noSuchUser);
}

test('a torn last line from a crash is skipped and repaired', async () => {
  await fateOf(mx, { to: 'first@torn.example' });
  const path = join(folder('torn.example'), 'index');
  appendFileSync(path, '{"time":"2026-01-01T00:00:00Z","from":"torn@sen');
  assert.match(await mx.send({ to: 'second@torn.example' }), noSuchUser);
  const lines = readFileSync(path, 'utf8').split('\n');
  assert.equal(lines.pop(), '', 'the last line is complete');
  const whole = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as { recipient: string });
  assert.deepEqual(
    whole.map(({ recipient }) => recipient),
    ['first@torn.example', 'second@torn.example'],
  );
});

test("a day's folder from an earlier year is emptied before it is written to again", async () => {
  const lastYear = new Date(Date.now() - 365 * 86_400_000);
  const name = `${Math.floor(lastYear.getTime() / 1000)}.0000000000AAAA_1.mx`;
  for (const sub of ['tmp', 'new', 'cur']) mkdirSync(join(folder('old.example'), sub), { recursive: true });
  const files = [join('new', name), join('cur', `${name}:2,S`), 'index'];
  for (const file of files) {
    writeFileSync(
      join(folder('old.example'), file),
      file === 'index' ? `{"time":"${lastYear.toISOString()}","filename":"${name}"}\n` : 'old',
    );
    utimesSync(join(folder('old.example'), file), lastYear, lastYear);
  }
  for (const sub of ['tmp', 'new', 'cur', '.']) utimesSync(join(folder('old.example'), sub), lastYear, lastYear);
  const reply = await mx.send({ to: 'x@old.example' });
  assert.match(reply, noSuchUser);
  const id = /\((\w+)\)$/.exec(reply)?.[1] ?? '';
  assert.deepEqual(readdirSync(join(folder('old.example'), 'cur')), []);
  assert.equal(readdirSync(join(folder('old.example'), 'new')).length, 1);
  const [line, ...more] = readFileSync(join(folder('old.example'), 'index'), 'utf8')
    .trim()
    .split('\n');
  assert.ok(line?.includes(id));
  assert.deepEqual(more, []);
});

test('expiry keeps 30 days by default', async () => {
  const other = await startMx({ markers: ['example.com/'] });
  try {
    const { quarantine } = other.listener.services;
    assert.match(await other.send(), noSuchUser);
    const inDays = (days: number): Date => new Date(Date.now() + days * 86_400_000);
    await quarantine.expire(inDays(29));
    assert.equal(other.archived().length, 1);
    await quarantine.expire(inDays(32));
    assert.equal(other.archived().length, 0);
  } finally {
    await other.close();
  }
});

// A quarantine that fails: 451 or 452, never 550; and good mail goes on.

/** [what is broken, how, how it is mended] below a /spam that has been written to. */
const faults: readonly (readonly [what: string, damage: (spam: string) => void, mend: (spam: string) => void])[] = [
  ['/spam is a file', (spam) => aside(spam, ''), (spam) => back(spam)],
  ["the day's folder is a file", (spam) => aside(join(spam, today), ''), (spam) => back(join(spam, today))],
  [
    "the domain's folder is a file",
    (spam) => aside(join(spam, today, 'example.com'), ''),
    (spam) => back(join(spam, today, 'example.com')),
  ],
  [
    'tmp is a file',
    (spam) => aside(join(spam, today, 'example.com/tmp'), ''),
    (spam) => back(join(spam, today, 'example.com/tmp')),
  ],
  [
    'new is a file',
    (spam) => aside(join(spam, today, 'example.com/new'), ''),
    (spam) => back(join(spam, today, 'example.com/new')),
  ],
  [
    'the index is a folder',
    (spam) => aside(join(spam, today, 'example.com/index'), undefined),
    (spam) => back(join(spam, today, 'example.com/index')),
  ],
];

function aside(path: string, text: string | undefined): void {
  renameSync(path, `${path}.aside`);
  if (text === undefined) mkdirSync(path);
  else writeFileSync(path, text);
}

function back(path: string): void {
  rmSync(path, { recursive: true });
  renameSync(`${path}.aside`, path);
}

for (const [what, damage, mend] of faults) {
  test(`archiving that fails because ${what}: 451, never 550; good mail goes on; all is well once mended`, async () => {
    assert.match((await fateOf(mx, refused)).reply, noSuchUser, 'the folder is there');
    const spam = join(mx.root, 'spam');
    damage(spam);
    try {
      const reply = await mx.send(refused);
      assert.match(reply, deferred);
      assert.match(await mx.send(), relayed);
      const fate = mx.fates().at(-2);
      assert.equal(fate?.['verdict'], 'deferred');
      assert.match(String(fate?.['reason']), /^not archived: .*spam/, 'the log names the path');
    } finally {
      mend(spam);
    }
    assert.deepEqual(readdirSync(join(folder('example.com'), 'tmp')), [], 'nothing is left in tmp');
    const files = readdirSync(join(folder('example.com'), 'new'));
    const lines = readFileSync(join(folder('example.com'), 'index'), 'utf8')
      .trim()
      .split('\n')
      .filter((line) => line !== '');
    assert.equal(files.length, lines.length, 'neither a mail without its line nor a line without its mail');
    assert.match((await fateOf(mx, refused)).reply, noSuchUser, 'mended');
  });
}

test('a folder that the operator has removed is made again', async () => {
  rmSync(folder('example.com'), { recursive: true });
  assert.match((await fateOf(mx, refused)).reply, noSuchUser);
  rmSync(join(mx.root, 'spam'), { recursive: true });
  assert.match((await fateOf(mx, refused)).reply, noSuchUser);
});

/** A small file system of its own for /spam, where that is allowed. */
function mounted(options: string, at: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', at], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('a full quarantine: 452, never 550; good mail goes on; all is well once there is room', async (t) => {
  const other = await startMx({ markers: ['example.com/users/valid/alice'] });
  const spam = join(other.root, 'spam');
  mkdirSync(spam);
  const isMounted = mounted('size=256k', spam);
  try {
    if (!isMounted) return t.skip('needs mount(8)');
    writeFileSync(join(spam, 'filler'), Buffer.alloc(100_000));
    assert.match((await fateOf(other, refused)).reply, noSuchUser);
    const body = `${'x'.repeat(70)}\r\n`.repeat(3000);
    assert.match((await fateOf(other, { ...refused, body })).reply, /^452 4\.3\.1 /);
    assert.match((await fateOf(other)).reply, relayed);
    rmSync(join(spam, 'filler'));
    assert.match((await fateOf(other, { ...refused, body })).reply, noSuchUser);
  } finally {
    if (isMounted) execFileSync('umount', ['-l', spam]);
    await other.close();
  }
});

test('a read-only quarantine: 451, never 550; good mail goes on; all is well once it is writable', async (t) => {
  const other = await startMx({ markers: ['example.com/users/valid/alice'] });
  const spam = join(other.root, 'spam');
  mkdirSync(spam);
  const isMounted = mounted('size=4m', spam);
  try {
    if (!isMounted) return t.skip('needs mount(8)');
    assert.match((await fateOf(other, refused)).reply, noSuchUser);
    execFileSync('mount', ['-o', 'remount,ro', spam]);
    assert.match((await fateOf(other, refused)).reply, deferred);
    assert.match((await fateOf(other)).reply, relayed);
    execFileSync('mount', ['-o', 'remount,rw', spam]);
    assert.match((await fateOf(other, refused)).reply, noSuchUser);
  } finally {
    if (isMounted) execFileSync('umount', ['-l', spam]);
    await other.close();
  }
});

test('a 550 with an ID is on disk: the file, and its line in the index', async () => {
  await contrast(mx, {
    markers: ['example.com/users/valid/nobody'],
    mail: refused,
    there: relayed,
    absent: noSuchUser,
  });
  const { reply, archived } = await fateOf(mx, refused);
  const id = /\((\w+)\)$/.exec(reply)?.[1] ?? '';
  const found = execFileSync('grep', ['-rl', id, join(mx.root, 'spam', today)], { encoding: 'utf8' })
    .trim()
    .split('\n');
  assert.deepEqual(sorted(found), sorted([archived[0]?.path, join(folder('example.com'), 'index')]));
});
