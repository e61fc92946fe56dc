/** What is measured: a server under a name, and how each of them is started. Peers are in haraka.ts and qpsmtpd.ts. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesBelow } from '../support/files-below.js';
import { freePort } from '../support/free-port.js';
import { Child } from './child.js';

export interface Server {
  readonly port: number;
  readonly child: Child;
  /** Refuses what it should: unknown recipients, foreign domains, mail without a Date: field. */
  readonly judges: boolean;
  /** How many refused mails it has kept; undefined where it keeps none. */
  readonly archived?: () => number;
}

export interface Place {
  /** A folder of the server's own. */
  readonly dir: string;
  readonly sinkPort: number;
}

export interface Candidate {
  readonly name: string;
  /** undefined: it is not installed. */
  readonly start: (place: Place) => Promise<Server | undefined>;
}

/** The hosted domain, and its one mailbox. */
export const domain = 'bench.example';
export const mailbox = 'good';
export const hostname = 'mx.bench.example';

const compiled = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** As shipped, with its own list of plugins and a domain that has four checks on. */
export const postern = (workers: number): Candidate => ({
  name: workers === 1 ? 'postern' : `postern, ${workers} workers`,
  async start({ dir, sinkPort }) {
    const port = await freePort();
    const own = join(dir, 'srv', domain);
    for (const check of ['helo', 'date', 'sender', 'address']) put(join(own, 'checks', check), '');
    put(join(own, 'users', 'valid', mailbox), '');
    const settings = {
      listen: `127.0.0.1:${port}`,
      relay: `127.0.0.1:${sinkPort}`,
      srv: join(dir, 'srv'),
      spam: join(dir, 'spam'),
      state: join(dir, 'state'),
      hostname,
      workers,
      config: put(join(dir, 'postern.conf'), ''),
    };
    const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
    const words = [compiled('../../src/main.js'), 'serve', ...flags];
    const child = await new Child({ program: process.execPath, words, log: join(dir, 'log') }).listening(port);
    return { port, child, judges: true, archived: () => filesIn(join(dir, 'spam'), 'new') };
  },
});

/** See bare.ts. */
export const bare = (kind: 'prompt' | 'stock'): Candidate => ({
  name: kind === 'prompt' ? 'bare smtp-server + relay' : 'the same, stock greeting',
  async start({ dir, sinkPort }) {
    const port = await freePort();
    const words = [compiled('./bare.js'), String(port), String(sinkPort), kind];
    const child = await new Child({ program: process.execPath, words, log: join(dir, 'log') }).listening(port);
    return { port, child, judges: false };
  },
});

/** Writes a file and the folders above it; its path. */
export function put(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** How many files there are in the folders of that name below `dir`. */
export function filesIn(dir: string, name: string): number {
  return filesBelow(dir).filter((path) => dirname(path).endsWith(`/${name}`)).length;
}

/** The first of the paths, or programs of that name in PATH, that is there. */
export function findProgram(given: string | undefined, names: readonly string[]): string | undefined {
  if (given !== undefined && given !== '') return existsSync(given) ? given : undefined;
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  const paths = names.flatMap((name) => (name.startsWith('/') ? [name] : folders.map((folder) => join(folder, name))));
  return paths.find((path) => existsSync(path));
}
