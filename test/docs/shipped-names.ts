/** The plugins that ship with postern: those of the list in its order, then those that it only shows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/cli/package-root.js';

export function shippedNames(): readonly string[] {
  const files = readdirSync(join(packageRoot, 'plugins'))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -'.ts'.length));
  const list = readFileSync(join(packageRoot, 'plugins/plugins'), 'utf8');
  const listed = [...list.matchAll(/^(?:# )?([a-z_0-9]+)(?= |$)/gm)].map(([, name = '']) => name);
  return [...new Set([...listed.filter((name) => files.includes(name)), ...files])];
}
