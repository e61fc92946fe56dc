/** Everything that the page needs, made of the settings: anew at each reload. Opening the page is web.ts's. */
import { Audit, type AuditRecord } from '../audit/audit.js';
import { loadPlugins } from '../hooks/loading/load.js';
import type { Logger } from '../log.js';
import { type Result, wrong } from '../mail/result.js';
import { openContentReader } from '../mime/content-reader.js';
import type { Settings } from '../settings/settings.js';
import type { KeptMails } from '../quarantine/kept-mails.js';
import { everything } from '../quarantine/look/query.js';
import { checkHost } from '../spf/check-host.js';
import { changeExpiry, dayMs, ownLimits, readableWords } from '../srv/expiry.js';
import { checkProblem } from '../srv/known-check.js';
import { MarkerWriter } from '../srv/markers.js';
import type { WebParts } from '../web/parts.js';
import type { Sessions } from '../web/login/sessions.js';
import type { Tokens } from '../web/login/tokens.js';
import { StatsCache } from '../web/stats-cache.js';
import { byDomain, relayOf } from './relay/relaying.js';
import { SharedSessions } from './catalog/shared-sessions.js';
import { SharedTokens } from './catalog/shared-tokens.js';
import { isJournalShared, openHoldings, openJournalHoldings } from './holdings.js';
import { knownChecks } from './srv/findings.js';
import { foldersOf, hasUser, listOf, makeResolver, srvOf } from './wire.js';

/** What outlives a reload. */
export type KeptParts = Pick<WebParts, 'wrongTokens' | 'assets'> & {
  readonly tokens: Tokens;
  readonly sessions: Sessions;
};

export type PageParts = Omit<WebParts, 'isOurHost'> & {
  readonly settings: Settings;
  readonly closeHoldings: () => Promise<void>;
};

export const closeParts = ({ reader, relay, closeHoldings }: PageParts): Promise<unknown> =>
  Promise.all([reader.close(), relay.close(), closeHoldings()]);

/** Fails where the plugins or the zone file are wrong. */
export async function partsOf(settings: Settings, log: Logger, kept: KeptParts): Promise<Result<PageParts>> {
  const plugins = await loadPlugins(listOf(settings), foldersOf(settings));
  if (!plugins.ok) return wrong(plugins.problem.join('; '));
  const resolver = makeResolver(settings);
  if (!resolver.ok) return resolver;
  const srv = srvOf(settings);
  const markers = new MarkerWriter(settings.srv, (domain) => srv.folderName(domain));
  const holdings = await openHoldings(settings);
  const { mails } = holdings;
  const journal = await openJournalHoldings(settings);
  const audit = new Audit({
    state: settings.state,
    onRecord: (record) => logRecord(log, record),
    onProblem: (problem) => log.error({ problem }, 'audit'),
  });
  const parts: PageParts = {
    ...kept,
    settings,
    mails,
    ...(holdings.logins && {
      tokens: new SharedTokens(kept.tokens, holdings.logins.tokens),
      sessions: new SharedSessions(kept.sessions, kept.tokens, holdings.logins.sessions),
    }),
    closeHoldings: async () => void (await Promise.all([holdings.close(), journal.close()])),
    journal: journal.journal,
    journalOf: isJournalShared(settings) ? 'all hosts' : settings.catalog === '' ? 'one host' : 'this host',
    hostname: settings.hostname,
    relay: byDomain(
      relayOf(settings, { resolver: resolver.value, onError: (problem) => log.warn({ problem }, 'local MTA') }),
      srv,
    ),
    markers,
    srvFrom: settings.srv_from,
    hosted: srv,
    hasUser: hasUser(settings),
    checkProblem: (domain, name) =>
      checkProblem(domain, name, {
        checks: knownChecks(plugins.value),
        hasList: (_, list) => srv.lines(domain, list) !== undefined,
      }),
    checks: plugins.value.flatMap(({ name, inAll, list, listProblems, switches }) =>
      inAll === undefined || switches === undefined
        ? []
        : [{ name, inAll, ...(list !== undefined && { list }), ...(listProblems && { listProblems }) }],
    ),
    expiryOf: (domain) => ({
      days: settings.expire / dayMs,
      octets: settings.expire_size,
      own: ownLimits(markers, domain),
      words: readableWords(markers, domain),
    }),
    changeExpiry: (domain, words) => changeExpiry(words, { tree: markers, domain }),
    reader: openContentReader(),
    checkSpf: async (query) => checkHost(query, { resolver: resolver.value, trace: true }),
    replay: replayed(settings, mails),
    stats: settings.catalog === '' ? new StatsCache(settings.spam) : statsOf(mails),
    mailCounts: journal.counts,
    ...(settings.digest_url !== '' && { links: holdings.links }),
    proxies: settings.web_proxies,
    audit: {
      find: (words) => holdings.audit.find(words),
      record: (record) => audit.record(record),
    },
    onError: (error) => log.error({ err: error }, 'quarantine page'),
  };
  return { ok: true, value: parts };
}

/** The catalog has counted already. */
const statsOf = (mails: KeptMails): WebParts['stats'] => ({
  get: (domains) => mails.count({ query: everything, ...(domains && { domains }) }),
});

/** What it takes to judge a mail is loaded when the first one is. */
function replayed(settings: Settings, mails: KeptMails): WebParts['replay'] {
  let judge: WebParts['replay'] | undefined;
  return async (ref) => {
    const { replaying } = await import('./test/replay.js');
    judge ??= replaying(settings, mails);
    return judge(ref);
  };
}

/** `ip` comes first: fail2ban looks for it, and for `log-in failed`. */
function logRecord(log: Logger, { from, what, ...more }: AuditRecord): void {
  log[what === 'log-in failed' ? 'warn' : 'info']({ ip: from, ...more }, what);
}
