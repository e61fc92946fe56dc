/** The checks that look into a mail: empty_body and attachments. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import attachments from '../../plugins/attachments.js';
import emptyBody from '../../plugins/empty_body.js';
import type { Attachment, Content, Unlisted } from '../../src/mail/content/content.js';
import { attached, encoded, multipart, part, zip } from '../mime/mails.js';
import { Mx } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { said } from './mail.js';

let mx: Mx;
const lists = mkdtempSync(join(tmpdir(), 'postern-lists-'));
before(async () => {
  writeFileSync(join(lists, 'list'), '# ours\n*.odt\nimage/*\n');
  mx = await Mx.start({
    markers: [
      'example.com/users/valid/alice',
      'example.com/checks/empty_body',
      'example.com/checks/attachments',
      'off.example/users/valid/alice',
    ],
  });
});
after(async () => {
  await mx.close();
  rmSync(lists, { recursive: true });
});

const from = 'From: <a@sender.example>\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\n';
const text = part(['Content-Type: text/plain'], 'Hello.');
const noKind = /^550 5\.7\.1 Attachment of this kind is not accepted: /;
const empty = /^550 5\.7\.1 The mail is empty \(/;
const taken = /^250 /;

const table: readonly (readonly [what: string, mail: string, reply: RegExp])[] = [
  ['text', `${from}\r\nHello.`, taken],
  ['no body', `${from}\r\n`, empty],
  ['white space', `${from}\r\n \r\n\t\r\n`, empty],
  [
    'two empty alternatives',
    from +
      multipart(
        [part(['Content-Type: text/plain'], ''), part(['Content-Type: text/html'], '<p>&nbsp;</p>')],
        'B',
        'alternative',
      ),
    empty,
  ],
  ['an attachment alone', from + multipart([attached('a.pdf')]), taken],
  ['a program', from + multipart([text, attached('Invoice.EXE')]), /: Invoice\.EXE \(/],
  [
    'a program in an archive',
    from + multipart([text, encoded('a.zip', zip(['docs/a.txt', 'docs/run.scr']))]),
    /: run\.scr \(/,
  ],
  ['an archive of text', from + multipart([text, encoded('a.zip', zip(['docs/a.txt']))]), taken],
  ['a document', from + multipart([text, encoded('a.docx', zip(['word/document.xml']))]), taken],
  [
    'a name that breaks lines and colours',
    from + multipart([text, attached('a\x1b[31m"\\=?utf-8?q?=0d=0aX-Evil: 1?=.exe')]),
    noKind,
  ],
  [
    'more parts than anybody sends',
    from + multipart(Array<string>(2000).fill(text)),
    /^550 5\.7\.1 The content of your mail cannot be examined \(/,
  ],
];
for (const [what, message, reply] of table) {
  test(`through the socket: ${what}`, async () => {
    assert.match(await mx.send({ message }), reply);
    assert.match(await mx.send({ message, to: 'alice@off.example' }), taken, 'where the checks are off');
  });
}

test('a name of a hundred thousand dots is looked at in one pass', async () => {
  const name = `${`${'.'.repeat(900)}\r\n `.repeat(110)}.exe`;
  const dotted = `Content-Type: text/plain\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\nx`;
  assert.match(await mx.send({ message: from + multipart([text, dotted]) }), /^550 5\.7\.1 Attachment of this kind/);
});

test('more names in archives than anybody sends: the mail cannot be examined', async () => {
  const names = (of: string): string[] => Array.from({ length: 9000 }, (_, i) => `${of}${i}`);
  const zips = ['a', 'b', 'c'].map((of) => encoded(`${of}.zip`, zip(names(of))));
  assert.match(await mx.send({ message: from + multipart([text, ...zips.slice(0, 2)]) }), taken);
  assert.match(await mx.send({ message: from + multipart([text, ...zips]) }), /^550 5\.7\.1 .* cannot be examined/);
});

test('a large mail is read from disk', async () => {
  const large = encoded('large.zip', Buffer.concat([Buffer.alloc(1_000_000, 'x'), zip(['a.exe'])]));
  assert.match(await mx.send({ message: from + multipart([text, large]) }), /: a\.exe \(/);
});

test('archives are opened where they are looked into, and only there', async (t) => {
  if (!needPeer(t, 'bsdtar')) return;
  const strict = await Mx.start({
    markers: ['example.com/users/valid/alice', 'example.com/checks/attachments', 'example.com/checks/empty_body'],
    plugins: ['valid_users', 'empty_body', 'attachments encrypted=reject macros=reject'],
  });
  t.after(() => strict.close());
  const tar = (name: string): Buffer => {
    writeFileSync(join(lists, name), 'x');
    return execFileSync('bsdtar', ['-czf', '-', '-C', lists, name]);
  };
  const ole = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.from('_VBA_PROJECT', 'utf16le')]);
  const lockedZip = zip(['a.txt']);
  lockedZip.writeUInt16LE(1, 6);
  const wishes: unknown[] = [];
  const { content } = strict.listener.services;
  const read = content.read.bind(content);
  content.read = (message, keep) => {
    wishes.push(keep?.kind);
    return read(message, keep);
  };
  for (const [name, octets, reply, looks] of [
    ['a.tgz', tar('a.exe'), /: a\.exe \(/, [undefined, 'archives']],
    ['b.tgz', tar('b.txt'), taken, [undefined, 'archives']],
    ['c.zip', zip(['c.exe']), /: c\.exe \(/, [undefined]],
    ['d.zip', lockedZip, /Encrypted attachments are not accepted: d\.zip \(/, [undefined]],
    ['e.doc', ole, /Documents with macros are not accepted: e\.doc \(/, [undefined]],
    ['f.docx', zip(['word/vbaProject.bin']), /Documents with macros are not accepted: f\.docx \(/, [undefined]],
  ] as const) {
    wishes.length = 0;
    assert.match(await strict.send({ message: from + multipart([text, encoded(name, octets)]) }), reply, name);
    assert.deepEqual(wishes, looks, name);
  }
});

test('no thread is started for mail that no plugin looks into', async () => {
  const quiet = await Mx.start({ markers: ['example.com/users/valid/alice'] });
  const { content } = quiet.listener.services;
  let asked = 0;
  const read = content.read.bind(content);
  content.read = (message) => {
    asked++;
    return read(message);
  };
  assert.match(await quiet.send(), taken);
  assert.equal(asked, 0);
  quiet.touch('example.com/checks/empty_body');
  quiet.touch('example.com/checks/attachments');
  assert.match(await quiet.send(), taken);
  assert.equal(asked, 1, 'both checks share one reading');
  await quiet.close();
});

const holding = (...some: readonly Partial<Attachment>[]): Content => ({
  kind: 'read',
  text: '',
  html: '',
  attachments: some.map((one) => ({ names: [], type: 'application/octet-stream', size: 1, inside: [], ...one })),
});
const unreadable: Content = { kind: 'unreadable', why: 'too deep', isLasting: true };
const slow: Content = { kind: 'unreadable', why: 'takes longer', isLasting: false };
const refused = 'reject 5.7.1 Attachment of this kind is not accepted: ';
const shipped = attachments([]);

const locked = { names: ['a.zip'], isEncrypted: true };
const packed = (kind: Unlisted['kind']): Partial<Attachment> => ({ names: ['a.7z'], unlisted: { kind, why: 'why' } });

const names: readonly (readonly [what: string, plugin: typeof shipped, content: Content, expected: string])[] = [
  ['what Windows drops from the end', shipped, holding({ names: ['a.exe. .'] }), `${refused}a.exe`],
  ['what nobody sees', shipped, holding({ names: ['a.e\u200bxe'] }), `${refused}a.exe`],
  ['a name written backwards', shipped, holding({ names: ['a\u202efdp.exe'] }), `${refused}afdp.exe`],
  ['a folder of Windows', shipped, holding({ inside: ['a.txt\\b.exe'] }), `${refused}b.exe`],
  ['a folder like a program', shipped, holding({ inside: ['a.exe/b.txt'] }), 'pass'],
  ['a type', shipped, holding({ type: 'application/x-msdownload' }), `${refused}application/x-msdownload`],
  ['an ending that is no more than that', shipped, holding({ names: ['exe', 'aexe', 'a.exe.txt'] }), 'pass'],
  ['a list of one’s own: a name', attachments([join(lists, 'list')]), holding({ names: ['a.odt'] }), `${refused}a.odt`],
  [
    'a list of one’s own: a type',
    attachments([join(lists, 'list')]),
    holding({ type: 'image/png' }),
    `${refused}image/png`,
  ],
  ['a list of one’s own: not on it', attachments([join(lists, 'list')]), holding({ names: ['a.exe'] }), 'pass'],
  ['unreadable, as it comes', shipped, unreadable, 'reject 5.7.1 The content of your mail cannot be examined'],
  ['unreadable now', shipped, slow, 'defer 451 4.7.1'],
  ['unreadable=pass, now', attachments(['unreadable=pass']), slow, 'pass'],
  ['unreadable=pass', attachments(['unreadable=pass']), unreadable, 'pass'],
  [
    'unreadable=reject',
    attachments(['unreadable=reject']),
    unreadable,
    'reject 5.7.1 The content of your mail cannot be examined',
  ],
  ['a program that is compressed by itself', shipped, holding({ names: ['a.exe.gz'] }), `${refused}a.exe`],
  ['a password', shipped, holding(locked), 'pass'],
  ['encrypted=log', attachments(['encrypted=log']), holding(locked), 'note'],
  [
    'encrypted=reject',
    attachments(['encrypted=reject']),
    holding({}, locked),
    'reject 5.7.1 Encrypted attachments are not accepted: a.zip',
  ],
  [
    'macros=reject, by its type',
    attachments(['macros=reject']),
    holding({ names: ['a'], type: 'application/vnd.ms-word.document.macroenabled.12' }),
    'reject 5.7.1 Documents with macros are not accepted: a',
  ],
  [
    'macros=reject, by its name',
    attachments(['macros=reject', 'encrypted=log']),
    holding({ names: ['a.XLSM'] }),
    'reject 5.7.1 Documents with macros are not accepted: a.XLSM',
  ],
  ['macros=reject, a document without', attachments(['macros=reject']), holding({ names: ['a.docx'] }), 'pass'],
  [
    'packed to burst',
    shipped,
    holding(packed('beyond limits')),
    'reject 5.7.1 The content of your mail cannot be examined',
  ],
  ['packed to burst, unreadable=pass', attachments(['unreadable=pass']), holding(packed('beyond limits')), 'pass'],
  ['packed, and the machine busy', shipped, holding(packed('late')), 'defer 451 4.7.1'],
  ['packed, and nobody there to open it', shipped, holding(packed('no program')), 'note'],
  ['empty_body: unreadable', emptyBody, unreadable, 'pass'],
];
for (const [what, plugin, content, expected] of names) {
  test(`names: ${what}`, async () => assert.equal(await said(plugin, { content, checks: [plugin.name] }), expected));
}

const html: readonly (readonly [what: string, html: string, expected: string])[] = [
  ['nothing', '', 'reject 5.7.1 The mail is empty'],
  [
    'tags and styles',
    '<html><style>p { color: red }</style><body>\n<p>&#160;</p></body>',
    'reject 5.7.1 The mail is empty',
  ],
  ['a word', '<body><p>x', 'pass'],
  ['a word behind a head that is not closed', '<head><meta name=x>x', 'pass'],
  ['a picture', '<img src=x>', 'pass'],
  ['a tag that is not closed', '<p x', 'pass'],
  ['so many tags that it was cut', '<'.repeat(1 << 18), 'pass'],
];
for (const [what, body, expected] of html) {
  test(`HTML: ${what}`, async () => {
    const content: Content = { kind: 'read', text: ' \u200b', html: body, attachments: [] };
    assert.equal(await said(emptyBody, { content }), expected);
  });
}

const badArguments: readonly (readonly string[])[] = [
  ['a', 'b'],
  ['/nonexistent'],
  ['unreadable=maybe'],
  ['unreadable=defer'],
  ['unreadable='],
  ['encrypted=pass'],
  ['macros='],
];
for (const args of badArguments) test(`bad arguments: ${args.join(' ')}`, () => assert.throws(() => attachments(args)));
