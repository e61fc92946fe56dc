/** Others read the same maildirs at the same time: mutt sees the mails while they are listed, released and deleted. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { browse } from '../../src/quarantine/look/browse.js';
import { checkDay } from '../../src/quarantine/care/check.js';
import { discard } from '../../src/quarantine/care/discard.js';
import { openKeptMail } from '../../src/quarantine/look/kept-mail.js';
import { locate } from '../../src/quarantine/disk/mail-ref.js';
import { everything } from '../../src/quarantine/look/query.js';
import { release, type ReleaseOptions } from '../../src/quarantine/care/release.js';
import { folderOf, quarantineIn, request, spamFolder } from '../quarantine/support.js';
import { needPeer } from '../support/peers.js';
import { patience, until } from '../support/until.js';

/** On a terminal of its own, where `keys` of mutt's own language are pushed. */
function muttWords(folder: string, keys = ''): readonly string[] {
  const settings = [
    `set folder=${folder}`,
    'set quit=yes',
    'set delete=yes',
    'set sleep_time=0',
    'set mail_check=0',
    'set charset=utf-8',
    'set status_format="[Msgs:%m]"',
    ...(keys === '' ? [] : [`push '${keys}'`]),
  ];
  const words = ['mutt', '-n', '-F', '/dev/null', '-f', folder, ...settings.flatMap((setting) => ['-e', setting])];
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return ['-qec', `stty cols 200 rows 60; ${quoted}`, '/dev/null'];
}

const envOf = (home: string): Record<string, string | undefined> => ({
  PATH: process.env['PATH'],
  TERM: 'vt100',
  LC_ALL: 'C.UTF-8',
  HOME: home,
});

function mutt(folder: string, keys: string): void {
  const { status, stdout } = spawnSync('script', muttWords(folder, keys), {
    env: envOf(folder),
    encoding: 'utf8',
    timeout: 30_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  assert.equal(status, 0, stdout);
}

test('a mutt that stays open sees each mail as it is archived; what it moves is listed and found', async (t) => {
  if (!needPeer(t, 'mutt', 'script')) return;
  const root = spamFolder(t);
  const quarantine = quarantineIn(root);
  const archive = async (): Promise<void> => assert.equal((await quarantine.archive(request())).kind, 'archived');
  await archive();
  const folder = folderOf(root);
  const child = spawn('script', muttWords(folder), { env: envOf(folder), stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (screen += part));
  /**
   * It looks for new mail at each key, where the folder has changed since; control-L has the whole screen drawn. It
   * compares whole seconds, and so does not see by itself what came in the second of its last look.
   */
  const sees = async (count: number): Promise<void> => {
    for (const late = Date.now() + patience; !screen.includes(`[Msgs:${count}]`);) {
      assert.ok(Date.now() < late && child.exitCode === null, screen.slice(-2000));
      fs.utimesSync(path.join(folder, 'new'), new Date(), new Date());
      child.stdin.write('\x0c');
      await setTimeout(50);
    }
  };
  await sees(1);
  const count = 100;
  for (let archived = 1; archived < count; archived++) {
    await archive();
    // F flags, $ writes back: both move files, between new/ and cur/ and within it.
    if (archived % 10 === 0) child.stdin.write('F$');
    if (archived === count / 2) await sees(archived + 1);
  }
  await sees(count);
  child.stdin.write('$q');
  await until(() => child.exitCode !== null, 'mutt ends');
  assert.equal(child.exitCode, 0);
  const moved = fs.readdirSync(path.join(folder, 'cur'));
  assert.ok(
    moved.some((name) => name.endsWith(':2,F')),
    moved.join(),
  );
  let listed = 0;
  let sent = 0;
  const relay: ReleaseOptions['relay'] = {
    send: () => Promise.resolve(sent++ < count ? { kind: 'accepted', text: 'ok' } : assert.fail('sent twice')),
  };
  for await (const { ref } of browse({ root, query: everything })) {
    listed++;
    const file = await locate(root, ref);
    assert.ok(file !== undefined && openKeptMail(file), ref.filename);
    const shared = { hostname: 'mx.example', by: 'anna', form: 'raw', again: false } as const;
    const options = { root, relay, ...shared, hasUser: () => false };
    assert.equal((await release(ref, options)).kind, 'released', ref.filename);
  }
  assert.deepEqual([listed, sent], [count, count]);
  assert.deepEqual(await checkDay(folder), { rebuilt: false, orphans: 0, missing: 0, finished: 0, foreign: 0 });
  assert.equal(moved.length + fs.readdirSync(path.join(folder, 'new')).length, count);
});

test('a mail that mutt has read and flagged is listed, found and deleted as before', async (t) => {
  if (!needPeer(t, 'mutt', 'script')) return;
  const root = spamFolder(t);
  const quarantine = quarantineIn(root);
  for (let i = 0; i < 3; i++) assert.equal((await quarantine.archive(request())).kind, 'archived');
  const folder = folderOf(root);
  mutt(folder, '<flag-message><sync-mailbox><quit>');
  const flagged = fs.readdirSync(path.join(folder, 'cur'));
  assert.ok(
    flagged.some((name) => /:2,.*F/.test(name)),
    flagged.join(),
  );
  let count = 0;
  for await (const { ref } of browse({ root, query: everything })) {
    count++;
    assert.ok(await locate(root, ref), ref.filename);
    assert.equal(await discard(root, ref, 'anna'), 'deleted');
  }
  assert.equal(count, 3);
  assert.deepEqual([fs.readdirSync(path.join(folder, 'cur')), fs.readdirSync(path.join(folder, 'new'))], [[], []]);
});
