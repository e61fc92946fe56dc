/** A mail's own pictures within its HTML, and the names under which attachments are saved. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attachment } from '../../src/mail/content/content.js';
import { contentDisposition, downloadName } from '../../src/web/download-name.js';
import { harmless, withImages } from '../../src/web/pages/mail-html.js';

const gif = Buffer.from('R0lGODlhAQABAAAAACwAAAAAAQABAAAC', 'base64');
const picture = (cid: string, octets: Uint8Array = gif): Attachment => ({
  names: [],
  type: 'application/octet-stream',
  size: octets.length,
  inside: [],
  cid,
  octets,
});
const own = `data:image/gif;base64,${gif.toString('base64')}`;
const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>');

const places: readonly (readonly [what: string, html: string, expected: string])[] = [
  ['an attribute', '<img src="cid:a@b">', `<img src="${own}">`],
  ['an attribute without quotes, in capitals', '<IMG SRC=CID:a@b>', `<IMG SRC=${own}>`],
  ['an attribute, percent-encoded', "<img src='cid:a%40b'>", `<img src='${own}'>`],
  ['a style', '<p style="background:url(cid:a@b)">', `<p style="background:url(${own})">`],
  [
    'a style in quotes',
    '<p style="background:url(&quot;cid:a@b&quot;)">',
    `<p style="background:url(&quot;${own}&quot;)">`,
  ],
  ['two places', '<img src="cid:a@b"><img src="cid:a@b">', `<img src="${own}"><img src="${own}">`],
  ['a name that no part has', '<img src="cid:c@d">', '<img src="cid:c@d">'],
  ['SVG', '<img src="cid:svg">', '<img src="cid:svg">'],
  ['HTML that begins late', '<img src="cid:late">', '<img src="cid:late">'],
  ['a part whose octets were not kept', '<img src="cid:large">', '<img src="cid:large">'],
  ['a broken percent-encoding', '<img src="cid:%ff%zz">', '<img src="cid:%ff%zz">'],
  ['text', 'acid:a@b cid:a@b', 'acid:a@b cid:a@b'],
];

for (const [what, html, expected] of places) {
  test(`a picture of the mail's own is put into ${what}`, () => {
    const { octets: _, ...large } = picture('large');
    const parts = [picture('a@b'), picture('svg', svg), picture('late', Buffer.from(`  ${svg.toString()}`)), large];
    assert.equal(withImages(html, parts), expected);
  });
}

test('the first of two pictures of one name counts', () => {
  const other = Buffer.concat([gif, Buffer.from('x')]);
  assert.equal(withImages('="cid:a"', [picture('a'), picture('a', other)]), `="${own}"`);
});

test('a picture that is named a thousand times does not make a document of gigabytes', () => {
  const large = Buffer.concat([gif, Buffer.alloc(2 << 20)]);
  const html = withImages('<img src="cid:a">'.repeat(1000), [picture('a', large)]);
  assert.ok(html.length > large.length && html.length < 20 << 20, String(html.length));
});

const names: readonly (readonly [name: string, expected: string])[] = [
  ['invoice.pdf', 'W1-invoice.pdf'],
  ['', 'W1-attachment'],
  ['../../etc/passwd', 'W1-_.._etc_passwd'],
  ['..\\..\\autoexec.bat', 'W1-_.._autoexec.bat'],
  ['C:evil.exe', 'W1-C_evil.exe'],
  ['.bashrc', 'W1-bashrc'],
  ['CON', 'W1-CON'],
  ['-rf', 'W1--rf'],
  ['a.exe:stream', 'W1-a.exe_stream'],
  ['a.exe. . ', 'W1-a.exe'],
  ['invoice_\u202efdp.exe', 'W1-invoice__fdp.exe'],
  ['a\r\nSet-Cookie: x=y', 'W1-a__Set-Cookie_ x=y'],
  ['a"; filename="b.exe', 'W1-a__ filename=_b.exe'],
  ['nul\0.exe', 'W1-nul_.exe'],
  [`invoice.pdf${' '.repeat(90)}.exe`, 'W1-invoice.pdf .exe'],
  [`${'x'.repeat(500)}.exe`, `W1-${'x'.repeat(116)}.exe`],
  ['Rechnung für Müller.pdf', 'W1-Rechnung für Müller.pdf'],
  ['\ud800.exe', 'W1-_.exe'],
  ['$(id)`id`|id.sh', 'W1-_(id)_id__id.sh'],
  ['%2e%2e%2fx', 'W1-_2e_2e_2fx'],
];

test('of a name that a sender chose a harmless one is left', () => {
  for (const [name, expected] of names) assert.equal(downloadName('W1', name), expected, JSON.stringify(name));
});

test('the header names the file in ASCII, and in UTF-8 for those who read that', () => {
  assert.equal(
    contentDisposition("W1-für 'x' (1)!.pdf"),
    "attachment; filename=\"W1-f_r 'x' (1)!.pdf\"; filename*=UTF-8''W1-f%C3%BCr%20%27x%27%20%281%29%21.pdf",
  );
});

const acting: readonly (readonly [html: string, expected: string])[] = [
  ['<script>x</script>', '<x-script>x</x-script>'],
  ['<LINK/rel=preconnect/href=//e.example>', '<x-LINK/rel=preconnect/x-href=//e.example>'],
  ['<a HREF\n= x>href = x', '<a x-href\n= x>x-href = x'],
  ['<area shape=rect href=x>', '<area shape=rect x-href=x>'],
  ['<svg><a xlink:href="x">', '<x-svg><a xlink:x-href="x">'],
  ['<linkage><a name=href>href', '<linkage><a name=href>href'],
];

test('tags that act and addresses that lead away are taken out of the markup', () => {
  for (const [html, expected] of acting) assert.equal(harmless(html).split('</style>\n')[1], expected, html);
});
