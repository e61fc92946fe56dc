/**
 * The milter protocol on sockets: each connection has its session, which does all the thinking. A connection that
 * breaks the protocol is closed, and no other notices.
 */
import net from 'node:net';
import { defaultFrameLimit } from './codec.js';
import type { Endpoint } from './endpoint.js';
import { Living } from './living.js';
import type { MilterObservation } from './dialogue.js';
import { type MilterTransport, type PreparedPolicy, preparePolicy } from './negotiation.js';
import type { MilterPolicy } from './policy.js';
import { MilterSession, type Outlet } from './session.js';
import { type SocketPermissions, openSocket } from './socket.js';

export interface MilterServerOptions {
  /** Connections that are served at a time; one more waits until another ends. Default 4,000. */
  readonly maxConnections?: number;
  /** Connections that wait; one more is closed at once. Default 1,000. */
  readonly maxWaiting?: number;
  /** A connection that is silent for so long is closed. Default 7,210,000 ms, as libmilter. */
  readonly idleMs?: number;
  /** Octets a frame may announce. Default 65,536. */
  readonly frameLimit?: number;
  /** What went wrong; nothing of it concerns other connections. */
  readonly onProblem?: (problem: MilterProblem) => void;
  /** Sessions and messages, to be counted; it must not throw. */
  readonly observe?: (event: MilterObservation) => void;
}

export type MilterProblem =
  /** The MTA broke the protocol. */
  | { readonly kind: 'protocol'; readonly text: string }
  /** The handler of that event threw. */
  | { readonly kind: 'handler'; readonly event: string; readonly error: unknown }
  /** A bug of this program. */
  | { readonly kind: 'session'; readonly error: unknown }
  /** All connections are in use: the first one waits since some were free. */
  | { readonly kind: 'waiting'; readonly connections: number }
  /** One connection too many, with those that wait. */
  | { readonly kind: 'full'; readonly connections: number }
  /** The listening socket. */
  | { readonly kind: 'listener'; readonly error: unknown };

const defaultMaxConnections = 4_000;
const defaultMaxWaiting = 1_000;
const defaultIdle = 7_210_000;
/** Octets that may wait behind a pending answer before reading pauses. */
const maxBacklog = 262_144;

/**
 * Serves one policy:
 *
 *     const server = new MilterServer(policy);
 *     await server.listen({ kind: 'unix', path: '/run/filter.sock' });
 */
export class MilterServer<S = undefined, T = undefined> {
  readonly #options: MilterServerOptions;
  readonly #connections = new Living<ServedConnection<S, T>>();
  /** Connections beyond the limit, in the order in which they came, and what they have said already. */
  readonly #waiting = new Map<net.Socket, Buffer[]>();
  readonly #listeners: net.Server[] = [];
  #prepared: PreparedPolicies<S, T>;
  #whenEmpty: (() => void) | undefined;
  #isStopping = false;

  constructor(policy: MilterPolicy<S, T>, options: MilterServerOptions = {}) {
    this.#prepared = prepared(policy);
    this.#options = options;
  }

  /** Sets the policy of connections to come; those that are open keep the one they began with. */
  setPolicy(policy: MilterPolicy<S, T>): void {
    this.#prepared = prepared(policy);
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Connections that wait until one of those ends. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Opens a socket and serves it; answers where it listens. Throws a `SocketProblem`. May be called for several. */
  async listen(endpoint: Endpoint, permissions?: SocketPermissions): Promise<Endpoint> {
    const listener = net.createServer({ noDelay: true }, (socket) => this.accept(socket));
    const bound = await openSocket(listener, endpoint, permissions);
    listener.on('error', (error) => this.#report({ kind: 'listener', error }));
    this.#listeners.push(listener);
    return bound;
  }

  /** Serves a connection, wherever it comes from; at once, or when there is room. */
  accept(socket: net.Socket): void {
    const { maxConnections = defaultMaxConnections, maxWaiting = defaultMaxWaiting } = this.#options;
    socket.on('error', () => {}); // 'close' follows
    if (this.#connections.size < maxConnections) return this.#serve(socket);
    const connections = this.#connections.size + this.#waiting.size;
    if (this.#waiting.size >= maxWaiting) {
      this.#report({ kind: 'full', connections });
      socket.destroy();
      return undefined;
    }
    if (this.#waiting.size === 0) this.#report({ kind: 'waiting', connections });
    const said: Buffer[] = [];
    this.#waiting.set(socket, said);
    // It is read, for who leaves is noticed by nothing else.
    let total = 0;
    socket.on('data', (octets) => {
      said.push(octets);
      total += octets.length;
      if (total > maxBacklog) socket.pause();
    });
    socket.on('close', () => this.#waiting.delete(socket));
    return undefined;
  }

  #serveNext(): void {
    if (this.#waiting.size === 0 || this.#isStopping) return;
    const [next] = this.#waiting;
    if (!next) return;
    const [socket, said] = next;
    this.#waiting.delete(socket);
    socket.removeAllListeners('data');
    this.#serve(socket, said);
  }

  /** `said`: what has been read of it before. */
  #serve(socket: net.Socket, said: readonly Buffer[] = []): void {
    const { idleMs = defaultIdle } = this.#options;
    const { frameLimit = defaultFrameLimit } = this.#options;
    const session: MilterSession<S, T> = new MilterSession(
      this.#prepared[socket.remoteAddress === undefined ? 'unix' : 'tcp'],
      this.#outlet(socket, () => session.backlog),
      frameLimit,
    );
    const connection = { socket, session };
    this.#connections.add(connection);
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.on('data', (octets) => this.#guarded(socket, () => receive(socket, session, octets)));
    socket.on('drain', () => resume(socket, session.backlog));
    socket.on('end', () => this.#guarded(socket, () => session.end()));
    socket.on('close', () => {
      this.#connections.delete(connection);
      this.#guarded(socket, () => session.end());
      if (this.#connections.size === 0) this.#whenEmpty?.();
      this.#serveNext();
    });
    for (const octets of said) this.#guarded(socket, () => receive(socket, session, octets));
    if (said.length > 0) resume(socket, session.backlog);
  }

  #outlet(socket: net.Socket, backlog: () => number): Outlet {
    return {
      write: (octets) => {
        if (!socket.write(octets)) socket.pause(); // an MTA that does not read is not read from
        if (this.#isStopping) setImmediate(() => this.#closeIdle());
      },
      close: () => {
        socket.end();
        socket.resume();
      },
      drop: (text) => {
        this.#report({ kind: 'protocol', text });
        socket.destroy();
      },
      failed: (event, error) => this.#report({ kind: 'handler', event, error }),
      resumed: () => resume(socket, backlog()),
      observe: this.#options.observe,
    };
  }

  #guarded(socket: net.Socket, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#report({ kind: 'session', error });
      socket.destroy();
    }
  }

  #report(problem: MilterProblem): void {
    this.#options.onProblem?.(problem);
  }

  /**
   * Stops listening (a socket file goes), closes the connections without a message under way, and waits for the
   * others' messages, at most so long; then they are closed too.
   */
  async stop(graceMs = 5_000): Promise<void> {
    this.#isStopping = true;
    const closed = this.#listeners.splice(0).map((listener) => new Promise((settle) => listener.close(settle)));
    for (const socket of this.#waiting.keys()) socket.destroy();
    this.#closeIdle();
    await this.#emptied(graceMs);
    for (const { socket } of this.#connections) socket.destroy();
    await Promise.all([...closed, this.#emptied(graceMs)]);
  }

  #closeIdle(): void {
    for (const { socket, session } of this.#connections) if (!session.busy) socket.destroySoon();
  }

  #emptied(milliseconds: number): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((settle) => {
      const late = setTimeout(settle, milliseconds);
      this.#whenEmpty = () => {
        clearTimeout(late);
        settle();
      };
    });
  }
}

interface ServedConnection<S, T> {
  readonly socket: net.Socket;
  readonly session: MilterSession<S, T>;
}

/** For connections of either kind. */
type PreparedPolicies<S, T> = Readonly<Record<MilterTransport, PreparedPolicy<S, T>>>;

const prepared = <S, T>(policy: MilterPolicy<S, T>): PreparedPolicies<S, T> => ({
  tcp: preparePolicy(policy, 'tcp'),
  unix: preparePolicy(policy, 'unix'),
});

function receive(
  socket: net.Socket,
  session: { receive(octets: Buffer): void; readonly backlog: number },
  octets: Buffer,
): void {
  session.receive(octets);
  if (session.backlog > maxBacklog) socket.pause();
}

function resume(socket: net.Socket, backlog: number): void {
  if (backlog <= maxBacklog && !socket.writableNeedDrain) socket.resume();
}
