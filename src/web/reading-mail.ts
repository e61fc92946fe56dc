/** The addresses of one mail: its page, its HTML, its octets, its attachments, and what SPF says of it now. */
import type { Context, Hono } from 'hono';
import { rejectionLog } from '../journal/shown/rejection-log.js';
import type { KeptMail } from '../quarantine/look/kept-mail.js';
import { idOf, type MailRef, parseRef, refText } from '../quarantine/disk/mail-ref.js';
import { exactMarker } from '../srv/markers.js';
import { contentDisposition, downloadName } from './download-name.js';
import type { Vars } from './guard.js';
import { mailAddress } from './pages/list.js';
import { harmless, mailPolicy, withImages } from './pages/mail-html.js';
import { factsOf, mailPage } from './pages/mail.js';
import type { WebParts } from './parts.js';
import { visible } from './reading-journal.js';
import { maySee } from './login/sessions.js';
import { queryOf, spfPage } from './pages/spf-part.js';

export function readingMail(app: Hono<Vars>, parts: WebParts): void {
  pages(app, parts);
  downloads(app, parts);
}

function pages(app: Hono<Vars>, parts: WebParts): void {
  app.get('/mail/:yday/:domain/:file', async (c) => {
    const ref = refFor(c);
    if (!ref) return c.notFound();
    const disposition = await parts.mails.disposition(ref);
    const kept = await parts.mails.open(ref);
    if (!kept && !disposition.entry) return c.notFound();
    const content = kept ? await parts.reader.read(kept.message) : undefined;
    const source = kept ? await beginning(kept) : '';
    const hasMarker = (text: string): boolean => {
      const marker = exactMarker(text, (domain) => parts.hosted.isHosted(domain));
      return marker !== undefined && parts.markers.exists(marker);
    };
    const { journal } = parts;
    const log = await rejectionLog({ journal, entry: disposition.entry, id: idOf(ref.filename), ...visible(c) });
    const images = c.req.query('images') === '1';
    const session = c.get('session');
    return c.html(mailPage({ session, ref, disposition, kept, log, content, source, hasMarker, images }));
  });
  app.get('/mail/:yday/:domain/:file/html', async (c) => {
    const ref = refFor(c);
    const kept = ref && (await parts.mails.open(ref));
    if (!kept) return c.notFound();
    const content = await parts.reader.read(kept.message, { kind: 'images' });
    return c.body(content.kind === 'read' ? withImages(harmless(content.html), content.attachments) : '', 200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': mailPolicy(c.req.query('images') === '1'),
      'X-Frame-Options': 'SAMEORIGIN',
      'Referrer-Policy': 'no-referrer',
    });
  });
  app.get('/mail/:yday/:domain/:file/spf', async (c) => {
    const ref = refFor(c);
    const kept = ref && (await parts.mails.open(ref));
    if (!ref || !kept) return c.notFound();
    const facts = factsOf({ ref, disposition: await parts.mails.disposition(ref), kept });
    const query = queryOf(facts, parts.hostname);
    if (!query) return c.notFound();
    const address = mailAddress(refText(ref));
    const outcome = await parts.checkSpf(query);
    return c.html(spfPage({ session: c.get('session'), facts, query, outcome, address }));
  });
}

/** What a browser saves: no browser may show or run it. */
function downloads(app: Hono<Vars>, parts: WebParts): void {
  app.get('/mail/:yday/:domain/:file/raw', async (c) => {
    const ref = refFor(c);
    const kept = ref && (await parts.mails.open(ref));
    if (!ref || !kept) return c.notFound();
    return c.body(ReadableStream.from<Uint8Array>(kept.whole.parts()), 200, {
      'Content-Type': 'application/octet-stream',
      // The name is an ID of ours, or `mail`: no text of a client gets into it.
      'Content-Disposition': `attachment; filename="${idOf(ref.filename) || 'mail'}.eml"`,
      'Content-Length': String(kept.whole.size),
      'Content-Security-Policy': "sandbox; default-src 'none'",
    });
  });
  app.get('/mail/:yday/:domain/:file/attachment/:at{[0-9]{1,4}}', async (c) => {
    const ref = refFor(c);
    const kept = ref && (await parts.mails.open(ref));
    if (!ref || !kept) return c.notFound();
    const at = Number(c.req.param('at'));
    const content = await parts.reader.read(kept.message, { kind: 'attachment', at });
    const { octets, names } = (content.kind === 'read' && content.attachments[at]) || {};
    if (!octets) return c.notFound();
    return c.body(new Uint8Array(octets), 200, {
      // Whatever type the sender gave it.
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': contentDisposition(downloadName(idOf(ref.filename), names?.[0] ?? '')),
      'Content-Security-Policy': "sandbox; default-src 'none'",
    });
  });
}

/** The mail that the address names; undefined when this session may not see it. */
function refFor(c: Context<Vars, '/mail/:yday/:domain/:file'>): MailRef | undefined {
  const ref = parseRef([c.req.param('yday'), c.req.param('domain'), c.req.param('file')].join('/'));
  return ref && maySee(c.get('session'), ref.domain) ? ref : undefined;
}

const maxSource = 131_072;

async function beginning({ whole }: KeptMail): Promise<string> {
  let octets = Buffer.alloc(0);
  for await (const part of whole.parts()) {
    octets = Buffer.concat([octets, part]);
    if (octets.length >= maxSource) break;
  }
  return `${octets.toString('utf8', 0, maxSource)}${whole.size >= maxSource ? '\n…' : ''}`;
}
