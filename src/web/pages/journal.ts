/** What became of every mail: search, filters, rows that come in as they are written, and tables to take along. */
import { html } from 'hono/html';
import { type JournalLine, journalVerdicts } from '../../journal/line.js';
import { journalKeys } from '../../journal/query.js';
import type { JournalItem, JournalPage } from '../../journal/reader.js';
import { detailTexts } from '../../journal/shown/story-text.js';
import { senderOf } from '../../quarantine/look/sender.js';
import type { WebSession } from '../login/sessions.js';
import { sizeText } from '../../text/size.js';
import { type Html, page, say, timeText } from './layout.js';
import { searchForm } from './search-form.js';

export interface JournalView {
  readonly session: WebSession;
  readonly search: string;
  /** It is what is wrong with the search. */
  readonly problem?: string;
  readonly found: JournalPage;
  /** It is true when this is not the first page. */
  readonly older: boolean;
  readonly whose: WhoseJournal;
}

/** Whose journal is shown: that of all hosts, that of this one where others have their own, or the only one. */
export interface WhoseJournal {
  readonly of: 'one host' | 'this host' | 'all hosts';
  readonly hostname: string;
}

/** Nothing where there is no other. */
export const whoseText = ({ of, hostname }: WhoseJournal): Html | '' =>
  of === 'this host'
    ? html`<p class="hint">What has come to ${say(hostname, 255)}; each host shows its own (journal_to = files).</p>`
    : '';

export const journalAddress = (search: string, cursor?: string, path = '/journal'): string => {
  const parameters = new URLSearchParams({
    ...(search !== '' && { q: search }),
    ...(cursor !== undefined && { cursor }),
  });
  return parameters.size === 0 ? path : `${path}?${parameters.toString()}`;
};

/** The search with its terms of some keys taken out, and this one put in. */
function changed(search: string, keys: readonly string[], term: string): string {
  const isOther = (word: string): boolean => !keys.some((key) => word.toLowerCase().startsWith(`${key}:`));
  const words = search.match(/-?(?:[a-z-]+:)?(?:"[^"]*"?|\S+)/gi) ?? [];
  return [...words.filter(isOther), term].filter((word) => word !== '').join(' ');
}

const verdicts: readonly (readonly [text: string, term: string])[] = [
  ['Everything', ''],
  ...journalVerdicts.map((verdict): [string, string] => [
    verdict.charAt(0).toUpperCase() + verdict.slice(1),
    verdict.includes(' ') ? `verdict:"${verdict}"` : `verdict:${verdict}`,
  ]),
];
const times: readonly (readonly [text: string, term: string])[] = [
  ['All days', ''],
  ['This hour', 'after:1h'],
  ['Today', 'after:today'],
  ['7 days', 'after:7d'],
];

function chips(search: string, keys: readonly string[], all: typeof verdicts): readonly Html[] {
  return all.map(([text, term]) => {
    const filter = changed(search, keys, term);
    const isHere = term === '' ? filter === search.trim() : search.includes(term);
    return html`<a href="${journalAddress(filter)}" ${isHere ? html`aria-current="true"` : ''}>${text}</a>`;
  });
}

export const journalPage = ({ session, search, problem, found, older, whose }: JournalView): Html =>
  page({
    title: search === '' ? 'All mail – postern' : `${say(search, 60)} – postern`,
    session,
    here: 'journal',
    body: html`<h1 class="unseen">All mail</h1>
      ${whoseText(whose)}
      ${searchForm({ action: '/journal', search, placeholder: 'Search: anna@sender.example verdict:relayed after:2h …' })}
      <nav class="chips" aria-label="Verdicts">${chips(search, ['verdict'], verdicts)}</nav>
      <nav class="chips" aria-label="Times and more">
        ${chips(search, ['after', 'before'], times)}
        <details>
          <summary>More filters</summary>
          ${filters(search)}
        </details>
        <details>
          <summary>How to search</summary>
          <dl>
            ${Object.entries(journalKeys).map(
              ([key, doc]) =>
                html`<dt>${key}:</dt>
                  <dd>${doc}</dd>`,
            )}
            <dt>-</dt>
            <dd>before a word or key: what is not so</dd>
          </dl>
        </details>
      </nav>
      ${problem === undefined ? '' : html`<p class="notice bad" role="alert">${problem}</p>`}
      ${problem === undefined ? html`${list({ search, found, older, whose })} ${foot(found, search, older)}` : ''}`,
  });

/** They become terms of the search, so that the address is all of it. */
const filters = (search: string): Html =>
  html`<form class="filters" method="get" action="/journal">
    <input type="hidden" name="q" value="${search}" />
    <label>From <input type="date" name="after" /></label>
    <label>To <input type="date" name="before" /></label>
    <label>Domain <input name="domain" maxlength="255" autocomplete="off" spellcheck="false" /></label>
    <label>Plugin <input name="plugin" maxlength="40" autocomplete="off" spellcheck="false" /></label>
    <button>Filter</button>
  </form>`;

export interface JournalFilters {
  readonly after?: string | undefined;
  readonly before?: string | undefined;
  readonly domain?: string | undefined;
  readonly plugin?: string | undefined;
}

/** The search with what the form says. */
export function filtered(search: string, filter: JournalFilters): string {
  return (['after', 'before', 'domain', 'plugin'] as const).reduce((text, key) => {
    const value = (filter[key] ?? '').trim().replaceAll(/["\s]+/g, '');
    return value === '' ? text : changed(text, [key], `${key}:${value}`);
  }, search);
}

const list = ({ search, found, older, whose }: Pick<JournalView, 'search' | 'found' | 'older' | 'whose'>): Html =>
  html`<div class="bulk">
      <span>Live</span>
      <span role="status"><a id="fresh" href="${journalAddress(search)}" hidden></a></span>
      <span class="take">
        <a href="${journalAddress(search, undefined, '/journal.csv')}" download>CSV</a>
        <a href="${journalAddress(search, undefined, '/journal.json')}" download>JSON</a>
      </span>
    </div>
    <ul
      class="mails"
      id="rows"
      data-part="/part/journal"
      data-first="${older ? '' : (found.items[0]?.cursor ?? '')}"
      data-search="${search}"
    >
      ${found.items.map((item) => journalRow(item, whose))}
    </ul>
    ${found.items.length === 0 && found.next === undefined ? html`<p class="empty">${search === '' ? 'No mail has come yet.' : html`Nothing found. <a href="/journal">Show everything</a>`}</p>` : ''}`;

function foot({ next, searchedTo }: JournalPage, search: string, older: boolean): Html {
  const newest = older ? html`<a href="${journalAddress(search)}">Newest</a>` : '';
  if (next === undefined) return html`<nav class="pages" aria-label="Older and newer">${newest}</nav>`;
  const text = searchedTo === undefined ? 'Older' : `Searched back to ${new Date(searchedTo).toDateString()}; go on`;
  return html`<nav class="pages" aria-label="Older and newer">
    ${newest}<a
      href="${journalAddress(search, next)}"
      id="next"
      ${searchedTo === undefined ? '' : html`data-goes-on="1"`}
      >${text}</a
    >
  </nav>`;
}

export function journalRow({ line }: JournalItem, { of }: Pick<WhoseJournal, 'of'>): Html {
  const { from, to = [], verdict, ip = '', size } = line;
  const { visible, envelope } =
    from === undefined
      ? { visible: ip === '' ? 'many clients' : ip }
      : senderOf({ from, headerFrom: line.header_from ?? '' });
  const [first] = to;
  const whom = first === undefined ? '' : `${first.address}${to.length > 1 ? ` +${to.length - 1}` : ''}`;
  const all = to.map(({ address }) => address).join(', ');
  const subject =
    (line.subject ?? '').trim() === '' ? (from === undefined ? '' : '(no subject)') : say(line.subject ?? '');
  const why = detailTexts(line, { hint: false, host: of === 'all hosts' }).join('; ');
  return html`<li>
    <a href="${storyAddress(line)}">
      <time datetime="${say(line.time, 40)}" title="${say(line.time, 40)}">${timeText(localTime(line.time))}</time>
      <span class="plugin ${verdict.replace(' ', '-')}">${verdict}</span>
      <span class="from" title="${say(visible)}">${say(visible, 120)}</span>
      <span class="to" title="${say(all)}">${say(whom, 120)}</span>
      <span class="subject" title="${subject}">${subject}</span>
      <span class="reason" title="${say(why)}">${say(why, 160)}</span>
      <span class="size">${size === undefined ? '' : sizeText(size)}</span>
      ${envelope === undefined ? '' : html`<span class="envelope" title="${say(envelope)}">envelope ${say(envelope, 120)}</span>`}
    </a>
  </li>`;
}

/** The journal's times are UTC; the page shows this machine's, as the list of refused mails does. */
function localTime(time: string): string {
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString();
}

/** Who was turned away before there was a mail has no story, but perhaps a past. */
function storyAddress({ id, ip = '' }: JournalLine): string {
  if (id !== undefined) return `/journal/${encodeURIComponent(id)}`;
  return journalAddress(ip === '' ? 'verdict:turned' : `ip:${ip}`);
}
