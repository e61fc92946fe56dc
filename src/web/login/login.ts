/** Logging in and out. Each try is recorded; a right token is never kept waiting because of wrong ones. */
import type { Hono } from 'hono';
import { deleteCookie, setCookie } from 'hono/cookie';
import { authenticated, cookieName, ownAddress, type Vars } from '../guard.js';
import { loginPage } from '../pages/login.js';
import type { WebParts } from '../parts.js';
import { tokenIn } from './tokens.js';

/** Somebody may paste the whole link, which is longer than its token. */
const maxTokenText = 1_000;

export function login(app: Hono<Vars>, { tokens, sessions, audit, wrongTokens }: WebParts): void {
  app.get('/login', (c) => c.html(loginPage('', ownAddress(c.req.query('to')))));
  app.post('/login', async (c) => {
    const { token, to: wanted } = await c.req.parseBody();
    const to = ownAddress(wanted);
    const from = c.get('client');
    const found =
      typeof token === 'string' && token.length <= maxTokenText ? await tokens.find(tokenIn(token)) : undefined;
    if (found) {
      audit.record({ from, who: found.name, what: 'log-in', target: 'page', result: 'done' });
      // A session that the browser came with is not continued.
      const secure = c.req.header('x-forwarded-proto') === 'https';
      const id = await sessions.begin(found);
      setCookie(c, cookieName, id, { path: '/', httpOnly: true, sameSite: 'Strict', secure });
      return c.redirect(to, 303);
    }
    const { waitSeconds, isFirst } = wrongTokens.failed(from);
    const result = waitSeconds === 0 ? 'wrong token' : 'wrong tokens, slowed down';
    if (waitSeconds === 0 || isFirst) audit.record({ from, who: '', what: 'log-in failed', target: 'page', result });
    if (waitSeconds === 0) return c.html(loginPage('This token is not known.', to), 403);
    c.header('Retry-After', String(waitSeconds));
    return c.html(
      loginPage(`This token is not known. After so many wrong ones the next is looked at in ${waitSeconds} s.`, to),
      429,
    );
  });
  app.post('/logout', authenticated(sessions), async (c) => {
    const who = c.get('session').token.name;
    audit.record({ from: c.get('client'), who, what: 'log-out', target: 'page', result: 'done' });
    await sessions.end(c.get('sessionId'));
    deleteCookie(c, cookieName, { path: '/' });
    return c.redirect('/login', 303);
  });
}
