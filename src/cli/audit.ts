/**
 * `postern audit`: who changed what, newest first. Lines hold octets of strangers: none of them reaches a terminal as
 * it is.
 */
import { errorText } from '../mail/error-text.js';
import { type AuditEntry } from '../audit/audit-entry.js';
import { holdsWords, readAudit } from '../audit/audit.js';
import type { Line, Style } from '../text/line.js';
import { failed } from './complain.js';
import { exit } from './exit-codes.js';
import { type CommandLine, load } from './load.js';
import { readWords } from './options.js';
import { jsonLine, render, shown, terminalOf } from './terminal.js';

const options = { json: 'flag', all: 'flag', limit: { example: '50' } } as const;
const usualLimit = 50;

export function audit({ argv, env }: CommandLine): number {
  const loaded = load({ argv, env }, Object.keys(options));
  if (!loaded.ok) return failed(exit.config, loaded.problem);
  const words = readWords(
    loaded.value.rest.filter((word) => word !== '--trial'),
    options,
  );
  if (!words.ok) return failed(exit.usage, [`audit: ${words.problem}`]);
  const limit = words.options.has('all') ? Infinity : Number(words.options.get('limit') ?? usualLimit);
  if (!(limit >= 1)) return failed(exit.usage, ['audit: --limit needs a number, such as --limit=50']);
  const terminal = terminalOf(process.stdout, env);
  let count = 0;
  try {
    for (const entry of readAudit(loaded.value.settings.state)) {
      if (!holdsWords(entry, words.words)) continue;
      if (count++ === limit) break;
      process.stdout.write(words.options.has('json') ? jsonLine(entry) : render([lineOf(entry)], terminal));
    }
  } catch (error) {
    return failed(exit.ioError, [`audit: ${errorText(error)}`]);
  }
  if (count === 0) process.stderr.write('nothing found\n');
  if (count > limit) process.stderr.write(`… and more: --limit=${limit * 10}, --all, or words to look for\n`);
  return count === 0 ? exit.notAll : exit.ok;
}

function lineOf({ time, from, who, what, target, old, detail, result }: AuditEntry): Line {
  const style: Style = result === 'done' ? 'green' : 'yellow';
  const more = [
    ...(old === undefined || old === '' ? [] : [`it was: ${old}`]),
    ...(detail === undefined || detail === '' ? [] : [detail]),
  ];
  return [
    [`${shown(time.slice(0, 19).replace('T', ' '), 19)}  `, 'dim'],
    [`${shown(who, 80) || '-'} `, 'bold'],
    [`(${shown(from, 80)})  `, 'dim'],
    [`${what} `, style],
    [shown(target, 300)],
    [result === 'done' ? '' : `: ${shown(result, 300)}`, style],
    [more.map((text) => `  ${shown(text, 300)}`).join(''), 'dim'],
  ];
}
