/** The list of refused mails: search, filters, rows, actions on several, paging. */
import { html } from 'hono/html';
import type { ListItem, Page } from '../../quarantine/look/browse.js';
import type { HostBehind } from '../../quarantine/kept-mails.js';
import { refText } from '../../quarantine/disk/mail-ref.js';
import { senderOf, senderText } from '../../quarantine/look/sender.js';
import { queryKeys } from '../../quarantine/look/query.js';
import { csrf, type Html, page, say, timeText } from './layout.js';
import { sizeText } from '../../text/size.js';
import { spanText } from '../../text/span.js';
import type { WebSession } from '../login/sessions.js';
import { searchForm } from './search-form.js';

export interface ListView {
  readonly session: WebSession;
  readonly search: string;
  /** It is what is wrong with the search. */
  readonly problem?: string;
  readonly found: Page;
  /** It is true when this is not the first page. */
  readonly older: boolean;
  /** They are hosts whose mails have not all come. */
  readonly behind: readonly HostBehind[];
}

const quick: readonly (readonly [text: string, search: string])[] = [
  ['Everything', ''],
  ['Today', 'after:today'],
  ['Yesterday', 'after:yesterday before:today'],
  ['No such user', 'plugin:valid_users'],
  ['SPF fail', 'spf:fail'],
  ['Blacklisted', 'plugin:blacklist'],
  ['Released', 'is:released'],
];

export const listAddress = (search: string, cursor?: string): string => {
  const parameters = new URLSearchParams({
    ...(search !== '' && { q: search }),
    ...(cursor !== undefined && { cursor }),
  });
  return parameters.size === 0 ? '/' : `/?${parameters.toString()}`;
};

export function listPage({ session, search, problem, found, older, behind }: ListView): Html {
  return page({
    title: search === '' ? 'Quarantine – postern' : `${say(search, 60)} – postern`,
    session,
    here: 'mails',
    body: html`<h1 class="unseen">Refused mails</h1>
      ${searchForm({ action: '/', search, placeholder: 'Search: from:anna plugin:spf after:7d …' })}
      <nav class="chips" aria-label="Filters">
        ${quick.map(([text, filter]) => html`<a href="${listAddress(filter)}" ${filter === search ? html`aria-current="true"` : ''}>${text}</a>`)}
        <details>
          <summary>How to search</summary>
          <dl>
            ${Object.entries(queryKeys).map(
              ([key, doc]) =>
                html`<dt>${key}:</dt>
                  <dd>${doc}</dd>`,
            )}
            <dt>-</dt>
            <dd>before a word or key: what is not so</dd>
          </dl>
        </details>
      </nav>
      ${behind.map((one) => behindLine(one, session))}
      ${problem === undefined ? '' : html`<p class="notice bad" role="alert">${problem}</p>`}
      ${problem === undefined ? html`${mailsForm({ session, search, found, older })} ${foot(found, search, older)}` : ''}`,
  });
}

/** How many there are is for those alone who see all mails. */
const behindLine = ({ host, mails, octets, seconds }: HostBehind, { token }: WebSession): Html =>
  html`<p class="hint">
    Not all that ${say(host, 80)} has refused is here yet: the oldest mail has waited
    ${spanText(seconds)}${token.domains ? '' : `, and there are ${mails} (${sizeText(octets)})`}.
  </p>`;

const mailsForm = ({ session, search, found, older }: Omit<ListView, 'problem' | 'behind'>): Html =>
  html`<form method="post" action="/release" id="mails">
    ${csrf(session)}<input type="hidden" name="back" value="${listAddress(search)}" />
    <div class="bulk">
      <label class="all"
        ><input type="checkbox" id="all" aria-label="Select all" /> <span id="chosen">Select</span></label
      >
      <button formaction="/release" data-key="r">Release</button>
      <button formaction="/delete" class="danger" data-key="#" data-confirm="Delete the selected mails?">Delete</button>
      <span role="status"><a id="fresh" href="${listAddress(search)}" hidden></a></span>
    </div>
    <ul class="mails" id="rows" data-first="${older ? '' : (found.items[0]?.cursor ?? '')}" data-search="${search}">
      ${found.items.map(row)}
    </ul>
    ${found.items.length === 0 && found.next === undefined ? html`<p class="empty">${search === '' ? 'Nothing has been refused yet.' : html`Nothing found. <a href="/">Show everything</a>`}</p>` : ''}
  </form>`;

function foot({ next, searchedTo }: Page, search: string, older: boolean): Html {
  const newest = older ? html`<a href="${listAddress(search)}">Newest</a>` : '';
  if (next === undefined) return html`<nav class="pages" aria-label="Older and newer">${newest}</nav>`;
  const where = listAddress(search, next);
  const text = searchedTo === undefined ? 'Older' : `Searched back to ${timeWords(new Date(searchedTo))}; go on`;
  return html`<nav class="pages" aria-label="Older and newer">
    ${newest}<a href="${where}" id="next" ${searchedTo === undefined ? '' : html`data-goes-on="1"`}>${text}</a>
  </nav>`;
}

/** A search may end within a day. */
const timeWords = (time: Date): string => `${time.toDateString()}, ${time.toTimeString().slice(0, 5)}`;

export function row({ ref, entry, mark }: ListItem): Html {
  const name = refText(ref);
  const { visible, envelope } = senderOf(entry);
  const subject = entry.subject.trim() === '' ? '(no subject)' : say(entry.subject);
  return html`<li class="${mark?.kind ?? ''}">
    <input type="checkbox" name="mail" value="${name}" aria-label="Select: ${subject}" />
    <a href="${mailAddress(name)}">
      <time datetime="${entry.time}" title="${entry.time}">${timeText(entry.time)}</time>
      <span class="plugin">${say(entry.plugin, 40)}</span>
      <span class="from" title="${say(senderText(entry))}">${say(visible, 120)}</span>
      <span class="to" title="${say(entry.recipient)}">${say(entry.recipient, 120)}</span>
      <span class="subject" title="${subject}">${subject}</span>
      <span class="reason" title="${say(entry.reason)}"
        >${mark ? html`<b>${mark.kind}</b> ` : ''}${say(entry.reason, 160)}</span
      >
      <span class="size">${sizeText(entry.size)}</span>
      ${envelope === undefined ? '' : html`<span class="envelope" title="${say(envelope)}">envelope ${say(envelope, 120)}</span>`}
    </a>
  </li>`;
}

/** A name's parts may hold `%`, `?` and `#`, which mean something else in an address. */
export const mailAddress = (name: string): string => `/mail/${name.split('/').map(encodeURIComponent).join('/')}`;
