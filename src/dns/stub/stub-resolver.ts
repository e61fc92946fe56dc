/**
 * The stub resolver: asks recursive name servers, for names of any octets.
 *
 * No search domains, no /etc/hosts, no cache (see cache.ts). A look-up ends within `totalMs`, whatever the
 * servers do, and leaves no socket and no timer behind.
 */
import { askServer } from './ask-server.js';
import { deadline } from '../deadline.js';
import { gate, type Gate } from './gate.js';
import type { Message } from '../wire/message.js';
import { encodeName } from '../wire/name.js';
import { headOf, readAnswer, trailFrom, type Trail } from './reading.js';
import type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from '../resolver.js';
import { parseServer, serverList, systemServers, type Server, type ServerList } from './servers.js';
import type { TimedAnswer, Upstream } from '../upstream.js';

export interface StubSettings {
  /** `ip`, `ip:port` or `[ip6]:port`, asked in this order; the system's by default. */
  readonly servers?: readonly string[];
  /**
   * Milliseconds a server has for one exchange; by default a third of `totalMs`, so that others get their turn, at
   * most 3000.
   */
  readonly tryMs?: number;
  /** How often a silent server is asked; 2 by default. */
  readonly tries?: number;
  /** Milliseconds for one look-up, CNAMEs and all; 10,000 by default. */
  readonly totalMs?: number;
  /** Sockets open at once; 500 by default. Further questions wait in line. */
  readonly maxSockets?: number;
}

export type StubResolver = Resolver & Upstream;

interface AskRound {
  readonly list: ServerList;
  readonly tryMs: number;
  readonly tries: number;
  readonly gate: Gate;
}

interface Question<T extends RecordType> {
  readonly type: T;
  readonly trail: Trail;
}

/** Throws when a server of the settings is not an address: `parseServer` tells beforehand. */
export function stubResolver(settings: StubSettings = {}): StubResolver {
  const { totalMs = 10_000, tryMs = Math.min(3000, totalMs / 3), tries = 2, maxSockets = 500 } = settings;
  const servers = settings.servers?.map(readServer) ?? systemServers();
  const list = serverList(servers, () => performance.now());
  const asking: AskRound = { list, tryMs, tries, gate: gate(maxSockets) };
  function ask<T extends RecordType>(name: string, type: T, options: LookupOptions = {}) {
    // No such name can exist: nobody needs to be asked (RFC 1035 §2.3.4).
    if (!encodeName(name)) return { answer: nxdomain, ttl: undefined };
    const limit = deadline(totalMs, options.signal);
    const bare = name.endsWith('.') ? name.slice(0, -1) : name;
    return resolve(asking, { type, trail: trailFrom(bare) }, limit.signal)
      .catch((error: unknown) => failed(`resolver error: ${String(error)}`))
      .finally(limit.end);
  }
  return {
    ask,
    lookup(name, type, options) {
      const asked = ask(name, type, options);
      return asked instanceof Promise ? asked.then(({ answer }) => answer) : asked.answer;
    },
  };
}

function readServer(text: string): Server {
  const server = parseServer(text);
  if (!server) throw new RangeError(`not a name server (ip, ip:port or [ip6]:port): ${JSON.stringify(text)}`);
  return server;
}

const nxdomain: DnsAnswer<never> = { kind: 'void', why: 'nxdomain' };
const failed = (problem: string): TimedAnswer<never> => ({ answer: { kind: 'failed', problem }, ttl: undefined });

/** Asks until an answer does not end in a CNAME; `readAnswer` bounds how many there are. */
async function resolve<T extends RecordType>(
  asking: AskRound,
  question: Question<T>,
  signal: AbortSignal,
): Promise<TimedAnswer<RecordData[T]>> {
  const asked = await askInTurn(asking, question, signal);
  if (asked.kind === 'failed') return failed(asked.problem);
  const reading = readAnswer(asked.message, question.type, question.trail);
  switch (reading.kind) {
    case 'found':
      return { answer: { kind: 'found', records: reading.records }, ttl: reading.ttl };
    case 'void':
      return { answer: { kind: 'void', why: reading.why }, ttl: reading.ttl };
    case 'alias':
      return resolve(asking, { type: question.type, trail: reading.trail }, signal);
    case 'failed':
      return failed(reading.problem);
  }
}

type ServerAnswer =
  { readonly kind: 'answered'; readonly message: Message } | { readonly kind: 'failed'; readonly problem: string };

/** Server after server, and the silent ones again in each further round; a refusal is not asked for twice. */
async function askInTurn(
  asking: AskRound,
  { type, trail }: Question<RecordType>,
  signal: AbortSignal,
): Promise<ServerAnswer> {
  const name = encodeName(headOf(trail));
  if (!name) return { kind: 'failed', problem: 'malformed CNAME' };
  let problem = 'no name server';
  let servers = asking.list.inOrder();
  for (let round = 0; round < asking.tries && servers.length > 0; round++) {
    const silent: Server[] = [];
    for (const server of servers) {
      const got = await askServer({ ...asking, server, name, type, signal });
      if (signal.aborted && got.kind === 'failed') return got;
      asking.list.note(server, got.kind === 'failed' && got.silent ? 'silent' : 'answered');
      if (got.kind === 'answered') return got;
      if (got.silent) silent.push(server);
      problem = got.problem;
    }
    servers = silent;
  }
  return { kind: 'failed', problem };
}
