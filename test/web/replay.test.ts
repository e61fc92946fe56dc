/** Replay on the page: a kept mail is judged by today's checks, by whoever may see it, and nothing comes of it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { keptOnDisk } from '../../src/quarantine/kept-on-disk.js';
import { replaying } from '../../src/cli/test/replay.js';
import { parseRef } from '../../src/quarantine/disk/mail-ref.js';
import { loadSettings } from '../../src/settings/settings.js';
import { newId } from '../../src/smtp/transaction-id.js';
import { relayed, writerIn } from '../journal/support.js';
import { shippedPlugins } from '../support/shipped-plugins.js';
import { Client, keep, ofExampleCom, openSite, type Site } from './support.js';

/** No DNS is asked, and the load of this machine does not count. */
function surroundings(t: TestContext): readonly string[] {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-replay-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.writeFileSync(path.join(folder, 'zone.json'), '{}');
  fs.writeFileSync(path.join(folder, 'plugins'), shippedPlugins());
  return [`dns_zone=${folder}/zone.json`, `plugins=${folder}/plugins`];
}

function touch({ srv }: Site, marker: string): void {
  fs.mkdirSync(path.dirname(path.join(srv, marker)), { recursive: true });
  fs.writeFileSync(path.join(srv, marker), '');
}

const filesIn = (folder: string): readonly string[] =>
  fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted();

test('what today’s checks say of a kept mail; a marker that goes changes the answer', async (t) => {
  const at = await openSite(t, surroundings(t));
  touch(at, 'example.com/users/valid/foo');
  touch(at, 'example.com/checks/date');
  const name = await keep(at, { text: 'Subject: <b>no</b> date\r\n\r\nx\r\n', from: 'anna@sender.example' });
  const anna = await new Client(at).login();
  const kept = filesIn(at.spam);
  const mail = { csrf: await anna.csrf(), mail: name, back: '/journal/X' };
  const rejected = await anna.post('/replay', mail);
  assert.equal(rejected.status, 200);
  assert.match(rejected.body, /would be rejected, and kept/);
  assert.match(rejected.body, /550 5\.7\.1 Missing header - Date: \(ID\)/);
  assert.match(rejected.body, /<td>date<\/td>\s*<td>dataPost<\/td>\s*<td>reject<\/td>/);
  assert.match(rejected.body, /href="\/journal\/X"/);
  fs.rmSync(path.join(at.srv, 'example.com/checks/date'));
  assert.match((await anna.post('/replay', mail)).body, /would be handed to the local MTA/);
  assert.deepEqual([at.delivered(), filesIn(at.spam)], [[], kept], 'nothing was sent or stored');
});

test('it is for those who may see the mail, by a form of ours alone', async (t) => {
  const at = await openSite(t, surroundings(t));
  const name = await keep(at, { domain: 'example.net' });
  const anna = await new Client(at).login();
  const bob = await new Client(at).login(ofExampleCom);
  assert.equal((await bob.post('/replay', { csrf: await bob.csrf(), mail: name })).status, 404);
  assert.equal((await anna.post('/replay', { csrf: 'wrong', mail: name })).status, 403);
  assert.equal((await anna.get(`/replay?mail=${encodeURIComponent(name)}`)).status, 404);
  assert.equal((await new Client(at).post('/replay', { mail: name })).status, 401);
  const evil = { csrf: await anna.csrf(), mail: name, back: 'https://evil.example/' };
  assert.ok(!(await anna.post('/replay', evil)).body.includes('evil.example'));
});

test('a mail that is gone', async (t) => {
  const at = await openSite(t, surroundings(t));
  const name = await keep(at);
  const anna = await new Client(at).login();
  const csrf = await anna.csrf();
  fs.rmSync(path.join(at.spam, name.split('/').slice(0, 2).join('/'), 'new'), { recursive: true });
  assert.match((await anna.post('/replay', { csrf, mail: name })).body, /The mail itself is gone/);
});

test('the story of a rejected mail has the button, and so has the mail', async (t) => {
  const at = await openSite(t, surroundings(t));
  const name = await keep(at);
  const id = newId(Date.now());
  const writer = writerIn(path.join(at.root, 'state/journal'));
  const filename = name.split('/')[2] ?? '';
  writer.write({ ...relayed, id, time: new Date().toISOString(), verdict: 'rejected', filename, ms: 0 });
  writer.close();
  const anna = await new Client(at).login();
  for (const where of [`/journal/${id}`, `/mail/${name}`])
    assert.match((await anna.get(where)).body, /<button formaction="\/replay">Replay<\/button>/);
});

test('one mail is judged at a time', async (t) => {
  const at = await openSite(t, surroundings(t));
  const ref = parseRef(await keep(at));
  assert.ok(ref);
  const places = [`spam=${at.spam}`, `srv=${at.srv}`, `state=${at.root}/state`, `relay=${at.relay}`];
  const argv = [...places, ...surroundings(t)].map((setting) => `--${setting}`);
  const loaded = loadSettings({ argv, env: {}, readFile: () => '' });
  assert.ok(loaded.ok);
  const replay = replaying(loaded.value.settings, keptOnDisk(loaded.value.settings.spam));
  const [first, second] = await Promise.all([replay(ref), replay(ref)]);
  assert.deepEqual([first.kind, second.kind], ['judged', 'busy']);
  assert.equal((await replay(ref)).kind, 'judged');
});
