/** Where a link of a digest mail leads: asks first, and then releases that one mail. The link stands for a session. */
import { Hono } from 'hono';
import { html } from 'hono/html';
import type { Link, Links } from '../digest/links.js';
import { fateOf } from '../quarantine/fate.js';
import { release, type ReleaseOptions } from '../quarantine/release.js';
import { document, type Html, say } from './layout.js';

export interface DigestParts extends Pick<ReleaseOptions, 'root' | 'relay' | 'hostname'> {
  readonly links: Links;
}

export function digestApp(parts: DigestParts): Hono {
  const { links, root, relay, hostname } = parts;
  const app = new Hono();
  app.get('/:link', (c) => {
    const link = links.read(c.req.param('link'));
    if (!link) return c.html(wrong, 404);
    return links.isSpent(link) ? c.html(spent, 410) : c.html(ask(root, link));
  });
  app.post('/:link', async (c) => {
    const link = links.read(c.req.param('link'));
    if (!link) return c.html(wrong, 404);
    if (!links.spend(link)) return c.html(spent, 410);
    const by = `postmaster@${link.ref.domain} (digest)`;
    const result = await release(link.ref, { root, relay, hostname, by, form: 'raw', again: false });
    switch (result.kind) {
      case 'released':
        return c.html(said('Released', 'The mail is on its way to its recipient.'));
      case 'already':
        return c.html(said('Released before', 'Somebody has released this mail before; it was not sent again.'));
      case 'gone':
        return c.html(said('Gone', 'The mail is no longer in quarantine.'), 410);
      case 'busy':
      case 'refused':
      case 'unreachable':
        links.giveBack(link);
        return c.html(
          said('Not released', 'The local mail server did not take the mail. The link still works: try later.'),
          503,
        );
    }
  });
  return app;
}

function ask(root: string, { ref, expires }: Link): Html {
  const { entry } = fateOf(root, ref);
  const until = new Date(expires).toISOString().slice(0, 16).replace('T', ' ');
  return frame(
    'Release this mail?',
    html`${
        entry
          ? html`<section class="why">
              <p class="verdict">${entry.subject.trim() === '' ? '(no subject)' : say(entry.subject)}</p>
              <dl>
                <dt>From</dt>
                <dd>${say(entry.from === '' ? '<>' : entry.from)}</dd>
                <dt>To</dt>
                <dd>${say(entry.recipient)}</dd>
                <dt>Refused</dt>
                <dd>${say(entry.reason, 1000)}</dd>
              </dl>
            </section>`
          : html`<p>Nothing more is known of it.</p>`
      }
      <form method="post"><button class="main">Release</button></form>
      <p class="hint">
        It is delivered to its recipient, and this link is used up then. It works until ${until} UTC.
      </p>`,
  );
}

const frame = (title: string, body: Html): Html =>
  document(
    `${title} – postern`,
    html`<main class="login digest">
      <h1>${title}</h1>
      ${body}
    </main>`,
  );

const said = (title: string, text: string): Html => frame(title, html`<p>${text}</p>`);
const wrong = said(
  'This link does not work',
  'It is too old, or not complete: copy it whole from the mail. Later than that, whoever runs the mail server can release the mail.',
);
const spent = said(
  'This link was used',
  'Each link works once, and its mail was released. If it has not arrived, ask whoever runs the mail server.',
);
