/** The page's addresses. Nothing that is asked for by GET changes anything. Leaves opening the port to web.ts. */
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { changingDomain } from './changing/domain.js';
import { changingMails, replayingMails } from './changing/mails.js';
import { digestApp } from './pages/digest.js';
import { authenticated, checkHost, knowClient, readableForm, sameSite, secureHeaders, type Vars } from './guard.js';
import { login } from './login/login.js';
import { SourceDown } from '../quarantine/kept-mails.js';
import { brokenPage, downPage, notFoundPage, tooMuchPage } from './pages/problem.js';
import type { WebParts } from './parts.js';
import { reading } from './reading.js';
import { readingJournal } from './reading-journal.js';
import { readingMail } from './reading-mail.js';

export function webApp(parts: WebParts): Hono<Vars> {
  const app = new Hono<Vars>();
  app.use(secureHeaders, checkHost(parts.isOurHost), sameSite);
  app.use(bodyLimit({ maxSize: 262_144, onError: (c) => c.html(tooMuchPage, 413) }));
  app.use(readableForm, knowClient(parts.proxies));
  app.onError((error, c) => {
    parts.onError(error);
    return error instanceof SourceDown ? c.html(downPage, 503) : c.html(brokenPage, 500);
  });
  app.notFound((c) => c.html(notFoundPage, 404));
  app.get('/assets/:name', (c) => {
    const asset = parts.assets.get(c.req.param('name'));
    return asset
      ? c.body(new Uint8Array(asset.octets), 200, { 'Content-Type': asset.type, 'Cache-Control': 'no-cache' })
      : c.notFound();
  });
  login(app, parts);
  if (parts.links) app.route('/digest', digestApp({ ...parts, links: parts.links }));
  app.use(authenticated(parts.sessions));
  reading(app, parts);
  readingMail(app, parts);
  readingJournal(app, parts);
  changingMails(app, parts);
  replayingMails(app, parts);
  changingDomain(app, parts);
  return app;
}
