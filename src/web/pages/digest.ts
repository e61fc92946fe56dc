/**
 * The page that a link of a digest mail leads to: it asks first, and then releases that one mail. The link stands for a
 * session. Whoever comes too late, or twice, is told what became of the mail.
 */
import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import type { Audit } from '../../audit/audit.js';
import { releaseRecord } from '../../audit/mail-records.js';
import type { DigestLinks, Link } from '../../digest/links.js';
import type { IndexEntry } from '../../quarantine/disk/index-entry.js';
import { senderText } from '../../quarantine/look/sender.js';
import type { ReleaseOptions } from '../../quarantine/care/release.js';
import type { KeptMails } from '../../quarantine/kept-mails.js';
import type { Vars } from '../guard.js';
import { document, type Html, say } from './layout.js';

export interface DigestParts extends Pick<ReleaseOptions, 'relay' | 'hostname' | 'hasUser'> {
  readonly mails: KeptMails;
  readonly links: DigestLinks;
  readonly audit: Pick<Audit, 'record'>;
}

interface LinkPage {
  readonly status: 200 | 404 | 410 | 503;
  readonly page: Html;
}

export function digestApp(parts: DigestParts): Hono<Vars> {
  const app = new Hono<Vars>();
  app.get('/:link', async (c) => {
    const { status, page } = await asked(c.req.param('link'), parts);
    return c.html(page, status);
  });
  app.post('/:link', async (c) => {
    const { status, page } = await pressed(c, c.req.param('link'), parts);
    return c.html(page, status);
  });
  return app;
}

/** Changes nothing: a program that looks at the links of a mail releases none. */
async function asked(text: string, { links, mails }: DigestParts): Promise<LinkPage> {
  const reading = await links.read(text);
  if (reading.kind !== 'works') return reading.kind === 'wrong' ? wrong : ended(reading.link);
  const { link } = reading;
  const { entry, mark, unknown } = await mails.disposition(link.ref);
  if (mark?.kind === 'released') return releasedAt(mark.time);
  if (unknown) return maybeReleased;
  if (!(await mails.isThere(link.ref))) return gone;
  return (await links.isSpent(link)) ? spent : { status: 200, page: ask(entry, link) };
}

async function pressed(c: Context<Vars>, text: string, parts: DigestParts): Promise<LinkPage> {
  const { links, mails, relay, hostname, hasUser } = parts;
  const reading = await links.read(text);
  if (reading.kind !== 'works') return reading.kind === 'wrong' ? wrong : ended(reading.link);
  const { link } = reading;
  if (!(await links.spend(link))) {
    const now = await asked(text, parts);
    return now.status === 410 ? now : spent;
  }
  const by = `postmaster@${link.ref.domain} (digest)`;
  try {
    const result = await mails.release(link.ref, { relay, hostname, by, form: 'raw', again: false, hasUser });
    const who = `postmaster@${link.ref.domain}`;
    parts.audit.record({ from: c.get('client'), who, ...releaseRecord(link.ref, result) });
    switch (result.kind) {
      case 'released':
        return said('Released', 'The mail is on its way to its recipient. You can close this page.');
      case 'already':
        return { ...releasedAt(result.mark.time), status: 200 };
      case 'unknown':
        return { ...maybeReleased, status: 200 };
      case 'gone':
        return gone;
      case 'busy':
        await links.giveBack(link);
        return said('One moment', 'Somebody else is releasing this mail just now. Look again in a minute.', 503);
      case 'routed':
        await links.giveBack(link);
        return said(
          'Not released',
          'The local mail server might send this mail on to somewhere else. Whoever runs the mail server can say whether its recipient exists.',
          503,
        );
      case 'refused':
        await links.giveBack(link);
        return said(
          'Not released',
          `The local mail server did not take the mail: ${say(result.reply)}. The link still works: try later.`,
          503,
        );
      case 'unreachable':
        await links.giveBack(link);
        return said('Not released', 'The local mail server cannot be reached. The link still works: try later.', 503);
    }
  } catch (error) {
    // Release throws before it has sent anything.
    await links.giveBack(link);
    throw error;
  }
}

const ask = (entry: IndexEntry | undefined, { expires }: Link): Html =>
  frame(
    'Release this mail?',
    html`${
        entry
          ? html`<section class="why">
              <p class="verdict">${entry.subject.trim() === '' ? '(no subject)' : say(entry.subject)}</p>
              <dl>
                <dt>From</dt>
                <dd>${say(senderText(entry))}</dd>
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
        It is delivered to its recipient, and this link is used up then. It works until
        ${minute(new Date(expires).toISOString())} UTC.
      </p>`,
  );

const frame = (title: string, body: Html): Html =>
  document(
    `${title} – postern`,
    html`<main class="login digest">
      <h1>${title}</h1>
      ${body}
    </main>`,
  );

/** Writes `2026-11-24 10:00`, in the zone that the time is written in. */
const minute = (time: string): string => time.slice(0, 16).replace('T', ' ');

const said = (title: string, text: string, status: LinkPage['status'] = 200): LinkPage => ({
  status,
  page: frame(title, html`<p>${text}</p>`),
});

const ended = ({ expires }: Link): LinkPage =>
  said(
    'This link has ended',
    `It worked until ${minute(new Date(expires).toISOString())} UTC. While the mail is in quarantine, whoever runs the mail server can still release it.`,
    410,
  );
const releasedAt = (time: string): LinkPage =>
  said(
    'Released before',
    `This mail was released on ${minute(time)}, and is not sent again. If it has not arrived, ask whoever runs the mail server.`,
    410,
  );
const maybeReleased = said(
  'Perhaps released before',
  'Somebody has released this mail, and it is not known whether it was delivered. It is not sent again. If it has not arrived, ask whoever runs the mail server.',
  410,
);
const wrong = said(
  'This link does not work',
  'It is not complete, or not of this server: copy it whole from the mail. Whoever runs the mail server can release the mail as well.',
  404,
);
const spent = said(
  'This link was used',
  'Each link works once. If its mail does not arrive, ask whoever runs the mail server.',
  410,
);
const gone = said(
  'The mail is gone',
  'It was deleted, or is older than mail is kept in quarantine: it can no longer be released. Ask its sender to send it again.',
  410,
);
