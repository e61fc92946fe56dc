/**
 * One connection to Redis or Valkey: to a server, to the one that sentinels call the master, or to a cluster. It is
 * made once, and never again by itself: whoever uses it (redis.ts) makes another, and so asks anew who is the master.
 * npm @redis/client has a client for sentinels, too, in which a question waits until there is a master again.
 */
import { readFileSync } from 'node:fs';
import { createClient, createCluster, ErrorReply } from '@redis/client';
import { errorText } from '../mail/error-text.js';
import type { RedisAddress, RedisNode } from './redis-address.js';

export interface RedisLink {
  /** For people: `127.0.0.1:6379`. */
  readonly where: string;
  /** Resolves with the reason when it is lost. */
  readonly lost: Promise<string>;
  get(key: string): Promise<string | null>;
  put(key: string, value: string, lifeMs: number): Promise<unknown>;
  /** A script that has one key. */
  run(script: string, key: string, args: readonly string[]): Promise<unknown>;
  close(): void;
}

/** Throws what is wrong, as a clause. Nobody waits for long: what has not answered then is closed. */
export async function openLink(address: RedisAddress, timeoutMs: number): Promise<RedisLink> {
  switch (address.kind) {
    case 'server':
      return serverLink(address, timeoutMs, address.nodes[0] ?? nowhere);
    case 'sentinel':
      return masterLink(address, timeoutMs);
    case 'cluster':
      return clusterLink(address, timeoutMs);
  }
}

const nowhere: RedisNode = { host: '', port: 0 };

type RedisClient = ReturnType<typeof createClient>;

/** For a connection that is made once; `onLost` is told why there is none any more. */
const onceOptions = (
  address: Pick<RedisAddress, 'tls'>,
  timeoutMs: number,
  node: RedisNode,
  onLost: (problem: Error) => void = () => undefined,
) => ({
  disableOfflineQueue: true,
  commandsQueueMaxLength: 10_000,
  socket: {
    ...socketOptions(address, timeoutMs),
    ...node,
    reconnectStrategy: (_: number, problem: Error): false => {
      onLost(problem);
      return false;
    },
  },
});

const socketOptions = ({ tls }: Pick<RedisAddress, 'tls'>, timeoutMs: number) =>
  tls ? { connectTimeout: timeoutMs, tls: true as const } : { connectTimeout: timeoutMs };

const loginOf = ({ user, password }: Pick<RedisAddress, 'user' | 'password'>) => ({
  ...(user !== '' && { username: user }),
  ...(password !== '' && { password }),
});

async function serverLink(address: RedisAddress, timeoutMs: number, node: RedisNode): Promise<RedisLink> {
  const { database } = address;
  let onLost: (problem: Error) => void = () => undefined;
  const lost = new Promise<string>((resolve) => (onLost = (problem) => resolve(textOf(problem))));
  const client = createClient({ ...onceOptions(address, timeoutMs, node, onLost), ...loginOf(address), database });
  client.on('error', () => undefined);
  const close = (): void => void (client.isOpen && client.destroy());
  await opened(client.connect(), close, timeoutMs);
  return { where: nodeText(node), lost, close, ...questionsTo(client) };
}

/** The sentinels are asked in turn until one knows the master. */
async function masterLink(address: RedisAddress, timeoutMs: number): Promise<RedisLink> {
  let problem = '';
  for (const sentinel of address.nodes) {
    try {
      const master = await masterOf(address, timeoutMs, sentinel);
      const link = await serverLink(address, timeoutMs, master);
      return { ...link, where: `${link.where}, the master by the sentinel ${nodeText(sentinel)}` };
    } catch (error) {
      problem = `sentinel ${nodeText(sentinel)}: ${textOf(error)}`;
    }
  }
  throw new Error(problem);
}

async function masterOf(address: RedisAddress, timeoutMs: number, sentinel: RedisNode): Promise<RedisNode> {
  const { name, sentinelPasswordFile: file } = address;
  const password = file === '' ? '' : (readFileSync(file, 'utf8').split(/\r?\n/)[0] ?? '');
  const client = createClient({ ...onceOptions(address, timeoutMs, sentinel), ...loginOf({ user: '', password }) });
  client.on('error', () => undefined);
  const close = (): void => void (client.isOpen && client.destroy());
  const asked = client.connect().then(() => client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name]));
  try {
    const answer = await opened(asked, close, timeoutMs);
    if (!Array.isArray(answer)) throw new Error(`knows no master ${name}`);
    return { host: String(answer[0]), port: Number(answer[1]) };
  } finally {
    close();
  }
}

async function clusterLink(address: RedisAddress, timeoutMs: number): Promise<RedisLink> {
  const { nodes } = address;
  const cluster = createCluster({
    rootNodes: nodes.map((node) => onceOptions(address, timeoutMs, node)),
    defaults: { ...loginOf(address), disableOfflineQueue: true, socket: socketOptions(address, timeoutMs) },
    minimizeConnections: true,
  });
  let problem = '';
  cluster.on('error', (error) => (problem = textOf(error)));
  const close = (): void => cluster.destroy();
  try {
    await opened(cluster.connect(), close, timeoutMs);
  } catch (error) {
    throw new Error(`cluster: ${problem || textOf(error)}`, { cause: error });
  }
  const where = `a cluster of ${cluster.masters.length} masters, by ${nodes.map(nodeText).join(' and ')}`;
  return { where, lost: new Promise(() => undefined), close, ...questionsTo(cluster) };
}

const questionsTo = (client: Pick<RedisClient, 'get' | 'set' | 'eval'>): Pick<RedisLink, 'get' | 'put' | 'run'> => ({
  get: (key) => client.get(key),
  put: (key, value, lifeMs) => client.set(key, value, { expiration: { type: 'PX', value: lifeMs } }),
  run: (script, key, args) => client.eval(script, { keys: [key], arguments: [...args] }),
});

async function opened<T>(opening: Promise<T>, close: () => void, timeoutMs: number): Promise<T> {
  try {
    const value = await withinMs(opening, timeoutMs);
    if (value === late) throw new Error(lateText(timeoutMs));
    return value;
  } catch (error) {
    close();
    throw error;
  }
}

/** Is it an answer of a server, and not one of a master that has become a replica? Then the connection is good. */
export const isAnswer = (error: unknown): boolean => error instanceof ErrorReply && !/\bREADONLY\b/.test(error.message);

export const late = Symbol('late');

export const lateText = (timeoutMs: number): string => `no answer within ${timeoutMs} ms`;

/** The answer, or `late`; what comes later is heard by nobody. */
export async function withinMs<T>(answer: Promise<T>, timeoutMs: number): Promise<T | typeof late> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<typeof late>((resolve) => {
    timer = setTimeout(() => resolve(late), timeoutMs);
  });
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    clearTimeout(timer);
    answer.catch(() => undefined);
  }
}

const nodeText = ({ host, port }: RedisNode): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

/** A host name with several addresses fails with an AggregateError, whose message is empty. */
export const textOf = (error: unknown): string =>
  errorText(error) || ((error as NodeJS.ErrnoException).code ?? String(error));
