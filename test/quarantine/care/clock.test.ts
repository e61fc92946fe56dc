/** A clock that cannot be right empties no quarantine. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { createLogger } from '../../../src/log.js';
import { acceptClock, clockProblem } from '../../../src/quarantine/care/clock.js';
import { folderTime } from '../../../src/quarantine/disk/emptying.js';
import { folderAt } from '../../../src/quarantine/disk/folder.js';
import { day, oldFolder, quarantineIn, spamFolder } from '../support.js';

const now = new Date(2026, 10, 20, 12);
const daysAway = (days: number): Date => new Date(now.getTime() + days * day);

const clocks: readonly (readonly [what: string, mails: readonly number[], problem: RegExp | undefined])[] = [
  ['the newest mail is of today', [-100, 0], undefined],
  ['the newest mail is old, and not too old', [-29], undefined],
  ['there is no mail', [], undefined],
  ['all mail would go', [-31, -100], /all mail is too old, the newest is of 2026-10-20/],
  ['a mail is of tomorrow', [-5, 1], /clock says 2026-11-20.*mail was kept at 2026-11-21/],
  ['a mail is of next year', [-5, 366], /mail was kept at 2027/],
  ['a mail is five minutes ahead', [5 / 1440], undefined],
];

for (const [what, mails, problem] of clocks) {
  test(`a clock is looked at: ${what}`, async (t) => {
    const root = spamFolder(t);
    for (const [i, days] of mails.entries()) oldFolder(root, daysAway(days), { domain: `d${i}.example` });
    const found = await quarantineIn(root).clockProblem(now);
    if (problem === undefined) assert.equal(found, undefined);
    else assert.match(found ?? '', problem);
  });
}

test('mail whose index is lost counts by its name, and one that is kept for ever stays', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, daysAway(3));
  fs.rmSync(path.join(folder, 'index'));
  assert.match((await clockProblem({ root, now, expireDays: 30 })) ?? '', /mail was kept at 2026-11-23/);
  const late = { root, now: daysAway(300), expireDays: 30 };
  assert.match((await clockProblem(late)) ?? '', /too old/);
  assert.equal(await clockProblem({ ...late, ownLimits: () => ({ kind: 'limits', days: 0 }) }), undefined);
  assert.equal(await clockProblem({ ...late, expireDays: 0 }), undefined);
});

test('links, FIFOs and junk in the way are no reason to wait, or to believe', async (t) => {
  const root = spamFolder(t);
  const folder = oldFolder(root, daysAway(-40), { count: 1 });
  fs.rmSync(path.join(folder, 'index'));
  execFileSync('mkfifo', [path.join(folder, 'index')]);
  fs.symlinkSync('9999999999999', path.join(root, '.expired-by-hand'));
  const other = oldFolder(root, daysAway(-41), { domain: 'junk.example' });
  fs.writeFileSync(path.join(other, 'index'), 'x'.repeat(5_000_000));
  assert.match((await clockProblem({ root, now, expireDays: 30 })) ?? '', /too old, the newest is of 2026-10-11/);
  assert.ok((await folderTime(folderAt(folder))) < now.getTime());
});

test('who expires by hand is believed: mail of the future is no reason any more, and the next one is', async (t) => {
  const root = spamFolder(t);
  oldFolder(root, daysAway(20));
  const options = { root, now, expireDays: 30 };
  assert.match((await clockProblem(options)) ?? '', /mail was kept/);
  await acceptClock(root, now);
  assert.equal(await clockProblem(options), undefined);
  oldFolder(root, daysAway(25));
  assert.match((await clockProblem(options)) ?? '', /mail was kept/);
});

test('a service removes nothing until the clock can be believed, and from then on what is too old', async (t) => {
  const { expireAndTell } = await import('../../../src/cli/service/expiring.js');
  const root = spamFolder(t);
  const old = oldFolder(root, new Date(Date.now() - 40 * day));
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const log = createLogger(
    { log_level: 'info', log_format: 'json', syslog_prefix: false, log_file: '' },
    { stream, isTerminal: false },
  );
  const quarantine = quarantineIn(root);
  await expireAndTell(quarantine, log);
  assert.ok(fs.existsSync(path.join(old, 'index')));
  assert.match(lines.join(''), /too old.*quarantine not expired/);
  oldFolder(root, new Date(), { domain: 'young.example' });
  await expireAndTell(quarantine, log);
  assert.ok(!fs.existsSync(old));
  assert.match(lines.at(-1) ?? '', /quarantine expired/);
});
