/**
 * The tree that an installation has: what `npm pack` would pack, and beside it the packages that postern depends on, in
 * the versions of package-lock.json, without what no server reads. tgz.mjs and deb.mjs make files of it, containers have
 * it as it is.
 *
 *     node packaging/release/stage.mjs FOLDER
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const json = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));
export const { version } = json('package.json');

/** Fills an empty folder. The clone must have been set up: node_modules and dist are there. */
export function stage(folder) {
  for (const path of ownFiles()) copy(path, folder);
  for (const { path } of packagesNeeded()) for (const file of filesBelow(path)) if (isRead(file)) copy(file, folder);
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);
}

function ownFiles() {
  const words = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const [packed] = JSON.parse(execFileSync('npm', words, { cwd: root, encoding: 'utf8' }));
  const types = typesOfFaces();
  return packed.files.map(({ path }) => path).filter((path) => !path.endsWith('.d.ts') || types.has(path));
}

/** The types that programs of others can reach: those of the exports, and what they import. */
function typesOfFaces() {
  const found = new Set();
  const visit = (path) => {
    if (found.has(path)) return;
    found.add(path);
    for (const [, from] of readFileSync(join(root, path), 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)\.js'/g))
      visit(join(dirname(path), `${from}.d.ts`));
  };
  for (const { types } of Object.values(json('package.json').exports)) if (types) visit(join(types));
  return found;
}

/** What only we develop with, and what is there for those alone who want it, is left out. */
export function packagesNeeded() {
  const { packages } = json('package-lock.json');
  return Object.entries(packages)
    .filter(([path, { dev, devOptional, optional, peer }]) => path !== '' && !(dev || devOptional || optional || peer))
    .map(([path, entry]) => ({ license: 'unknown', ...entry, path, name: nameOf(path) }));
}

const nameOf = (path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** The day of the version, as CHANGELOG.md has it: the files of a release are all of that time. */
export function released() {
  const news = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  const [, day] =
    new RegExp(`^## ${version.replaceAll('.', '\\.')} \\((\\d{4}-\\d{2}-\\d{2})\\)$`, 'm').exec(news) ?? [];
  if (day === undefined) throw new Error(`CHANGELOG.md has no line "## ${version} (YYYY-MM-DD)"`);
  return new Date(`${day}T12:00:00Z`);
}

function* filesBelow(path) {
  for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
    const below = `${path}/${entry.name}`;
    if (!entry.isDirectory()) yield below;
    else if (entry.name !== 'node_modules') yield* filesBelow(below); // a package of its own
  }
}

/** Types of Node are read by authors of plugins; those of other packages stand in no interface of ours. */
const hasTypes = /^node_modules\/(?:@types\/node|undici-types)\//;
const unread = [
  /\.(?:map|md|markdown|flow|tsbuildinfo)$/i,
  /(?<!\.d)\.[cm]?ts$/,
  /[.-](?:min|umd|browser(?:\.min)?)\.[cm]?js$/,
  /^node_modules\/(?:@[^/]+\/)?[^/]+\/(?:\.github|\.vscode|bench(?:marks?)?|docs?|examples?|fixtures|tests?|__tests__)\//,
  /\/(?:\.[^/]+|[^/]*\.config\.[cm]?js|tsconfig[^/]*\.json|package-lock\.json|Makefile)$/,
];

/** Licences stay, whatever they are called. */
const isRead = (file) =>
  /\/(?:licen[cs]e|notice|copying)[^/]*$/i.test(file) ||
  (!unread.some((pattern) => pattern.test(file)) && (hasTypes.test(file) || !/\.d\.[cm]?ts$/.test(file)));

function copy(path, folder) {
  const to = join(folder, path);
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(join(root, path), to);
  chmodSync(to, isProgram(to) ? 0o755 : 0o644);
}

const isProgram = (file) => readFileSync(file).subarray(0, 2).toString() === '#!';

/** npm takes the packages that are there, and asks nobody for others. */
function manifest() {
  const { scripts: _scripts, devDependencies: _dev, prettier: _prettier, ...kept } = json('package.json');
  return { ...kept, bundleDependencies: Object.keys(kept.dependencies) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) stage(resolve(process.argv[2]));
