/** What is measured: a server under a name, and how each of them is started. Peers have files of their own. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesBelow } from '../support/files-below.js';
import { makeCertificate } from '../support/certificate.js';
import { freePort } from '../support/free-port.js';
import { shippedPlugins } from '../support/shipped-plugins.js';
import { Child } from './child.js';

export interface Server {
  readonly port: number;
  readonly child: Pick<Child, 'greeting' | 'pid' | 'stop'>;
  /** Refuses what it should: unknown recipients, foreign domains, mail without a Date: field. */
  readonly judges?: boolean;
  /** Believes PROXY headers: its clients are not loopback. */
  readonly takesProxy?: boolean;
  readonly hasTls?: boolean;
  /** It is given a tenth of the mails. */
  readonly isSlow?: boolean;
  /** What it accepts it drops. */
  readonly keepsNothing?: boolean;
  /** The names of the cells that it is given; all where there are none. */
  readonly cells?: readonly string[];
  /** How many refused mails it has kept; undefined where it keeps none. */
  readonly archived?: () => number;
}

export interface Place {
  /** A folder of the server's own. */
  readonly dir: string;
  readonly sinkPort: number;
  /** The program that runs servers written for Node. */
  readonly node: string;
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

/** Five checks, and lists with an entry each. */
const typicalMarkers = [
  ...['helo', 'date', 'sender', 'address', 'spf'].map((check) => `${domain}/checks/${check}`),
  ...['blacklisted', 'whitelisted'].flatMap((list) => [
    `${domain}/${list}/ips/192.0.2.1`,
    `${domain}/${list}/senders/somebody@elsewhere.example`,
    `${domain}/${list}/domains/elsewhere.example`,
  ]),
  `${domain}/whitelisted/recipients/sales`,
  '_global_/blacklisted/ips/198.51.100.0_24',
  '_global_/blacklisted/senders/bad@spam.example',
];

/** Clients come from these, each with a confirmed name. */
export const clientAddresses: readonly string[] = Array.from({ length: 20 }, (_, i) => `203.0.113.${i + 1}`);

export const proxyHeader = `PROXY TCP4 ${clientAddresses[0]} 127.0.0.1 40000 25`;

const zone = {
  'client.example': { A: clientAddresses, TXT: ['v=spf1 ip4:203.0.113.0/24 include:_spf.client.example -all'] },
  '_spf.client.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
  ...Object.fromEntries(
    clientAddresses.map((address) => [
      `${address.split('.').toReversed().join('.')}.in-addr.arpa`,
      { PTR: ['client.example'] },
    ]),
  ),
};

/**
 * With the plugins as shipped, and a domain that has typical checks and lists, or just its mailbox; `filter` is a line
 * of the list.
 */
export const postern = (kind: 'typical' | 'bare domain', workers = 1, filter = '#'): Candidate => ({
  name: workers === 1 ? kind : `${kind}, ${workers} workers`,
  async start({ dir, sinkPort, node }) {
    const port = await freePort();
    const markers = [`${domain}/users/valid/${mailbox}`, ...(kind === 'typical' ? typicalMarkers : [])];
    for (const marker of markers) put(join(dir, 'srv', marker), '');
    const settings = {
      listen: `127.0.0.1:${port}`,
      relay: `127.0.0.1:${sinkPort}`,
      srv: join(dir, 'srv'),
      spam: join(dir, 'spam'),
      state: join(dir, 'state'),
      hostname,
      workers,
      proxy_networks: '127.0.0.1',
      max_connections_per_ip: 500,
      dns_zone: put(join(dir, 'zone.json'), JSON.stringify(zone)),
      plugins: put(join(dir, 'plugins'), shippedPlugins().replace(/^# milter unix:.*$/m, filter)),
      config: put(join(dir, 'postern.conf'), ''),
      ...certificateIn(dir),
    };
    const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
    const words = [compiled('../../src/main.js'), 'serve', ...flags];
    const child = await new Child({ program: node, words, log: join(dir, 'log') }).listening(port, proxyHeader);
    const archived = (): number => filesIn(join(dir, 'spam'), 'new');
    const few = workers > 1 && { cells: ['c20m10', 'c200m10'] };
    return { port, child, judges: kind === 'typical', takesProxy: true, hasTls: true, archived, ...few };
  },
});

function certificateIn(dir: string): { readonly tls_cert: string; readonly tls_key: string } {
  const { cert, key } = makeCertificate(hostname);
  return { tls_cert: put(join(dir, 'cert.pem'), String(cert)), tls_key: put(join(dir, 'key.pem'), String(key)) };
}

/** See bare.ts. */
export const line: Candidate = {
  name: 'the line',
  async start({ dir, sinkPort, node }) {
    const port = await freePort();
    certificateIn(dir);
    const words = [compiled('./bare.js'), String(port), String(sinkPort), dir];
    const child = await new Child({ program: node, words, log: join(dir, 'log') }).listening(port, proxyHeader);
    return { port, child, takesProxy: true, hasTls: true, archived: () => filesIn(dir, 'new') };
  },
};

/** Postfix' program that takes any mail and drops it: what the load generator can do at most. */
export const smtpSink: Candidate = {
  name: 'smtp-sink',
  async start({ dir }) {
    const program = findProgram(undefined, ['/usr/sbin/smtp-sink', 'smtp-sink']);
    if (program === undefined) return undefined;
    const port = await freePort();
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    const words = [...user, '-m', '500', `127.0.0.1:${port}`, '500'];
    const child = await new Child({ program, words, log: join(dir, 'log') }).listening(port);
    return { port, child, keepsNothing: true };
  },
};

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
