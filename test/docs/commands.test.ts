/**
 * Each command of docs/ is run, as it stands, in the order of its page, on a machine of its own: a block `sh` is run,
 * one `sh endless` is begun and interrupted, a block with `file=PATH` is written there, and one with `file+=PATH` below
 * what is there. A block `sh host` needs what no test has (the Internet, another machine); of these, and of commands in
 * the text, words and options must exist (words.test.ts).
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { needPeer } from '../support/peers.js';
import { type Piece, runOnMachine } from './machine.js';
import { type Block, fileOf, isRun, type Page, pages } from './pages.js';

describe('each command does what it should', { concurrency: 3 }, () => {
  for (const page of pages()) if (page.blocks.some(isRun)) testPage(page);
});

function testPage(page: Page): void {
  test(page.name, { timeout: 300_000 }, async (t) => {
    if (!needPeer(t, 'root', 'unshare', 'postfix', 'swaks', 'systemd-sysusers', 'rsync', 'curl', 'ip')) return;
    const pieces = [beginningOf(page), ...piecesOf(page)];
    const runs = await runOnMachine(pieces);
    if (!runs) return t.diagnostic('this machine lets nobody make an overlay of it');
    const last = runs.at(-1);
    assert.equal(
      last?.code,
      0,
      `${last?.place}\n${runs.map(({ place, output }) => `--- ${place}\n${output}`).join('')}`,
    );
    assert.equal(runs.length, pieces.length);
    if (process.env['DOCS_SHOW'] !== undefined)
      console.log(runs.map(({ place, output }) => `--- ${place}\n${output}`).join(''));
  });
}

/** The machine as a page finds it: set up, unless the page has a beginning of its own. */
function beginningOf({ name }: Page): Piece {
  const own = join(packageRoot, 'test/docs/machine/before', basename(name).replace(/\.md$/, '.sh'));
  const file = existsSync(own) ? own : join(packageRoot, 'test/docs/machine/before/installed.sh');
  return { place: file, script: readFileSync(file, 'utf8') };
}

function piecesOf({ blocks }: Page): readonly Piece[] {
  return blocks.flatMap((block): readonly Piece[] => {
    const file = fileOf(block);
    if (file) return [{ place: block.place, script: written(block, file) }];
    if (!isRun(block)) return [];
    const script = block.words.length === 0 ? block.text : interrupted(block.text);
    return [{ place: block.place, script }];
  });
}

function written({ text }: Block, [operator, path]: readonly [string, string]): string {
  return `mkdir -p "$(dirname '${path}')"\ncat ${operator === '=' ? '>' : '>>'}'${path}' <<'END OF FILE'\n${text}END OF FILE\n`;
}

/** It must not have ended by itself. */
const interrupted = (text: string): string =>
  `code=0; timeout 3 bash -c ${quoted(text.trim())} || code=$?; [ $code = 124 ]`;

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
