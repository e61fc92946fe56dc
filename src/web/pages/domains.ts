/** Hosted domains, and one domain's users, checks and lists, as switches: each is its marker file, there or not. */
import { domainToUnicode } from 'node:url';
import { html } from 'hono/html';
import { errorText } from '../../mail/error-text.js';
import type { CheckMode } from '../../srv/check-mode.js';
import type { KnownCheck } from '../../srv/known-check.js';
import type { ExpiryWords, OwnLimits } from '../../srv/expiry.js';
import { type MarkerKind, type MarkerWriter, markerKinds, mayBeGlobal, neverMatches } from '../../srv/markers.js';
import { csrf, type Html, page, say } from './layout.js';
import { sizeText } from '../../text/size.js';
import { listAddress } from './list.js';
import { searchForm } from './search-form.js';
import type { WebSession } from '../login/sessions.js';

export interface DomainsView {
  readonly session: WebSession;
  readonly search: string;
  readonly domains: readonly string[];
}

/** A page shows so many domains: nobody could use one of 200,000. */
const maxDomainRows = 200;

export function domainsPage({ session, search, domains: all }: DomainsView): Html {
  const wanted = search.trim().toLowerCase();
  const found = all.filter((domain) => domain.includes(wanted) || nameOf(domain).toLowerCase().includes(wanted));
  const domains = found.slice(0, maxDomainRows);
  const more = found.length - domains.length;
  return page({
    title: 'Domains – postern',
    session,
    here: 'domains',
    body: html`<h1>Domains</h1>
      ${all.length > 10 ? domainFilter(search) : ''}
      <ul class="domains">
        ${domains.map((domain) => html`<li><a href="/domains/${encodeURIComponent(domain)}">${nameOf(domain)}</a> ${domain === '_global_' ? '' : html`<a class="hint" href="${listAddress(`domain:${domain}`)}">mails</a>`}</li>`)}
      </ul>
      ${more > 0 ? html`<p class="hint">and ${more.toLocaleString('en')} more: say a part of the name</p>` : ''}
      ${domains.length > 0 ? '' : html`<p class="empty">${all.length === 0 ? 'No domain is hosted.' : html`None is called so. <a href="/domains">Show all</a>`}</p>`}`,
  });
}

const domainFilter = (search: string): Html =>
  searchForm({
    action: '/domains',
    search: say(search, 255),
    placeholder: 'A part of the name',
    label: 'A part of the domain’s name',
    maxLength: 255,
  });

/** The domain as people write it; it is A-labels everywhere else. */
const nameOf = (domain: string): string =>
  domain === '_global_' ? 'All domains' : say(domainToUnicode(domain) || domain);

export interface DomainView {
  /** It is the host that has the switches; '' where this one has them. */
  readonly srvFrom: string;
  readonly session: WebSession;
  readonly domain: string;
  readonly markers: MarkerWriter;
  readonly srv: SwitchFiles;
  readonly checks: readonly CheckSwitch[];
  readonly expiry: Expiry;
}

/** How long, and how much, refused mail is kept; 0 stands for no limit. */
export interface Expiry {
  readonly days: number;
  readonly octets: number;
  /** It is what the domain's own file says. */
  readonly own: OwnLimits | undefined;
  /** They are its words; '' for what it does not say. */
  readonly words: ExpiryWords;
}

/** What /srv holds as plugins see it. Both throw where it cannot be read. */
export interface SwitchFiles {
  checkMode(domain: string, check: string, inAll: boolean): CheckMode;
  lines(domain: string, file: string): readonly string[] | undefined;
}

export interface CheckSwitch extends KnownCheck {
  /** It is true when `all` covers it. */
  readonly inAll: boolean;
}

const titles: Readonly<Record<Exclude<MarkerKind, 'checks'>, readonly [title: string, example: string]>> = {
  'users/valid': ['Users', 'alice, or * for everybody'],
  'users/invalid': ['Users that are refused whatever else there is', 'bob'],
  'whitelisted/senders': ['Senders that are always taken', 'anna@example.net'],
  'whitelisted/domains': ['Sender domains that are always taken', 'example.net'],
  'whitelisted/ips': ['Clients that are always taken', '192.0.2.1 or 192.0.2.0_24'],
  'whitelisted/recipients': ['Users whose mail is never refused', 'postmaster'],
  'blacklisted/senders': ['Senders that are refused', 'offers@example.net'],
  'blacklisted/domains': ['Sender domains that are refused', 'example.net'],
  'blacklisted/ips': ['Clients that are refused', '192.0.2.1 or 2001:db8::_32'],
  'blacklisted/hosts': ['Client names that are refused', 'mail.example.net'],
  'blacklisted/tld': ['Top-level domains of clients that are refused', 'invalid'],
};

/** A list shows so many names. */
const maxNames = 500;

export function domainPage(view: DomainView): Html {
  const { domain, session } = view;
  const kinds = markerKinds.filter(
    (kind): kind is Exclude<MarkerKind, 'checks'> => kind !== 'checks' && (domain !== '_global_' || mayBeGlobal(kind)),
  );
  return page({
    title: `${domain} – postern`,
    session,
    here: 'domains',
    body: html`<p class="back"><a href="/domains">← Domains</a></p>
      <h1>${nameOf(domain)}</h1>
      <p class="hint">
        Every switch is a file below
        <code>${say(view.markers.folderOf(domain))}</code>; it counts from the next command on.
        ${view.srvFrom === '' ? '' : html`<b>It is a copy here: change it on ${say(view.srvFrom, 255)}.</b>`}
      </p>
      ${
        domain === '_global_'
          ? ''
          : html`${checksOf(view)}
              <div class="charts">
                ${view.checks.map(({ name, list }) => (list === undefined ? '' : fileOf(view, name, list)))}
              </div>
              ${expiryOf(view)}`
      }
      <div class="charts">${kinds.map((kind) => listOf(view, kind))}</div>`,
  });
}

function checksOf(view: DomainView): Html {
  const { names } = view.markers.names(view.domain, 'checks', maxNames);
  const rows: readonly CheckSwitch[] = [{ name: 'all', inAll: false }, ...view.checks];
  return html`<section class="chart wide">
    <h2>Checks</h2>
    <div class="switches">
      ${rows.map((check) => {
        const on = names.includes(check.name);
        return switchForm(view, `checks/${check.name}`, { on, text: check.name, remark: remarkOf(view, check, on) });
      })}
      ${names.filter((name) => !rows.some((row) => row.name === name)).map((name) => switchForm(view, `checks/${name}`, { on: true, text: name, remark: 'no such check' }))}
    </div>
  </section>`;
}

/** The headings of a domain’s own files. */
const listTitles: Readonly<Record<string, string>> = {
  zones: 'Lists of client addresses that are refused',
  domain_zones: 'Lists of sender domains that are refused',
  uri_zones: 'Lists of domains that mails may not link to',
  score: 'What becomes of mail by its points',
};

const zoneLines = html`one zone a line, as <code>bl.example.org</code>,
  <code>bl.example.org=127.0.0.2,127.0.0.4/30</code> or, with points, <code>bl.example.org*2.5</code>`;

const listLines: Readonly<Record<string, Html>> = {
  zones: zoneLines,
  domain_zones: zoneLines,
  uri_zones: zoneLines,
  score: html`a line <code>reject 8</code>, a line <code>mark 4</code>, or both; a check gives points where its marker
    holds <code>score 2.5</code>`,
};

function fileOf({ session, domain, markers }: DomainView, check: string, list: string): Html {
  const { text, problem } = textOf(markers, domain, list);
  return html`<section class="chart">
    <h2>${listTitles[list] ?? `What ${say(check, 40)} works by`}</h2>
    <p class="hint">
      <code>${say(markers.folderOf(domain))}/${list}</code>, the file that switches the check ${say(check, 40)} on:
      ${listLines[list] ?? 'its lines'}; # begins a comment.
    </p>
    ${
      problem === undefined
        ? html`<form method="post" action="/zones" class="zones">
            ${csrf(session)}<input type="hidden" name="domain" value="${domain}" /><input
              type="hidden"
              name="list"
              value="${list}"
            /><input type="hidden" name="back" value="/domains/${encodeURIComponent(domain)}" />
            <textarea name="text" rows="${linesShown(text)}" spellcheck="false" aria-label="${list}">
${shownLines(text)}</textarea>
            <button>Save</button>
          </form>`
        : html`<p><b class="problem">${say(problem, 500)}</b></p>`
    }
  </section>`;
}

/** Each line loses its own controls and reversals. */
const shownLines = (text: string): string =>
  text
    .split('\n')
    .map((line) => say(line.replaceAll('\t', '    '), 1_000))
    .join('\n');

const linesShown = (text: string): number => Math.min(12, Math.max(2, text.split('\n').length));

function textOf(markers: MarkerWriter, domain: string, list: string): { text: string; problem?: string } {
  try {
    return { text: markers.text(domain, list) ?? '' };
  } catch (error) {
    return { text: '', problem: errorText(error) };
  }
}

function expiryOf({ expiry, domain, markers, session }: DomainView): Html {
  const file = html`<code>${say(markers.folderOf(domain))}/expire</code>`;
  const { own } = expiry;
  return html`<section class="chart wide">
    <h2>Refused mail is kept</h2>
    <p>
      ${own?.kind === 'broken' ? html`<b class="problem">${say(own.problem, 500)}</b>` : html`${keptText(expiry)} ${own ? html`(${file})` : html`(the settings; there is no ${file})`}`}
    </p>
    ${mayExpire(session) ? expiryForm(session, domain, expiry.words) : ''}
  </section>`;
}

/** Only whoever runs the server may say how much of the disk a domain takes. */
export const mayExpire = ({ token }: WebSession): boolean => token.domains === undefined;

const expiryForm = (session: WebSession, domain: string, { expire, expire_size: size }: ExpiryWords): Html =>
  html`<form method="post" action="/expiry" class="expiry">
    ${csrf(session)}<input type="hidden" name="domain" value="${domain}" /><input
      type="hidden"
      name="back"
      value="/domains/${encodeURIComponent(domain)}"
    />
    <label
      >For <input name="expire" maxlength="40" size="14" value="${say(expire, 40)}" placeholder="90d; 0: for ever"
    /></label>
    <label
      >At most <input name="expire_size" maxlength="40" size="14" value="${say(size, 40)}" placeholder="1g"
    /></label>
    <button>Save</button>
    <span class="hint">Where it is empty the settings count.</span>
  </form>`;

function keptText({ days, octets, own }: Expiry): string {
  const limits = own?.kind === 'limits' ? own : undefined;
  const all = octets > 0 ? [`of all domains together at most ${sizeText(octets)}`] : [];
  const its = limits?.octets === undefined || limits.octets === 0 ? [] : [`at most ${sizeText(limits.octets)}`];
  return [daysText(limits?.days ?? days), ...its, ...all].join(', ');
}

function daysText(days: number): string {
  if (days === 0) return 'for ever';
  return days < 2 ? `${Math.round(days * 24)} hours` : `${Math.round(days)} days`;
}

/** Says what the marker alone does not, such as that the check is on by `all`. */
function remarkOf({ srv, domain }: DomainView, { name, inAll, list }: CheckSwitch, marked: boolean): string {
  try {
    const mode = srv.checkMode(domain, name, inAll);
    if (list !== undefined) {
      const isThere = srv.lines(domain, list) !== undefined;
      if (marked && !isThere) return `does nothing without the file ${list}`;
      if (!marked && isThere) return `on by the file ${list}`;
    }
    if (mode === 'log') return marked ? 'log only' : 'log only, by all';
    if (typeof mode === 'object') return `${mode.points} points${marked ? '' : ', by all'}`;
    return mode === 'on' && !marked ? 'on by all' : '';
  } catch {
    return 'cannot be read: mail is deferred';
  }
}

interface Switch {
  readonly on: boolean;
  readonly text: string;
  readonly remark: string;
}

function switchForm({ session, domain }: DomainView, path: string, { on, text, remark }: Switch): Html {
  return html`<form method="post" action="/marker/${on ? 'remove' : 'create'}">
    ${csrf(session)}<input type="hidden" name="marker" value="${domain}/${path}" /><input
      type="hidden"
      name="back"
      value="/domains/${encodeURIComponent(domain)}"
    />
    <button role="switch" aria-checked="${String(on)}" class="switch" title="${domain}/${path}">
      <i></i>${say(text, 80)}${remark === '' ? '' : html` <small>${remark}</small>`}
    </button>
  </form>`;
}

function neverText(kind: MarkerKind, name: string): Html | string {
  const why = neverMatches(kind, name);
  return why === undefined ? '' : html` <small class="problem">${say(why, 300)}</small>`;
}

function listOf(view: DomainView, kind: Exclude<MarkerKind, 'checks'>): Html {
  const { session, domain, markers } = view;
  const [title, example] = titles[kind];
  const { names, more, problem } = markers.names(domain, kind, maxNames);
  return html`<section class="chart">
    <h2>${title}</h2>
    <p class="hint"><code>${kind}/</code></p>
    <ul class="names">
      ${names.map(
        (name) =>
          html`<li>
            <span>${say(name)}${neverText(kind, name)}</span>
            <form method="post" action="/marker/remove">
              ${csrf(session)}<input type="hidden" name="marker" value="${domain}/${kind}/${name}" /><input
                type="hidden"
                name="back"
                value="/domains/${encodeURIComponent(domain)}"
              />
              <button class="quiet" aria-label="Remove ${say(name)}">×</button>
            </form>
          </li>`,
      )}
    </ul>
    ${problem === undefined ? '' : html`<p><b class="problem">${say(problem, 500)}</b></p>`}
    ${more ? html`<p class="hint">and more than ${maxNames}: see the folder</p>` : ''}
    <form method="post" action="/marker/create" class="add">
      ${csrf(session)}<input type="hidden" name="marker" value="${domain}/${kind}/" /><input
        type="hidden"
        name="back"
        value="/domains/${encodeURIComponent(domain)}"
      />
      <input name="key" required maxlength="255" placeholder="${example}" aria-label="${title}" /><button>Add</button>
    </form>
  </section>`;
}
