/** Buttons that put a mail's sender, its domain or its client onto a hosted domain's lists, or take them off again. */
import { html } from 'hono/html';
import type { WebSession } from '../login/sessions.js';
import { csrf, type Html, say } from './layout.js';

export interface ListButtons {
  readonly session: WebSession;
  /** The hosted domain. */
  readonly domain: string;
  readonly from: string;
  readonly ip: string;
  /** The page that they lead back to. */
  readonly back: string;
  /** It tells whether the marker is there. */
  readonly hasMarker: (marker: string) => boolean;
}

export const listButtons = (given: ListButtons): Html =>
  html`<div class="lists">
    ${(['whitelisted', 'blacklisted'] as const).map(
      (list) =>
        html`<div>
          <span>${list === 'whitelisted' ? 'Always take from' : 'Never take from'}</span>
          ${listKeys(given).map((key) => markerForm(given, list, key))}
        </div>`,
    )}
  </div>`;

interface ListKey {
  readonly what: string;
  /** The folder of its markers. */
  readonly kind: string;
  readonly key: string;
}

/** What of the mail can be put onto a list. */
const listKeys = ({ from, ip }: ListButtons): readonly ListKey[] =>
  [
    { what: 'sender', kind: 'senders', key: from },
    { what: 'domain', kind: 'domains', key: from.slice(from.lastIndexOf('@') + 1) },
    { what: 'client', kind: 'ips', key: ip },
  ].filter(({ key }) => key !== '');

/** A button that makes a marker, or removes it where it is there. */
function markerForm(
  { session, domain, back, hasMarker }: ListButtons,
  list: string,
  { what, kind, key }: ListKey,
): Html {
  const marker = `${domain}/${list}/${kind}/${key.toLowerCase()}`;
  const there = hasMarker(marker);
  return html`<form method="post" action="/marker/${there ? 'remove' : 'create'}">
    ${csrf(session)}<input type="hidden" name="marker" value="${marker}" /><input
      type="hidden"
      name="back"
      value="${back}"
    />
    <button title="${say(marker)}" class="${there ? 'on' : ''}">${what} <small>${say(key, 60)}</small></button>
  </form>`;
}
