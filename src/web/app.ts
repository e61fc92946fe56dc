/** The page's addresses. Nothing that is asked for by GET changes anything. Leaves opening the port to web.ts. */
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { deleteCookie, setCookie } from 'hono/cookie';
import { changing } from './changing.js';
import { digestApp } from './pages/digest.js';
import {
  authenticated,
  checkHost,
  cookieName,
  ownAddress,
  readableForm,
  sameSite,
  secureHeaders,
  type Vars,
} from './guard.js';
import { loginPage } from './pages/login.js';
import type { WebParts } from './parts.js';
import { reading } from './reading.js';
import { readingMail } from './reading-mail.js';
import { Attempts } from './sessions.js';

export function webApp(parts: WebParts): Hono<Vars> {
  const app = new Hono<Vars>();
  app.use(secureHeaders, checkHost(parts.isOurHost), sameSite);
  app.use(bodyLimit({ maxSize: 262_144, onError: (c) => c.text('Too much.\n', 413) }));
  app.use(readableForm);
  app.onError((error, c) => {
    parts.onError(error);
    return c.text('Something is broken; the log says what.\n', 500);
  });
  app.notFound((c) => c.text('There is nothing here.\n', 404));
  app.get('/assets/:name', (c) => {
    const asset = parts.assets.get(c.req.param('name'));
    return asset
      ? c.body(new Uint8Array(asset.octets), 200, { 'Content-Type': asset.type, 'Cache-Control': 'no-cache' })
      : c.notFound();
  });
  login(app, parts);
  if (parts.links) app.route('/digest', digestApp({ ...parts, links: parts.links }));
  app.use(authenticated(parts.sessions, parts.tokens));
  reading(app, parts);
  readingMail(app, parts);
  changing(app, parts);
  return app;
}

function login(app: Hono<Vars>, { tokens, sessions, attempts = new Attempts() }: WebParts): void {
  app.get('/login', (c) => c.html(loginPage('', ownAddress(c.req.query('to')))));
  app.post('/login', async (c) => {
    const { wait } = attempts;
    const { token, to: wanted } = await c.req.parseBody();
    const to = ownAddress(wanted);
    if (wait > 0) {
      c.header('Retry-After', String(wait));
      return c.html(loginPage(`Too many wrong tokens: wait ${wait} seconds.`, to), 429);
    }
    const found = typeof token === 'string' && token.length <= 200 ? tokens.find(token.trim()) : undefined;
    if (!found) {
      attempts.failed();
      return c.html(loginPage('This token is not known.', to), 403);
    }
    // Whatever session the browser came with is not continued.
    const secure = c.req.header('x-forwarded-proto') === 'https';
    setCookie(c, cookieName, sessions.begin(found), { path: '/', httpOnly: true, sameSite: 'Strict', secure });
    return c.redirect(to, 303);
  });
  app.post('/logout', authenticated(sessions, tokens), (c) => {
    sessions.end(c.get('sessionId'));
    deleteCookie(c, cookieName, { path: '/' });
    return c.redirect('/login', 303);
  });
}
