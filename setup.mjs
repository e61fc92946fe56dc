/**
 * Makes a clone ready: installs the packages, builds `dist`. Run by npm before start, demo, test and check; does
 * nothing, quickly, when nothing has changed. Uses Node alone, for nothing else is there yet.
 *
 * Several runs at a time are safe: one works, the others wait and then find nothing left to do.
 */
import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(dirname(fileURLToPath(import.meta.url)));

const leastNode = '20.19';
const sourceFolders = ['src', 'plugins', 'test'];
const installed = 'node_modules/.package-lock.json';
/** Which sources, of which time and size, `dist` was built from. */
const record = 'dist/.built-from.json';
const lock = 'var/setup.lock';
const staleAfter = 15 * 60_000; // ms: no set-up takes that long

requireNode();
if (!isReady()) withLock(makeReady);

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = leastNode.split('.').map(Number);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  fail(`this is Node ${process.versions.node}; postern needs ${leastNode} or newer`);
}

function isReady() {
  return isInstalled() && isBuilt(sources());
}

function makeReady() {
  if (!isInstalled()) install();
  const now = sources();
  if (!isBuilt(now)) build(now);
}

/** npm writes the list of what it has installed last of all; packages for other systems (optional) are not in it. */
function isInstalled() {
  const wanted = packagesOf('package-lock.json');
  const have = packagesOf(installed);
  return Object.entries(wanted).every(
    ([path, { integrity, optional }]) => path === '' || (have[path] ? have[path].integrity === integrity : optional),
  );
}

function packagesOf(file) {
  return JSON.parse(read(file) ?? '{}').packages ?? {};
}

function install() {
  say('installing the packages (npm ci)');
  const npm = process.env.npm_execpath ?? '';
  const words = ['ci', '--include=dev', '--dry-run=false'];
  const byNpm = basename(npm).startsWith('npm-cli');
  run(byNpm ? process.execPath : 'npm', byNpm ? [npm, ...words] : words, 'the packages could not be installed');
}

/** What tells one version of a source from another: its time and size. The packages count as one source. */
function sources() {
  const files = sourceFolders.flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .map((name) => join(folder, name))
      .filter((file) => file.endsWith('.ts')),
  );
  const entries = [...files, 'tsconfig.json', installed].map((file) => [file, versionOf(file)]);
  return Object.fromEntries(entries.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)));
}

function isBuilt(now) {
  return read(record) === JSON.stringify(now);
}

/**
 * What was built stays usable while it is built anew: files are written over, and only outputs of vanished sources
 * go.
 */
function build(now) {
  say('building');
  const before = read(record);
  if (before === undefined) rmSync('dist', { recursive: true, force: true });
  const known = { ...JSON.parse(before ?? '{}'), ...now };
  for (const source of Object.keys(known).filter((file) => !(file in now))) removeOutputs(source);
  // Should this run fail or be killed, the next one knows what may be there, and that it fits no state of the sources.
  write(record, JSON.stringify(Object.fromEntries(Object.keys(known).map((file) => [file, 'unknown']))));
  const tsc = ['node_modules/typescript/bin/tsc', '-p', '.', '--tsBuildInfoFile', 'dist/.build.tsbuildinfo'];
  run(process.execPath, tsc, 'the build failed');
  write(record, JSON.stringify(now));
}

function removeOutputs(source) {
  const stem = join('dist', source.replace(/\.ts$/, ''));
  for (const ending of ['.js', '.js.map', '.d.ts']) rmSync(stem + ending, { force: true });
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Whole or not at all. */
function write(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.${process.pid}`, text);
  renameSync(`${file}.${process.pid}`, file);
}

function versionOf(file) {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.mtimeMs}:${stat.size}` : '';
}

function run(program, words, complaint) {
  const { status, error } = spawnSync(program, words, {
    stdio: ['ignore', 2, 2],
    shell: program === 'npm' && process.platform === 'win32',
  });
  if (status === 0) return;
  fail(error ? `${complaint}: ${error.message}` : complaint);
}

/** The lock is a file that names its holder, made by link(2), which is atomic and brings its content with it. */
function withLock(work) {
  const mine = `${lock}.${process.pid}`;
  write(mine, String(process.pid));
  let waits = 0;
  while (!tryLink(mine)) {
    if (isStale(lock)) breakLock();
    else if (++waits === 2) say('another set-up is running; waiting for it');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
  rmSync(mine);
  process.on('exit', () => rmSync(lock, { force: true }));
  work();
}

function tryLink(mine) {
  try {
    linkSync(mine, lock);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Did its holder die? */
function isStale(file) {
  try {
    if (Date.now() - statSync(file).mtimeMs > staleAfter) return true;
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** Takes a dead holder's lock away; if a new holder was quicker, it gets its lock back. */
function breakLock() {
  const aside = `${lock}.${process.pid}.aside`;
  try {
    renameSync(lock, aside);
    if (!isStale(aside)) linkSync(aside, lock);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
  rmSync(aside, { force: true });
}

function say(text) {
  process.stderr.write(`postern: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
