/**
 * The chart of refused mails a day: one stacked column a day, in which the most frequent plugins have colours of
 * their own.
 */
import type { Count, DayCount } from '../../../quarantine/look/stats.js';
import type { Html } from '../layout.js';
import { listAddress } from '../list.js';
import { columnChart } from './columns.js';

/** Few days would look like a chart of blocks, and more than a month has no room for a column each. */
const minDays = 14;
const maxDays = 31;
const dayMs = 86_400_000;

const dateOf = (time: number): string => new Date(time).toISOString().slice(0, 10);
const nextDay = (date: string): string => dateOf(Date.parse(date) + dayMs);

/** `days` are newest first, and leave out those without mail; the chart has each day, oldest first. */
export function dayChart(days: readonly DayCount[], plugins: readonly Count[]): Html {
  const columns = everyDay(days).map((day) => ({
    name: day.date,
    parts: partsOf(day, plugins),
    address: listAddress(`after:${day.date} before:${nextDay(day.date)}`),
  }));
  const known = plugins.map(({ name }, colour) => ({ name, colour }));
  return columnChart({
    label: 'Refused mails a day',
    columns,
    kinds: [...known, { name: 'others', colour: othersColour }],
  });
}

const othersColour = 6;

/** The days from the oldest to the newest that has mail, and at least so many of them. */
function everyDay(days: readonly DayCount[]): readonly DayCount[] {
  const newest = Date.parse(days[0]?.date ?? dateOf(Date.now()));
  const oldest = Date.parse(days.at(-1)?.date ?? dateOf(newest));
  const count = Math.max(minDays, Math.min(maxDays, Math.round((newest - oldest) / dayMs) + 1));
  const known = new Map(days.map((day) => [day.date, day]));
  return Array.from({ length: count }, (_, i) => {
    const date = dateOf(newest - (count - 1 - i) * dayMs);
    return known.get(date) ?? { date, count: 0, octets: 0, plugins: [] };
  });
}

/** How many each plugin refused, in their order, and then all others together. */
function partsOf({ count, plugins: parts }: DayCount, plugins: readonly Count[]): readonly number[] {
  const known = plugins.map(({ name }) => parts.find((part) => part.name === name)?.count ?? 0);
  return [...known, count - known.reduce((sum, one) => sum + one, 0)];
}
