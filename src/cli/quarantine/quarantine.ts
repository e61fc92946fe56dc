/** What all commands of `postern quarantine` share: a quarantine that is there, and broken IO told in a line. */
import { existsSync } from 'node:fs';
import { errorText } from '../../mail/error-text.js';
import type { SettingsTask } from '../command/command.js';
import { failed } from '../complain.js';
import { exit } from '../exit-codes.js';
import { SourceDown } from '../../quarantine/kept-mails.js';
import { openHoldings, type Holdings } from '../holdings.js';
import { terminalOf } from '../terminal.js';
import type { Task } from './task.js';

/** The exit code. `hasHere`: the command can look at this host's files alone. */
export async function onQuarantine(
  task: SettingsTask,
  run: (task: Task) => Promise<number>,
  hasHere: boolean,
): Promise<number> {
  const { spam, catalog } = task.settings;
  if ((catalog === '' || task.options.has('here')) && !existsSync(spam))
    return failed(exit.notAll, [
      `spam: ${spam} is not there; postern serve makes it, --spam names another, --trial that of npm start`,
    ]);
  let holdings: Holdings | undefined;
  try {
    holdings = await openHoldings(task.settings, { here: task.options.has('here') });
    const { mails } = holdings;
    const terminal = terminalOf(process.stdout, task.env);
    return await run({ ...task, holdings, mails, terminal, isTerminal: process.stdout.isTTY });
  } catch (error) {
    if (error instanceof SourceDown)
      return failed(exit.unavailable, [
        `catalog: ${error.message}${hasHere ? "; --here looks at this host's files alone" : ''}`,
      ]);
    return failed(exit.ioError, [errorText(error)]);
  } finally {
    await holdings?.close();
  }
}
