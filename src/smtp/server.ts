/**
 * The listener: its connections, limits, TLS certificates and stop. The settings that sessions see are `services`,
 * renewed on HUP. How a port is opened and a handshake made is npm smtp-server's business (library/npm-server.ts).
 */
import type net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type Ip, inAny, noAddress, parseIp } from '../mail/ip.js';
import { Connection, type Owner } from './connection.js';
import type { ListenTarget } from '../settings/mail-kinds.js';
import type { Certificate } from './library/certificate-choice.js';
import { NpmServer } from './library/npm-server.js';
import type { ConnectionLimits } from './limits.js';
import type { Services } from './services.js';

export type { Certificate } from './library/certificate-choice.js';

/**
 * RFC 5321 §4.5.3.2.5: three minutes for a block of data. Commands and whole messages have absolute limits of their
 * own.
 */
const idleMs = 3 * 60 * 1000;

export class Listener implements Owner {
  services: Services;
  readonly limits: ConnectionLimits;
  readonly idleMs = idleMs;
  readonly connections = new Set<Connection>();
  hasCertificate: boolean;
  stopping = false;
  inFlight = 0;
  readonly #npm: NpmServer;
  readonly #clock: NodeJS.Timeout;

  constructor(services: Services, limits: ConnectionLimits, certificates: readonly Certificate[]) {
    this.services = services;
    this.limits = limits;
    this.hasCertificate = certificates.length > 0;
    this.#npm = new NpmServer({
      hostname: services.settings.hostname,
      certificates,
      idleMs,
      expectsProxy: (address) => inAny(this.services.settings.proxy_networks, ipOf(address)),
      connected: (socket, address) => this.#connected(socket, address),
      failed: (error) => this.failed(error),
    });
    this.#clock = setInterval(() => this.#expire(), 1000);
    this.#clock.unref();
  }

  #connected(socket: net.Socket, address: string | undefined): void {
    const connection = new Connection(this, socket, ipOf(address));
    this.connections.add(connection);
    this.services.metrics.connected();
    connection.open();
  }

  /** How many transactions are under way. */
  get transactions(): number {
    return [...this.connections].filter(({ inTransaction }) => inTransaction).length;
  }

  left(connection: Connection): void {
    if (this.connections.delete(connection) && this.connections.size === 0) this.services.relay.rest();
  }

  /** What went wrong with a socket is its client's business. */
  failed(error: Error): void {
    this.services.log.debug({ problem: error.message }, 'connection error');
  }

  /** Opens one endpoint; resolves with its text, `host:port`. */
  open(target: ListenTarget): Promise<string> {
    return this.#npm.open(target);
  }

  startTls(socket: net.Socket, done: (secured: TLSSocket | undefined) => void): () => void {
    return this.#npm.startTls(socket, done);
  }

  #expire(): void {
    const now = performance.now();
    for (const connection of this.connections) connection.expire(now);
  }

  isXclientPeer(ip: Ip): boolean {
    return inAny(this.services.settings.xclient_networks, ip);
  }

  /** New sessions and handshakes use them; those under way keep theirs. The first is the usual one. */
  useCertificates(certificates: readonly Certificate[]): void {
    this.#npm.useCertificates(certificates);
    this.hasCertificate = certificates.length > 0;
  }

  /** New tickets are made with these keys, 48 octets, and no others are taken. */
  useTicketKeys(keys: Buffer): void {
    this.#npm.useTicketKeys(keys);
  }

  /**
   * Takes no more connections, sends away whoever is not in a transaction, and waits for the others' end, at most
   * `timeoutMs`.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.stopping = true;
    const closed = Promise.all([this.#npm.shut(), this.#connectionsGone()]);
    for (const connection of this.connections) connection.dismiss();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([closed, late]);
    clearTimeout(timer);
    clearInterval(this.#clock);
    for (const connection of this.connections) connection.destroy();
  }

  /** Not before their mails are dealt with, also where the client is gone already. */
  async #connectionsGone(): Promise<void> {
    while (this.connections.size > 0 || this.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const ipOf = (address: string | undefined): Ip => parseIp(address ?? '') ?? noAddress;
