/**
 * Where the store is that hosts share: one server, one that sentinels name, or a cluster. Pure. Leaves connecting to
 * redis-link.ts.
 */
import { parseIp } from '../mail/ip.js';
import { type Result, wrong } from '../mail/result.js';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

export interface RedisAddress {
  /** `sentinel`: the nodes are sentinels, which know who is the master. */
  readonly kind: 'server' | 'sentinel' | 'cluster';
  readonly nodes: readonly RedisNode[];
  readonly tls: boolean;
  readonly user: string;
  readonly password: string;
  readonly database: number;
  /** It is what sentinels call the master, '' where there are none. */
  readonly name: string;
  /** Its first line is the password of the sentinels themselves; '' where they have none. */
  readonly sentinelPasswordFile: string;
}

const form =
  /^(?:redis|valkey)(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^/?#]*)@)?([^@/?#]+)(?:\/([^/?#]*)(?:\/([^/?#]*))?)?(?:\?([^#]*))?$/;

/** The problem is a clause: "names a server that can be none". */
export function readRedisAddress(text: string): Result<RedisAddress> {
  const [, secure = '', kind = 'server', login = '', hosts = '', first = '', second = '', query = ''] =
    form.exec(text) ?? [];
  if (hosts === '') return wrong('is no URL of that kind');
  const isSentinel = kind === 'sentinel';
  const [, user = '', password = ''] = /^([^:]*):?([^]*)$/.exec(login) ?? [];
  const nodes = hosts.split(',').map((host) => nodeIn(host, isSentinel ? 26_379 : 6379));
  const number = isSentinel ? second : `${first}${second}`;
  const parameters = [...new URLSearchParams(query)];
  const file = parameters.find(([key, value]) => key === 'sentinel_password_file' && value.startsWith('/'));
  if (nodes.includes(undefined)) return wrong('names a server that can be none');
  if (kind === 'server' && nodes.length > 1) return wrong('names several servers, as only +sentinel and +cluster do');
  if (isSentinel && !/^[\w.-]+$/.test(first)) return wrong('has no name of a master behind the sentinels');
  if (!/^\d{0,3}$/.test(number)) return wrong('has something behind the hosts that is no number of a database');
  if (kind === 'cluster' && Number(number) > 0) return wrong('has a number behind the hosts: a cluster has only 0');
  if (parameters.length > (isSentinel && file ? 1 : 0))
    return wrong('may have sentinel_password_file=/FILE behind the question mark, with +sentinel, and nothing else');
  try {
    return {
      ok: true,
      value: {
        kind: kind === 'sentinel' || kind === 'cluster' ? kind : 'server',
        nodes: nodes.filter((node) => node !== undefined),
        tls: secure !== '',
        user: decodeURIComponent(user),
        password: decodeURIComponent(password),
        database: Number(number),
        name: isSentinel ? first : '',
        sentinelPasswordFile: file?.[1] ?? '',
      },
    };
  } catch {
    return wrong('has a % that begins no octet');
  }
}

function nodeIn(text: string, usualPort: number): RedisNode | undefined {
  const [, bracketed, plain = '', digits] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const [host, port] = [bracketed ?? plain, Number(digits ?? usualPort)];
  const isHost = bracketed === undefined ? host !== '' : parseIp(bracketed) !== undefined;
  return isHost && port > 0 && port < 65_536 ? { host, port } : undefined;
}
