/** What the threads find in mails, and what they do with mails that are made to hurt. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { Content } from '../../src/mail/content/content.js';
import type { MessageSource } from '../../src/mail/message.js';
import { type ContentReader, openContentReader } from '../../src/mime/content-reader.js';
import { readContent } from '../../src/mime/read-content.js';
import { attached, encoded, multipart, part, zip } from './mails.js';
import { cpuMs, mainThreadCpuMs } from '../support/cpu.js';

let reader: ContentReader;
before(() => {
  reader = openContentReader({ threads: 1, timeMs: 60_000, memoryMb: 256 });
});
after(() => reader.close());

const inMemory = (text: string): MessageSource => ({ size: text.length, parts: () => [Buffer.from(text, 'latin1')] });

/** In pieces of this many octets, as from disk. */
const inPieces = (text: string, size: number): MessageSource => ({
  size: text.length,
  parts: async function* () {
    for (let at = 0; at < text.length; at += size) {
      await new Promise(setImmediate);
      yield Buffer.from(text.slice(at, at + size), 'latin1');
    }
  },
});

/** All names and types found, archives' names behind a colon; or that it is unreadable. */
function gist(content: Content): string[] {
  if (content.kind === 'unreadable') return [`unreadable: ${content.why}`];
  return content.attachments.map(({ type, names, inside }) =>
    [type, ...names, ...inside.map((name) => `:${name}`)].join(' '),
  );
}

const mail = 'message/rfc822';
const inMail = (text: string): string => part([`Content-Type: ${mail}`], text);
const exe = 'application/octet-stream';
const table: readonly (readonly [what: string, mail: string, found: readonly string[]])[] = [
  ['no attachment', part(['Subject: x'], 'Hello.'), []],
  ['an attachment with a name', multipart([attached('a.pdf')]), ['application/pdf a.pdf']],
  ['a type of its own', part(['Content-Type: image/png; name=a.png']), ['image/png a.png']],
  ['a name of RFC 2047', multipart([attached('=?utf-8?q?b=2Eexe?=')]), [`${exe} b.exe`]],
  [
    'a name of RFC 2231, in pieces',
    multipart([part(["Content-Disposition: attachment; filename*0*=utf-8''b%2E; filename*1=exe"])]),
    ['application/octet-stream b.exe'],
  ],
  [
    'two names',
    multipart([part(['Content-Disposition: attachment; filename=a.txt', 'Content-Type: text/x; name=a.exe'])]),
    ['text/x a.txt a.exe'],
  ],
  ['text with a name', part(['Content-Type: text/plain; name=a.js']), ['text/plain a.js']],
  ['uuencoded text', part(['Subject: x'], 'begin 644 a.exe\r\n#0V%T\r\nend'), ['text/plain a.exe']],
  ['an archive', multipart([encoded('a.zip', zip(['x/a.exe', 'b']))]), ['application/zip a.zip :x/a.exe :b']],
  [
    'an archive without local headers, behind other octets',
    multipart([encoded('a.gif', Buffer.concat([Buffer.from('GIF89a'), zip(['a.exe'], { centralOnly: true })]))]),
    ['application/zip a.gif :a.exe'],
  ],
  ['a mail in a mail', multipart([inMail(multipart([attached('a.exe')], 'C'))]), [mail, `${exe} a.exe`]],
  ['a mail that is a mail', inMail(multipart([attached('a.exe')])), [mail, `${exe} a.exe`]],
  [
    'a mail in base64',
    multipart([
      part(
        [`Content-Type: ${mail}`, 'Content-Transfer-Encoding: base64'],
        Buffer.from(multipart([attached('a.exe')], 'C')).toString('base64'),
      ),
    ]),
    [mail, `${exe} a.exe`],
  ],
  ['no boundary at the end', multipart([attached('a.exe')]).replace('--B--\r\n', ''), [`${exe} a.exe`]],
  ['white space behind a boundary', multipart([attached('a.exe')]).replace('--B\r\n', '--B \t\r\n'), [`${exe} a.exe`]],
  ['a multipart without parts', 'Content-Type: multipart/mixed\r\n\r\nx', []],
  [
    'a multipart whose parts only others find',
    multipart([attached('a.exe')]).replaceAll('--B', '--C'),
    ['text/plain a.exe'],
  ],
  [
    'a multipart without parts in one that has some',
    multipart([part(['Content-Type: multipart/mixed; boundary=C'], '--D\r\nContent-Type: x/y; name=a.exe\r\n\r\nx')]),
    ['text/plain a.exe'],
  ],
  [
    'a bounce with a multipart of which only the header came back',
    multipart([inMail('Subject: x\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n')]),
    [mail],
  ],
  ['names of the prototype', part(['Content-Type: text/plain; __proto__=x; constructor=y', '__proto__: x']), []],
];
for (const [what, text, found] of table) {
  test(what, async () => {
    assert.deepEqual(gist(await reader.read(inMemory(text))), found);
    assert.deepEqual(gist(await reader.read(inPieces(text, 7))), found, 'in pieces');
  });
}

test('text is decoded, HTML is left as it is', async () => {
  const html = part(['Content-Type: text/html'], '<p>x');
  const text = part(
    ['Content-Type: text/plain; charset=iso-8859-1', 'Content-Transfer-Encoding: quoted-printable'],
    'gr=FC=DF',
  );
  const content = await reader.read(inMemory(multipart([text, html], 'B', 'alternative')));
  assert.deepEqual(content, { kind: 'read', text: 'grüß', html: '<p>x', attachments: [] });
});

/** [what, the mail, its text and HTML] */
const texts: readonly (readonly [what: string, mail: string, text: string, html: string])[] = [
  ['a multipart without parts is text', 'Content-Type: multipart/mixed\r\n\r\nHello.', 'Hello.', ''],
  ['a header that goes over into the body', 'Subject: x\r\nHello: world\r\n<b>you</b>\r\n', '<b>you</b>', ''],
  ['a mailbox separator', 'From a@sender.example Sat Nov 28 2026\r\nSubject: x\r\n\r\nHello.', 'Hello.', ''],
  ['a field that is folded', 'Subject: x\r\n y\r\n\tz\r\n\r\nHello.', 'Hello.', ''],
];
for (const [what, octets, text, html] of texts) {
  test(`text: ${what}`, async () => {
    for (const source of [inMemory(octets), inPieces(octets, 7)]) {
      const content = await reader.read(source);
      assert.ok(content.kind === 'read');
      assert.deepEqual([content.text.trim(), content.html], [text, html]);
    }
  });
}

const bombs: readonly (readonly [what: string, mail: string, why: RegExp | undefined])[] = [
  ['100,000 parts', multipart(Array<string>(100_000).fill('\r\nx')), /child nodes/],
  ['parts in parts', nested(100), /parts in parts, deeper than 50/],
  ['mails in mails', `${`Content-Type: ${mail}\r\n\r\n`.repeat(50)}x`, /mails in mails, deeper than 5/],
  ['a field of megabytes', `X: ${'a\r\n '.repeat(400_000)}\r\n\r\nx`, /header size/],
  ['an archive of 20,000 names', multipart([encoded('a.zip', zip(many(20_000)))]), /too many names/],
  ['HTML in HTML', part(['Content-Type: text/html'], '<div>'.repeat(200_000)), undefined],
  ['groups in groups', part([`From: ${'a:'.repeat(20_000)}`]), undefined],
  ['an unknown character set', part(['Content-Type: text/plain; charset="\\"; x="']), undefined],
];
for (const [what, text, why] of bombs) {
  test(`does not hurt: ${what}`, async () => {
    const content = await reader.read(inMemory(text));
    if (why === undefined) assert.equal(content.kind, 'read');
    else assert.match(gist(content).join(), why);
  });
}

function nested(depth: number): string {
  let text = 'x';
  for (let i = 0; i < depth; i++) text = multipart([text], `B${i}.`);
  return text;
}
function many(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `name-${i}`);
}

/** Half a megabyte that a reader of addresses needs many seconds for. */
const bomb = `${'g:'.repeat(450)}\r\n `.repeat(550);
for (const name of ['From', 'To', 'Return-Path', 'List-Unsubscribe', 'Subject', 'References']) {
  test(`${name}: is not read, of the mail or of a part, so it takes no time`, async () => {
    const field = `${name}: ${bomb}x@y.example`;
    const mails = [part([field], 'Hello.'), multipart([part([field, 'Content-Type: text/plain'], 'Hello.')])];
    const startMs = cpuMs();
    for (const text of mails) {
      const content = await readContent(Readable.from([Buffer.from(text, 'latin1')]));
      assert.equal(content.kind === 'read' && content.text.trim(), 'Hello.');
    }
    assert.ok(cpuMs() - startMs < 2000, `${cpuMs() - startMs} ms of CPU time`);
  });
}

test('a mail that takes too long or too much is unreadable, the thread that serves goes on, and so does the next mail', async () => {
  const own = openContentReader({ threads: 1, timeMs: 6000, memoryMb: 64 });
  const slow = part(['Content-Type: text/plain; charset=utf-7'], '+AGE-'.repeat(8_000_000));
  let longest = 0;
  let last = mainThreadCpuMs();
  const watch = setInterval(() => {
    longest = Math.max(longest, mainThreadCpuMs() - last);
    last = mainThreadCpuMs();
  }, 5);
  const [first, second] = await Promise.all([
    own.read(inPieces(slow, 1 << 16)),
    own.read(inMemory(part(['Subject: x']))),
  ]);
  clearInterval(watch);
  assert.match(gist(first).join(), /takes longer than 6000 ms|memory/);
  assert.equal(second.kind, 'read');
  assert.ok(longest < 1000, `held up for ${longest} ms`);
  await own.close();
});

test('a message that cannot be read from disk is the caller’s to hear of, and the next one is read', async () => {
  const broken: MessageSource = {
    size: 10,
    parts: async function* () {
      yield await Promise.resolve(Buffer.from('Subject: x\r\n'));
      throw new Error('EIO');
    },
  };
  await assert.rejects(reader.read(broken), /EIO/);
  assert.equal((await reader.read(inMemory('\r\nx'))).kind, 'read');
});

test('with octets changed, taken out or put in anywhere, and cut anywhere, the outcome is a value and the same', async () => {
  const whole = multipart([
    part(['Content-Type: text/plain; charset=utf-8'], 'Hello.'),
    encoded('a.zip', zip(['x/a.exe', 'b'])),
    inMail(multipart([attached('=?utf-8?q?b=2Eexe?=')], 'C')),
  ]);
  const octet = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
  const put = fc.oneof(
    fc.string({ unit: octet, maxLength: 5 }),
    fc.constantFrom('--B\r\n', '--B--', '\r\n\r\n', '"', ';', '=?'),
  );
  const change = fc.record({ place: fc.nat(whole.length - 1), drop: fc.nat(8), put });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 300 }),
      async (all, size) => {
        let text = whole;
        for (const one of all) text = text.slice(0, one.place) + one.put + text.slice(one.place + one.drop);
        const content = await reader.read(inMemory(text));
        assert.ok(
          content.kind === 'read' || !/time|takes longer|thread|memory/i.test(content.why),
          gist(content).join(),
        );
        assert.deepEqual(await reader.read(inPieces(text, size)), content);
      },
    ),
    { numRuns: 300 },
  );
});

const png = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(100)]);
const picture = (cid: string, octets: Buffer, type = 'image/png'): string =>
  part(
    [`Content-Type: ${type}`, `Content-ID: <${cid}>`, 'Content-Transfer-Encoding: base64'],
    octets.toString('base64').replace(/.{76}/g, '$&\r\n'),
  );
const keptOf = (content: Content): readonly string[] =>
  content.kind === 'read' ? content.attachments.flatMap(({ cid, octets }) => (octets ? [String(cid)] : [])) : ['?'];

test('pictures that HTML may name come with their octets, by what they are and not by what they are called', async () => {
  const parts = [
    picture('a@b', png),
    picture('octets', png, 'application/octet-stream'),
    picture('svg', Buffer.from('<svg onload="x()"/>'), 'image/svg+xml'),
    picture('liar', Buffer.from('<script>x()</script>')),
    picture('large', Buffer.concat([png, Buffer.alloc(2 << 20)])),
    attached('a.png'),
  ];
  const whole = inMemory(multipart(parts));
  const content = await reader.read(whole, { kind: 'images' });
  assert.deepEqual(keptOf(content), ['a@b', 'octets']);
  assert.deepEqual(
    content.kind === 'read' && content.attachments[0]?.octets && Buffer.from(content.attachments[0].octets),
    png,
  );
  assert.deepEqual(keptOf(await reader.read(whole)), []);
});

test('of many pictures no more than eight megabytes come', async () => {
  const large = Buffer.concat([png, Buffer.alloc(1_900_000)]);
  const whole = multipart(Array.from({ length: 9 }, (_, i) => picture(`p${i}`, large)));
  assert.deepEqual(keptOf(await reader.read(inMemory(whole), { kind: 'images' })), ['p0', 'p1', 'p2', 'p3']);
});

test('one attachment comes with its octets, that of an attached mail too', async () => {
  const text = part(
    ['Content-Type: text/plain; name=note.txt', 'Content-Disposition: inline; filename=note.txt'],
    'hi',
  );
  const whole = inMemory(multipart([inMail(multipart([attached('a.exe')], 'C')), text, picture('x', png)]));
  const names = async (at: number): Promise<readonly string[]> => {
    const content = await reader.read(whole, { kind: 'attachment', at });
    assert.ok(content.kind === 'read');
    return content.attachments.flatMap(({ names: [name = '-'], octets, size }, i) =>
      octets ? [`${i} ${name} ${octets.length === size}`] : [],
    );
  };
  assert.deepEqual(await names(1), ['1 a.exe true']);
  assert.deepEqual(await names(2), ['2 - true']);
  assert.deepEqual(await names(3), ['3 note.txt true']);
  assert.deepEqual(await names(4), []);
});
