/**
 * What the pages name is there: commands with their options, settings and files of ours; and each block says what it
 * is.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commands } from '../../src/cli/commands.js';
import { milterHelp } from '../../src/cli/milter/options.js';
import { packageRoot } from '../../src/cli/package-root.js';
import { isSettingName } from '../../src/settings/schema.js';
import { fileOf, isRun, pageNamed, pages } from './pages.js';

const texts = [...pages(), pageNamed('README.md'), pageNamed('plugins/README.md'), pageNamed('SECURITY.md')];

interface NamedCommand {
  readonly page: string;
  readonly words: readonly string[];
}

/** `postern …` in code of the text and in blocks, up to what ends a command of a shell. */
function commandsNamed(): readonly NamedCommand[] {
  return texts.flatMap(({ name, text, blocks }) => {
    const spans = [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
    const lines = blocks.flatMap((block) => (block.language === 'text' ? [] : block.text.split('\n')));
    return [...spans, ...lines].flatMap((code) =>
      [...code.matchAll(/(?:^|[(;&|] ?|-- |npx )postern ([^#;|&)]*)/g)].map(([, words = '']) => ({
        page: name,
        words: words.trim().split(/\s+/),
      })),
    );
  });
}

const rowOf = (words: readonly string[]) =>
  [2, 1]
    .map((length) => commands.find(({ name }) => name === words.slice(0, length).join(' ')))
    .find((row) => row !== undefined);

test('each command that a page names is one, and has the options that it is given', () => {
  const named = commandsNamed();
  assert.ok(named.length > 40, String(named.length));
  for (const { page, words } of named) {
    const what = `${page}: postern ${words.join(' ')}`;
    if (/^(?:…|COMMAND|-|$)/.test(words[0] ?? '')) continue;
    const row = rowOf(words);
    assert.ok(row, what);
    for (const [, option = ''] of words.flatMap((word) => [...word.matchAll(/^\[?--([a-z][\w-]*)/g)])) {
      const isKnown =
        Object.hasOwn(row.options ?? {}, option) ||
        isSettingName(option.replaceAll('-', '_')) ||
        ['config', 'trial', 'help'].includes(option) ||
        (row.name === 'milter' && (milterHelp.includes(`--${option}`) || /^policy/.test(option)));
      assert.ok(isKnown, `${what}: --${option}`);
    }
  }
});

test('each file of ours that a page names is there', () => {
  for (const { name, text } of texts)
    for (const [, path = ''] of text.matchAll(
      /[`\s]((?:packaging|plugins|src|test|docs|man)\/[\w./-]*\w)(?![\w.{*/-])/g,
    ))
      assert.ok(existsSync(join(packageRoot, path)), `${name}: ${path}`);
});

test('each line of postern.conf that a page shows has a setting', () => {
  for (const { blocks } of texts)
    for (const { place, language, words, text } of blocks)
      if (language === 'ini' && words.some((word) => word.endsWith('/etc/postern.conf')))
        for (const [, name = ''] of text.matchAll(/^([\w-]+)\s*=/gm))
          assert.ok(isSettingName(name), `${place}: ${name}`);
});

test('the pages say no word of the trade of selling', () => {
  for (const { name, text } of texts)
    assert.doesNotMatch(
      text,
      /\b(?:powerful|seamless|robust|blazing|cutting-edge|effortless|state-of-the-art|leverag\w+)\b/i,
      name,
    );
});

/** What blocks of a page may be that are no commands and no files. */
const otherLanguages = new Set(['text', 'js', 'json', 'yaml', 'ini', 'sieve', 'html', 'promql', 'nginx']);

test('no block of a page is left out without a word: each is run, written, or says what else it is', () => {
  for (const { blocks } of pages())
    for (const block of blocks) {
      const isHost = block.language === 'sh' && block.words.join(' ') === 'host';
      const isOther = otherLanguages.has(block.language) && block.words.length === 0;
      assert.ok(isRun(block) || isHost || isOther || fileOf(block), `${block.place}: \`\`\`${block.language}`);
    }
});

/** So few commands need a real host. */
const maxHostBlocks = 12;

test(`at most ${maxHostBlocks} blocks of commands need a real host`, () => {
  const host = pages().flatMap(({ blocks }) =>
    blocks.filter(({ language, words }) => language === 'sh' && words[0] === 'host'),
  );
  assert.ok(host.length <= maxHostBlocks, host.map(({ place }) => place).join('\n'));
});
