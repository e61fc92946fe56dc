/** `postern quarantine stats`: bars on a terminal, one JSON object for programs. */
import { printable } from '../../mail/text.js';
import type { Count, Stats } from '../../quarantine/look/stats.js';
import { exit } from '../exit-codes.js';
import { fit } from './list.js';
import { bar, progressLine, queryOf, searchText, type Task } from './task.js';
import { jsonLine, render } from '../terminal.js';
import type { Line } from '../../text/line.js';
import { sizeText } from '../../text/size.js';

export async function stats({ mails: kept, options, words, terminal }: Task): Promise<number> {
  const query = queryOf(searchText(words));
  if (typeof query === 'number') return query;
  const progress = progressLine();
  const found = await kept.count({ query }, ({ days, allDays, mails }) =>
    progress.show(`${bar(days, allDays)} days, ${mails} mails`),
  );
  progress.end();
  process.stdout.write(options.has('json') ? jsonLine(found) : render(linesOf(found), terminal));
  return found.total === 0 ? exit.notAll : exit.ok;
}

function linesOf(found: Stats): readonly Line[] {
  const days = found.days.slice(0, 31).map(({ date, count }) => ({ name: date, count }));
  return [
    [[`${found.total} mails, ${sizeText(found.octets)}, ${found.released} of them released`, 'bold']],
    ...group('by day', days),
    ...group('by plugin', found.plugins),
    ...group('by reason', found.reasons),
    ...group('by domain', found.domains),
    ...group(`by sender${ofNewest(found)}`, found.senders),
    ...group(`by client${ofNewest(found)}`, found.clients),
  ];
}

const ofNewest = ({ namesOfNewest }: Stats): string =>
  namesOfNewest === undefined ? '' : ` (of the newest ${namesOfNewest} mails)`;

/** A title, and a bar for each name. */
export function group(title: string, counts: readonly Count[]): readonly Line[] {
  const rows = counts.slice(0, title === 'by day' ? 31 : 10);
  const max = Math.max(1, ...rows.map(({ count }) => count));
  return [
    [['']],
    [[title, 'dim']],
    ...rows.map(({ name, count }): Line => [
      [`  ${fit(printable(name), 44)} ${String(count).padStart(9)} `],
      ['▇'.repeat(Math.ceil((count / max) * 30)), 'cyan'],
    ]),
  ];
}
