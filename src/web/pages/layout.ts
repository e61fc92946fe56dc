/** The frame of every page, and small pieces that several pages share. `html` escapes all that is put into it. */
import { html } from 'hono/html';
import { printable, shown } from '../../mail/text.js';
import { dayWords, localDay } from '../../text/day.js';
import type { WebSession } from '../login/sessions.js';

export type Html = ReturnType<typeof html>;

export interface PageFrame {
  readonly title: string;
  readonly session: WebSession;
  readonly here: 'mails' | 'journal' | 'charts' | 'domains' | 'audit';
  readonly body: Html;
}

export function page({ title, session, here, body }: PageFrame): Html {
  const { notices } = session;
  session.notices = [];
  const link = (where: PageFrame['here'], path: string, text: string): Html =>
    html`<a href="${path}" ${here === where ? html`aria-current="page"` : ''}>${text}</a>`;
  return document(
    title,
    html`<a class="skip" href="#main">Skip to the content</a>
      <header>
        <a class="brand" href="/">postern<span> quarantine</span></a>
        <nav aria-label="Pages">
          ${link('mails', '/', 'Refused')}${link('journal', '/journal', 'All mail')}${link('charts', '/charts', 'Charts')}${link('domains', '/domains', 'Domains')}${session.token.domains ? '' : link('audit', '/audit', 'Audit')}
        </nav>
        <form method="post" action="/logout">
          ${csrf(session)}<span class="who">${who(session)}</span>
          <button type="button" class="quiet" id="keys" hidden>Keys</button><button class="quiet">Log out</button>
        </form>
      </header>
      ${notices.map((notice) => noticeBox(notice, session))}
      <main id="main" tabindex="-1">${body}</main>
      <dialog id="help" aria-labelledby="help-title">
        <h2 id="help-title">Keys</h2>
        <dl>
          <dt>j k</dt>
          <dd>down, up; of an open mail: the next, the one before</dd>
          <dt>Enter</dt>
          <dd>open</dd>
          <dt>x</dt>
          <dd>select</dd>
          <dt>r</dt>
          <dd>release</dd>
          <dt>#</dt>
          <dd>delete</dd>
          <dt>u</dt>
          <dd>back to the list</dd>
          <dt>/</dt>
          <dd>search</dd>
          <dt>?</dt>
          <dd>this help</dd>
        </dl>
        <form method="dialog"><button>Close</button></form>
      </dialog>`,
  );
}

function who({ token }: WebSession): string {
  return token.domains ? `${token.name} · ${[...token.domains].join(', ')}` : token.name;
}

function noticeBox(
  { good, text, marker, action, label, mode = '', back }: WebSession['notices'][number],
  session: WebSession,
): Html {
  return html`<div class="notice ${good ? 'good' : 'bad'}" role="status">
    <span>${printable(text, 600)}</span>
    ${
      marker === undefined || action === undefined
        ? ''
        : html`<form method="post" action="/marker/${action}">
            ${csrf(session)}<input type="hidden" name="marker" value="${marker}" /><input
              type="hidden"
              name="back"
              value="${back}"
            />
            ${mode === '' ? '' : html`<input type="hidden" name="mode" value="${mode}" />`}<button class="quiet">
              ${say(label ?? '', 80)}
            </button>
          </form>`
    }
  </div>`;
}

export function document(title: string, body: Html): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="/assets/style.css" />
        <script src="/assets/page.js" defer></script>
      </head>
      <body>
        ${body}
      </body>
    </html>`;
}

export const csrf = ({ csrf: token }: WebSession): Html => html`<input type="hidden" name="csrf" value="${token}" />`;

/** Makes one harmless line of a client's text. */
export const say = (text: string, max = 300): string => shown(text, max);

/** Writes `22:03` for today, else `25 Nov 22:03`, in the zone that the index has. */
export function timeText(time: string, now = new Date()): string {
  const [, day = '', clock = ''] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(time) ?? [];
  return day === localDay(now) ? clock : `${dayWords(day)} ${clock}`;
}
