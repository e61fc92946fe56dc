/**
 * Charts of all mail, by the journal: a day or an hour, by what became of it; who refused, for whom it was, and from
 * where most came.
 */
import { html } from 'hono/html';
import { type JournalVerdict, journalVerdicts } from '../../../journal/line.js';
import type { MailSums, VerdictCounts } from '../../../journal/sums/mail-sums.js';
import { localDay, localText } from '../../../text/day.js';
import type { WebSession } from '../../login/sessions.js';
import { journalAddress, whoseText, type WhoseJournal } from '../journal.js';
import { type Html, page } from '../layout.js';
import { bars, chartTabs, keyed, tab } from './bars.js';
import { type ChartColumn, columnChart } from './columns.js';

/** What is shown: each day of the last weeks, or each hour of a day (of the last 24 where none is given). */
export type SumsView = { readonly by: 'day' } | { readonly by: 'hour'; readonly day: string | undefined };

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const days = 14;

/** The hours that a view is of. `day` is a day of this machine's time. */
export function spanOf(view: SumsView, now: Date): { readonly from: number; readonly until: number } {
  if (view.by === 'day') return { from: midnight(now.getTime() - (days - 1) * dayMs), until: Infinity };
  if (view.day === undefined)
    return { from: Math.floor(now.getTime() / hourMs) * hourMs - 23 * hourMs, until: Infinity };
  const from = new Date(`${view.day}T00:00:00`).getTime();
  return { from, until: midnight(from + dayMs + dayMs / 2) };
}

/** The beginning of the day in which that time is. */
function midnight(time: number): number {
  const date = new Date(time);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** Accepted mail at the bottom, then what was put off, and what was refused in one way or another. */
const kinds: readonly { readonly name: JournalVerdict; readonly colour: number }[] = [
  { name: 'relayed', colour: 2 },
  { name: 'taken', colour: 0 },
  { name: 'deferred', colour: 1 },
  { name: 'rejected', colour: 4 },
  { name: 'refused', colour: 3 },
  { name: 'discarded', colour: 5 },
  { name: 'turned away', colour: 6 },
];

export interface AllCharts {
  readonly session: WebSession;
  readonly view: SumsView;
  readonly sums: MailSums;
  readonly now: Date;
  readonly whose: WhoseJournal;
}

export function allChartsPage({ session, view, sums, now, whose }: AllCharts): Html {
  const total = Object.values(sums.verdicts).reduce((all, one) => all + one, 0);
  const span = view.by === 'day' ? `in ${days} days` : view.day === undefined ? 'in 24 hours' : `on ${view.day}`;
  return page({
    title: 'Charts of all mail – postern',
    session,
    here: 'charts',
    body: html`${chartTabs('all')}
      <h1>${total.toLocaleString('en')} ${total === 1 ? 'mail' : 'mails'} ${span}</h1>
      <p class="hint">${spoken(sums.verdicts) || 'The journal has none of that time.'}</p>
      ${whoseText(whose)}
      ${
        sums.countedTo === undefined
          ? ''
          : html`<p class="hint" role="status">
              Counted back to ${localText(new Date(sums.countedTo))}; <a href="${addressOf(view)}">go on</a>.
            </p>`
      }
      <section class="chart wide">
        <h2>${view.by === 'day' ? 'A day' : 'An hour'}</h2>
        <p class="views">
          ${tab('/charts/all', `${days} days`, view.by === 'day')}
          ${tab('/charts/all?by=hour', '24 hours', view.by === 'hour' && view.day === undefined)}
        </p>
        ${columnChart({ label: 'All mail by what became of it', columns: columnsOf(view, sums.hours, now), kinds })}
      </section>
      <div class="charts">
        ${bars('Refused by plugin', sums.plugins, (name) => journalAddress(keyed('plugin', name)))}
        ${bars('By domain', sums.domains, (name) => journalAddress(name === '' ? 'verdict:"turned away"' : keyed('domain', name)))}
        ${bars('By sender’s domain', sums.senders, (name) => journalAddress(name === '' ? 'from:<>' : keyed('from', `@${name}`)))}
        ${bars('By client', sums.clients, (name) => journalAddress(keyed('ip', name)))}
      </div>`,
  });
}

const addressOf = (view: SumsView): string =>
  view.by === 'day' ? '/charts/all' : `/charts/all?${view.day === undefined ? 'by=hour' : `day=${view.day}`}`;

/** `90 relayed, 4 deferred` */
const spoken = (verdicts: VerdictCounts['verdicts']): string =>
  kinds
    .filter(({ name }) => (verdicts[name] ?? 0) > 0)
    .map(({ name }) => `${(verdicts[name] ?? 0).toLocaleString('en')} ${name}`)
    .join(', ');

function columnsOf(view: SumsView, hours: readonly VerdictCounts[], now: Date): readonly ChartColumn[] {
  const { from } = spanOf(view, now);
  const byHour = view.by === 'hour';
  const step = byHour ? hourMs : dayMs;
  return Array.from({ length: byHour ? 24 : days }, (_, i) => {
    // The middle of a day is in it, also where clocks are changed.
    const start = byHour ? from + i * step : midnight(from + i * step + step / 2);
    const within = hours.filter((hour) => (byHour ? hour.start === start : midnight(hour.start) === start));
    const verdicts = added(within);
    const began = new Date(start);
    const day = localDay(began);
    const name = byHour ? localText(began).slice(11) : day;
    return {
      name,
      text: `${byHour ? localText(began) : day}: ${spoken(verdicts)}`,
      parts: kinds.map((kind) => verdicts[kind.name] ?? 0),
      address: byHour ? journalAddress(`after:${day} before:${nextDay(start)}`) : `/charts/all?day=${day}`,
    };
  });
}

const nextDay = (time: number): string => localDay(new Date(midnight(time) + dayMs + dayMs / 2));

function added(hours: readonly VerdictCounts[]): VerdictCounts['verdicts'] {
  return Object.fromEntries(
    journalVerdicts.map((verdict) => [verdict, hours.reduce((all, one) => all + (one.verdicts[verdict] ?? 0), 0)]),
  );
}
