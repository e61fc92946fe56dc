/** Pieces of the pages of charts: bars that lead to a search, and the tabs that lead from one page to the other. */
import { html } from 'hono/html';
import { type Html, say } from '../layout.js';

interface NamedBar {
  readonly name: string;
  readonly count: number;
}

/** A key of a search and its value, in quotes where it needs them. */
export const keyed = (key: string, name: string): string =>
  `${key}:${/[\s"]/.test(name) ? `"${name.replaceAll('"', '')}"` : name}`;

export const chartTabs = (here: 'refused' | 'all'): Html =>
  html`<nav class="views" aria-label="Charts">
    ${tab('/charts', 'Refused mail', here === 'refused')}${tab('/charts/all', 'All mail', here === 'all')}
  </nav>`;

export const tab = (address: string, text: string, isHere: boolean): Html =>
  html`<a href="${address}" ${isHere ? html`aria-current="page"` : ''}>${text}</a>`;

export function bars(title: string, counts: readonly NamedBar[], address: (name: string) => string): Html {
  const rows = counts.slice(0, 10);
  const max = Math.max(1, ...rows.map(({ count }) => count));
  return html`<section class="chart">
    <h2>${title}</h2>
    <table>
      ${rows.map(
        ({ name, count }) =>
          html`<tr>
            <th scope="row"><a href="${address(name)}" title="${say(name, 500)}">${say(name, 80) || '(none)'}</a></th>
            <td>
              <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect width="${((100 * count) / max).toFixed(1)}" height="10" rx="1" />
              </svg>
            </td>
            <td class="number">${count.toLocaleString('en')}</td>
          </tr>`,
      )}
    </table>
  </section>`;
}
