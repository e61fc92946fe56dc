/**
 * The listener: npm smtp-server set up for postern, its connections, limits, TLS certificate and stop. The settings that
 * sessions see are `services`, renewed on HUP.
 */
import net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import { type Ip, inAny, parseIp } from '../mail/ip.js';
import { Connection, type Owner } from './connection.js';
import type { ConnectionLimits } from './limits.js';
import type { Services } from './services.js';

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** RFC 5321 §4.5.3.2.5: three minutes for a block of data. Commands and whole messages have absolute limits of their own. */
const idleMs = 3 * 60 * 1000;

export class Listener extends SMTPServer implements Owner {
  services: Services;
  readonly limits: ConnectionLimits;
  hasCertificate: boolean;
  stopping = false;
  inFlight = 0;
  readonly #clock: NodeJS.Timeout;
  readonly #servers: net.Server[] = [];

  constructor(services: Services, limits: ConnectionLimits, certificate: Certificate | undefined) {
    super({
      name: services.settings.hostname,
      disabledCommands: ['AUTH'],
      authOptional: true,
      socketTimeout: idleMs,
      minVersion: 'TLSv1.2',
      // A client that closes its side behind the final dot still gets its reply (connection.ts closes ours).
      allowHalfOpen: true,
      // Never the library's built-in certificate: without one of ours STARTTLS is not offered (connection.ts).
      hideSTARTTLS: true,
      ...certificate,
    });
    this.services = services;
    this.limits = limits;
    this.hasCertificate = certificate !== undefined;
    this.onSecure = (socket, _session, callback) => this.#secured(socket as TLSSocket, callback);
    // One STARTTLS with garbage behind it is an 'error' of the server: without a listener it ends the process.
    this.on('error', (error: Error) => this.services.log.debug({ problem: error.message }, 'connection error'));
    this.#clock = setInterval(() => this.#expire(), 1000);
    this.#clock.unref();
  }

  override connect(socket: net.Socket, options?: SMTPConnectionOptions): void {
    const connection = new Connection(this, socket, options);
    this.connections.add(connection);
    connection.on('error', (error) => this._onError(error));
    connection.init();
  }

  #secured(socket: TLSSocket, callback: (error?: Error | null) => void): void {
    for (const connection of this.connections) if (connection._socket === socket) (connection as Connection).secured();
    callback();
  }

  /** Opens one endpoint, `fd` being a socket that was handed to us; resolves with its text, `host:port`. */
  open(target: { readonly port: number; readonly host?: string } | { readonly fd: number }): Promise<string> {
    // The library has one net.Server, which listens once: further endpoints get servers that feed it.
    const server =
      this.#servers.length === 0
        ? this.server
        : net.createServer({ allowHalfOpen: true }, (socket) => void this.server.emit('connection', socket));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(target, () => {
        server.off('error', reject);
        resolve(endpointText(server.address()));
      });
    });
  }

  #expire(): void {
    const now = Date.now();
    for (const connection of this.connections) (connection as Connection).expire(now);
  }

  isXclientPeer(ip: Ip | undefined): boolean {
    return ip !== undefined && inAny(this.services.settings.xclient_networks, ip);
  }

  /** The library's list of trusted proxies holds addresses only, ours holds networks. */
  override _expectsProxyHeader(socket: net.Socket): boolean {
    const ip = parseIp(socket.remoteAddress ?? '');
    return ip !== undefined && inAny(this.services.settings.proxy_networks, ip);
  }

  /** New sessions and handshakes use it; those under way keep theirs. */
  useCertificate(certificate: Certificate): void {
    this.updateSecureContext({ ...certificate });
    this.hasCertificate = true;
  }

  /**
   * Takes no more connections, sends away whoever is not in a transaction, and waits for the others' end, at most
   * `timeoutMs`. The library's own close() answers 421 to a mail whose relaying goes on: a duplicate each time.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.stopping = true;
    const closed = Promise.all([...this.#servers.map(closedServer), this.#connectionsGone()]);
    for (const socket of this._pendingSockets.values()) socket.destroy();
    for (const connection of this.connections) (connection as Connection).dismiss();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([closed, late]);
    clearTimeout(timer);
    clearInterval(this.#clock);
    for (const connection of this.connections) connection._socket.destroy();
  }

  /** Not before their mails are dealt with, also where the client is gone already. */
  async #connectionsGone(): Promise<void> {
    while (this.connections.size > 0 || this.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const closedServer = (server: net.Server): Promise<void> =>
  new Promise((resolve) => void server.close(() => resolve()));

const endpointText = (address: net.AddressInfo | string | null): string => {
  if (address === null || typeof address === 'string') return String(address);
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
};
