/**
 * npm smtp-server (3.21.6), and all of it that the listener uses: the listener, PROXY headers, TLS contexts and the
 * handshake behind STARTTLS. This folder is the only place that touches the library's private members;
 * test/smtp/library.test.ts names each of them and fails when an update changes one. The library's own connections
 * are not used (smtp/connection.ts has the sockets):
 *
 *     connect                waits 100 ms and asks DNS before it greets, writes each reply by itself, counts per
 *                            process
 *     _expectsProxyHeader    has a list of trusted proxies that holds addresses only; ours holds networks
 *     _handleProxy           makes a random id and waits a turn also for clients that say no header
 */
import net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { ListenTarget } from '../../settings/mail-kinds.js';
import { type Certificate, CertificateChoice } from './certificate-choice.js';

export interface NpmServerOptions {
  readonly hostname: string;
  /** The first is shown where a client asks for no name, or for one that none of them has. */
  readonly certificates: readonly Certificate[];
  /** How long a PROXY header or a handshake may pause. */
  readonly idleMs: number;
  readonly expectsProxy: (address: string | undefined) => boolean;
  /** A client is there, its PROXY header read where one was due; `address` is undefined where it has none. */
  readonly connected: (socket: net.Socket, address: string | undefined) => void;
  /** What went wrong with one connection and needs no more than a line in the log. */
  readonly failed: (error: Error) => void;
}

export class NpmServer extends SMTPServer {
  readonly #options: NpmServerOptions;
  readonly #certificates: CertificateChoice;
  readonly #servers: net.Server[] = [];

  constructor(options: NpmServerOptions) {
    const certificates = new CertificateChoice(options.certificates);
    super({
      name: options.hostname,
      disabledCommands: ['AUTH'],
      authOptional: true,
      socketTimeout: options.idleMs,
      minVersion: 'TLSv1.2',
      // A client that closes its side behind the final dot still gets its reply (smtp/connection.ts closes ours).
      allowHalfOpen: true,
      // Never the library's built-in certificate: without one of ours STARTTLS is not offered.
      hideSTARTTLS: true,
      SNICallback: (name, done) => done(null, certificates.contextFor(name)),
      ...pairOf(certificates),
    });
    this.#options = options;
    this.#certificates = certificates;
    // Without a listener one handshake with garbage in it would end the process.
    this.on('error', options.failed);
  }

  override connect(socket: net.Socket, options?: SMTPConnectionOptions): void {
    this.#options.connected(socket, options?.remoteAddress ?? socket.remoteAddress);
  }

  override _expectsProxyHeader(socket: net.Socket): boolean {
    return this.#options.expectsProxy(socket.remoteAddress);
  }

  override _handleProxy(...[socket, done]: Parameters<SMTPServer['_handleProxy']>): void {
    if (this._expectsProxyHeader(socket)) super._handleProxy(socket, done);
    else done(null, { id: '' });
  }

  /** Opens one endpoint; resolves with its text, `host:port`. */
  open(target: ListenTarget): Promise<string> {
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

  /**
   * The handshake behind STARTTLS. `done` is told once, of nothing where there is no TLS: the socket is gone then.
   * Returns what ends the handshake early; to destroy the socket below it would crash Node.
   */
  startTls(socket: net.Socket, done: (secured: TLSSocket | undefined) => void): () => void {
    this._pendingSockets.set(socket, socket);
    this._upgrade(socket, (error, secured) => {
      this._pendingSockets.delete(socket);
      securing.off('end', abandon);
      if (secured === undefined) socket.destroy();
      if (error) this.#options.failed(error);
      done(secured);
    });
    const securing = this._pendingSockets.get(socket) ?? socket;
    const abandon = (): void => void securing.destroy();
    // `allowHalfOpen` would keep one whose client has gone.
    securing.once('end', abandon);
    return abandon;
  }

  /** New handshakes use them; those under way keep theirs. */
  useCertificates(certificates: readonly Certificate[]): void {
    this.#certificates.use(certificates);
    this.updateSecureContext(pairOf(this.#certificates));
  }

  /** The same of the keys of session tickets; without them each process makes its own. */
  useTicketKeys(keys: Buffer): void {
    this.updateSecureContext({ ticketKeys: keys });
  }

  /**
   * Takes no more connections, and ends those that are no session yet; resolves when all are gone. The library's own
   * close() answers 421 to a mail whose relaying goes on: a duplicate each time.
   */
  async shut(): Promise<void> {
    for (const socket of this._pendingSockets.values()) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => void server.close(() => resolve()))),
    );
  }
}

const pairOf = ({ first }: CertificateChoice): { readonly cert?: Buffer; readonly key?: Buffer } =>
  first === undefined ? {} : { cert: first.cert, key: first.key };

function endpointText(address: net.AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') return String(address);
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
