import assert from 'node:assert/strict';
import { test } from 'node:test';
import { htmlText } from '../../src/mail/content/html-text.js';
import { cpuMs } from '../support/cpu.js';

const table: readonly [what: string, html: string, expected: string][] = [
  ['tags go', '<p>one <b>two</b></p><p>three</p>', 'one two\n\nthree'],
  ['scripts and styles go with what is in them', '<style>a{}</style>x<script>if (1 < 2) y()</script>z', 'xz'],
  ['comments go', 'a<!-- > b -->c', 'ac'],
  ['a comment that never ends hides the rest', 'a<!-- b', 'a'],
  ['a lone bracket stays', '1 < 2 and 3 > 2', '1 < 2 and 3 > 2'],
  ['entities are read once', '&lt;b&gt; &amp;lt; &#65;&#x42; &nbsp;&unknown;', '<b> &lt; AB &unknown;'],
  ['a number that is no character is nothing', 'a&#0;&#9999999;b', 'ab'],
  ['a tag that never ends hides the rest', 'a<p class="', 'a'],
];

for (const [what, html, expected] of table) test(what, () => assert.equal(htmlText(html), expected));

test('two million brackets take no time to speak of', () => {
  const start = cpuMs();
  htmlText('<'.repeat(1_000_000) + '<!--'.repeat(250_000));
  htmlText('<script '.repeat(250_000));
  assert.ok(cpuMs() - start < 5_000);
});
