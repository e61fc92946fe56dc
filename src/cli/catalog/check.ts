/** `postern catalog check`: reads all that hosts share, and says what does not fit together. */
import { type CatalogChecked, type CatalogFinding, checkCatalog } from '../../catalog/care/check.js';
import { Catalog } from '../../catalog/catalog.js';
import { bodiesAt } from '../../catalog/open.js';
import { sizeText } from '../../text/size.js';
import type { SettingsTask } from '../command/command.js';
import { failed, say } from '../complain.js';
import { exit } from '../exit-codes.js';
import { progressLine } from '../quarantine/task.js';
import { jsonLine, shown } from '../terminal.js';
import { onCatalog } from './catalog.js';

const firstDay = '2000-01-01';

export async function check(task: SettingsTask): Promise<number> {
  const since = task.options.get('since') ?? firstDay;
  if (!/^\d{4}-\d\d-\d\d$/.test(since) || Number.isNaN(Date.parse(since)))
    return failed(exit.usage, ['catalog check: --since needs a day, such as --since=2026-11-28']);
  const json = task.options.has('json');
  const progress = progressLine();
  const tell = (finding: CatalogFinding): void => {
    progress.end();
    if (json) process.stdout.write(jsonLine(finding));
    else say(lineOf(finding));
  };
  return onCatalog(task, async (database) => {
    const checked = await checkCatalog(await new Catalog(database).use(), {
      bodies: await bodiesAt(task.settings.bodies),
      since,
      onFinding: tell,
      onDay: (day) => progress.show(day),
    });
    progress.end();
    if (json) process.stdout.write(jsonLine(checked));
    else say(summaryOf(checked));
    return checked.problems > 0 ? exit.notAll : exit.ok;
  });
}

const lineOf = ({ kind, day, text }: CatalogFinding): string =>
  `${day === undefined ? 'catalog' : day}: ${kind === 'note' ? '(note) ' : ''}${shown(text, 1000)}`;

const summaryOf = ({ days, mails, bodies, octets, waiting, strange, problems }: CatalogChecked): string =>
  [
    `${days} days: ${mails} mails`,
    `${bodies} bodies read and right (${sizeText(octets)})`,
    ...(waiting === 0 ? [] : [`${waiting} on their way`]),
    ...(strange === 0 ? [] : [`${strange} lines could not be taken`]),
    `${problems} problems`,
  ].join(', ');
