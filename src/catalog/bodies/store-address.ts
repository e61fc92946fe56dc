/**
 * Where the mails themselves are, where not in the database: `s3://BUCKET?endpoint=https://s3.example&key_file=/FILE`.
 * Pure. The key stands in a file, not here.
 */
import { parseIp } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';

export interface StoreAddress {
  readonly bucket: string;
  /** Without a slash at its end; the bucket is the first step of the path behind it. */
  readonly endpoint: string;
  readonly region: string;
  /** Its first line is the access key's ID, its second the secret. */
  readonly keyFile: string;
}

const usualRegion = 'us-east-1';

/** The problem is a clause: "names no bucket". */
export function readStoreAddress(text: string): Result<StoreAddress> {
  const [, bucket, query = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/?\?([^#]*)$/.exec(text) ?? [];
  if (bucket === undefined) return wrong('is no s3://BUCKET?endpoint=URL&key_file=/FILE');
  const given = new Map(new URLSearchParams(query));
  for (const name of given.keys())
    if (!['endpoint', 'region', 'key_file'].includes(name))
      return wrong('may have endpoint=, region= and key_file= behind the question mark');
  const endpoint = endpointIn(given.get('endpoint') ?? '');
  if (endpoint === undefined) return wrong('has no endpoint=https://HOST (http:// on loopback alone)');
  const keyFile = given.get('key_file') ?? '';
  if (!keyFile.startsWith('/')) return wrong('has no key_file=/FILE');
  return { ok: true, value: { bucket, endpoint, keyFile, region: given.get('region') ?? usualRegion } };
}

function endpointIn(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, pathname, search, hash, username, password, origin } = new URL(text);
  const isPlain = pathname === '/' && search === '' && hash === '' && username === '' && password === '';
  return isPlain && (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))) ? origin : undefined;
}

function isLoopback(hostname: string): boolean {
  const ip = parseIp(hostname.replace(/^\[(.*)\]$/, '$1'))?.text ?? '';
  return hostname === 'localhost' || ip === '::1' || ip.startsWith('127.');
}
