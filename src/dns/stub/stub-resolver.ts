/**
 * The stub resolver: asks recursive name servers, for names of any octets.
 *
 * No search domains, no /etc/hosts, no cache (see cache.ts). A look-up ends within `totalMs`, whatever the
 * servers do, and leaves no socket and no timer behind.
 */
import { askInTurn, type HowToAsk } from './ask-in-turn.js';
import { deadline } from '../deadline.js';
import { gate, type Gate } from './gate.js';
import { encodeName } from '../wire/name.js';
import { headOf, readAnswer, trailFrom, type Trail } from './reading.js';
import type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from '../resolver.js';
import { followResolvConf, type ResolvConf, systemResolvConf } from './resolv-conf.js';
import { parseServer, serverList, type Server } from './servers.js';
import type { TimedAnswer, Upstream } from '../upstream.js';

export interface StubSettings {
  /** `ip`, `ip:port` or `[ip6]:port`, asked in this order; those of `resolvConf` by default. */
  readonly servers?: readonly string[];
  /**
   * A file as resolv.conf(5) describes it, looked at again while it is asked for; /etc/resolv.conf by default. Not
   * read where `servers` are given. What is given of `tryMs` and `tries` goes before its `timeout` and `attempts`.
   */
  readonly resolvConf?: string;
  /**
   * Milliseconds that a server may say nothing, before the next one is asked; it may still answer then. By default
   * 3000, or less, so that within `totalMs` each server has its turn, and one of them a second.
   */
  readonly tryMs?: number;
  /** How often a silent server is asked, the last time without EDNS; 2 by default. */
  readonly tries?: number;
  /** Milliseconds for one look-up, CNAMEs and all; 10,000 by default. */
  readonly totalMs?: number;
  /** Sockets open at once; 500 by default. Further questions wait in line. */
  readonly maxSockets?: number;
}

export type StubResolver = Resolver & Upstream;

interface Question<T extends RecordType> {
  readonly type: T;
  readonly trail: Trail;
}

/** Throws when a server of the settings is not an address: `parseServer` tells beforehand. */
export function stubResolver(settings: StubSettings = {}): StubResolver {
  const { totalMs = 10_000, maxSockets = 500 } = settings;
  const asking = askingOf(settings, totalMs, gate(maxSockets));
  function ask<T extends RecordType>(name: string, type: T, options: LookupOptions = {}) {
    // No such name can exist: nobody needs to be asked (RFC 1035 §2.3.4).
    if (!encodeName(name)) return { answer: nxdomain, ttl: undefined };
    const limit = deadline(totalMs, options.signal);
    const bare = name.endsWith('.') ? name.slice(0, -1) : name;
    return resolve(asking(), { type, trail: trailFrom(bare) }, limit.signal)
      .catch((error: unknown) => failed(`resolver error: ${String(error)}`))
      .finally(() => limit.end());
  }
  return {
    ask,
    lookup(name, type, options) {
      const asked = ask(name, type, options);
      return asked instanceof Promise ? asked.then(({ answer }) => answer) : asked.answer;
    },
  };
}

/** How to ask at the moment. */
function askingOf(settings: StubSettings, totalMs: number, door: Gate): () => HowToAsk {
  const make = ({ servers, rotate, overTcp, ...conf }: ResolvConf): HowToAsk => ({
    list: serverList(servers, { rotate }),
    tryMs: settings.tryMs ?? Math.min(conf.tryMs ?? 3000, totalMs / Math.max(3, servers.length + 1)),
    tries: settings.tries ?? conf.tries ?? 2,
    overTcp,
    gate: door,
  });
  if (!settings.servers) return followResolvConf(settings.resolvConf ?? systemResolvConf, make);
  const servers = settings.servers.map(readServer);
  const fixed = make({ servers, tryMs: undefined, tries: undefined, rotate: false, overTcp: false });
  return () => fixed;
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
  asking: HowToAsk,
  question: Question<T>,
  signal: AbortSignal,
): Promise<TimedAnswer<RecordData[T]>> {
  const name = encodeName(headOf(question.trail));
  if (!name) return failed('malformed CNAME');
  const asked = await askInTurn(asking, { name, type: question.type }, signal);
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
