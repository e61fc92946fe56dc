/**
 * The pages of docs/ as a site. Pages stay plain Markdown that reads well where it lies: what leads out of docs/ (code,
 * manual pages) leads to the repository on the web, SITE_REPOSITORY, or becomes text where none is named.
 */
import { readFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

const docs = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const repository = process.env.SITE_REPOSITORY ?? '';

/** The tables of docs/README.md are the menu: a table a group, its first cells the pages. */
function menu() {
  const groups = readFileSync(`${docs}/README.md`, 'utf8').matchAll(
    /^\| (to [^|]*?) \| \|\n\|---\|---\|\n((?:\|.*\n)+)/gm,
  );
  return [...groups].map(([, text, rows]) => ({
    text: text[0].toUpperCase() + text.slice(1),
    items: [...rows.matchAll(/^\| \[([^\]]+)\]\(([^)]+)\.md\)/gm)]
      .filter(([, , page]) => !page.startsWith('..'))
      .map(([, title, page]) => ({ text: title, link: `/${page}` })),
  }));
}

/** A link out of docs/ leads to the repository on the web. */
function linksOut(md) {
  const usual =
    md.renderer.rules.link_open ?? ((tokens, i, options, _env, self) => self.renderToken(tokens, i, options));
  md.core.ruler.push('links-out', (state) => {
    for (const token of state.tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : null;
      if (!href || /^(?:[a-z]+:|#|\/)/.test(href)) continue;
      const target = posix.normalize(posix.join('docs', posix.dirname(state.env.relativePath ?? ''), href));
      if (!target.startsWith('docs/')) token.attrSet('href', repository === '' ? '#' : `${repository}/${target}`);
    }
  });
  md.renderer.rules.link_open = usual;
}

export default defineConfig({
  title: 'postern',
  description: 'The gate in front of your mail server',
  srcDir: docs,
  srcExclude: ['site/**'],
  outDir: fileURLToPath(new URL('../dist', import.meta.url)),
  cacheDir: fileURLToPath(new URL('../.cache', import.meta.url)),
  rewrites: { 'README.md': 'index.md', 'decisions/README.md': 'decisions/index.md' },
  // The pages lie outside of this folder, where nothing of its packages is found.
  vite: { resolve: { alias: { vue: `${docs}/site/node_modules/vue` } } },
  lastUpdated: false,
  // A dead link within docs/ ends the build.
  ignoreDeadLinks: false,
  markdown: { config: linksOut, languages: [] },
  themeConfig: {
    sidebar: menu(),
    search: { provider: 'local' },
    outline: [2, 3],
    ...(repository !== '' && { socialLinks: [{ icon: 'git', link: repository }] }),
  },
});
