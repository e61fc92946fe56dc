/** `postern tail`: what becomes of mails while one looks on, whichever process takes them. */
import { csvHead, csvRow } from '../../journal/shown/csv.js';
import { followJournal } from '../../journal/follow.js';
import { journalDir } from '../../journal/hours.js';
import type { JournalLine } from '../../journal/line.js';
import type { SettingsTask } from '../command/command.js';
import { exit } from '../exit-codes.js';
import { jsonLine, render } from '../terminal.js';
import { tailRow } from './rows.js';
import { onJournal, searchOf, type TrackTask } from './words.js';

/** It is this host's journal that is followed. */
export const tail = (task: SettingsTask): Promise<number> =>
  onJournal({ ...task, options: new Map([...task.options, ['here', '']]) }, follow);

async function follow({ settings, options, words, terminal }: TrackTask): Promise<number> {
  const query = searchOf(words);
  if (typeof query === 'number') return query;
  const zone = { utc: options.has('utc') };
  const row = options.has('json')
    ? jsonLine
    : options.has('csv')
      ? csvRow
      : (line: JournalLine): string => render([tailRow(line, zone)], terminal);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  if (options.has('csv')) process.stdout.write(csvHead);
  for await (const line of followJournal({ dir: journalDir(settings.state), signal: stop.signal }))
    if (query.matches(line)) process.stdout.write(row(line));
  return exit.ok;
}
