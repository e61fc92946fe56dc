/**
 * Charts of what was refused: each day, and by plugin, reason, domain, sender and client. The server draws them as SVG.
 */
import { html } from 'hono/html';
import { searchForKind } from '../../quarantine/look/reason-kind.js';
import type { Count, DayCount, Stats } from '../../quarantine/look/stats.js';
import { type Html, page, say, sizeText } from './layout.js';
import { listAddress } from './list.js';
import type { WebSession } from '../login/sessions.js';

/** `stats` is undefined while they are being counted. */
export const chartsPage = (session: WebSession, stats: Stats | undefined): Html =>
  page({
    title: 'Charts – postern',
    session,
    here: 'charts',
    body: stats
      ? chartsBody(stats)
      : html`<p class="empty" id="counting" data-part="/part/charts">Counting …</p>
          <noscript
            ><p><a href="/charts">Reload</a></p></noscript
          >`,
  });

export function chartsBody(stats: Stats): Html {
  const { days, plugins, reasons, domains, senders, clients } = stats;
  const find =
    (key: string) =>
    (name: string): string =>
      listAddress(`${key}:${/[\s"]/.test(name) ? `"${name.replaceAll('"', '')}"` : name}`);
  return html`<h1>${stats.total.toLocaleString('en')} ${stats.total === 1 ? 'mail' : 'mails'} refused</h1>
    <p class="hint">
      ${sizeText(stats.octets)} in ${days.length} ${days.length === 1 ? 'day' : 'days'}, ${stats.released} released
    </p>
    <section class="chart wide">
      <h2>A day</h2>
      ${dayChart(days.slice(0, 31).toReversed(), plugins.slice(0, 6))}
    </section>
    <div class="charts">
      ${bars('By plugin', plugins, find('plugin'))}
      ${bars('By reason', reasons, (kind) => listAddress(searchForKind(kind)))}
      ${bars('By domain', domains, find('domain'))} ${bars('By sender', senders, find('from'))}
      ${bars('By client', clients, find('ip'))}
    </div>`;
}

function bars(title: string, counts: readonly Count[], address: (name: string) => string): Html {
  const rows = counts.slice(0, 10);
  const most = Math.max(1, ...rows.map(({ count }) => count));
  return html`<section class="chart">
    <h2>${title}</h2>
    <table>
      ${rows.map(
        ({ name, count }) =>
          html`<tr>
            <th scope="row"><a href="${address(name)}" title="${say(name, 500)}">${say(name, 80) || '(none)'}</a></th>
            <td>
              <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect width="${((100 * count) / most).toFixed(1)}" height="10" rx="1" />
              </svg>
            </td>
            <td class="number">${count.toLocaleString('en')}</td>
          </tr>`,
      )}
    </table>
  </section>`;
}

/** One stacked column a day; the most frequent plugins have colours of their own. */
function dayChart(days: readonly DayCount[], plugins: readonly Count[]): Html {
  const most = Math.max(1, ...days.map(({ count }) => count));
  const width = 100 / Math.max(days.length, 10);
  let others = 0;
  const columns = days.map(({ date, count, plugins: parts }, i) => {
    let below = 0;
    const known = plugins.map(({ name }) => parts.find((part) => part.name === name)?.count ?? 0);
    const stack = [...known, count - known.reduce((sum, one) => sum + one, 0)];
    others += stack.at(-1) ?? 0;
    const text = `${date}: ${count.toLocaleString('en')}`;
    return html`<a href="${listAddress(`after:${date} before:${nextDay(date)}`)}" aria-label="${text}"
      ><title>${text}</title>${stack.map((part, kind) => {
        const height = (38 * part) / most;
        const y = 39 - height - below;
        below += height;
        return height === 0
          ? ''
          : html`<rect
              class="c${kind}"
              x="${(i * width + width * 0.1).toFixed(2)}"
              y="${y.toFixed(2)}"
              width="${(width * 0.8).toFixed(2)}"
              height="${height.toFixed(2)}"
            />`;
      })}</a
    >`;
  });
  const [first, last] = [days[0]?.date ?? '', days.at(-1)?.date ?? ''];
  return html`<div class="days">
      <span class="most">${most.toLocaleString('en')}</span>
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="group" aria-label="Refused mails a day">
        <line x1="0" y1="39.5" x2="100" y2="39.5" />
        ${columns}
      </svg>
      <p><span>${first}</span><span>${last}</span></p>
    </div>
    <p class="legend">
      ${plugins.map(({ name }, kind) => html`<span><i class="c${kind}"></i>${say(name, 40)}</span>`)}${others === 0 ? '' : html`<span><i class="c6"></i>others</span>`}
    </p>`;
}

const nextDay = (date: string): string => new Date(Date.parse(date) + 86_400_000).toISOString().slice(0, 10);
