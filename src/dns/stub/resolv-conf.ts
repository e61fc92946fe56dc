/**
 * /etc/resolv.conf (resolv.conf(5)): which name servers the system asks, and how. Read by us, since Node reads it
 * once, when a process starts, and leaves out link-local servers.
 *
 * `search`, `domain` and `ndots` do not concern us: names in mail are absolute.
 */
import { readFileSync, statSync } from 'node:fs';
import { parseServer, type Server } from './servers.js';

export const systemResolvConf = '/etc/resolv.conf';

export interface ResolvConf {
  /** In the order of the file. */
  readonly servers: readonly Server[];
  /** Milliseconds after which the next server is asked; undefined where the file does not say. */
  readonly tryMs: number | undefined;
  /** How often a silent server is asked; undefined where the file does not say. */
  readonly tries: number | undefined;
  /** Whether each look-up begins with another server. */
  readonly rotate: boolean;
  /** Whether servers are asked over TCP alone. */
  readonly overTcp: boolean;
}

/** The limits of glibc: what is beyond them counts as the limit. */
const maxTimeout = 30;
const maxAttempts = 5;

/** Reads the text of the file; lines and options that are unknown or malformed do not count. */
export function parseResolvConf(text: string): ResolvConf {
  // A keyword stands at the beginning of its line, not behind spaces, # or ;.
  const lines = text.split('\n').map((line) => line.split(/[ \t\r]+/));
  const wordsOf = (keyword: string): string[][] => lines.filter(([first]) => first === keyword);
  const servers = wordsOf('nameserver').map(([, address = '']) => parseServer(address));
  const options = wordsOf('options').flatMap((words) => words.slice(1));
  const seconds = numberOf(options, 'timeout', maxTimeout);
  return {
    servers: servers.filter((server) => server !== undefined),
    tryMs: seconds === undefined ? undefined : seconds * 1000,
    tries: numberOf(options, 'attempts', maxAttempts),
    rotate: options.includes('rotate'),
    overTcp: options.includes('use-vc'),
  };
}

/** The number of `NAME:n`, the last one given, from 1 to `max`. */
function numberOf(options: readonly string[], name: string, max: number): number | undefined {
  const given = options.filter((option) => option.startsWith(`${name}:`)).at(-1);
  const digits = given?.slice(name.length + 1) ?? '';
  return /^\d{1,9}$/.test(digits) ? Math.min(Math.max(Number(digits), 1), max) : undefined;
}

/** resolv.conf(5): without a name server in the file, it is the one of this machine. */
const local: Server = { family: 4, address: '127.0.0.1', port: 53 };

const lookEveryMs = 1000;

/**
 * Returns a function that gives what `make` makes of the file as it is now. When it is called, and once a second at
 * most, it looks at the file by one stat, so that a file put in its place counts. A file that cannot be read or has no
 * name server may be in the middle of a change: then what was read before still holds.
 */
export function followResolvConf<T>(
  path: string,
  make: (conf: ResolvConf) => T,
  now = () => performance.now(),
): () => T {
  let seen: string | undefined;
  let lookAt = -Infinity;
  let made = make({ ...parseResolvConf(''), servers: [local] });
  return () => {
    if (now() < lookAt) return made;
    lookAt = now() + lookEveryMs;
    // The state before the reading: a change during it shows at the next look.
    const state = stateOf(path);
    const text = state === undefined || state === seen ? undefined : textOf(path);
    if (text === undefined) return made;
    const conf = parseResolvConf(text);
    if (conf.servers.length > 0) made = make(conf);
    else if (seen === undefined) made = make({ ...conf, servers: [local] });
    seen = state;
    return made;
  };
}

/** A text that changes when the file is written to, or another takes its place. */
function stateOf(path: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join();
  } catch {
    return undefined;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
