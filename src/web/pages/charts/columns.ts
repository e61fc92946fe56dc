/**
 * A chart of stacked columns, drawn by the server as SVG: one column a day or an hour, each a link, with a scale, a
 * legend, and a text for whoever cannot see it.
 */
import { html } from 'hono/html';
import { type Html, say } from '../layout.js';

export interface ChartColumn {
  /** What it is, such as its day. */
  readonly name: string;
  /** What is said of it, where that is more than its name and its count. */
  readonly text?: string;
  /** One count a kind, in the order of the kinds. */
  readonly parts: readonly number[];
  /** Where it leads. */
  readonly address: string;
}

export interface ChartKind {
  readonly name: string;
  /** Its colour, `c0` to `c6`, is that of the style. */
  readonly colour: number;
}

export interface ColumnChart {
  /** For whoever cannot see it. */
  readonly label: string;
  /** Oldest first. */
  readonly columns: readonly ChartColumn[];
  readonly kinds: readonly ChartKind[];
}

const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);

/** Kinds that no column has are left out of the legend. */
export function columnChart({ label, columns, kinds }: ColumnChart): Html {
  const top = niceTop(Math.max(...columns.map(({ parts }) => sum(parts))));
  const width = 100 / columns.length;
  const middle = columns[Math.floor(columns.length / 2)]?.name ?? '';
  const inUse = kinds.filter((_, kind) => columns.some(({ parts }) => (parts[kind] ?? 0) > 0));
  return html`<div class="days">
      <div class="scale" aria-hidden="true">
        ${[top, top / 2, 0].map((count) => html`<span>${count.toLocaleString('en')}</span>`)}
      </div>
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="group" aria-label="${label}">
        ${[base - full, base - full / 2, base].map((y) => html`<line x1="0" y1="${y}" x2="100" y2="${y}" />`)}
        ${columns.map((column, i) => drawn(column, kinds, { left: width * i, width, top }))}
      </svg>
      <p><span>${columns[0]?.name}</span><span>${middle}</span><span>${columns.at(-1)?.name}</span></p>
    </div>
    <p class="legend">
      ${inUse.map(({ name, colour }) => html`<span><i class="c${colour}"></i>${say(name, 40)}</span>`)}
    </p>`;
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

function drawn(
  { name, text: own, parts, address }: ChartColumn,
  kinds: readonly ChartKind[],
  { left, width, top }: ColumnPlace,
): Html | string {
  const count = sum(parts);
  if (count === 0) return '';
  const text = own ?? `${name}: ${count.toLocaleString('en')}`;
  let y = base;
  const boxes = parts.map((part, kind) => {
    const height = (full * part) / top;
    y -= height;
    return part === 0
      ? ''
      : html`<rect
          class="c${kinds[kind]?.colour ?? 0}"
          x="${(left + width * 0.1).toFixed(2)}"
          y="${y.toFixed(2)}"
          width="${(width * 0.8).toFixed(2)}"
          height="${height.toFixed(2)}"
        />`;
  });
  return html`<a href="${address}" aria-label="${text}"><title>${text}</title>${boxes}</a>`;
}
