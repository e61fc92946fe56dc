/**
 * docs/plugins.md: the manual at the head of each plugin's file, in the order of the list that ships. `npm run
 * docs:plugins` writes it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../src/cli/package-root.js';
import { headOf } from '../../src/hooks/loading/head.js';
import { shippedNames } from './shipped-names.js';

const introduction = `# Plugins

What each plugin that ships with postern does, and the words that it takes in the list of plugins (\`plugins/plugins\`, or what
the setting \`plugins\` names). A check works for a domain once \`/srv/DOMAIN/checks/NAME\` is there. This page is made of the
heads of the files in [plugins/](../plugins/README.md); [writing plugins](writing-plugins.md) teaches you to write one.
`;

export function pluginsPage(): string {
  return [introduction, ...shippedNames().map(section)].join('\n');
}

function section(name: string): string {
  const head = headOf(readFileSync(join(packageRoot, 'plugins', `${name}.ts`), 'utf8'));
  if (head === undefined) throw new Error(`plugins/${name}.ts begins with no manual`);
  return `## ${name}\n\n${markdownOf(head.text.replace(new RegExp(`^${name} [–—] `), ''))}\n`;
}

/** What stands four columns to the right is shown as it is; all else is a paragraph. */
function markdownOf(text: string): string {
  const paragraphs = text.split(/\n{2,}/).map((part) => {
    if (/^ {4}/.test(part)) return `\`\`\`text\n${part.replaceAll(/^ {4}/gm, '')}\n\`\`\``;
    return capital(part.replaceAll(/[<>*_]/g, '\\$&').replaceAll(/`[^`]*`/g, (code) => code.replaceAll('\\', '')));
  });
  return paragraphs.join('\n\n');
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(join(packageRoot, 'docs/plugins.md'), pluginsPage());
