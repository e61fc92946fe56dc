/** `postern track`: what became of mails, newest first; or with an ID the story of one. */
import { csvHead, csvRow } from '../../journal/shown/csv.js';
import type { JournalLine } from '../../journal/line.js';
import type { JournalQuery } from '../../journal/query.js';
import type { JournalSource } from '../../journal/journal-source.js';
import { storyOf } from '../../journal/shown/story.js';
import { durationWords, storyLines, timeWords } from '../../journal/shown/story-text.js';
import { shown } from '../../mail/text.js';
import { idTime } from '../../smtp/transaction-id.js';
import { misused, type SettingsTask } from '../command/command.js';
import { failed } from '../complain.js';
import { exit } from '../exit-codes.js';
import { progressLine, bar } from '../quarantine/task.js';
import { jsonLine, render } from '../terminal.js';
import { closestTo } from './closest.js';
import { listRows } from './rows.js';
import { onJournal, searchOf, type TrackTask } from './words.js';

const usualLimit = 50;

export const track = (given: SettingsTask): Promise<number> =>
  onJournal(given, (task) => {
    const [word = '', ...more] = task.words;
    const madeAt = more.length === 0 ? idTime(word.toUpperCase()) : undefined;
    return madeAt === undefined ? list(task) : story(task, word.toUpperCase(), madeAt);
  });

const write = async (text: string): Promise<void> => {
  if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
};

async function story({ journal, holdings, options, terminal }: TrackTask, id: string, madeAt: number): Promise<number> {
  const found = await storyOf({ journal, id, madeAt });
  if (!found)
    return failed(exit.notAll, [
      `the journal has no mail ${id}; ${await sinceWhen(journal, { utc: options.has('utc') })}`,
    ]);
  if (options.has('json')) for (const line of found) await write(jsonLine(line));
  else await write(render(storyLines(found, { utc: options.has('utc'), hosts: isOfAll(holdings) }), terminal));
  return exit.ok;
}

const isOfAll = ({ dir }: TrackTask['holdings']): boolean => dir === undefined;

async function list(task: TrackTask): Promise<number> {
  const { journal, holdings, options, terminal } = task;
  const query = searchOf(task.words);
  if (typeof query === 'number') return query;
  const limit = options.has('all') ? Infinity : Number(options.get('limit') ?? usualLimit);
  if (!(limit >= 1)) return misused(task, '--limit needs a number, such as --limit=50');
  const width = process.stdout.isTTY ? terminal.width : undefined;
  const style = { utc: options.has('utc'), hosts: isOfAll(holdings), width };
  const isTable = !options.has('json') && !options.has('csv');
  const row = options.has('json')
    ? jsonLine
    : options.has('csv')
      ? csvRow
      : (line: JournalLine): string => render(listRows(line, style), terminal);
  const began = performance.now();
  const counts = new Map<string, number>();
  const progress = progressLine();
  let count = 0;
  if (options.has('csv')) await write(csvHead);
  for await (const step of journal.search({ query })) {
    if (!('line' in step)) {
      progress.show(bar(Math.round(step.done / 1_000_000), Math.round(step.all / 1_000_000)));
      continue;
    }
    if (count === limit) {
      progress.end();
      process.stderr.write(`… and more: --limit=${limit * 10}, --all, or a narrower search\n`);
      return exit.ok;
    }
    count++;
    counts.set(step.line.verdict, (counts.get(step.line.verdict) ?? 0) + 1);
    progress.end();
    await write(row(step.line));
  }
  progress.end();
  if (count === 0) return nothing(query, task);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (isTable) {
    const each = [...counts].map(([verdict, n]) => `${n} ${verdict}`).join(', ');
    await write(
      `${count} ${count === 1 ? 'mail' : 'mails'} in ${spanWords(query, await journal.oldest())}, ${each} (${seconds} s).\n`,
    );
  }
  return exit.ok;
}

/** Writes the span that was searched, such as `14 days`: the one that was asked for, or else all there is. */
function spanWords({ after, before = Date.now() }: JournalQuery, oldest: number | undefined): string {
  const begin = Math.max(after ?? -Infinity, oldest ?? before);
  const days = Math.ceil((before - begin) / 86_400_000);
  return before - begin < 86_400_000 ? durationWords(before - begin) : `${days} days`;
}

async function nothing(query: JournalQuery, { journal, options }: TrackTask): Promise<number> {
  process.stderr.write(`nothing found; ${await sinceWhen(journal, { utc: options.has('utc') }, query.after)}\n`);
  const closest = await closestTo(query, journal);
  if (closest) {
    const count = closest.isMore ? `${closest.count} and more` : String(closest.count);
    const only = closest.verdicts.length === 1 ? `, all ${closest.verdicts[0]}` : '';
    process.stderr.write(shown(`closest: ${count} by postern track ${closest.search}${only}`, 400) + '\n');
  }
  return exit.notAll;
}

async function sinceWhen(journal: JournalSource, zone: { readonly utc: boolean }, after = -Infinity): Promise<string> {
  const first = await journal.oldest();
  if (first === undefined) return 'the journal is empty';
  const since = new Date(Math.max(first, after)).toISOString();
  return `looked back to ${timeWords(since, zone).trim()}`;
}
