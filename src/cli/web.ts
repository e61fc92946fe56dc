/**
 * `postern web`: the quarantine page in a process of its own, so that no search and no hostile mail holds up SMTP.
 * `serve` starts it.
 */
import { join } from 'node:path';
import { readZone } from '../../plugins/shared/dns-list-check.js';
import { Audit, type AuditRecord } from '../audit/audit.js';
import { Links } from '../digest/links.js';
import { journalDir } from '../journal/hours.js';
import { createLogger, type Logger } from '../log.js';
import { type Result, wrong } from '../mail/result.js';
import { openContentReader } from '../mime/content-reader.js';
import type { Settings } from '../settings/settings.js';
import { checkHost } from '../spf/check-host.js';
import { checkProblem } from '../srv/known-check.js';
import { MarkerWriter } from '../srv/markers.js';
import { hostCheck } from '../web/guard.js';
import { Sessions } from '../web/login/sessions.js';
import { StatsCache } from '../web/stats-cache.js';
import { newToken, Tokens } from '../web/login/tokens.js';
import { openWeb, readAssets, type WebListener } from '../web/web.js';
import { loadPlugins } from '../hooks/load.js';
import { exit } from './exit-codes.js';
import { listenProblem } from './service/listen-problem.js';
import { changeExpiry, dayMs, ownLimits, readableWords } from '../srv/expiry.js';
import type { SettingsTask } from './command/command.js';
import { packageRoot } from './package-root.js';
import { live } from './service/life.js';
import { Signals } from './service/signals.js';
import { isChild, WorkerSide } from './service/worker-side.js';
import { pageUp } from './serve/page.js';
import { foldersOf, hasUser, listOf, makeResolver, relayOf, srvOf } from './wire.js';
import { knownChecks } from './srv/findings.js';

export async function web({ settings, options }: SettingsTask): Promise<number> {
  const signals = new Signals();
  const log = createLogger(settings);
  const side = isChild ? new WorkerSide(signals) : undefined;
  const oneTime = options.has('trial') ? newToken() : undefined;
  const [fd] = side?.portFds(1) ?? [];
  let opened: WebListener | undefined;
  const code = await live(
    {
      account: settings,
      async open() {
        const page = await openPage(settings, log, { oneTime, fd });
        if (!page.ok) return { code: exit.unavailable, problems: [page.problem] };
        opened = page.value;
        const url = `http://${hostOf(settings)}:${opened.port}/`;
        log.info({ web: url }, 'quarantine page');
        side?.channel.tell(pageUp, oneTime === undefined ? url : `${url}login#token=${oneTime}`);
        return undefined;
      },
      reload: () => log.warn({}, 'the quarantine page takes its settings at its start: not reloaded'),
      close: async () => opened?.close(),
    },
    signals,
  );
  side?.close();
  return code;
}

interface OpenPageOptions {
  /** A token that lets in once. */
  readonly oneTime?: string | undefined;
  /** The port, where it is open already. */
  readonly fd?: number | undefined;
}

/** Fails where the page has no address or cannot be opened there, and where the plugins or the zone file are wrong. */
export async function openPage(
  settings: Settings,
  log: Logger,
  { oneTime, fd }: OpenPageOptions = {},
): Promise<Result<WebListener>> {
  const at = settings.web;
  if (at === undefined) return wrong('web: say where the page is to be, such as --web=127.0.0.1:8025');
  const plugins = await loadPlugins(listOf(settings), foldersOf(settings));
  if (!plugins.ok) return wrong(plugins.problem.join('; '));
  const resolver = makeResolver(settings);
  if (!resolver.ok) return resolver;
  const srv = srvOf(settings);
  const markers = new MarkerWriter(settings.srv, (domain) => srv.folderName(domain));
  const reader = openContentReader();
  const relay = relayOf(settings, (problem) => log.warn({ problem }, 'local MTA'));
  try {
    const listener = await openWeb(fd === undefined ? at : { fd }, (port) => ({
      root: settings.spam,
      state: settings.state,
      journal: journalDir(settings.state),
      hostname: settings.hostname,
      relay,
      markers,
      hosted: srv,
      hasUser: hasUser(settings),
      checkProblem: (domain, name) =>
        checkProblem(domain, name, {
          checks: knownChecks(plugins.value),
          hasList: (_, list) => srv.lines(domain, list) !== undefined,
        }),
      isListLine: (_list, line) => readZone(line) !== undefined,
      checks: plugins.value.flatMap(({ name, inAll, list }) =>
        inAll === undefined ? [] : [{ name, inAll, ...(list !== undefined && { list }) }],
      ),
      expiryOf: (domain) => ({
        days: settings.expire / dayMs,
        octets: settings.expire_size,
        own: ownLimits(markers, domain),
        words: readableWords(markers, domain),
      }),
      changeExpiry: (domain, words) => changeExpiry(words, { tree: markers, domain }),
      reader,
      checkSpf: async (query) => checkHost(query, { resolver: resolver.value, trace: true }),
      stats: new StatsCache(settings.spam),
      tokens: new Tokens(settings.web_tokens, oneTime),
      sessions: new Sessions(),
      ...(settings.digest_url !== '' && { links: new Links(settings.state) }),
      proxies: settings.web_proxies,
      audit: new Audit({
        state: settings.state,
        onRecord: (record) => logRecord(log, record),
        onProblem: (problem) => log.error({ problem }, 'audit'),
      }),
      isOurHost: hostCheck({ host: at.host, port }, namesOf(settings)),
      assets: readAssets(join(packageRoot, 'src/web/assets')),
      onError: (error) => log.error({ err: error }, 'quarantine page'),
    }));
    const close = async (): Promise<void> => {
      await listener.close();
      await Promise.all([reader.close(), relay.close()]);
    };
    return { ok: true, value: { port: listener.port, close } };
  } catch (error) {
    await Promise.all([reader.close(), relay.close()]);
    return wrong(`web = ${hostOf(settings)}:${at.port}: ${listenProblem(error)}`);
  }
}

/** The names that a proxy knows us by; digest mails lead to one of them. */
const namesOf = ({ web_hosts, digest_url }: Settings): readonly string[] =>
  digest_url === '' ? web_hosts : [...web_hosts, new URL(digest_url).hostname];

const hostOf = ({ web: at }: Settings): string => (at?.host.includes(':') ? `[${at.host}]` : (at?.host ?? ''));

/** `ip` comes first: fail2ban looks for it, and for `log-in failed`. */
function logRecord(log: Logger, { from, what, ...more }: AuditRecord): void {
  log[what === 'log-in failed' ? 'warn' : 'info']({ ip: from, ...more }, what);
}
