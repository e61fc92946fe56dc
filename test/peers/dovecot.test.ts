/**
 * Dovecot serves a day's maildir over IMAP while mails are archived into it: each comes whole, and stays ours to
 * find.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { browse } from '../../src/quarantine/look/browse.js';
import { locate } from '../../src/quarantine/disk/mail-ref.js';
import { everything } from '../../src/quarantine/look/query.js';
import { folderOf, quarantineIn, request, spamFolder } from '../quarantine/support.js';
import { needPeer } from '../support/peers.js';
import { patience, until } from '../support/until.js';

/** Dovecot refuses to serve root's mail. By its group it may read what we write, as mode 2770 on /spam has it. */
const nobody = 65_534;

/** One IMAP session on a pipe, logged in from the start: no port, no service. */
class Imap {
  readonly #child: ChildProcess;
  #said = '';
  #last = 0;

  constructor(t: TestContext, folder: string) {
    const home = fs.mkdtempSync(path.join(os.tmpdir(), 'dovecot-'));
    fs.chmodSync(home, 0o777);
    t.after(() => fs.rmSync(home, { recursive: true, force: true }));
    const config = path.join(home, 'dovecot.conf');
    const location = `maildir:${folder}:INDEX=MEMORY:CONTROL=${home}/control`;
    fs.writeFileSync(config, `base_dir=${home}/run\nlog_path=/dev/stderr\nmail_location=${location}\nssl=no\n`);
    fs.chmodSync(config, 0o644);
    const isRoot = process.getuid?.() === 0;
    this.#child = spawn('/usr/lib/dovecot/imap', ['-c', config], {
      env: { HOME: home, USER: isRoot ? 'nobody' : os.userInfo().username },
      stdio: ['pipe', 'pipe', 'inherit'],
      ...(isRoot && { uid: nobody, gid: nobody }),
    });
    this.#child.stdout?.setEncoding('latin1').on('data', (part: string) => (this.#said += part));
    t.after(() => this.#child.kill('SIGKILL'));
  }

  /** What came before the tagged OK. */
  async ask(command: string): Promise<string> {
    const tag = `t${++this.#last}`;
    this.#said = '';
    this.#child.stdin?.write(`${tag} ${command}\r\n`);
    const end = new RegExp(`^${tag} (\\w+).*\r\n`, 'm');
    await until(() => end.test(this.#said) || this.#child.exitCode !== null);
    assert.equal(end.exec(this.#said)?.[1], 'OK', `${command}: ${this.#said}`);
    return this.#said;
  }
}

test('an IMAP session sees each mail as it is archived, whole; flagged ones are listed and found as before', async (t) => {
  if (!needPeer(t, 'dovecot')) return;
  const root = spamFolder(t);
  if (process.getuid?.() === 0) fs.chownSync(root, 0, nobody);
  fs.chmodSync(root, 0o2770);
  const umask = process.umask(0o007);
  t.after(() => process.umask(umask));
  const quarantine = quarantineIn(root);
  const count = 200;
  const text = `Subject: long\r\n\r\n${'line of the body\r\n'.repeat(2000)}END\r\n`;
  const archive = async (): Promise<void> =>
    assert.equal((await quarantine.archive(request({ text }))).kind, 'archived');
  await archive();
  const imap = new Imap(t, folderOf(root));
  await imap.ask('SELECT INBOX');

  let seen = 0;
  const archiving = (async () => {
    for (let archived = 1; archived < count; archived++) {
      if (archived === count / 2) await until(() => seen > 1, 'Dovecot sees mails that came after its SELECT');
      await archive();
    }
  })();
  for (const late = Date.now() + patience; seen < count;) {
    assert.ok(Date.now() < late, `Dovecot has seen ${seen} of ${count}`);
    await imap.ask('NOOP');
    const fetched = await imap.ask(`UID FETCH ${seen + 1}:* (UID BODY.PEEK[])`);
    for (const [, uid, octets] of fetched.matchAll(/^\* \d+ FETCH \(UID (\d+) BODY\[\] \{(\d+)\}\r\n/gm)) {
      if (Number(uid) <= seen) continue; // RFC 3501 §6.4.8: n:* names the last one, too
      seen++;
      assert.equal(Number(uid), seen);
      assert.ok(Number(octets) > text.length, octets);
    }
    assert.equal(fetched.match(/^END\r\n\)/gm)?.length, fetched.match(/^\* \d+ FETCH \(UID/gm)?.length);
  }
  await archiving;

  await imap.ask(String.raw`STORE 1:50 +FLAGS (\Flagged \Seen)`);
  let listed = 0;
  for await (const { ref } of browse({ root, query: everything })) {
    listed++;
    assert.ok(await locate(root, ref), ref.filename);
  }
  assert.equal(listed, count);
  const flagged = fs.readdirSync(path.join(folderOf(root), 'cur')).filter((name) => name.endsWith(':2,FS'));
  assert.equal(flagged.length, 50);
  assert.deepEqual(fs.readdirSync(folderOf(root)).sort(), ['cur', 'index', 'index.json', 'new', 'tmp']);
});
