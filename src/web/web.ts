/** Opens the quarantine page on a port. */
import fs from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { webApp } from './app.js';
import type { WebParts } from './parts.js';

export interface WebListener {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects when the port cannot be opened; `fd` is one that is open already. */
export function openWeb(
  at: { readonly host: string; readonly port: number } | { readonly fd: number },
  partsFor: (port: number) => WebParts,
): Promise<WebListener> {
  let app: ReturnType<typeof webApp> | undefined;
  const server = createAdaptorServer({
    fetch: (request, env) => app?.fetch(request, env) ?? new Response('', { status: 503 }),
  }) as Server;
  server.headersTimeout = 20_000;
  server.requestTimeout = 60_000;
  server.maxConnections = 256;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      const { port } = server.address() as AddressInfo;
      app = webApp(partsFor(port));
      resolve({ port, close: () => closeServer(server) });
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

const types: Readonly<Record<string, string>> = {
  'page.js': 'text/javascript; charset=utf-8',
  'style.css': 'text/css; charset=utf-8',
};

/** The page's own script and style, as they are in the sources: there is no build step. */
export function readAssets(folder: string): WebParts['assets'] {
  return new Map(
    Object.entries(types).map(([name, type]) => [name, { type, octets: fs.readFileSync(`${folder}/${name}`) }]),
  );
}
