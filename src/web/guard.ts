/** What every request passes before anything looks at it: Host, origin, headers of the answer, session, CSRF token. */
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import type { Network } from '../mail/ip.js';
import { clientAddress } from './login/client-address.js';
import { noFormPage, oldFormPage } from './pages/problem.js';
import { isSame, type KnownSessions, type WebSession } from './login/sessions.js';

/** What a request carries on to its handler; `client` is the address that it came from. */
export interface Vars {
  Variables: { session: WebSession; sessionId: string; client: string };
}

export const cookieName = 'postern_session';

const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/**
 * An address of the page that a form or a link brought along; what could lead to another site becomes the list's
 * address.
 */
export const ownAddress = (text: unknown): string =>
  typeof text === 'string' && /^\/(?![/\\])[\x21-\x7e]*$/.test(text) ? text : '/';

/** Notes the client's address, for the audit and for slowing down wrong tokens. */
export const knowClient =
  (proxies: readonly Network[]): MiddlewareHandler<Vars> =>
  async (c, next) => {
    c.set('client', clientAddress(c, proxies));
    return next();
  };

/** Refuses a Host that is not ours: another site's name may have been pointed at us (DNS rebinding). */
export function checkHost(isOurs: (host: string) => boolean): MiddlewareHandler {
  return async (c, next) => {
    if (!isOurs((c.req.header('host') ?? '').toLowerCase())) return c.text('There is no such site here.\n', 421);
    return next();
  };
}

/** Accepts our own address, and the names that a proxy knows us by. */
export function hostCheck(
  { host: own, port }: { host: string; port: number },
  names: readonly string[],
): (host: string) => boolean {
  const known = new Set(['localhost', '127.0.0.1', '[::1]', own.includes(':') ? `[${own}]` : own, ...names]);
  return (host) => {
    const [, name = '', given] = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(host) ?? [];
    if (!known.has(name)) return false;
    // Behind a proxy the port is the proxy's.
    return given === undefined || Number(given) === port || names.includes(name);
  };
}

/** Headers of every answer; a handler may set stricter ones. */
export const secureHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  const put = (name: string, value: string): void => {
    if (!c.res.headers.has(name)) c.res.headers.set(name, value);
  };
  put('Content-Security-Policy', pagePolicy);
  put('X-Frame-Options', 'DENY');
  put('X-Content-Type-Options', 'nosniff');
  put('Referrer-Policy', 'same-origin');
  put('Cross-Origin-Opener-Policy', 'same-origin');
  put('Cross-Origin-Resource-Policy', 'same-origin');
  put('X-DNS-Prefetch-Control', 'off');
  put('Cache-Control', 'no-store');
};

/** No other site may ask for anything but a page to look at, and none may change anything. */
export const sameSite: MiddlewareHandler = async (c, next) => {
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
  const site = c.req.header('sec-fetch-site');
  const origin = c.req.header('origin');
  const isVisit =
    isRead && c.req.header('sec-fetch-mode') === 'navigate' && c.req.header('sec-fetch-dest') === 'document';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isVisit) return foreign(c);
  const host = c.req.header('host') ?? '';
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) return foreign(c);
  return next();
};

/** Refuses what is sent as a form and is none: everything behind this reads the form without an error. */
export const readableForm: MiddlewareHandler = async (c, next) => {
  if (c.req.method !== 'POST') return next();
  try {
    await c.req.parseBody();
  } catch (error) {
    // These are octets that are no form, or a client that went away; bodyLimit answers when there are too many octets.
    if (!(error instanceof TypeError) && (error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
    return c.html(noFormPage, 400);
  }
  return next();
};

const foreign = (c: Context): Response => c.text('Asked for by another site.\n', 403);

/** The log-in page remembers what was asked for, and leads there. */
const loginFor = ({ pathname, search }: URL): string =>
  pathname === '/' && search === '' ? '/login' : `/login?to=${encodeURIComponent(pathname + search)}`;

/** Everything behind this needs a session, and every change the session's CSRF token. */
export function authenticated(sessions: KnownSessions): MiddlewareHandler<Vars> {
  return async (c, next) => {
    const id = getCookie(c, cookieName) ?? '';
    const session = await sessions.find(id);
    if (!session) {
      return c.req.method === 'GET' && !c.req.path.startsWith('/part/')
        ? c.redirect(loginFor(new URL(c.req.url)))
        : c.text('Log in first.\n', 401);
    }
    c.set('session', session);
    c.set('sessionId', id);
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
      const { csrf } = await c.req.parseBody();
      if (typeof csrf !== 'string' || !isSame(csrf, session.csrf)) return c.html(oldFormPage, 403);
    }
    const { notices } = session;
    await next();
    // What is told by the next page is kept before anybody is led there.
    if (session.notices !== notices && session.notices.length + notices.length > 0) await sessions.keep(id, session);
    return undefined;
  };
}
