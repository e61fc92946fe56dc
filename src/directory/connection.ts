/**
 * One connection to a directory: opened, secured, bound, then asked one question at a time. The socket is ours and
 * ldapts speaks on it, for ldapts has no time limit on a handshake, no bound on what a server may send, goes on with
 * a dead connection after StartTLS, and carries what came before the handshake over it.
 */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { Client, InvalidDNSyntaxError, InvalidSyntaxError, NoSuchObjectError } from 'ldapts';
import { DirectoryProblem, type FailedPart, wordsOf } from './problem.js';
import type { LdapServer } from './server-uri.js';

export interface ConnectionOptions {
  readonly startTls: boolean;
  /** PEM; undefined: the CAs that Node knows. */
  readonly ca: string | undefined;
  /** undefined: anonymous. */
  readonly bind: { readonly dn: string; readonly password: string } | undefined;
}

/** RFC 4511 §4.14 */
const startTlsOid = '1.3.6.1.4.1.1466.20037';

/** One answer: a single entry without attributes, and references to elsewhere. */
const maxAnswerOctets = 1_048_576;

export class LdapConnection {
  readonly #socket: net.Socket;
  readonly #client: Client;
  #received = 0;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#client = clientOn(socket);
    socket.on('error', () => {}); // 'close' follows
    socket.on('data', (octets: Buffer) => {
      this.#received += octets.length;
      if (this.#received > maxAnswerOctets) socket.destroy();
    });
  }

  /** Throws a `DirectoryProblem`. */
  static async open(server: LdapServer, options: ConnectionOptions, deadline: AbortSignal): Promise<LdapConnection> {
    let socket = server.kind === 'unix' ? net.connect(server.path) : net.connect(server.port, server.host);
    try {
      await stage('server', once(socket, 'connect', { signal: deadline }));
      socket.setKeepAlive(true, 30_000).setNoDelay(true);
      if (server.kind === 'tcp' && options.startTls && !server.tls) await askForTls(socket, deadline);
      if (server.kind === 'tcp' && (options.startTls || server.tls))
        socket = await secured(socket, { host: server.host, ca: options.ca, deadline });
      const connection = new LdapConnection(socket);
      if (options.bind) await connection.#bind(options.bind, deadline);
      return connection;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  async #bind({ dn, password }: NonNullable<ConnectionOptions['bind']>, deadline: AbortSignal): Promise<void> {
    await stage('bind', this.#guarded(this.#client.bind(dn, password), deadline));
  }

  /** Is there an entry? References to other servers are none (RFC 4511 §4.5.3). */
  async hasEntry(base: string, filter: string, deadline: AbortSignal): Promise<boolean> {
    this.#received = 0;
    const search = this.#client.search(base, { scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 1 });
    try {
      const { searchEntries } = await this.#guarded(search, deadline);
      return searchEntries.length > 0;
    } catch (error) {
      throw new DirectoryProblem(this.isOpen ? partOf(error) : 'server', wordsOf(error));
    }
  }

  /** What is not answered in time ends the connection: its answer would be taken for that of the next question. */
  async #guarded<T>(answer: Promise<T>, deadline: AbortSignal): Promise<T> {
    const giveUp = new AbortController();
    const late = once(deadline, 'abort', { signal: giveUp.signal }).then(() => {
      this.close();
      throw new Error('no answer in time');
    });
    try {
      if (deadline.aborted) throw new Error('no answer in time');
      return await Promise.race([answer, late]);
    } finally {
      giveUp.abort();
      late.catch(() => {});
      answer.catch(() => {});
    }
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.readyState === 'open';
  }

  onClose(then: () => void): void {
    this.#socket.once('close', then);
  }

  /** Does a connection that nobody uses keep the process alive? */
  keepAlive(yes: boolean): void {
    if (yes) this.#socket.ref();
    else this.#socket.unref();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** ldapts takes a socket that is open as it is. */
const clientOn = (socket: net.Socket): Client =>
  new Client({ url: 'ldap://localhost', createConnection: () => socket });

/** In the clear, by a client of its own: what a stranger may have slipped in behind the answer ends with it. */
async function askForTls(socket: net.Socket, deadline: AbortSignal): Promise<void> {
  const answered = clientOn(socket).exop(startTlsOid);
  await stage(
    'tls',
    Promise.race([answered, once(deadline, 'abort').then(() => Promise.reject(new Error('no answer in time')))]),
  );
  for (const event of ['data', 'error', 'close', 'timeout']) socket.removeAllListeners(event);
}

interface Securing {
  readonly host: string;
  readonly ca: string | undefined;
  readonly deadline: AbortSignal;
}

async function secured(socket: net.Socket, { host, ca, deadline }: Securing): Promise<tls.TLSSocket> {
  const servername = net.isIP(host) === 0 ? { servername: host } : {};
  const secure = tls.connect({ socket, host, ...servername, ...(ca !== undefined && { ca }) });
  await stage('tls', once(secure, 'secureConnect', { signal: deadline }));
  return secure;
}

async function stage<T>(part: FailedPart, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new DirectoryProblem(part, isAbort(error) ? 'no answer in time' : wordsOf(error));
  }
}

const isAbort = (error: unknown): boolean => (error as Error).name === 'AbortError';

function partOf(error: unknown): FailedPart {
  if (error instanceof NoSuchObjectError || error instanceof InvalidDNSyntaxError) return 'base';
  return error instanceof InvalidSyntaxError ? 'filter' : 'answer';
}
