/** The page's addresses. Nothing that is asked for by GET changes anything. Leaves opening the port to web.ts. */
import fs from 'node:fs';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { deleteCookie, setCookie } from 'hono/cookie';
import { html } from 'hono/html';
import type { Links } from '../digest/links.js';
import { parseDomain } from '../mail/domain.js';
import type { ContentReader } from '../mime/content-reader.js';
import { browsePage, type Page } from '../quarantine/browse.js';
import { discard } from '../quarantine/discard.js';
import { fateOf } from '../quarantine/fate.js';
import { type KeptMail, openKeptMail } from '../quarantine/kept-mail.js';
import { idOf, locate, type MailRef, parseRef, refText } from '../quarantine/mail-ref.js';
import { parseQuery } from '../quarantine/query.js';
import { release, type ReleaseResult } from '../quarantine/release.js';
import type { Stats } from '../quarantine/stats.js';
import type { Relay } from '../relay/relay.js';
import { type Marker, type Markers, markerText, parseMarker } from '../srv/markers.js';
import { chartsBody, chartsPage } from './charts-page.js';
import { say } from './layout.js';
import { digestApp } from './digest-page.js';
import { domainPage, domainsPage, type Expiry, type KnownCheck, type SwitchFiles } from './domains-page.js';
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
import { listPage, mailAddress, row } from './list-page.js';
import { loginPage } from './login-page.js';
import { disposition, downloadName } from './download-name.js';
import { harmless, mailPolicy, withImages } from './mail-html.js';
import { factsOf, mailPage } from './mail-page.js';
import { Attempts, type Notice, type Session, type Sessions } from './sessions.js';
import { queryOf, type SpfCheck, spfPage } from './spf-part.js';
import type { StatsCache } from './stats-cache.js';
import type { Tokens } from './tokens.js';

export interface WebParts {
  /** /spam */
  readonly root: string;
  readonly hostname: string;
  readonly relay: Relay;
  readonly markers: Markers;
  readonly hosted: SwitchFiles & { isHosted(domain: string): boolean; domains(): readonly string[] };
  readonly checks: readonly KnownCheck[];
  readonly expiryOf: (domain: string) => Expiry;
  readonly reader: ContentReader;
  readonly checkSpf: SpfCheck;
  readonly stats: StatsCache;
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  /** Of digest mails; undefined: none are sent. */
  readonly links?: Links;
  readonly isOurHost: (host: string) => boolean;
  readonly assets: ReadonlyMap<string, { readonly type: string; readonly octets: Buffer }>;
  readonly onError: (error: unknown) => void;
  readonly attempts?: Attempts;
}

type C = Context<Vars>;

const pageSize = 50;
/** Milliseconds of searching for the first page, and for one that goes on where another ended. */
const budget = { first: 120, further: 1_000 };
/** Of what happened; the page that is to show it may never be asked for. */
const mostNotices = 5;
const longestNotice = 2_000;
/** Mails for one bulk action. */
const mostAtOnce = 500;

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

const scopeOf = ({ token }: Session): { readonly domains?: ReadonlySet<string> } =>
  token.domains ? { domains: token.domains } : {};

const maySee = ({ token }: Session, domain: string): boolean => token.domains?.has(domain) ?? true;

function reading(app: Hono<Vars>, parts: WebParts): void {
  app.get('/', async (c) => {
    const { found, problem } = await listFor(c, parts, { cursor: c.req.query('cursor') });
    const search = c.req.query('q') ?? '';
    const older = c.req.query('cursor') !== undefined;
    return c.html(
      listPage({ session: c.get('session'), search, found, older, ...(problem !== undefined && { problem }) }),
    );
  });
  app.get('/part/new', async (c) => {
    const { found } = await listFor(c, parts, { until: c.req.query('until') });
    const rows = await html`${found.items.map(row)}`;
    return c.json({ count: found.items.length, first: found.items[0]?.cursor ?? '', rows: rows.toString() });
  });
  app.get('/mail/:yday/:domain/:file', async (c) => {
    const ref = refFor(c);
    if (!ref) return c.notFound();
    const fate = fateOf(parts.root, ref);
    const kept = await keptMail(parts, ref);
    if (!kept && !fate.entry) return c.notFound();
    const content = kept ? await parts.reader.read(kept.message) : undefined;
    const source = kept ? beginning(kept.file) : '';
    const hasMarker = (text: string): boolean => {
      const marker = parseMarker(text, (domain) => parts.hosted.isHosted(domain));
      return marker !== undefined && parts.markers.exists(marker);
    };
    const images = c.req.query('images') === '1';
    return c.html(mailPage({ session: c.get('session'), ref, fate, kept, content, source, hasMarker, images }));
  });
  app.get('/mail/:yday/:domain/:file/html', async (c) => {
    const ref = refFor(c);
    const kept = ref && (await keptMail(parts, ref));
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
    const kept = ref && (await keptMail(parts, ref));
    if (!ref || !kept) return c.notFound();
    const facts = factsOf({ ref, fate: fateOf(parts.root, ref), kept });
    const query = queryOf(facts, parts.hostname);
    if (!query) return c.notFound();
    const address = mailAddress(refText(ref));
    const outcome = await parts.checkSpf(query);
    return c.html(spfPage({ session: c.get('session'), facts, query, outcome, address }));
  });
  app.get('/mail/:yday/:domain/:file/raw', async (c) => {
    const ref = refFor(c);
    const kept = ref && (await keptMail(parts, ref));
    if (!ref || !kept) return c.notFound();
    const stream = fs.createReadStream(kept.file, { flags: 'r' });
    return c.body(ReadableStream.from(stream) as ReadableStream<Uint8Array>, 200, {
      'Content-Type': 'application/octet-stream',
      // An ID of ours or nothing: no text of a client gets into the name.
      'Content-Disposition': `attachment; filename="${idOf(ref.filename) || 'mail'}.eml"`,
      'Content-Length': String(kept.size),
      'Content-Security-Policy': "sandbox; default-src 'none'",
    });
  });
  app.get('/mail/:yday/:domain/:file/attachment/:at{[0-9]{1,4}}', async (c) => {
    const ref = refFor(c);
    const kept = ref && (await keptMail(parts, ref));
    if (!ref || !kept) return c.notFound();
    const at = Number(c.req.param('at'));
    const content = await parts.reader.read(kept.message, { kind: 'attachment', at });
    const { octets, names } = (content.kind === 'read' && content.attachments[at]) || {};
    if (!octets) return c.notFound();
    return c.body(new Uint8Array(octets), 200, {
      // Whatever it says it is: to be saved, and never to be shown or run by a browser.
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': disposition(downloadName(idOf(ref.filename), names?.[0] ?? '')),
      'Content-Security-Policy': "sandbox; default-src 'none'",
    });
  });
  app.get('/charts', async (c) => {
    const session = c.get('session');
    return c.html(chartsPage(session, await soon(parts.stats.get(session.token.domains))));
  });
  app.get('/part/charts', async (c) => c.html(chartsBody(await parts.stats.get(c.get('session').token.domains))));
  app.get('/domains', (c) => {
    const session = c.get('session');
    const hosted = new Set(parts.hosted.domains().map((name) => parseDomain(name) ?? name));
    const all = [...(session.token.domains ? [] : ['_global_']), ...hosted];
    return c.html(
      domainsPage(
        session,
        all.filter((domain) => maySee(session, domain)),
      ),
    );
  });
  app.get('/domains/:domain', (c) => {
    const session = c.get('session');
    const domain = c.req.param('domain');
    const isThere = domain === '_global_' || parts.hosted.isHosted(domain);
    if (!maySee(session, domain) || !isThere) return c.notFound();
    return c.html(
      domainPage({
        session,
        domain,
        markers: parts.markers,
        srv: parts.hosted,
        checks: parts.checks,
        expiry: parts.expiryOf(domain),
      }),
    );
  });
}

/** What a quick count finds before the page has to be shown. */
const soon = (stats: Promise<Stats>): Promise<Stats | undefined> =>
  Promise.race([stats, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 250))]);

interface Where {
  readonly cursor?: string | undefined;
  readonly until?: string | undefined;
}

async function listFor(c: C, { root }: WebParts, { cursor, until }: Where): Promise<{ found: Page; problem?: string }> {
  const parsed = parseQuery(c.req.query('q') ?? '');
  if (!parsed.ok) return { found: { items: [] }, problem: parsed.problem };
  const where = { ...(cursor !== undefined && { cursor }), ...(until !== undefined && until !== '' && { until }) };
  return {
    found: await browsePage({
      root,
      query: parsed.query,
      limit: pageSize,
      budget: cursor === undefined ? budget.first : budget.further,
      ...where,
      ...scopeOf(c.get('session')),
    }),
  };
}

/** Of a mail that this session may see. */
function refFor(c: Context<Vars, '/mail/:yday/:domain/:file'>): MailRef | undefined {
  const ref = parseRef([c.req.param('yday'), c.req.param('domain'), c.req.param('file')].join('/'));
  return ref && maySee(c.get('session'), ref.domain) ? ref : undefined;
}

async function keptMail({ root }: WebParts, ref: MailRef): Promise<KeptMail | undefined> {
  const file = await locate(root, ref);
  return file === undefined ? undefined : openKeptMail(file);
}

function beginning(file: string): string {
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  try {
    const octets = Buffer.alloc(131_072);
    const length = fs.readSync(fd, octets, 0, octets.length, 0);
    return `${octets.toString('utf8', 0, length)}${length === octets.length ? '\n…' : ''}`;
  } finally {
    fs.closeSync(fd);
  }
}

function changing(app: Hono<Vars>, parts: WebParts): void {
  app.post('/release', async (c) => {
    const { refs, form } = await mailsIn(c);
    const session = c.get('session');
    const results: string[] = [];
    let good = true;
    for (const ref of refs) {
      const result = await release(ref, {
        root: parts.root,
        relay: parts.relay,
        hostname: parts.hostname,
        by: `${session.token.name} (page)`,
        form: form.get('form') === 'attachment' ? 'attachment' : 'raw',
        again: form.get('again') === '1',
      });
      good &&= result.kind === 'released';
      results.push(releaseText(ref, result));
    }
    return back(c, form, summary(results, good, 'Select mails first.'));
  });
  app.post('/delete', async (c) => {
    const { refs, form } = await mailsIn(c);
    let deleted = 0;
    for (const ref of refs)
      if ((await discard(parts.root, ref, `${c.get('session').token.name} (page)`)) === 'deleted') deleted++;
    const gone = refs.length - deleted;
    const text =
      refs.length === 0
        ? 'Select mails first.'
        : `Deleted ${mailsText(deleted)}${gone === 0 ? '' : `; ${mailsText(gone)} gone before`}.`;
    return back(c, form, { good: deleted > 0, text });
  });
  for (const what of ['create', 'remove'] as const) {
    app.post(`/marker/${what}`, async (c) => {
      const form = await formOf(c);
      const text = `${form.get('marker') ?? ''}${form.get('key') ?? ''}`.trim();
      const marker = parseMarker(text, (domain) => parts.hosted.isHosted(domain));
      if (!marker || !mayMark(c.get('session'), marker))
        return back(c, form, { good: false, text: `${text}: that can be no marker.` });
      return back(c, form, changeMarker(parts, marker, what));
    });
  }
}

const mailsText = (count: number): string => (count === 1 ? 'one mail' : `${count} mails`);

const mayMark = (session: Session, { scope }: Marker): boolean => maySee(session, scope);

function changeMarker({ markers, onError }: WebParts, marker: Marker, what: 'create' | 'remove'): Notice {
  const path = markers.pathOf(marker);
  try {
    const changed = what === 'create' ? markers.create(marker) : markers.remove(marker);
    if (!changed) return { good: true, text: `${path} ${what === 'create' ? 'was there already' : 'was not there'}.` };
    const undo = what === 'create' ? 'remove' : 'create';
    return { good: true, text: `${what === 'create' ? 'Made' : 'Removed'} ${path}`, marker: markerText(marker), undo };
  } catch (error) {
    onError(error);
    return {
      good: false,
      text: `${path}: cannot be ${what === 'create' ? 'made' : 'removed'} (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
    };
  }
}

async function formOf(c: C): Promise<ReadonlyMap<string, string>> {
  const body = await c.req.parseBody();
  return new Map(Object.entries(body).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])));
}

async function mailsIn(c: C): Promise<{ refs: readonly MailRef[]; form: ReadonlyMap<string, string> }> {
  const { mail = [] } = await c.req.parseBody({ all: true });
  const refs = [mail].flat().flatMap((text) => (typeof text === 'string' ? (parseRef(text) ?? []) : []));
  const session = c.get('session');
  return { refs: refs.filter(({ domain }) => maySee(session, domain)).slice(0, mostAtOnce), form: await formOf(c) };
}

function releaseText({ filename }: MailRef, result: ReleaseResult): string {
  const id = idOf(filename);
  switch (result.kind) {
    case 'released':
      return `${id} released: ${result.reply}${result.problem === undefined ? '' : ` (but not marked: ${result.problem})`}`;
    case 'already':
      return `${id} was released before, ${result.mark.time.slice(0, 16).replace('T', ' ')} by ${result.mark.by}`;
    case 'busy':
      return `${id} is being released by somebody else`;
    case 'gone':
      return `${id} is gone`;
    case 'refused':
      return `${id} was refused by the local MTA: ${result.reply}`;
    case 'unreachable':
      return `${id} not released: the local MTA cannot be reached (${result.problem})`;
  }
}

function summary(results: readonly string[], good: boolean, nothing: string): Notice {
  if (results.length === 0) return { good: false, text: nothing };
  const more = results.length > 5 ? ` … and ${results.length - 5} more` : '';
  return { good, text: `${results.slice(0, 5).join('; ')}${more}` };
}

/** To a page of ours that the form names, with what happened on top of it. */
function back(c: C, form: ReadonlyMap<string, string>, notice: Notice): Response {
  const where = ownAddress(form.get('back'));
  const session = c.get('session');
  const told = { ...notice, text: say(notice.text, longestNotice), back: where };
  session.notices = [...session.notices, told].slice(-mostNotices);
  return c.redirect(where, 303);
}
