/** `postern quarantine expire` and `check`: what the service does by itself or never needs, on demand. */
import fs from 'node:fs';
import path from 'node:path';
import { errorText } from '../../mail/error-text.js';
import { printable } from '../../mail/text.js';
import { type CheckResult, checkDay } from '../../quarantine/care/check.js';
import { acceptClock } from '../../quarantine/care/clock.js';
import { isYday } from '../../quarantine/disk/day.js';
import { isDomainFolder } from '../../quarantine/disk/mail-ref.js';
import { exit } from '../exit-codes.js';
import { bar, progressLine, type Task } from './task.js';
import { jsonLine } from '../terminal.js';
import { recordCommand } from '../record.js';
import { quarantineOf } from '../wire.js';
import { complain } from '../complain.js';

export async function expireNow({ settings, options, words }: Task): Promise<number> {
  if (words.length > 0)
    return misuse(
      'quarantine expire takes no words; expire and expire_size are settings, or lines of /srv/DOMAIN/expire',
    );
  const progress = progressLine();
  const { removed, problems } = await quarantineOf(settings).expire(undefined, (done, all) =>
    progress.show(bar(done, all)),
  );
  progress.end();
  // Who calls it has seen the clock: services go on from here.
  await acceptClock(settings.spam);
  for (const folder of removed) recordCommand(settings, { what: 'expired', target: folder, result: 'done' });
  for (const problem of problems) recordCommand(settings, { what: 'expired', target: settings.spam, result: problem });
  complain(problems.map((problem) => printable(problem, 1000)));
  if (options.has('json')) for (const folder of removed) process.stdout.write(jsonLine({ removed: folder }));
  else process.stdout.write(removed.map((folder) => `removed ${printable(folder)}\n`).join(''));
  if (!options.has('json') && removed.length === 0) process.stdout.write('nothing was too old or too much\n');
  return problems.length > 0 ? exit.ioError : exit.ok;
}

function misuse(problem: string): number {
  complain([problem]);
  return exit.usage;
}

export async function check({ settings, options, words }: Task): Promise<number> {
  const wrong = words.find((word) => !isFolder(word));
  if (wrong !== undefined) return misuse(`quarantine check: ${printable(wrong, 100)} must be YDAY/DOMAIN`);
  const folders = words.length > 0 ? words : foldersIn(settings.spam);
  const progress = progressLine();
  const sum = { folders: 0, rebuilt: 0, orphans: 0, missing: 0, finished: 0, foreign: 0, shipped: 0 };
  const say = (text: string, json: object): void =>
    void process.stdout.write(options.has('json') ? jsonLine(json) : `${text}\n`);
  for (const [i, folder] of folders.entries()) {
    progress.show(bar(i, folders.length));
    try {
      const found = await checkDay(path.join(settings.spam, folder), undefined, settings.ship_keep);
      sum.folders++;
      sum.rebuilt += found.rebuilt ? 1 : 0;
      for (const key of ['orphans', 'missing', 'finished', 'foreign'] as const) sum[key] += found[key];
      sum.shipped += found.shipped ?? 0;
      if (!found.rebuilt && found.missing + found.finished + found.foreign === 0) continue;
      progress.end();
      say(`${folder}: ${counted(found)}`, { folder, ...found });
    } catch (error) {
      progress.end();
      complain([printable(`${folder}: ${errorText(error)}`, 1000)]);
    }
  }
  progress.end();
  say(`${sum.folders} folders: ${sum.rebuilt} indexes mended, ${counted(sum)}`, sum);
  return sum.folders < folders.length ? exit.ioError : exit.ok;
}

const counted = ({ orphans, missing, finished, foreign, shipped = 0 }: Omit<CheckResult, 'rebuilt'>): string =>
  [
    `${orphans} mails had no line`,
    `${missing} lines have no mail`,
    ...(finished === 0 ? [] : [`${finished} mails were still in tmp`]),
    ...(shipped === 0 ? [] : [`${shipped} mails are in the catalog alone (ship_keep)`]),
    ...(foreign === 0 ? [] : [`${foreign} files are not ours`]),
  ].join(', ');

function isFolder(word: string): boolean {
  const [yday = '', domain = '', ...more] = word.split('/');
  return isYday(yday) && isDomainFolder(domain) && more.length === 0;
}

const foldersIn = (root: string): readonly string[] =>
  namesIn(root)
    .filter(isYday)
    .flatMap((yday) => namesIn(path.join(root, yday)).map((domain) => `${yday}/${domain}`))
    .filter(isFolder);

const namesIn = (dir: string): readonly string[] =>
  fs.existsSync(dir)
    ? fs
        .readdirSync(dir, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
    : [];
