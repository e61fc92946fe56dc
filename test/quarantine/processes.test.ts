/** Several processes at once, and processes that are killed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { entriesIn, folderOf, namesIn, oldFolder, quarantineIn, request, spamFolder } from './support.js';

const writer = fileURLToPath(import.meta.url).replace(/processes\.test(\.[jt]s)$/, 'writer$1');

interface Writer {
  readonly child: ChildProcess;
  /** What it said so far, line by line. */
  readonly said: () => readonly string[];
  readonly ended: Promise<unknown>;
}

function startWriter(t: TestContext, ...parameters: readonly string[]): Writer {
  const child = spawn(process.execPath, [...process.execArgv, writer, ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  t.after(() => child.kill('SIGKILL'));
  const said = (): readonly string[] => output.split('\n').slice(0, -1);
  return { child, said, ended: once(child, 'close') };
}

const whole = (mail: string): boolean => mail.startsWith('Recipient: ') && mail.endsWith('END\r\n');

test('four processes append at once: every mail and every line is whole', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const writers = ['A', 'B', 'C', 'D'].map((id) => startWriter(t, root, id, '150', String(time.getTime())));
  await Promise.all(writers.map((process) => process.ended));
  const said = writers.flatMap((process) => process.said());
  const folder = folderOf(root, time);
  assert.equal(said.length, 600);
  assert.deepEqual([...said].sort(), namesIn(folder, 'new'));
  // An empty line is none: it stands where one process saw the other in the middle of a write (torn-line.ts).
  const lines = fs
    .readFileSync(path.join(folder, 'index'), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  assert.deepEqual(lines.map((line) => String(JSON.parse(line).filename)).sort(), namesIn(folder, 'new'));
});

test('four processes find a folder of last year: it is emptied once, and no fresh mail with it', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const folder = oldFolder(root, new Date(time.getFullYear() - 1, time.getMonth(), time.getDate(), 12), {
    count: 3000,
  });
  const today = folderOf(root, time);
  if (folder !== today) fs.renameSync(path.dirname(folder), path.dirname(today));
  const writers = ['A', 'B', 'C', 'D'].map((id) => startWriter(t, root, id, '40', String(time.getTime())));
  await Promise.all(writers.map((process) => process.ended));
  const said = writers.flatMap((process) => process.said()).sort();
  assert.equal(said.length, 160);
  assert.deepEqual(namesIn(today, 'new'), said);
  assert.deepEqual(namesIn(today, 'cur'), []);
  assert.deepEqual((await entriesIn(today)).map((entry) => entry.filename).sort(), said);
});

test('a writer killed twenty times: what it answered is there, nothing in new/ is half a mail, no line is torn', async (t) => {
  const root = spamFolder(t);
  const time = new Date();
  const answered: string[] = [];
  for (let round = 0; round < 20; round++) {
    const process = startWriter(t, root, `R${round}X`, '1000000', String(time.getTime()));
    while (process.said().length === 0) await delay(5);
    await delay(Math.random() * 150);
    process.child.kill('SIGKILL');
    await process.ended;
    answered.push(...process.said());
  }
  assert.deepEqual(
    answered.filter((line) => line.startsWith('failed')),
    [],
  );
  const folder = folderOf(root, time);
  await quarantineIn(root).archive(request({ time, text: 'END\r\n' }));
  const mails = new Set(namesIn(folder, 'new'));
  for (const name of mails) assert.ok(whole(fs.readFileSync(path.join(folder, 'new', name), 'utf8')), name);
  const index = fs.readFileSync(path.join(folder, 'index'), 'utf8');
  const lines = index.split('\n').filter((line) => line !== '');
  const listed = new Set(lines.map((line) => String(JSON.parse(line).filename)));
  assert.match(index, /\n$/);
  for (const name of listed) assert.ok(mails.has(name), name);
  for (const name of answered) assert.ok(mails.has(name) && listed.has(name), name);
});
