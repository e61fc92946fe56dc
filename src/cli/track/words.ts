/**
 * Shared by the commands on the journal: making sure that there is one, reading the search, and saying broken IO in a
 * line.
 */
import { statSync } from 'node:fs';
import type { JournalSource } from '../../journal/journal-source.js';
import { type JournalQuery, parseJournalQuery } from '../../journal/query.js';
import { errorText } from '../../mail/error-text.js';
import type { SettingsTask } from '../command/command.js';
import { failed } from '../complain.js';
import { exit } from '../exit-codes.js';
import { searchText } from '../quarantine/task.js';
import { SourceDown } from '../../quarantine/kept-mails.js';
import { type JournalHoldings, openJournalHoldings } from '../holdings.js';
import { type Terminal, terminalOf } from '../terminal.js';

export interface TrackTask extends SettingsTask {
  readonly holdings: JournalHoldings;
  readonly journal: JournalSource;
  readonly terminal: Terminal;
}

/** Returns the exit code. */
export async function onJournal(task: SettingsTask, run: (task: TrackTask) => Promise<number>): Promise<number> {
  const { settings, options, env } = task;
  let holdings: JournalHoldings | undefined;
  try {
    holdings = await openJournalHoldings(settings, {
      here: options.has('here'),
      // It may be root's.
      counting: { budgetMs: Infinity, writes: false },
    });
    const { journal, dir } = holdings;
    const problem = dir === undefined ? undefined : problemWith(dir);
    if (problem !== undefined)
      return failed(exit.notAll, [settings.journal === 0 ? 'no journal is kept: the setting journal is 0' : problem]);
    return await run({ ...task, holdings, journal, terminal: terminalOf(process.stdout, env) });
  } catch (error) {
    if (error instanceof SourceDown) return failed(exit.unavailable, [`catalog: ${error.message}; ${insteadOfIt}`]);
    return failed(exit.ioError, [errorText(error)]);
  } finally {
    await holdings?.close();
  }
}

const insteadOfIt = "--here asks this host's files alone";

function problemWith(dir: string): string | undefined {
  try {
    statSync(dir);
    return undefined;
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return isAbsent ? `${dir} is not there: no mail has come yet, or --state names another folder` : errorText(error);
  }
}

/** Returns the exit code where the search is wrong. */
export function searchOf(words: readonly string[]): JournalQuery | number {
  const parsed = parseJournalQuery(searchText(words));
  return parsed.ok ? parsed.value : failed(exit.usage, [parsed.problem]);
}
