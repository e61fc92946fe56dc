/**
 * Charts of what was refused: each day, and by plugin, reason, domain, sender and client. The server draws them as SVG.
 */
import { html } from 'hono/html';
import { searchForKind } from '../../../quarantine/look/reason-kind.js';
import type { Stats } from '../../../quarantine/look/stats.js';
import { dayChart } from './day-chart.js';
import { type Html, page } from '../layout.js';
import { bars, chartTabs, keyed } from './bars.js';
import { sizeText } from '../../../text/size.js';
import { listAddress } from '../list.js';
import type { WebSession } from '../../login/sessions.js';

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
  const { days, plugins, reasons, domains, senders, clients, namesOfNewest } = stats;
  const ofNewest = namesOfNewest === undefined ? '' : `, of the newest ${namesOfNewest.toLocaleString('en')}`;
  const find =
    (key: string) =>
    (name: string): string =>
      listAddress(keyed(key, name));
  return html`${chartTabs('refused')}
    <h1>${stats.total.toLocaleString('en')} ${stats.total === 1 ? 'mail' : 'mails'} refused</h1>
    <p class="hint">
      ${sizeText(stats.octets)} in ${days.length} ${days.length === 1 ? 'day' : 'days'}, ${stats.released} released
    </p>
    <section class="chart wide">
      <h2>A day</h2>
      ${dayChart(days, plugins.slice(0, 6))}
    </section>
    <div class="charts">
      ${bars('By plugin', plugins, find('plugin'))}
      ${bars('By reason', reasons, (kind) => listAddress(searchForKind(kind)))}
      ${bars('By domain', domains, find('domain'))} ${bars(`By sender${ofNewest}`, senders, find('from'))}
      ${bars(`By client${ofNewest}`, clients, find('ip'))}
    </div>`;
}
