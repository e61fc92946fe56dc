/** `postern milter --policy FILE`: a filter of somebody else's, in our workers. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadPolicy } from '../../../src/cli/milter/policy-file/load.js';
import { packageRoot } from '../../../src/cli/package-root.js';
import { freePort } from '../../support/free-port.js';
import { until } from '../../support/until.js';
import { MilterClient } from '../../milter/verify-sender/client.js';
import { MilterChild } from '../support/milter-child.js';

const folders: string[] = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder with these files, in which `socket` is free. */
function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-filter-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

const refusing = (text: string): string => `
import { replyWith } from 'postern/milter';
export const answer = replyWith(550, '5.7.1', '${text}');
`;

/** Refuses the senders that are named behind `--`, in the words of a file beside it. */
const filter = `
import { proceed } from 'postern/milter';
import { answer } from './words.mjs';
export default (senders) => ({
  mail: ({ sender }) => {
    if (sender.address === 'late@x.test') setTimeout(() => { throw new Error('too late'); });
    if (sender.address === 'end@x.test') process.exit(0);
    if (sender.address === 'say@x.test') console.log('a word of the filter');
    return senders.includes(sender.address) ? answer : proceed;
  },
});
`;

async function start(
  folder: string,
  words: readonly string[] = [],
  argv: readonly string[] = [],
): Promise<MilterChild> {
  const file = join(folder, 'filter.mjs');
  const socket = `unix:${join(folder, 'socket')}`;
  const child = new MilterChild(['--policy', file, '-p', socket, '-l', 'stderr', ...argv, '--', ...words]);
  await child.line(/ starting /);
  return child;
}

/** What the filter answers to the MAIL of each, in one session. */
async function answersTo(folder: string, ...senders: readonly string[]): Promise<readonly string[]> {
  const client = await MilterClient.open(join(folder, 'socket'));
  await client.connect('203.0.113.7');
  await client.helo('client.test');
  const verdicts: string[] = [];
  for (const sender of senders) {
    verdicts.push((await client.mail(sender)).verdict);
    client.abort();
  }
  client.quit();
  return verdicts;
}

test('a filter is given the words behind --, and its messages are logged and counted', async (t) => {
  const folder = folderWith({ 'filter.mjs': filter, 'words.mjs': refusing('not you') });
  const port = await freePort();
  writeFileSync(join(folder, 'service.conf'), `workers = 2\nmetrics = 127.0.0.1:${port}\n`);
  const child = await start(folder, ['bad@x.test'], ['-c', join(folder, 'service.conf')]);
  t.after(() => child.stop());
  assert.deepEqual(await answersTo(folder, 'good@x.test', 'bad@x.test'), ['continue', '550 5.7.1 not you']);
  await child.line(/^message refused ip=203\.0\.113\.7 from=bad@x\.test code=550 reply="not you"$/m);
  await child.line(/^for Postfix: smtpd_milters = unix:/m);
  const client = await MilterClient.open(join(folder, 'socket'));
  await client.connect('203.0.113.7');
  await client.mail('good@x.test');
  assert.equal((await client.message()).verdict, 'continue');
  client.quit();
  await child.line(/^message passed id=QUEUEID ip=203\.0\.113\.7 from=good@x\.test$/m);
  const counted = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  let numbers = await counted();
  while (!/^postern_milter_sessions 0$/m.test(numbers)) numbers = await counted(); // a session ends behind its QUIT
  assert.match(numbers, /^postern_milter_messages_total\{verdict="refused"\} 1$/m);
  assert.match(numbers, /^postern_milter_messages_total\{verdict="passed"\} 1$/m);
  assert.match(numbers, /^postern_milter_sessions_total 2$/m);
});

test('HUP loads the file anew, and what it imports; a broken one keeps the old filter, and the log says why', async (t) => {
  const folder = folderWith({ 'filter.mjs': filter, 'words.mjs': refusing('one') });
  const child = await start(folder, ['bad@x.test']);
  t.after(() => child.stop());
  assert.deepEqual(await answersTo(folder, 'bad@x.test'), ['550 5.7.1 one']);
  writeFileSync(join(folder, 'words.mjs'), refusing('two'));
  child.kill('SIGHUP');
  await child.line(/^filter loaded anew from .*filter\.mjs$/m);
  assert.deepEqual(await answersTo(folder, 'bad@x.test'), ['550 5.7.1 two']);
  const broken: readonly [text: string, why: RegExp][] = [
    [
      'export default {',
      /^not reloaded, the old filter stays: .*filter\.mjs: Unexpected end of input; "node --check /m,
    ],
    ['export default () => ({ mial() {} })', /^not reloaded, .*: a policy has no "mial"; did you mean mail\?$/m],
    ['throw new Error("no data base")', /^not reloaded, .*filter\.mjs: no data base$/m],
  ];
  for (const [text, why] of broken) {
    writeFileSync(join(folder, 'filter.mjs'), text);
    child.kill('SIGHUP');
    await child.line(why);
  }
  assert.deepEqual(await answersTo(folder, 'bad@x.test'), ['550 5.7.1 two']);
  writeFileSync(join(folder, 'filter.mjs'), filter.replace('proceed }', 'reject as proceed }'));
  child.kill('SIGHUP');
  await until(() => child.stderr.match(/^filter loaded anew/gm)?.length === 2, 'the mended file is loaded');
  assert.deepEqual(await answersTo(folder, 'good@x.test'), ['reject']);
});

test('HUP loads CommonJS anew as well, with what it requires', async (t) => {
  const said = (text: string): string =>
    `module.exports = { code: 550, kind: 'reply', enhanced: '', text: '${text}' };`;
  const common = `const answer = require('./words.cjs'); module.exports = { mail: () => answer };`;
  const folder = folderWith({ 'words.cjs': said('one'), 'filter.cjs': common });
  const file = join(folder, 'filter.cjs');
  const child = new MilterChild(['--policy', file, '-p', `unix:${join(folder, 'socket')}`, '-l', 'stderr']);
  await child.line(/ starting /);
  t.after(() => child.stop());
  assert.deepEqual(await answersTo(folder, 'a@x.test'), ['550 one']);
  writeFileSync(join(folder, 'words.cjs'), said('two'));
  child.kill('SIGHUP');
  await child.line(/^filter loaded anew from .*filter\.cjs$/m);
  assert.deepEqual(await answersTo(folder, 'a@x.test'), ['550 two']);
});

test('a file that never comes to its end is a wrong one', async () => {
  const folder = folderWith({ 'f.mjs': 'await new Promise(() => {}); export default { eom() {} };' });
  const file = join(folder, 'f.mjs');
  assert.deepEqual(await loadPolicy({ file, words: [] }, undefined, 200), {
    ok: false,
    problem: `${file}: not loaded within 0.2 seconds: what does it wait for?`,
  });
});

test('what it writes to the console is logged; it cannot end the process, and a late mistake costs no session', async (t) => {
  const folder = folderWith({ 'filter.mjs': filter, 'words.mjs': refusing('no') });
  const child = await start(folder);
  t.after(() => child.stop());
  const senders = ['say@x.test', 'end@x.test', 'late@x.test', 'good@x.test'];
  assert.deepEqual(await answersTo(folder, ...senders), ['continue', 'tempfail', 'continue', 'continue']);
  await child.line(/^a word of the filter plugin=filter$/m);
  await child.line(/^a bug: tempfail is answered event=mail problem="Error: a plugin must not end the process"$/m);
  await child.line(/^a late mistake plugin=filter .*too late/m);
  await child.line(/^worker retired worker=\d+/m);
  assert.deepEqual(await answersTo(folder, 'good@x.test'), ['continue']);
});

test('the filter in docs/milter.md refuses mail without a subject', async (t) => {
  const page = readFileSync(join(packageRoot, 'docs/milter.md'), 'utf8');
  const [, text = ''] = /```js\n(\/\/ subject\.mjs[\s\S]*?)```/.exec(page) ?? [];
  const folder = folderWith({ 'filter.mjs': text });
  const child = await start(folder);
  t.after(() => child.stop());
  const client = await MilterClient.open(join(folder, 'socket'));
  await client.connect('203.0.113.7');
  const verdicts: string[] = [];
  for (const fields of [[['Subject', 'x']], [['X-Subject', 'x']]] as const) {
    await client.mail('a@x.test');
    verdicts.push((await client.message(fields)).verdict);
  }
  client.quit();
  assert.deepEqual(verdicts, ['continue', 'reject']);
  await child.line(/^message refused id=QUEUEID ip=203\.0\.113\.7 from=a@x\.test$/m);
});

const readsTypeScript = 'typescript' in process.features && process.features.typescript !== false;

const checked: readonly [what: string, files: Readonly<Record<string, string>>, said: RegExp][] = [
  ['a policy', { 'f.mjs': 'export default { eom() {} }' }, /f\.mjs is good$/],
  ['a function that makes one', { 'f.mjs': 'export default async () => ({ eom() {} })' }, /f\.mjs is good$/],
  ['CommonJS', { 'f.cjs': 'module.exports = { eom() {} }' }, /f\.cjs is good$/],
  ['nothing', { 'f.mjs': '' }, /f\.mjs: the default export must be a policy, or a function that makes one$/],
  ['no handler', { 'f.mjs': 'export default { edits: [] }' }, /the policy has no handler: it needs one of connect, /],
  ['a handler that is none', { 'f.mjs': 'export default { eom: 1 }' }, /f\.mjs: eom must be a function$/],
  [
    'an edit that is none',
    { 'f.mjs': 'export default { edits: ["add-field"], eom() {} }' },
    /f\.mjs: edits must be a list of add-header, /,
  ],
  ['no such file', {}, /f\.mjs: Cannot find module/],
  [
    'TypeScript',
    { 'f.ts': 'export default { eom(): void {} }' },
    readsTypeScript ? /f\.ts is good$/ : /f\.ts: Node 2\d.* reads no TypeScript; 22\.18 and later do, or compile it$/,
  ],
];

for (const [what, files, said] of checked)
  test(`--check-config looks at the file: ${what}`, async () => {
    const folder = folderWith(files);
    const [name = 'f.mjs'] = Object.keys(files);
    const child = new MilterChild(['--policy', join(folder, name), '-p', 'unix:/proc/nowhere', '--check-config']);
    const code = await child.exited;
    assert.match((child.stdout + child.stderr).trimEnd(), said);
    assert.equal(code, /is good/.test(said.source) ? 0 : 78);
  });

test('a file that is wrong stops the start with 78; a wrong line of its service, or option, is named', async () => {
  const folder = folderWith({ 'f.mjs': 'export default { eom() {} }', 'x.conf': 'verify_helo = no\nworkerz = 2\n' });
  const file = join(folder, 'f.mjs');
  const run = async (...argv: readonly string[]): Promise<[code: number | string, lines: readonly string[]]> => {
    const child = new MilterChild(['--policy', ...argv]);
    return [await child.exited, child.stderr.trimEnd().split('\n')];
  };
  const [code, lines] = await run(file, '-c', join(folder, 'x.conf'), '-n');
  assert.equal(code, 78);
  assert.match(lines[0] ?? '', /x\.conf:1: verify_helo is a parameter of --policy verify alone; the settings of a fil/);
  assert.match(lines[1] ?? '', /x\.conf:2: workerz is no parameter; did you mean workers\?$/);
  assert.match(lines[2] ?? '', /-n has no place here: the filter decides by itself$/);
  assert.match(lines[3] ?? '', /^postern: where does the MTA connect\? -p unix:/);
  const [broken, why] = await run(join(folder, 'none.mjs'), '-p', `unix:${folder}/s`, '-l', 'stderr');
  assert.equal(broken, 78);
  assert.match(why[0] ?? '', /none\.mjs: Cannot find module/);
  assert.deepEqual(await run(file, '-p', `unix:${folder}/s`, '-l', 'stderr', '--', 'word'), [
    78,
    [`postern: ${file}: takes no words: its default export is no function that is given them`],
  ]);
});
