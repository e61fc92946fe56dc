/**
 * What must hold between settings, or between a setting and the file it names; what one value must be is its kind's
 * business.
 */
import { networkInterfaces } from 'node:os';
import { errorText } from '../mail/error-text.js';
import {
  type DestinationList,
  everyDestination,
  isLoopback,
  type RelayEndpoint,
} from '../relay/destination/destination.js';
import type { ListenEndpoint } from './mail-kinds.js';
import type { SettingName, Settings } from './schema.js';
import type { Result } from '../mail/result.js';

export type ReadFile = (path: string) => string;

export interface CrossCheck {
  /** The setting to blame. */
  readonly name: SettingName;
  /** Left alone while these are wrong themselves. */
  readonly beside: readonly SettingName[];
  /** A whole clause, or undefined when all is well. */
  problem(settings: Settings, readFile: ReadFile): string | undefined;
}

export const crossChecks: readonly CrossCheck[] = [
  {
    name: 'tls_cert',
    beside: ['tls_key'],
    problem: ({ tls_cert, tls_key }, readFile) =>
      tls_cert !== '' && tls_key === '' && !isFolder(tls_cert, readFile)
        ? 'needs tls_key beside it; give both or none'
        : undefined,
  },
  {
    name: 'tls_key',
    beside: ['tls_cert'],
    problem: ({ tls_cert, tls_key }, readFile) => {
      if (tls_key === '') return undefined;
      if (tls_cert === '') return 'needs tls_cert beside it; give both or none';
      return isFolder(tls_cert, readFile)
        ? 'must be empty, for tls_cert is a folder: each key is there beside its certificate'
        : undefined;
    },
  },
  readable('tls_cert', /-----BEGIN [A-Z ]*CERTIFICATE-----/, 'a certificate in PEM form'),
  readable('tls_key', /-----BEGIN [A-Z ]*PRIVATE KEY-----/, 'a private key in PEM form'),
  readable('relay_ca', /-----BEGIN [A-Z ]*CERTIFICATE-----/, 'certificates in PEM form'),
  {
    name: 'bodies',
    beside: ['catalog'],
    problem: ({ bodies, catalog }) =>
      bodies !== '' && catalog === '' ? 'needs catalog beside it, which knows what is where in the store' : undefined,
  },
  {
    name: 'catalog_read',
    beside: ['catalog'],
    problem: ({ catalog_read, catalog }) =>
      catalog_read !== '' && catalog === '' ? 'needs catalog beside it, which this is a replica of' : undefined,
  },
  {
    name: 'ship_keep',
    beside: ['catalog'],
    problem: ({ ship_keep, catalog }) =>
      ship_keep > 0 && catalog === '' ? 'needs catalog beside it, which has what goes here' : undefined,
  },
  readable('dns_zone'),
  readable('plugins'),
  {
    name: 'relay',
    beside: ['listen'],
    problem: ({ relay, listen }) => ownDestination(relay, listen),
  },
  {
    name: 'relay_networks',
    beside: [],
    problem: ({ relay_networks }) =>
      relay_networks.some(({ prefix }) => prefix === 0)
        ? 'must not be the whole internet: that is an open relay'
        : undefined,
  },
];

/** The file must be there for us to read, and, where a pattern is given, hold that. */
function readable(
  name: 'tls_cert' | 'tls_key' | 'relay_ca' | 'dns_zone' | 'plugins',
  content?: RegExp,
  what = '',
): CrossCheck {
  return {
    name,
    beside: [],
    problem: (settings, readFile) => {
      if (settings[name] === '') return undefined;
      const file = tryRead(settings[name], readFile);
      if (name === 'tls_cert' && isFolder(settings[name], readFile)) return undefined; // cli/service/certificates knows
      if (!file.ok) return `must be a file that can be read (${file.problem})`;
      return content?.test(file.value) === false ? `must be ${what}` : undefined;
    },
  };
}

export type FileText = Result<string>;

/** A file's text, or why there is none (`ENOENT`). */
export function tryRead(path: string, readFile: ReadFile): FileText {
  try {
    return { ok: true, value: readFile(path) };
  } catch (error) {
    return { ok: false, problem: (error as NodeJS.ErrnoException).code ?? errorText(error) };
  }
}

function isFolder(path: string, readFile: ReadFile): boolean {
  const file = tryRead(path, readFile);
  return !file.ok && file.problem === 'EISDIR';
}

/** A whole clause where one of the destinations is ourselves, by its address. */
export function ownDestination(list: DestinationList, listen: readonly ListenEndpoint[]): string | undefined {
  const own = everyDestination(list).find((one) => listen.some((at) => isSameSocket(at, one.at)));
  if (own === undefined) return undefined;
  const which = own.text === list.text ? '' : `, as ${own.text} is`;
  return `must not be where postern itself listens${which}: mail would go round for ever`;
}

function isSameSocket(at: ListenEndpoint, there: RelayEndpoint): boolean {
  if (at.kind === 'fd' || there.kind === 'unix' || at.port !== there.port) return false;
  if (at.kind === 'any' || isUnspecified(at.host)) return isOfThisMachine(there.host);
  return at.host === there.host || (isLoopback(at.host) && isUnspecified(there.host));
}

/** To listen there is to listen everywhere, and to connect there is to reach this machine. */
const isUnspecified = (host: string): boolean => host === '0.0.0.0' || host === '::';

const isOfThisMachine = (host: string): boolean =>
  isLoopback(host) ||
  isUnspecified(host) ||
  Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === host));
