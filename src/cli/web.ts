/** `postern web`: the quarantine page in a process of its own, so that no search and no hostile mail holds up SMTP. `serve` starts it. */
import { join } from 'node:path';
import { Links } from '../digest/links.js';
import { createLogger, type Logger } from '../log.js';
import { parseDomain } from '../mail/domain.js';
import { printable } from '../mail/text.js';
import { openContentReader } from '../mime/content-reader.js';
import type { Settings } from '../settings/settings.js';
import { checkHost } from '../spf/check-host.js';
import { MarkerWriter } from '../srv/markers.js';
import { hostCheck } from '../web/guard.js';
import { Sessions } from '../web/sessions.js';
import { StatsCache } from '../web/stats-cache.js';
import { addToken, newToken, Tokens } from '../web/tokens.js';
import { openWeb, readAssets, type WebListener } from '../web/web.js';
import { loadPlugins } from '../hooks/load.js';
import { exit } from './exit-codes.js';
import { listenProblem } from './service/listen-problem.js';
import { changeExpiry, dayMs, ownLimits, readableWords } from '../srv/expiry.js';
import { type CommandLine, load } from './load.js';
import { packageRoot } from './package-root.js';
import { dropPrivileges } from './service/privileges.js';
import { readWords } from './options.js';
import { foldersOf, listOf, makeResolver, relayOf, srvOf } from './wire.js';
import { failed } from './complain.js';

/** What the process that started us is told. */
export interface WebReady {
  readonly postern: 'web';
  /** With a one-time token in a trial. */
  readonly url: string;
}

export async function web(command: CommandLine): Promise<number> {
  if (command.argv[0] === 'token') return token({ ...command, argv: command.argv.slice(1) });
  const loaded = load(command);
  if (!loaded.ok) return failed(exit.config, loaded.problems);
  const { settings } = loaded;
  const trial = command.argv.includes('--trial');
  const [extra] = loaded.rest.filter((word) => word !== '--trial');
  if (extra !== undefined) return failed(exit.usage, [`web takes no "${extra}"`]);
  const log = createLogger(settings);
  const oneTime = trial ? newToken() : undefined;
  const opened = await openPage(settings, log, oneTime);
  if (typeof opened === 'string') return failed(exit.unavailable, [opened]);
  const problem = dropPrivileges(settings);
  if (problem !== undefined) return failed(exit.noPermission, [problem]);
  const url = `http://${hostOf(settings)}:${opened.port}/`;
  log.info({ web: url }, 'quarantine page');
  process.send?.({
    postern: 'web',
    url: oneTime === undefined ? url : `${url}login#token=${oneTime}`,
  } satisfies WebReady);
  await stopped();
  await opened.close();
  return exit.ok;
}

/** Opens the page; text when it cannot be opened. */
export async function openPage(settings: Settings, log: Logger, oneTime?: string): Promise<WebListener | string> {
  const at = settings.web;
  if (at === undefined) return 'web: say where the page is to be, such as --web=127.0.0.1:8025';
  const plugins = await loadPlugins(listOf(settings), foldersOf(settings));
  if (!plugins.ok) return plugins.problems.join('; ');
  const resolver = makeResolver(settings);
  if (typeof resolver === 'string') return resolver;
  const srv = srvOf(settings);
  const markers = new MarkerWriter(settings.srv, (domain) => srv.folderName(domain));
  const reader = openContentReader();
  const relay = relayOf(settings, (problem) => log.warn({ problem }, 'local MTA'));
  try {
    const listener = await openWeb(at, (port) => ({
      root: settings.spam,
      hostname: settings.hostname,
      relay,
      markers,
      hosted: srv,
      checks: plugins.plugins.flatMap(({ name, inAll, list }) =>
        inAll === undefined ? [] : [{ name, inAll, ...(list !== undefined && { list }) }],
      ),
      expiryOf: (domain) => ({
        days: settings.expire / dayMs,
        octets: settings.expire_size,
        own: ownLimits(srv, domain),
        words: readableWords(srv, domain),
      }),
      changeExpiry: (domain, words) => changeExpiry(words, { srv, domain, folder: markers.folderOf(domain) }),
      reader,
      checkSpf: async (query) => checkHost(query, { resolver, trace: true }),
      stats: new StatsCache(settings.spam),
      tokens: new Tokens(settings.web_tokens, oneTime),
      sessions: new Sessions(),
      ...(settings.digest_url !== '' && { links: new Links(settings.state) }),
      isOurHost: hostCheck({ host: at.host, port }, namesOf(settings)),
      assets: readAssets(join(packageRoot, 'src/web/assets')),
      onError: (error) => log.error({ err: error }, 'quarantine page'),
    }));
    const close = async (): Promise<void> => {
      await listener.close();
      await Promise.all([reader.close(), relay.close()]);
    };
    return { port: listener.port, close };
  } catch (error) {
    await Promise.all([reader.close(), relay.close()]);
    return `web = ${hostOf(settings)}:${at.port}: ${listenProblem(error)}`;
  }
}

/** Those that a proxy knows us by; digest mails lead to one of them. */
const namesOf = ({ web_hosts, digest_url }: Settings): readonly string[] =>
  digest_url === '' ? web_hosts : [...web_hosts, new URL(digest_url).hostname];

const hostOf = ({ web: at }: Settings): string => (at?.host.includes(':') ? `[${at.host}]` : (at?.host ?? ''));

/** TERM, INT, or the end of the process that started us. */
const stopped = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(signal, () => resolve());
  });

const tokenOptions = { domain: { example: 'example.com,example.net' } } as const;

/** `postern web token NAME [--domain=D,...]`: the token is printed once, its hash goes into the file. */
function token(command: CommandLine): number {
  const loaded = load(command, Object.keys(tokenOptions));
  if (!loaded.ok) return failed(exit.config, loaded.problems);
  const words = readWords(
    loaded.rest.filter((word) => word !== '--trial'),
    tokenOptions,
  );
  if (!words.ok) return failed(exit.usage, [`web token: ${words.problem}`]);
  const [name = '', ...more] = words.words;
  const given = words.options.get('domain')?.split(',');
  const stranger = given?.find((one) => parseDomain(one) === undefined);
  if (stranger !== undefined)
    return failed(exit.usage, [`web token: --domain: "${printable(stranger, 100)}" is no domain name`]);
  const scope = given?.map((one) => parseDomain(one)).join(',') ?? 'admin';
  if (!/^[\w.@-]{1,60}$/.test(name) || more.length > 0)
    return failed(exit.usage, ['web token: whose is it? postern web token NAME [--domain=example.com]']);
  const { web_tokens: file } = loaded.settings;
  try {
    process.stdout.write(`${addToken(file, name, scope)}\n`);
  } catch (error) {
    return failed(exit.cantCreate, [`web_tokens: ${error instanceof Error ? error.message : String(error)}`]);
  }
  process.stderr.write(`added to ${file}; take the line out to end it\n`);
  return exit.ok;
}
