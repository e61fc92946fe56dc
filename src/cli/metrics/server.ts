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

export interface Monitored {
  /** Never rejects. */
  readonly collect: () => Promise<Snapshot>;
  /** Says in words what is not ready; nothing where all is. Never rejects. */
  readonly unready: () => Promise<readonly string[]> | readonly string[];
}

export interface MetricsServer {
  /** `host:port` */
  readonly address: string;
  close(): Promise<void>;
}

const maxConnections = 32;
const requestMs = 5_000;
/** A client that takes nothing of its answer for so long is hung up on. */
const idleMs = 10_000;

/** Rejects where the address cannot be opened, with what to do about it. */
export function openMetrics(at: ListenEndpoint, monitored: Monitored): Promise<MetricsServer> {
  const limits = { maxHeaderSize: 8_192, connectionsCheckingInterval: 1_000, requestTimeout: requestMs };
  const server = createServer(
    { ...limits, headersTimeout: requestMs, keepAliveTimeout: requestMs },
    (request, response) => void answer(request, response, monitored),
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

async function answer(request: IncomingMessage, response: ServerResponse, monitored: Monitored): Promise<void> {
  const [status, text] = await answerTo(request, monitored);
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

async function answerTo(request: IncomingMessage, { collect, unready }: Monitored): Promise<[number, string]> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return [405, 'Only GET and HEAD.\n'];
  switch (pathOf(request)) {
    case '/metrics':
      return [200, metricsText(await collect())];
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
