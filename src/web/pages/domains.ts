/** Hosted domains, and one domain's users, checks and lists, as switches: each is its marker file, there or not. */
import { domainToUnicode } from 'node:url';
import { html } from 'hono/html';
import type { ExpiryWords, OwnLimits } from '../../srv/expiry.js';
import { type MarkerKind, type MarkerWriter, markerKinds } from '../../srv/markers.js';
import { csrf, type Html, page, say, sizeText } from './layout.js';
import { listAddress } from './list.js';
import type { WebSession } from '../sessions.js';

export const domainsPage = (session: WebSession, domains: readonly string[]): Html =>
  page({
    title: 'Domains – postern',
    session,
    here: 'domains',
    body: html`<h1>Domains</h1>
      <ul class="domains">
        ${domains.map((domain) => html`<li><a href="/domains/${encodeURIComponent(domain)}">${nameOf(domain)}</a> ${domain === '_global_' ? '' : html`<a class="hint" href="${listAddress(`domain:${domain}`)}">mails</a>`}</li>`)}
      </ul>
      ${domains.length === 0 ? html`<p class="empty">No domain is hosted.</p>` : ''}`,
  });

/** As people write it; it is A-labels everywhere else. */
const nameOf = (domain: string): string =>
  domain === '_global_' ? 'All domains' : say(domainToUnicode(domain) || domain);

export interface DomainView {
  readonly session: WebSession;
  readonly domain: string;
  readonly markers: MarkerWriter;
  readonly srv: SwitchFiles;
  readonly checks: readonly CheckSwitch[];
  readonly expiry: Expiry;
}

/** How long and how much refused mail is kept; 0: no limit. */
export interface Expiry {
  readonly days: number;
  readonly octets: number;
  /** The domain's own file. */
  readonly own: OwnLimits | undefined;
  /** Its words; '' for what it does not say. */
  readonly words: ExpiryWords;
}

/** What /srv holds as plugins see it. Both throw where it cannot be read. */
export interface SwitchFiles {
  checkMode(domain: string, check: string, inAll: boolean): 'on' | 'log' | 'off';
  lines(domain: string, file: string): readonly string[] | undefined;
}

export interface CheckSwitch {
  readonly name: string;
  /** Does `all` cover it? */
  readonly inAll: boolean;
  /** The file of a domain that switches it on as well, and that it works by. */
  readonly list?: string;
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

const most = 500;

export function domainPage(view: DomainView): Html {
  const { domain, session } = view;
  const kinds = markerKinds.filter(
    (kind): kind is Exclude<MarkerKind, 'checks'> =>
      kind !== 'checks' && (domain !== '_global_' || (kind.includes('listed/') && kind !== 'whitelisted/recipients')),
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
      </p>
      ${domain === '_global_' ? '' : html`${checksOf(view)} ${expiryOf(view)}`}
      <div class="charts">${kinds.map((kind) => listOf(view, kind))}</div>`,
  });
}

function checksOf(view: DomainView): Html {
  const { names } = view.markers.names(view.domain, 'checks', most);
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

/** How much of the disk a domain may take is for whoever runs the server to say. */
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

/** What the marker alone does not tell. */
function remarkOf({ srv, domain }: DomainView, { name, inAll, list }: CheckSwitch, marked: boolean): string {
  try {
    const mode = srv.checkMode(domain, name, inAll);
    if (list !== undefined) {
      const isThere = srv.lines(domain, list) !== undefined;
      if (marked && !isThere) return `does nothing without the file ${list}`;
      if (!marked && isThere) return `on by the file ${list}`;
    }
    if (mode === 'log') return marked ? 'log only' : 'log only, by all';
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

function listOf(view: DomainView, kind: Exclude<MarkerKind, 'checks'>): Html {
  const { session, domain, markers } = view;
  const [title, example] = titles[kind];
  const { names, more } = markers.names(domain, kind, most);
  return html`<section class="chart">
    <h2>${title}</h2>
    <p class="hint"><code>${kind}/</code></p>
    <ul class="names">
      ${names.map(
        (name) =>
          html`<li>
            <span>${say(name)}</span>
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
    ${more ? html`<p class="hint">and more than ${most}: see the folder</p>` : ''}
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
