/** Who changed what, for those who run the server: the audit, newest first, a page at a time. */
import { html } from 'hono/html';
import { type AuditEntry, undoneText } from '../../audit/audit-entry.js';
import type { WebSession } from '../login/sessions.js';
import { type Html, page, say } from './layout.js';
import { searchForm } from './search-form.js';

export interface AuditView {
  readonly session: WebSession;
  readonly search: string;
  readonly entries: readonly AuditEntry[];
  /** It is how many newer ones were passed over. */
  readonly skipped: number;
  readonly hasMore: boolean;
}

export const auditPageSize = 100;

/** A token for some domains shows nothing of what is done elsewhere. */
export const mayAudit = ({ token }: WebSession): boolean => token.domains === undefined;

const auditAddress = (search: string, skip: number): string => {
  const query = new URLSearchParams({ ...(search !== '' && { q: search }), ...(skip > 0 && { skip: String(skip) }) });
  return query.size === 0 ? '/audit' : `/audit?${query.toString()}`;
};

export const auditPage = ({ session, search, entries, skipped, hasMore }: AuditView): Html =>
  page({
    title: 'Audit – postern',
    session,
    here: 'audit',
    body: html`<h1>Who did what</h1>
      ${searchForm({ action: '/audit', search: say(search, 500), placeholder: 'Words: anna, whitelisted, example.com, 192.0.2.1 …', maxLength: 500 })}
      <p class="hint">Changes by page, digest link and command, and who logged in; newest first, times in UTC.</p>
      <ol class="audit">
        ${entries.map(row)}
      </ol>
      ${entries.length === 0 ? html`<p class="empty">${search === '' ? 'Nothing has been recorded yet.' : html`Nothing found. <a href="/audit">Show everything</a>`}</p>` : ''}
      <nav class="pages" aria-label="Older and newer">
        ${skipped > 0 ? html`<a href="${auditAddress(search, 0)}">Newest</a>` : ''}
        ${hasMore ? html`<a href="${auditAddress(search, skipped + entries.length)}">Older</a>` : ''}
      </nav>`,
  });

function row(entry: AuditEntry): Html {
  const { time, from, who, what, target, old = '', detail = '', host = '' } = entry;
  const undone = undoneText(entry);
  const isVisit = what === 'log-in' || what === 'log-out';
  return html`<li class="${undone === undefined ? '' : 'undone'}${isVisit ? ' visit' : ''}">
    <time datetime="${say(time, 40)}">${say(time.slice(0, 19).replace('T', ' '), 19)}</time>
    <span class="by"
      ><b>${say(who, 80) || 'somebody'}</b>
      <small>${say(from, 80)}</small>${host === '' ? '' : html` <small>on ${say(host, 80)}</small>`}</span
    >
    <span class="what">${what}</span>
    <span class="target"
      ><code>${say(target, 300)}</code
      >${detail === '' ? '' : html` <small>${say(detail, 300)}</small>`}${old === '' ? '' : html` <small>it was: ${say(old, 300)}</small>`}${undone === undefined ? '' : html` <b>${say(undone, 300)}</b>`}</span
    >
  </li>`;
}
