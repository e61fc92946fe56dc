/** Opens the quarantine page on a port. */
import fs from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { webApp } from './app.js';
import type { WebParts } from './parts.js';

export interface WebListener {
  readonly port: number;
  /** Requests meet these parts from now on; it resolves when those that met the parts before are answered. */
  use(parts: WebParts): Promise<void>;
  close(): Promise<void>;
}

/** Rejects when the port cannot be opened; `fd` is one that is open already. */
export function openWeb(
  at: { readonly host: string; readonly port: number } | { readonly fd: number },
  partsFor: (port: number) => WebParts,
): Promise<WebListener> {
  let serving: Serving | undefined;
  const server = createAdaptorServer({
    fetch: (request, env) => serving?.answer(request, env) ?? new Response('', { status: 503 }),
  }) as Server;
  server.headersTimeout = 20_000;
  server.requestTimeout = 60_000;
  server.maxConnections = 256;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      const { port } = server.address() as AddressInfo;
      serving = new Serving(partsFor(port));
      const use = async (parts: WebParts): Promise<void> => {
        const old = serving;
        serving = new Serving(parts);
        await old?.finished();
      };
      resolve({ port, use, close: () => closeServer(server) });
    });
  });
}

/** The page with the parts of one time, and the requests that meet them. */
class Serving {
  readonly #app: ReturnType<typeof webApp>;
  readonly #underWay = new Set<Promise<Response>>();

  constructor(parts: WebParts) {
    this.#app = webApp(parts);
  }

  async answer(request: Request, env: object): Promise<Response> {
    const answer = Promise.resolve(this.#app.fetch(request, env));
    this.#underWay.add(answer);
    try {
      return await answer;
    } finally {
      this.#underWay.delete(answer);
    }
  }

  async finished(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }
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
