/** The parsers of mails: command lines, header, addresses, the names in a MIME structure, streams of a message. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { parseAddress, parsePathArgument } from '../../src/mail/address.js';
import { parseDomain } from '../../src/mail/domain.js';
import { decodeField } from '../../src/mail/encoded-word.js';
import { headerEnd, parseHeader } from '../../src/mail/header.js';
import { addressesOf } from '../../src/mail/mailboxes.js';
import { headlineOf } from '../../src/mail/shown/headline.js';
import { visibleFrom } from '../../src/mail/shown/visible-from.js';
import { readContent } from '../../src/mime/read-content.js';
import { hostsIn } from '../../plugins/shared/links.js';
import { firstLook } from '../../src/mime/archives.js';
import { type Command, parseCommand } from '../../src/smtp/command/command.js';
import { readMailParameters } from '../../src/smtp/command/mail-parameters.js';
import { DataReader } from '../../src/smtp/message/data-reader.js';
import { cutUp, type Target } from './target.js';

const unsafe = /[\p{Cc}\p{Bidi_Control}]/u;

const command: Target = {
  seeds: [
    'EHLO client.example',
    'MAIL FROM:<a@sender.example> SIZE=100 BODY=8BITMIME SMTPUTF8',
    'RCPT TO:<"a b\\"c"@example.com>',
    'RCPT TO:<@a.example,@b.example:u%x@[IPv6:2001:db8::1]>',
    'MAIL FROM:<>',
    'XCLIENT NAME=a.example ADDR=IPV6:2001:db8::1 PORT=25 PROTO=ESMTP HELO=+41+0D LOGIN=[UNAVAILABLE]',
    'RCPT TO:<\xc3\xa4@b\xc3\xbccher.example>',
    'MAIL FROM: "a >b" @ b.example. SIZE=1\tBODY=7BIT',
    'RCPT TO:< a . b\t@c.example. >\t',
    'EHLO my b\xc3\xbccher\t server',
    'STARTTLS',
    'NOOP x',
    'VRFY y',
  ],
  check(octets) {
    const line = octets.toString('latin1');
    const read = parseCommand(line);
    const strictly = parseCommand(line, true);
    if (isTaken(strictly)) assert.deepEqual(read, strictly, 'what is taken strictly is taken loosely as the same');
    if ((read.kind !== 'mail' && read.kind !== 'rcpt') || !read.argument.ok) return;
    const { path, parameters } = read.argument.value;
    assert.ok(typeof readMailParameters(parameters, 1000) === 'object');
    if (path.kind !== 'mailbox') return;
    const again = parsePathArgument(Buffer.from(`<${path.address.text}>`));
    assert.deepEqual(again.ok && again.value.path, path, 'what goes to the MTA is the address that was read');
  },
};

const isTaken = (read: Command): boolean =>
  read.kind === 'mail' || read.kind === 'rcpt' ? read.argument.ok : read.kind !== 'malformed';

const data: Target = {
  seeds: [
    'Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n',
    '..\r\n.a\r\n\r\n.\r\n',
    'a\nb\rc\r\r\n.\r\r\n.\n\r\n.\r\n',
    '\r\n\n.\r\n.',
  ],
  check(octets, random) {
    const whole = readData([octets]);
    assert.deepEqual(readData(cutUp(octets, random)), whole, 'the same, however the stream is cut');
    assert.ok(!/[^\r]\n|^\n|\r(?!\n)/.test(whole.text), 'lines end in CRLF, and nothing else is left of CR and LF');
    assert.ok(whole.text.length <= 2 * octets.length);
  },
};

function readData(pieces: readonly Buffer[]): { readonly text: string; readonly rest: string | undefined } {
  const reader = new DataReader();
  let text = '';
  let rest: string | undefined;
  for (const piece of pieces)
    if (rest === undefined) {
      const read = reader.push(piece);
      text += read.text.toString('latin1');
      rest = read.rest?.toString('latin1');
    } else rest += piece.toString('latin1');
  return { text, rest };
}

const header: Target = {
  seeds: [
    'From: =?utf-8?q?J=C3=BCrgen?= <j@a.example>\r\nSubject: =?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=\r\n =?utf-8?b?w6Q=?=\r\n\r\nbody',
    'Content-Type: text/plain; charset="windows-1252"\r\nSubject: caf\xe9 \x96\r\nno field\r\n folded\r\n\r\n',
    'subject : x\r\nSUBJECT:y\r\n:z\r\nFrom: "a, b" (c) <d@e>, f@g; h: i@j;\r\nMessage-ID: <1@a>\r\n',
    'Subject: =?utf-7?q?+AGE-?= =?x-unknown?b?AA==?= =?utf-8?q?=E2=80?= =?utf-8?q?=AE?=\r\n\r\n',
  ],
  check(octets) {
    const end = headerEnd(octets);
    assert.ok(end === undefined || end <= octets.length);
    const read = parseHeader(octets);
    assert.ok(read.fields.reduce((sum, { raw }) => sum + raw.length, 0) <= octets.length);
    for (const { name, value, raw } of read.fields) {
      assert.ok(octets.includes(raw) && value.length <= raw.length);
      assert.equal(name, name.toLowerCase());
      if (name !== '') assert.equal(read.get(name.toUpperCase()), read.all(name)[0]);
    }
    const { subject, headerFrom } = headlineOf(read);
    assert.ok(subject.length <= 2 * octets.length + 16 && headerFrom.length <= 1100);
    assert.ok(!unsafe.test(headerFrom), headerFrom);
  },
};

const addresses: Target = {
  seeds: [
    'Anna <anna@a.example>, "B, C" <b@c.example> (comment (nested)), group: d@e.example, f@g.example;',
    '=?utf-8?q?=22x=40y=22?= <z@a.example>',
    '"a\\"b"@c.example',
    'a@[192.0.2.1]',
    '<<a@b>@c>',
    'b\xfccher@xn--bcher-kva.example',
  ],
  check(octets) {
    const text = octets.toString('latin1');
    const found = addressesOf(text);
    assert.ok(found.length <= 2 * text.length + 1 && found.every((one) => one.length <= text.length));
    assert.ok(!unsafe.test(visibleFrom(text)));
    assert.ok(decodeField(text).length <= 2 * text.length + 16);
    const address = parseAddress(text);
    if (address) assert.deepEqual(parseAddress(address.text), address, 'an address reads back as itself');
    const domain = parseDomain(octets.toString());
    if (domain !== undefined) assert.ok(/^[a-z0-9_.-]{1,253}$/.test(domain) && parseDomain(domain) === domain);
  },
};

const part = (type: string, body = 'x'): string => `--b\r\nContent-Type: ${type}\r\n\r\n${body}\r\n`;
const zip =
  'PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.exePK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a.exePK\x05\x06\0\0\0\0\x01\0\x01\0\x33\0\0\0\x23\0\0\0\0\0';

const mimeNames: Target = {
  seeds: [
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n${part('text/plain; charset=utf-8')}${part('application/zip; name="a.zip"')}--b--\r\n`,
    `Content-Type: multipart/mixed; boundary="b"\r\n\r\n${part("application/x; name*0*=utf-8''%C3%A4; name*1=.exe")}${part('image/png; name==?utf-8?q?a=2Eexe?=')}`,
    `MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\nContent-Disposition: attachment; filename="..\\\\a/b.scr"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA`,
    'Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>=C3=A4=\r\n</p>',
    zip,
    'Rar!\x1a\x07\x01\x00\x00\x00\x00\x00\x03\x01\x00\x00',
    '<a href="http&colon;//www.%61.example\\x">www.b.example</a> https://c@d.example:80/',
  ],
  async check(octets) {
    const names = firstLook(octets)?.names;
    assert.ok(names === undefined || (names.length <= 10_000 && names.every((one) => one.length <= 1024)));
    for (const host of hostsIn({ text: octets.toString('latin1'), html: octets.toString('utf8') }))
      assert.match(host ?? 'a.b', /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/);
    const content = await readContent(Readable.from([octets]));
    if (content.kind === 'unreadable') return;
    assert.ok(content.attachments.length <= 1000);
    assert.ok(content.text.length + content.html.length <= 4 * octets.length + 16);
  },
};

export const mailTargets = { command, data, header, addresses, 'mime-names': mimeNames } as const;
