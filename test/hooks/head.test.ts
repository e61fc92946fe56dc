import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { pluginFolder } from '../../src/cli/package-root.js';
import { headOf } from '../../src/hooks/loading/head.js';
import { pluginNameIn } from '../../src/hooks/loading/load.js';

/** [what, the file, the summary, the text] */
const table: readonly (readonly [what: string, source: string, summary: string | undefined, text?: string])[] = [
  ['one line', '/** a — does this. */\n', 'does this', 'a — does this.'],
  [
    'arguments and a hyphen',
    '/** a WORD ... - does this: x. More. */',
    'does this: x',
    'a WORD ... - does this: x. More.',
  ],
  [
    'several lines',
    '/**\n * a — does\n * this.\n *\n *     a 1   that\n */',
    'does this',
    'a — does\nthis.\n\n    a 1   that',
  ],
  ['a type for editors', "/** A. @type {import('postern').Check} */", 'A', 'A.'],
  ['CRLF and a byte order mark', '\uFEFF/**\r\n * a — does.\r\n */', 'does', 'a — does.'],
  ['#! before it', '#!/usr/bin/env node\n/** a — does. */', 'does', 'a — does.'],
  ['code before it', 'x();\n/** a — does. */', undefined],
  ['another comment', '// a — does.', undefined],
  ['an empty one', '/** */', undefined],
  ['nothing', '', undefined],
];
for (const [what, source, summary, text] of table)
  test(what, () => assert.deepEqual(headOf(source), summary === undefined ? undefined : { summary, text }));

test('any text: nothing throws', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => void headOf(`/**${text}`)));
});

test('each plugin that ships has its manual at the top, also when it is compiled', () => {
  const names = readdirSync(pluginFolder).flatMap((file) => pluginNameIn(file) ?? []);
  assert.ok(names.length > 25);
  for (const name of names) {
    const head = headOf(readFileSync(join(pluginFolder, `${name}.js`), 'utf8'));
    assert.ok(
      head?.text.startsWith(`${name} — `),
      `${name}: begin the file with "/** ${name} — …", and leave a line free behind the comment`,
    );
  }
});
