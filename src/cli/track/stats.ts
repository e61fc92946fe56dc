/** `postern journal stats`: all mail in numbers, as the page's charts have it. Writes nothing: it may be root's. */
import type { MailSums, NamedCount } from '../../journal/sums/mail-sums.js';
import { localDay } from '../../text/day.js';
import type { Line } from '../../text/line.js';
import { misused, type SettingsTask } from '../command/command.js';
import { exit } from '../exit-codes.js';
import { group } from '../quarantine/stats.js';
import { jsonLine, render } from '../terminal.js';
import { onJournal } from './words.js';

const dayMs = 86_400_000;
const usualDays = 14;

export const journalStats = (given: SettingsTask): Promise<number> =>
  onJournal(given, async (task) => {
    const { holdings, options, words, terminal } = task;
    const days = Number(options.get('days') ?? usualDays);
    if (!(days >= 1)) return misused(task, `--days needs a number, such as --days=${usualDays}`);
    const domains = words.length === 0 ? undefined : new Set(words.map((word) => word.toLowerCase()));
    const sums = await holdings.counts.of({ from: midnight() - (days - 1) * dayMs, until: Infinity, domains });
    process.stdout.write(options.has('json') ? jsonLine(sums) : render(linesOf(sums), terminal));
    return sums.hours.length === 0 ? exit.notAll : exit.ok;
  });

const midnight = (): number => new Date().setHours(0, 0, 0, 0);

function linesOf(sums: MailSums): readonly Line[] {
  const verdicts = Object.entries(sums.verdicts).map(([name, count]) => ({ name, count }));
  const total = verdicts.reduce((all, { count }) => all + count, 0);
  return [
    [[`${total} mails`, 'bold']],
    ...group('by day', byDay(sums)),
    ...group('by verdict', verdicts),
    ...group('refused by plugin', sums.plugins),
    ...group('by domain', named(sums.domains)),
    ...group('by sender’s domain', named(sums.senders)),
    ...group('by client', sums.clients),
  ];
}

const named = (counts: readonly NamedCount[]): readonly NamedCount[] =>
  counts.map(({ name, count }) => ({ name: name === '' ? '(none)' : name, count }));

/** Days of this machine's time, newest first. */
function byDay({ hours }: MailSums): readonly NamedCount[] {
  const days = new Map<string, number>();
  for (const { start, verdicts } of hours) {
    const day = localDay(new Date(start));
    const count = Object.values(verdicts).reduce((all, one) => all + one, 0);
    days.set(day, (days.get(day) ?? 0) + count);
  }
  return [...days].map(([name, count]) => ({ name, count }));
}
