/**
 * The contexts that plugins are shown. Each is a frozen object without properties of its own: what it shows are getters
 * of a frozen prototype, over what only the session can change, which is behind it in one private field. So it costs
 * little, and whatever a plugin writes to it, or to what it finds in it, reaches neither the mail nor the next plugin.
 * Here are those of a session; of a mail, see mail-views.
 */
import type { Ip } from '../../mail/ip.js';
import type { Resolver } from '../../dns/resolver.js';
import type {
  ClientName,
  CloseContext,
  EarlyTalk,
  Host,
  LocalAddress,
  Markers,
  PluginLog,
  PluginSaying,
  PluginStore,
  SessionContext,
  SessionFacts,
  TlsSeen,
  UnknownCommandContext,
} from '../contexts.js';
import type { HookLog } from '../run.js';
import { pluginLog } from './plugin-log.js';
import type { SeenSession, SessionState } from './seen.js';
import type { PluginSurroundings } from './surroundings.js';

export const sessionFacts = (state: SessionState): SessionFacts => Object.freeze(new SessionView(state));

export const sessionContext = (seen: SeenSession): SessionContext => Object.freeze(new SessionContextView({ seen }));

export const unknownCommandContext = (seen: SeenSession, command: string): UnknownCommandContext =>
  Object.freeze(new UnknownCommandView({ seen, command }));

export const closeContext = (
  { dns, store, host }: PluginSurroundings,
  plugin: string,
  log: () => HookLog,
): CloseContext => Object.freeze({ dns, store, host, log: pluginLog(plugin, log) });

class SessionView implements SessionFacts {
  readonly #state: SessionState;

  constructor(state: SessionState) {
    this.#state = state;
  }

  get id(): string {
    return this.#state.id;
  }
  get clientIp(): Ip {
    return this.#state.clientIp;
  }
  get clientName(): () => Promise<ClientName> {
    const { clientName } = this.#state;
    return () => (clientName instanceof Promise ? clientName : Promise.resolve(clientName));
  }
  get knownClientName(): ClientName | undefined {
    return this.#state.knownClientName;
  }
  get helo(): string {
    return this.#state.helo;
  }
  get secure(): boolean {
    return this.#state.tls !== undefined;
  }
  get tls(): TlsSeen | undefined {
    return this.#state.tls;
  }
  get localAddress(): LocalAddress | undefined {
    return this.#state.localAddress();
  }
  get early(): EarlyTalk | undefined {
    return this.#state.early;
  }
  get unknownCommands(): number {
    return this.#state.unknownCommands;
  }
  get notes(): Map<string, unknown> {
    return (this.#state.notes ??= new Map());
  }
}

/** What is behind the context of a session; other contexts have more. */
export interface BehindSession {
  readonly seen: SeenSession;
}

let read: <B extends BehindSession>(context: SessionContextView<B>) => B;

export class SessionContextView<B extends BehindSession = BehindSession> implements SessionContext {
  readonly #behind: B;

  constructor(behind: B) {
    this.#behind = behind;
  }

  static {
    read = (context) => context.#behind;
  }

  get session(): SessionFacts {
    return this.#behind.seen.facts;
  }
  get markers(): Markers {
    return this.#behind.seen.surroundings.markers;
  }
  get dns(): Resolver {
    return this.#behind.seen.surroundings.dns;
  }
  get store(): PluginStore {
    return this.#behind.seen.surroundings.store;
  }
  get host(): Host {
    return this.#behind.seen.surroundings.host;
  }
  get log(): PluginLog {
    const { seen } = this.#behind;
    return pluginLog(seen.turn.plugin, () => seen.log(undefined));
  }
  get found(): readonly PluginSaying[] {
    return this.#behind.seen.found;
  }
}

/** What is behind a context, for the classes of the others. */
export const behind = read;

interface BehindCommand extends BehindSession {
  readonly command: string;
}

class UnknownCommandView extends SessionContextView<BehindCommand> implements UnknownCommandContext {
  get command(): string {
    return behind(this).command;
  }
}

for (const view of [SessionView, SessionContextView, UnknownCommandView]) {
  Object.freeze(view);
  Object.freeze(view.prototype);
}
