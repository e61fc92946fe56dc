/**
 * `postern audit`: who changed what, newest first. Lines hold octets of strangers: none of them reaches a terminal as
 * it is.
 */
import { errorText } from '../mail/error-text.js';
import { type AuditEntry, undoneText } from '../audit/audit-entry.js';
import { SourceDown } from '../quarantine/kept-mails.js';
import type { Line, Style } from '../text/line.js';
import { misused, type SettingsTask } from './command/command.js';
import { failed } from './complain.js';
import { exit } from './exit-codes.js';
import { openHoldings } from './holdings.js';
import { jsonLine, render, shown, terminalOf } from './terminal.js';

const usualLimit = 50;

export async function audit(task: SettingsTask): Promise<number> {
  const { settings, options, words, env } = task;
  const limit = options.has('all') ? Infinity : Number(options.get('limit') ?? usualLimit);
  if (!(limit >= 1)) return misused(task, '--limit needs a number, such as --limit=50');
  const terminal = terminalOf(process.stdout, env);
  const holdings = await openHoldings(settings, { here: options.has('here') });
  let count = 0;
  try {
    for await (const entry of holdings.audit.find(words)) {
      if (count++ === limit) break;
      process.stdout.write(options.has('json') ? jsonLine(entry) : render([lineOf(entry)], terminal));
    }
  } catch (error) {
    if (error instanceof SourceDown)
      return failed(exit.unavailable, [`catalog: ${error.message}; --here shows what was changed on this host`]);
    return failed(exit.ioError, [`audit: ${errorText(error)}`]);
  } finally {
    await holdings.close();
  }
  if (count === 0) process.stderr.write('nothing found\n');
  if (count > limit) process.stderr.write(`… and more: --limit=${limit * 10}, --all, or words to look for\n`);
  return count === 0 ? exit.notAll : exit.ok;
}

function lineOf(entry: AuditEntry): Line {
  const { time, from, who, what, target, old, detail, host } = entry;
  const undone = undoneText(entry);
  const style: Style = undone === undefined ? 'green' : 'yellow';
  const more = [
    ...(old === undefined || old === '' ? [] : [`it was: ${old}`]),
    ...(detail === undefined || detail === '' ? [] : [detail]),
  ];
  return [
    [`${shown(time.slice(0, 19).replace('T', ' '), 19)}  `, 'dim'],
    [host === undefined ? '' : `${shown(host, 80)}  `, 'dim'],
    [`${shown(who, 80) || '-'} `, 'bold'],
    [`(${shown(from, 80)})  `, 'dim'],
    [`${what} `, style],
    [shown(target, 300)],
    [undone === undefined ? '' : `: ${shown(undone, 300)}`, style],
    [more.map((text) => `  ${shown(text, 300)}`).join(''), 'dim'],
  ];
}
