/** Who may see whom: reads the imports of src and plugins and holds them against one table. New room, new row. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/**
 * The rooms that each room (a folder of src, or a file beside the folders) may see beside itself. `room/file` opens
 * that file alone, `type room` its types alone. A row for `room/file*` goes before the room's own.
 */
const maySee: Readonly<Record<string, readonly string[] | 'everything'>> = {
  mail: [],
  'turn-end': [],
  metrics: ['mail'],
  text: ['mail'],
  lines: ['mail'],
  spf: ['mail', 'text', 'dns/resolver'],
  dns: ['mail', 'turn-end'],
  srv: ['mail', 'settings', 'relay/destination', 'turn-end'],
  directory: ['mail', 'dns/bounded-store', 'settings'],
  store: ['mail'],
  'hooks/testing*': ['mail', 'dns', 'store'],
  hooks: [
    'mail',
    'settings/read-text',
    'relay/destination/destination',
    'type srv',
    'type store',
    'dns/resolver',
    'type dns',
  ],
  mime: ['mail'],
  dkim: ['mail', 'dns/resolver'],
  quarantine: ['mail', 'lines', 'type srv', 'type relay'],
  relay: ['mail', 'turn-end'],
  'catalog/address*': ['mail'],
  'catalog/bodies/store-address*': ['mail'],
  catalog: [
    'mail',
    'audit',
    'quarantine',
    'journal',
    'lines/search-tests',
    'digest/own-as',
    'digest/links',
    'digest/sent-digests',
    'smtp/transaction-id',
  ],
  smtp: [
    'mail',
    'turn-end',
    'lines/iso-time',
    'lines/json-line',
    'spf/fields/authentication-results',
    'dns',
    'srv',
    'hooks',
    'type mime',
    'type metrics',
    'quarantine',
    'relay',
    'type store',
    'type settings',
    'type journal',
  ],
  digest: ['mail', 'text', 'quarantine', 'type relay'],
  journal: ['mail', 'text', 'lines', 'quarantine/disk/regular', 'quarantine/disk/durable', 'quarantine/disk/lock'],
  audit: ['mail', 'lines', 'digest/own-as', 'quarantine/disk/lock', 'quarantine/disk/mail-ref', 'type quarantine'],
  web: [
    'mail',
    'text',
    'audit',
    'spf',
    'quarantine',
    'journal',
    'digest/links',
    'srv/markers',
    'srv/check-mode',
    'srv/list-file',
    'type srv',
    'type relay',
    'type mime',
  ],
  milter: ['mail', 'spf', 'dns/resolver', 'directory'],
  trial: ['mail', 'settings', 'smtp/library/sink-server'],
  settings: ['mail', 'relay/destination', 'catalog/address', 'catalog/bodies/store-address', 'store/redis-address'],
  log: ['mail', 'lines/iso-time', 'lines/json-line', 'log-output', 'type settings'],
  'log-output': ['mail'],
  cli: 'everything',
  main: 'everything',
  plugins: ['hooks/plugin', 'hooks/check', 'hooks/arguments', 'mail'],
  'plugins/dkim*': ['hooks/plugin', 'hooks/check', 'mail', 'dkim', 'spf/fields/lexical'],
  'plugins/dmarc*': ['hooks/plugin', 'hooks/check', 'mail', 'dkim', 'spf/fields/lexical'],
  'plugins/shared/dkim*': ['hooks/plugin', 'hooks/check', 'hooks/once-per-mail', 'mail', 'dkim', 'spf/fields/lexical'],
  'plugins/milter*': ['hooks/plugin', 'hooks/arguments', 'mail', 'milter/client', 'milter/endpoint', 'type milter'],
  'plugins/shared/filter*': ['hooks/plugin', 'mail', 'type milter'],
  'plugins/valid_users*': ['hooks/plugin', 'hooks/check', 'mail', 'directory'],
  'plugins/spf*': ['hooks/plugin', 'hooks/check', 'mail', 'spf'],
  'plugins/shared/spf*': ['hooks/plugin', 'hooks/check', 'hooks/once-per-mail', 'mail', 'spf'],
};

/** Rooms and files that stay free of sockets, files and clocks: `node:` is closed to them. */
const withoutNode = [
  'mail',
  'metrics',
  'text',
  'lines',
  'spf',
  'milter/codec',
  'milter/command',
  'milter/response',
  'milter/session',
  'milter/client/answer',
  'milter/client/commands',
  'milter/client/content',
  'milter/client/conversation',
  'milter/client/filter-session',
  'milter/client/verdict',
];

/** The rooms that know an npm package; to all others it does not exist. */
const packages: Readonly<Record<string, readonly string[]>> = {
  'smtp-server': ['smtp/library'],
  nodemailer: ['digest'],
  'dns-packet': ['dns'],
  '@redis/client': ['store'],
  pg: ['catalog/database'],
  aws4fetch: ['catalog/bodies/object-store'],
  ldapts: ['directory'],
  re2js: ['milter'],
  mailparser: ['mime'],
  mailauth: ['dkim'],
  tldts: ['plugins/uribl'],
  hono: ['web', 'digest'],
  '@hono/node-server': ['web'],
  pino: ['log'],
  'pino-pretty': ['log'],
};

interface Import {
  readonly from: string;
  readonly typesOnly: boolean;
}

/** `src/mail/ip.ts` is in the room `mail`, as the unit `mail/ip`; `src/log.ts` is both at once. */
const unitOf = (file: string): string => file.replace(/^src\//, '').replace(/\.[jt]s$/, '');
const roomOf = (unit: string): string => unit.split('/')[0] ?? '';

function importsOf(source: string): readonly Import[] {
  const statements = source.matchAll(/^(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s*from\s*)?'([^']+)'/gm);
  const calls = source.matchAll(/\b(?:import|require)\(\s*['"`]([^'"`$]+)['"`]\s*\)/g);
  return [
    ...[...statements].map(([, type, names = '', from = '']) => ({
      from,
      typesOnly: type !== undefined || namesTypes(names),
    })),
    ...[...calls].map(([, from = '']) => ({ from, typesOnly: false })),
  ];
}

/** `{ type A, type B }` and nothing beside it. */
function namesTypes(names: string): boolean {
  const inner = /^\{(.*)\}$/s.exec(names.trim())?.[1];
  const words = inner?.split(',').filter((name) => name.trim() !== '') ?? [];
  return words.length > 0 && words.every((name) => /^\s*type\s/.test(name));
}

function ruleOf(unit: string): readonly string[] | 'everything' | undefined {
  const star = Object.keys(maySee).find((key) => key.endsWith('*') && unit.startsWith(key.slice(0, -1)));
  return maySee[star ?? roomOf(unit)];
}

/** `places` are rooms, folders in them, or files. */
const isWithin = (unit: string, places: readonly string[]): boolean =>
  places.some((place) => unit === place || unit.startsWith(`${place}/`));

function isAllowed(file: string, { from, typesOnly }: Import): boolean {
  const unit = unitOf(file);
  const rule = ruleOf(unit);
  if (rule === undefined) return false;
  if (from.startsWith('node:')) return !isWithin(unit, withoutNode);
  if (!from.startsWith('.')) return isWithin(unit, packages[packageOf(from)] ?? []);
  const target = unitOf(normalize(join(dirname(file), from)));
  if (rule === 'everything' || roomOf(target) === roomOf(unit)) return true;
  return (
    isWithin(target, rule) ||
    (typesOnly &&
      isWithin(
        target,
        rule.filter(isTypes).map((entry) => entry.slice('type '.length)),
      ))
  );
}

const isTypes = (entry: string): boolean => entry.startsWith('type ');

/** `nodemailer/lib/x` is of `nodemailer`, `@a/b/c` of `@a/b`. */
const packageOf = (from: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(from)?.[0] ?? from;

function complaints(file: string, source: string): readonly string[] {
  const unit = unitOf(file);
  const rule = ruleOf(unit);
  if (rule === undefined) return [`${file}: room ${roomOf(unit)} has no row in the table of test/import-rule.test.ts`];
  const seen = rule === 'everything' ? 'every room, but only its own packages' : [...rule, 'itself'].join(', ');
  return importsOf(source)
    .filter((one) => !isAllowed(file, one))
    .map(
      ({ from }) =>
        `${file}: imports ${from}; room ${roomOf(unit)} may only see ${seen}${isWithin(unit, withoutNode) ? ', and nothing of node:' : ''}`,
    );
}

const root = findRoot(dirname(fileURLToPath(import.meta.url)));

function findRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder));
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const sourceFiles = (): readonly string[] =>
  ['src', 'plugins'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${folder}/${name}`)
      .toSorted(),
  );

test('every import in src and plugins is allowed', () => {
  const files = sourceFiles();
  assert.ok(files.length > 20);
  assert.deepEqual(
    files.flatMap((file) => complaints(file, read(file))),
    [],
  );
});

test('a limit is named max…: no name begins with most, longest, largest or biggest', () => {
  const names = sourceFiles().flatMap((file) => read(file).match(/\b(?:most|longest|largest|biggest)[A-Z]\w*/g) ?? []);
  assert.deepEqual(names, []);
});

/**
 * Files of a folder itself, not of the folders in it: more than a reader can hold at once is a folder without order.
 */
const maxFlat = 16;

test(`no folder of src holds more than ${maxFlat} files`, () => {
  const folders = ['src', ...foldersBelow('src')];
  const filesIn = (folder: string): number =>
    readdirSync(join(root, folder), { withFileTypes: true }).filter((entry) => entry.isFile()).length;
  assert.deepEqual(
    folders.filter((folder) => filesIn(folder) > maxFlat).map((folder) => `${folder}: ${filesIn(folder)}`),
    [],
  );
});

function foldersBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [`${folder}/${name}`, ...foldersBelow(`${folder}/${name}`)]);
}

test('the folders of src, the table above and the rooms in src/README.md are the same', () => {
  const readme = readFileSync(join(root, 'src/README.md'), 'utf8');
  const described = [...readme.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([\w-]+)(?:\/|\.ts)`/g)].map(([, name = '']) => name),
  );
  const inSrc = readdirSync(join(root, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.name.endsWith('.ts'))
    .map(({ name }) => name.replace(/\.ts$/, ''));
  const inTable = Object.keys(maySee).filter((key) => !key.startsWith('plugins') && !key.endsWith('*'));
  assert.deepEqual(described.toSorted(), inSrc.toSorted());
  assert.deepEqual(inTable.toSorted(), inSrc.toSorted());
});

test('only the rooms that other programs may import have a list of their names', () => {
  const barrels = sourceFiles().filter((file) => file.endsWith('/index.ts'));
  assert.deepEqual(
    barrels,
    ['dns', 'hooks', 'milter', 'spf'].map((room) => `src/${room}/index.ts`),
  );
  const reexports = sourceFiles().filter((file) => /^export \* /m.test(read(file)));
  assert.deepEqual(reexports, []);
});

/** Code is held to that width by the formatter, as far as it can be cut. */
const maxColumns = 120;

/** Lines of our sources that are a comment, or end in one. */
const isComment = (line: string): boolean => /^\s*(?:\/\/|\/?\*)| \/\/ /.test(line);

function commentedFiles(): readonly string[] {
  const below = (folder: string): readonly string[] =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`);
  return ['setup.mjs', ...['src', 'plugins', 'test'].flatMap(below)].filter((file) => /\.(?:ts|mjs)$/.test(file));
}

test(`no comment goes beyond ${maxColumns} columns`, () => {
  const long = commentedFiles().flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, i) => ([...line].length > maxColumns && isComment(line) ? [`${file}:${i + 1}`] : [])),
  );
  assert.deepEqual(long, []);
});

test('no sentence of a comment begins with “Of”: whoever reads it would have to read it twice', () => {
  const riddles = commentedFiles().flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, i) => (isComment(line) && /(?:\*|\/\/|[.!?]) Of /.test(line) ? [`${file}:${i + 1}`] : [])),
  );
  assert.deepEqual(riddles, []);
});

test('a type’s name stands for one type: no two rooms declare the same', () => {
  const rooms = new Map<string, Set<string>>();
  for (const file of sourceFiles())
    for (const [, name = ''] of read(file).matchAll(/^(?:export )?(?:abstract )?(?:interface|type|class) (\w+)/gm))
      rooms.set(name, (rooms.get(name) ?? new Set()).add(roomOf(unitOf(file))));
  const shared = [...rooms]
    .filter(([, { size }]) => size > 1)
    .map(([name, where]) => `${name}: ${[...where].join(', ')}`);
  assert.deepEqual(shared, []);
});

const table: readonly [what: string, file: string, source: string, isAllowed: boolean][] = [
  ['a room sees itself', 'src/mail/reply.ts', "import { a } from './text.js';", true],
  ['mail sees no other room', 'src/mail/reply.ts', "import { a } from '../srv/srv.js';", false],
  ['mail sees nothing of node:', 'src/mail/reply.ts', "import { join } from 'node:path';", false],
  ['spf sees the resolver’s interface', 'src/spf/macro.ts', "import type { A } from '../dns/resolver.js';", true],
  ['spf does not see a resolver', 'src/spf/macro.ts', "import type { A } from '../dns/cache.js';", false],
  ['hooks see the types of srv', 'src/hooks/run.ts', "import { type A, type B } from '../srv/srv.js';", true],
  ['hooks do not see srv', 'src/hooks/run.ts', "import { type A, b } from '../srv/srv.js';", false],
  ['relay does not see smtp', 'src/relay/relay.ts', "import {\n  a,\n  b,\n} from '../smtp/session.js';", false],
  ['smtp does not see spf', 'src/smtp/connection.ts', "export { a } from '../spf/parse.js';", false],
  ['nor by a call', 'src/smtp/connection.ts', "const { a } = await import('../spf/parse.js');", false],
  ['nor for its effect', 'src/smtp/connection.ts', "import '../spf/parse.js';", false],
  ['the codec is pure', 'src/milter/codec.ts', "import { Socket } from 'node:net';", false],
  ['the milter’s server is not', 'src/milter/server.ts', "import { Socket } from 'node:net';", true],
  ['a plugin sees what plugins are made of', 'plugins/date.ts', "import { a } from '../src/hooks/check.js';", true],
  ['a plugin does not see the runner', 'plugins/date.ts', "import { a } from '../src/hooks/run.js';", false],
  ['a plugin does not see srv', 'plugins/date.ts', "import type { a } from '../src/srv/srv.js';", false],
  ['the SPF plugin sees SPF', 'plugins/spf.ts', "import { a } from '../src/spf/check-host.js';", true],
  [
    'valid_users sees the directory',
    'plugins/valid_users.ts',
    "import { a } from '../src/directory/directory.js';",
    true,
  ],
  ['mailauth is known to dkim', 'src/dkim/dmarc.ts', "import { a } from 'mailauth/lib/dmarc/index.js';", true],
  ['other plugins do not', 'plugins/date.ts', "import { a } from '../src/spf/check-host.js';", false],
  ['smtp-server has one door', 'src/smtp/library/npm-server.ts', "import { SMTPServer } from 'smtp-server';", true],
  ['smtp-server is unknown beside it', 'src/smtp/server.ts', "import { SMTPServer } from 'smtp-server';", false],
  ['smtp-server is unknown to the wiring', 'src/main.ts', "import { SMTPServer } from 'smtp-server';", false],
  ['nodemailer is known to digest', 'src/digest/compose.ts', "import M from 'nodemailer';", true],
  ['nodemailer is unknown to relay', 'src/relay/pool.ts', "import M from 'nodemailer';", false],
  ['pino is known to the log alone', 'src/cli/serve/serve.ts', "import { type Logger } from 'pino';", false],
  ['a package no row names is unknown', 'src/smtp/server.ts', "import _ from 'left-pad';", false],
  ['the wiring sees everything', 'src/cli/wire.ts', "import { a } from '../spf/check-host.js';", true],
  ['a comment imports nothing', 'src/mail/ip.ts', "/**\n * import { a } from 'node:fs';\n */", true],
  ['a room without a row', 'src/attic/old.ts', '', false],
];

for (const [what, file, source, expected] of table) {
  test(what, () => assert.equal(complaints(file, source).length === 0, expected));
}
