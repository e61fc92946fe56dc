/** Each link in a Markdown file of this tree leads to a file that is there, and to a heading of it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';
import { filesBelow } from '../support/files-below.js';

const own = ['docs', 'man', 'packaging', 'plugins', 'src', 'test', '.github'];

/** Markdown files of ours: those of git, or of the folders that have some where there is no git. */
function markdownFiles(): readonly string[] {
  const { status, stdout } = spawnSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], {
    cwd: packageRoot,
    encoding: 'utf8',
  });
  if (status === 0) return stdout.split('\n').filter((name) => name !== '' && existsSync(join(packageRoot, name)));
  const below = own.flatMap((folder) => filesBelow(join(packageRoot, folder)));
  return ['README.md', 'CONTRIBUTING.md', ...below.map((file) => file.slice(packageRoot.length + 1))].filter(
    (name) => name.endsWith('.md') && !name.includes('node_modules'),
  );
}

const withoutCode = (text: string): string => text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '');

/** As GitHub and VitePress make them: lower case, words with dashes between them. */
const anchorOf = (heading: string): string =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[`*]/g, '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');

const anchorsOf = (file: string): readonly string[] =>
  [
    ...readFileSync(join(packageRoot, file), 'utf8')
      .replaceAll(/^```.*?^```$/gms, '')
      .matchAll(/^#{1,6} (.*)$/gm),
  ].map(([, heading = '']) => anchorOf(heading));

function problemWith(link: string, file: string): string | undefined {
  if (/^(?:https?|mailto):/.test(link)) return URL.canParse(link) ? undefined : 'is no address';
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? file : normalize(join(dirname(file), path));
  if (!existsSync(join(packageRoot, target))) return 'leads to nothing';
  if (anchor === undefined) return undefined;
  if (statSync(join(packageRoot, target)).isDirectory()) return 'is a folder, which has no headings';
  return anchorsOf(target).includes(anchor) ? undefined : `${target} has no heading #${anchor}`;
}

test('each link in our Markdown files leads to what is there', () => {
  const files = markdownFiles();
  assert.ok(files.length > 20);
  const problems = files.flatMap((file) =>
    [...withoutCode(readFileSync(join(packageRoot, file), 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(
      ([, link = '']) => {
        const problem = problemWith(link, file);
        return problem === undefined ? [] : [`${file}: ${link} ${problem}`];
      },
    ),
  );
  assert.deepEqual(problems, []);
});

test('each page of docs is in docs/README.md', () => {
  const index = readFileSync(join(packageRoot, 'docs/README.md'), 'utf8');
  const pages = markdownFiles().filter((name) => /^docs\/(?!README)[^/]+\.md$/.test(name));
  for (const page of pages) assert.ok(index.includes(`](${page.slice('docs/'.length)})`), page);
});
