/**
 * The chart of refused mails a day: one stacked column a day, in which the most frequent plugins have colours of
 * their own.
 */
import { html } from 'hono/html';
import type { Count, DayCount } from '../../quarantine/look/stats.js';
import { type Html, say } from './layout.js';
import { listAddress } from './list.js';

/** Few days would look like a chart of blocks, and more than a month has no room for a column each. */
const minDays = 14;
const maxDays = 31;
const dayMs = 86_400_000;

const dateOf = (time: number): string => new Date(time).toISOString().slice(0, 10);
const nextDay = (date: string): string => dateOf(Date.parse(date) + dayMs);

/** `days` are newest first, and leave out those without mail; the chart has each day, oldest first. */
export function dayChart(days: readonly DayCount[], plugins: readonly Count[]): Html {
  const shown = everyDay(days);
  const top = niceTop(Math.max(...shown.map(({ count }) => count)));
  const stacks = shown.map((day) => ({ day, parts: partsOf(day, plugins) }));
  const hasOthers = stacks.some(({ parts }) => (parts.at(-1) ?? 0) > 0);
  const middle = shown[Math.floor(shown.length / 2)]?.date ?? '';
  return html`<div class="days">
      <div class="scale" aria-hidden="true">
        ${[top, top / 2, 0].map((count) => html`<span>${count.toLocaleString('en')}</span>`)}
      </div>
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="group" aria-label="Refused mails a day">
        ${[base - full, base - full / 2, base].map((y) => html`<line x1="0" y1="${y}" x2="100" y2="${y}" />`)}
        ${stacks.map(({ day, parts }, i) => column(day, parts, { left: (100 * i) / stacks.length, width: 100 / stacks.length, top }))}
      </svg>
      <p><span>${shown[0]?.date}</span><span>${middle}</span><span>${shown.at(-1)?.date}</span></p>
    </div>
    <p class="legend">
      ${plugins.map(({ name }, kind) => html`<span><i class="c${kind}"></i>${say(name, 40)}</span>`)}
      ${hasOthers ? html`<span><i class="c6"></i>others</span>` : ''}
    </p>`;
}

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

/** A round number that is not below, and whose half is whole. */
function niceTop(count: number): number {
  for (let unit = 1; ; unit *= 10) for (const times of [2, 4, 6, 8, 10]) if (times * unit >= count) return times * unit;
}

/** Where the columns stand, and how high the highest may be, in the drawing's own units. */
const base = 39.5;
const full = 38.5;

interface ColumnPlace {
  readonly left: number;
  readonly width: number;
  readonly top: number;
}

function column({ date, count }: DayCount, parts: readonly number[], { left, width, top }: ColumnPlace): Html | string {
  if (count === 0) return '';
  const text = `${date}: ${count.toLocaleString('en')}`;
  let y = base;
  const boxes = parts.map((part, kind) => {
    const height = (full * part) / top;
    y -= height;
    return part === 0
      ? ''
      : html`<rect
          class="c${kind}"
          x="${(left + width * 0.1).toFixed(2)}"
          y="${y.toFixed(2)}"
          width="${(width * 0.8).toFixed(2)}"
          height="${height.toFixed(2)}"
        />`;
  });
  return html`<a href="${listAddress(`after:${date} before:${nextDay(date)}`)}" aria-label="${text}"
    ><title>${text}</title>${boxes}</a
  >`;
}
