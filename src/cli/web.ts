/**
 * `postern web`: the quarantine page in a process of its own, so that no search and no hostile mail holds up SMTP.
 * `serve` starts it.
 */
import { join } from 'node:path';
import { consoleToLog } from '../hooks/plugin-console.js';
import { createLogger, type Logger } from '../log.js';
import { errorText } from '../mail/error-text.js';
import { type Result, wrong } from '../mail/result.js';
import { Registry } from '../metrics/registry.js';
import type { Settings } from '../settings/settings.js';
import { hostCheck } from '../web/guard.js';
import { Sessions } from '../web/login/sessions.js';
import { newToken, Tokens } from '../web/login/tokens.js';
import { WrongTokens } from '../web/login/wrong-tokens.js';
import type { WebParts } from '../web/parts.js';
import { openWeb, readAssets } from '../web/web.js';
import type { SettingsTask } from './command/command.js';
import { exit } from './exit-codes.js';
import { load } from './load.js';
import { addProcessNumbers, LagWatch } from './metrics/process-numbers.js';
import { ServiceNumbers } from './metrics/service-numbers.js';
import { tellNumbers } from './metrics/workers-numbers.js';
import { packageRoot } from './package-root.js';
import { newSettings, pageUp } from './serve/page.js';
import { live } from './service/life.js';
import { listenProblem } from './service/listen-problem.js';
import { Signals } from './service/signals.js';
import { isChild, WorkerSide } from './service/worker-side.js';
import { closeParts, type KeptParts, type PageParts, partsOf } from './web-parts.js';
import { changed, tellReloaded } from './wire.js';

export async function web({ settings, options, argv, env }: SettingsTask): Promise<number> {
  const signals = new Signals();
  const log = createLogger(settings);
  consoleToLog(log);
  const side = isChild ? new WorkerSide(signals) : undefined;
  const oneTime = options.has('trial') ? newToken() : undefined;
  const [fd] = side?.portFds(1) ?? [];
  let opened: OpenedPage | undefined;
  const numbers = side
    ? pageNumbers(side, settings)
    : new ServiceNumbers(() => (opened ? [] : ['the page is not open']));
  let reloading = Promise.resolve();
  side?.channel.hear(newSettings, (given) => {
    reloading = reloading.then(() => opened?.reload(given));
  });
  const code = await live(
    {
      account: settings,
      async open() {
        const page = await openPage(settings, log, { oneTime, fd });
        if (!page.ok) return { code: exit.unavailable, problems: [page.problem] };
        opened = page.value;
        await openNumbers(numbers, settings, log);
        const url = `http://${hostOf(settings)}:${opened.port}/`;
        log.info({ web: url }, 'quarantine page');
        side?.channel.tell(pageUp, oneTime === undefined ? url : `${url}login#token=${oneTime}`);
        return undefined;
      },
      async reload() {
        const loaded = load({ argv, env });
        if (!loaded.ok) return log.error({ problems: loaded.problem }, notReloaded);
        await opened?.reload(loaded.value.settings);
        return openNumbers(numbers, loaded.value.settings, log);
      },
      async close() {
        await Promise.all([opened?.close(), numbers?.close()]);
      },
    },
    signals,
  );
  side?.close();
  return code;
}

/** What the page tells the gate that it belongs to, which answers monitors. */
function pageNumbers({ channel }: WorkerSide, { metrics }: Settings): undefined {
  const registry = new Registry();
  addProcessNumbers(registry);
  new LagWatch(registry).turn(metrics !== undefined);
  tellNumbers(channel, () => registry.snapshot);
}

/** Where its address is another one, or cannot be opened, the page is shown all the same. */
async function openNumbers(numbers: ServiceNumbers | undefined, { metrics }: Settings, log: Logger): Promise<void> {
  try {
    await numbers?.open(metrics);
  } catch (error) {
    log.error({ problem: errorText(error) }, 'the numbers cannot be asked for there');
  }
}

interface OpenPageOptions {
  /** A token that lets in once. */
  readonly oneTime?: string | undefined;
  /** The port, where it is open already. */
  readonly fd?: number | undefined;
}

export interface OpenedPage {
  readonly port: number;
  /**
   * Requests under way finish with the settings before. Whoever is logged in stays so where the new `web_tokens` has
   * his token. Where something is wrong, the old settings stay, and the log says so.
   */
  reload(settings: Settings): Promise<void>;
  close(): Promise<void>;
}

/** Fails where the page has no address or cannot be opened there, and where the plugins or the zone file are wrong. */
export async function openPage(
  settings: Settings,
  log: Logger,
  { oneTime, fd }: OpenPageOptions = {},
): Promise<Result<OpenedPage>> {
  const at = settings.web;
  if (at === undefined) return wrong('web: say where the page is to be, such as --web=127.0.0.1:8025');
  const tokens = new Tokens(settings.web_tokens, oneTime);
  const kept: KeptParts = {
    tokens,
    sessions: new Sessions(tokens),
    wrongTokens: new WrongTokens(),
    assets: readAssets(join(packageRoot, 'src/web/assets')),
  };
  const first = await partsOf(settings, log, kept);
  if (!first.ok) return first;
  const partsAt = (parts: PageParts, port: number): WebParts => ({
    ...parts,
    isOurHost: hostCheck({ host: at.host, port }, namesOf(parts.settings)),
  });
  try {
    const listener = await openWeb(fd === undefined ? at : { fd }, (port) => partsAt(first.value, port));
    let parts = first.value;
    const reload = async (given: Settings): Promise<void> => {
      const wired = await partsOf(given, log, kept);
      if (!wired.ok) return log.error({ problems: [wired.problem] }, notReloaded);
      const old = parts;
      parts = wired.value;
      kept.tokens.readFrom(given.web_tokens);
      void listener.use(partsAt(parts, listener.port)).then(() => closeParts(old));
      tellReloaded(log, changed(settings, given, needRestart));
    };
    const close = async (): Promise<void> => {
      await listener.close();
      await closeParts(parts);
    };
    return { ok: true, value: { port: listener.port, reload, close } };
  } catch (error) {
    await closeParts(first.value);
    return wrong(`web = ${hostOf(settings)}:${at.port}: ${listenProblem(error)}`);
  }
}

const notReloaded = 'not reloaded: the old settings stay';

const needRestart = ['web', 'user', 'group', 'log_level', 'log_file', 'log_format', 'syslog_prefix'] as const;

/** The names that a proxy knows us by; digest mails lead to one of them. */
const namesOf = ({ web_hosts, digest_url }: Settings): readonly string[] =>
  digest_url === '' ? web_hosts : [...web_hosts, new URL(digest_url).hostname];

const hostOf = ({ web: at }: Settings): string => (at?.host.includes(':') ? `[${at.host}]` : (at?.host ?? ''));
