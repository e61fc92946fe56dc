/** Others read the same maildirs at the same time: mutt sees the mails while they are listed, released and deleted. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { browse } from '../../src/quarantine/browse.js';
import { discard } from '../../src/quarantine/discard.js';
import { locate } from '../../src/quarantine/mail-ref.js';
import { everything } from '../../src/quarantine/query.js';
import { folderOf, quarantineIn, request, spamFolder } from '../quarantine/support.js';
import { needPeer } from '../support/peers.js';

/** Opens the maildir on a terminal of its own, runs commands of mutt's own language, and leaves. */
function mutt(folder: string, commands: string): void {
  const settings = [
    `set folder=${folder}`,
    'set quit=yes',
    'set delete=yes',
    'set sleep_time=0',
    'set charset=utf-8',
    `push '${commands}'`,
  ];
  const words = ['mutt', '-n', '-F', '/dev/null', '-f', folder, ...settings.flatMap((setting) => ['-e', setting])];
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const { status, stdout } = spawnSync('script', ['-qec', `stty cols 200 rows 60; ${quoted}`, '/dev/null'], {
    env: { PATH: process.env['PATH'], TERM: 'vt100', LC_ALL: 'C.UTF-8', HOME: folder },
    encoding: 'utf8',
    timeout: 30_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  assert.equal(status, 0, stdout);
}

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
