/**
 * The addresses that are asked for by GET: list, charts, domains, audit. Leaves those of one mail to reading-mail.ts.
 */
import type { Context, Hono } from 'hono';
import { html } from 'hono/html';
import type { AuditEntry } from '../audit/audit-entry.js';
import type { AuditSource } from '../audit/audit-source.js';
import { parseDomain } from '../mail/domain.js';
import type { Page } from '../quarantine/look/browse.js';
import { parseQuery } from '../quarantine/look/query.js';
import type { Stats } from '../quarantine/look/stats.js';
import { auditPage, auditPageSize, mayAudit } from './pages/audit.js';
import { chartsBody, chartsPage } from './pages/charts/refused.js';
import { allChartsPage, spanOf, type SumsView } from './pages/charts/all.js';
import { domainPage, domainsPage } from './pages/domains.js';
import type { Vars } from './guard.js';
import { listPage, row } from './pages/list.js';
import type { WebParts } from './parts.js';
import { whoseOf } from './reading-journal.js';
import { maySee } from './login/sessions.js';

const pageSize = 50;
/** Milliseconds that a search may take for its first page, and for each further one. */
const budget = { first: 120, further: 1_000 };

export function reading(app: Hono<Vars>, parts: WebParts): void {
  app.get('/', async (c) => {
    const { found, problem } = await listFor(c, parts, { cursor: c.req.query('cursor') });
    const search = c.req.query('q') ?? '';
    const older = c.req.query('cursor') !== undefined;
    const behind = older ? [] : await parts.mails.behind();
    return c.html(
      listPage({ session: c.get('session'), search, found, older, behind, ...(problem !== undefined && { problem }) }),
    );
  });
  app.get('/part/new', async (c) => {
    const { found } = await listFor(c, parts, { until: c.req.query('until') });
    const rows = await html`${found.items.map(row)}`;
    return c.json({ count: found.items.length, first: found.items[0]?.cursor ?? '', rows: rows.toString() });
  });
  app.get('/charts', async (c) => {
    const session = c.get('session');
    return c.html(chartsPage(session, await soon(parts.stats.get(session.token.domains))));
  });
  app.get('/part/charts', async (c) => c.html(chartsBody(await parts.stats.get(c.get('session').token.domains))));
  app.get('/charts/all', async (c) => {
    const session = c.get('session');
    const view = viewOf(c.req.query('by'), c.req.query('day'));
    const now = new Date();
    const sums = await parts.mailCounts.of({ ...spanOf(view, now), domains: session.token.domains });
    return c.html(allChartsPage({ session, view, sums, now, whose: whoseOf(parts) }));
  });
  app.get('/audit', async (c) => {
    const session = c.get('session');
    if (!mayAudit(session)) return c.notFound();
    const search = (c.req.query('q') ?? '').slice(0, 500);
    const skipped = Number(/^\d{1,9}$/.exec(c.req.query('skip') ?? '')?.[0] ?? 0);
    const found = await auditFor(parts.audit, search, skipped);
    const entries = found.slice(0, auditPageSize);
    return c.html(auditPage({ session, search, entries, skipped, hasMore: found.length > entries.length }));
  });
  app.get('/domains', (c) => {
    const session = c.get('session');
    const hosted = new Set(parts.hosted.domains().map((name) => parseDomain(name) ?? name));
    const all = [...(session.token.domains ? [] : ['_global_']), ...hosted];
    const domains = all.filter((domain) => maySee(session, domain));
    return c.html(domainsPage({ session, search: (c.req.query('q') ?? '').slice(0, 255), domains }));
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
        srvFrom: parts.srvFrom,
        srv: parts.hosted,
        checks: parts.checks,
        expiry: parts.expiryOf(domain),
      }),
    );
  });
}

/** Returns the entries of one page, and one more where another page follows. */
async function auditFor(audit: AuditSource, search: string, skipped: number): Promise<readonly AuditEntry[]> {
  const words = search.split(/\s+/).filter((word) => word !== '');
  const found: AuditEntry[] = [];
  let passed = 0;
  for await (const entry of audit.find(words)) {
    if (passed++ < skipped) continue;
    found.push(entry);
    if (found.length > auditPageSize) break;
  }
  return found;
}

/** Returns the counts if they are there within a moment; otherwise the page is shown without them, and asks again. */
const soon = (stats: Promise<Stats>): Promise<Stats | undefined> =>
  Promise.race([stats, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 250))]);

interface Where {
  readonly cursor?: string | undefined;
  readonly until?: string | undefined;
}

async function listFor(
  c: Context<Vars>,
  { mails }: WebParts,
  { cursor, until }: Where,
): Promise<{ found: Page; problem?: string }> {
  const parsed = parseQuery(c.req.query('q') ?? '');
  if (!parsed.ok) return { found: { items: [] }, problem: parsed.problem };
  const { domains } = c.get('session').token;
  const where = { ...(cursor !== undefined && { cursor }), ...(until !== undefined && until !== '' && { until }) };
  return {
    found: await mails.page({
      query: parsed.value,
      limit: pageSize,
      budget: cursor === undefined ? budget.first : budget.further,
      ...where,
      ...(domains && { domains }),
    }),
  };
}

/** What is no day of the calendar is none. */
function viewOf(by: string | undefined, day = ''): SumsView {
  const time = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(day) : NaN;
  // JavaScript takes 31 February for 3 March.
  const isDay = !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
  if (isDay) return { by: 'hour', day };
  return by === 'hour' ? { by: 'hour', day: undefined } : { by: 'day' };
}
