/**
 * `postern journal erase ADDRESS`: takes an address out of the journal, as its owner may ask. The audit says that it
 * was done, not for whom.
 */
import { daysOf, hoursOf, journalDir } from '../../journal/hours.js';
import { writeFilter } from '../../journal/care.js';
import { erasedLine, rewriteHour } from '../../journal/rewrite.js';
import { misused, type SettingsTask } from '../command/command.js';
import { exit } from '../exit-codes.js';
import { bar, progressLine } from '../quarantine/task.js';
import { recordCommand } from '../record.js';
import { onJournal, type TrackTask } from './words.js';

export const erase = (task: SettingsTask): Promise<number> => onJournal(task, eraseAddress);

async function eraseAddress(task: TrackTask): Promise<number> {
  const [address = '', ...more] = task.words;
  if (!/^[^@\s]+@[^@\s]+$/.test(address) || more.length > 0)
    return misused(task, 'name one mail address, such as anna@sender.example');
  const progress = progressLine();
  const dir = journalDir(task.settings.state);
  const hours = daysOf(dir).flatMap((day) => hoursOf(dir, day));
  let count = 0;
  let shared = 0;
  try {
    if (task.holdings.erase)
      shared = await task.holdings.erase(address, (share) => progress.show(bar(Math.round(share * 100), 100)));
    for (const [i, hour] of hours.entries()) {
      progress.show(bar(i, hours.length));
      const changed = rewriteHour(hour, (line) => erasedLine(line, address));
      count += changed;
      // The hour's filter would still tell that the address was there.
      if (changed > 0) await writeFilter(hour, false);
    }
  } finally {
    progress.end();
    const target = address.slice(address.lastIndexOf('@'));
    const result = count + shared === 0 ? 'not found' : 'done';
    const detail = task.holdings.erase ? `${lines(shared)} of all hosts, ${lines(count)} here` : lines(count);
    recordCommand(task.settings, { what: 'journal erased', target, detail, result });
  }
  process.stdout.write(
    task.holdings.erase
      ? `${lines(shared)} erased in the catalog, ${count} in the files of this host; the other hosts follow in theirs\n`
      : `${lines(count)} erased\n`,
  );
  return count + shared === 0 ? exit.notAll : exit.ok;
}

const lines = (count: number): string => `${count} ${count === 1 ? 'line' : 'lines'}`;
