/**
 * The address at which a monitor asks: `/metrics`, `/livez`, `/readyz`. Whatever its clients do, it costs little and
 * holds nothing up: few connections, short times, no bodies, nothing but GET and HEAD.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { metricsText, metricsType } from '../../metrics/text.js';
import type { Snapshot } from '../../metrics/registry.js';
import { listenTarget, type ListenEndpoint, writeListenEndpoint } from '../../settings/mail-kinds.js';
import { listenProblem } from '../service/listen-problem.js';
import { Paced } from './paced.js';

export interface Monitored {
  readonly collect: () => Promise<Snapshot>;
  /** Says in words what is not ready; nothing where all is. */
  readonly unready: () => Promise<readonly string[]> | readonly string[];
}

interface MetricsServer {
  /** `host:port` */
  readonly address: string;
  close(): Promise<void>;
}

/** The address at which a service is asked, which HUP may change. */
export class MetricsPort {
  readonly #monitored: Monitored;
  #at: ListenEndpoint | undefined;
  #server: MetricsServer | undefined;

  constructor(monitored: Monitored) {
    this.#monitored = monitored;
  }

  /** `host:port`; undefined where there is none. */
  get address(): string | undefined {
    return this.#server?.address;
  }

  /**
   * Answers there from now on, or nowhere. Where the address cannot be opened, the one before stays, and this rejects
   * with what to do about it.
   */
  async use(at: ListenEndpoint | undefined): Promise<void> {
    const before = this.#at;
    if (JSON.stringify(at) === JSON.stringify(before)) return;
    // All addresses and one of them cannot have the same port at once.
    if (at === undefined || isSamePort(at, before)) await this.close();
    if (at === undefined) return;
    try {
      await this.#open(at);
    } catch (error) {
      if (before !== undefined && this.#server === undefined) await this.#open(before);
      throw error;
    }
  }

  async #open(at: ListenEndpoint): Promise<void> {
    const server = await openMetrics(at, this.#monitored);
    await this.close();
    this.#at = at;
    this.#server = server;
  }

  async close(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
    this.#at = undefined;
  }
}

const isSamePort = (a: ListenEndpoint, b: ListenEndpoint | undefined): boolean =>
  a.kind !== 'fd' && b !== undefined && b.kind !== 'fd' && a.port === b.port && a.port !== 0;

const maxConnections = 32;
const requestMs = 5_000;
/** A client that takes nothing of its answer for so long is hung up on. */
const idleMs = 10_000;

/** Rejects where the address cannot be opened, with what to do about it. */
function openMetrics(at: ListenEndpoint, monitored: Monitored): Promise<MetricsServer> {
  const numbers = new Paced(async () => metricsText(await monitored.collect()));
  const asked: PacedAnswers = { numbers: () => numbers.get(), unready: monitored.unready };
  const limits = { maxHeaderSize: 8_192, connectionsCheckingInterval: 1_000, requestTimeout: requestMs };
  const server = createServer(
    { ...limits, headersTimeout: requestMs, keepAliveTimeout: requestMs },
    (request, response) => void answer(request, response, asked).catch(() => response.destroy()),
  );
  server.maxConnections = maxConnections;
  server.setTimeout(idleMs);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`metrics = ${writeListenEndpoint(at)}: ${listenProblem(error)}`)));
    server.listen(listenTarget(at), () => {
      server.removeAllListeners('error').on('error', () => {}); // such as too many open files: the next client may come
      server.unref();
      resolve({ address: addressOf(server), close: () => closeServer(server) });
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

interface PacedAnswers {
  readonly numbers: () => Promise<string>;
  readonly unready: Monitored['unready'];
}

async function answer(request: IncomingMessage, response: ServerResponse, asked: PacedAnswers): Promise<void> {
  const [status, text] = await answerTo(request, asked);
  const type = status === 200 && pathOf(request) === '/metrics' ? metricsType : 'text/plain; charset=utf-8';
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    ...(status === 405 && { Allow: 'GET, HEAD' }),
    // What a client sends as a body is not read.
    ...(request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
      ? { Connection: 'close' }
      : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

const pathOf = ({ url = '' }: IncomingMessage): string => url.split('?', 1)[0] ?? '';

async function answerTo(request: IncomingMessage, { numbers, unready }: PacedAnswers): Promise<[number, string]> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return [405, 'Only GET and HEAD.\n'];
  switch (pathOf(request)) {
    case '/metrics':
      return [200, await numbers()];
    case '/livez':
      return [200, 'ok\n'];
    case '/readyz': {
      const problems = await unready();
      return problems.length === 0 ? [200, 'ok\n'] : [503, problems.map((problem) => `${problem}\n`).join('')];
    }
    default:
      return [404, 'There are /metrics, /livez and /readyz.\n'];
  }
}
