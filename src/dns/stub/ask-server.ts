/**
 * One question to one server, until it gave an answer or is known not to: EDNS first, without it for servers
 * that do not know it, TCP for answers that were cut.
 */
import { randomInt } from 'node:crypto';
import { abortProblem, deadline } from '../deadline.js';
import type { Gate } from './gate.js';
import { decodeMessage, encodeQuery, rcode, type Message } from '../wire/message.js';
import type { RecordType } from '../resolver.js';
import type { Server } from './servers.js';
import { askTcp } from './tcp.js';
import { askUdp } from './udp.js';

export interface ServerQuestion {
  readonly server: Server;
  /** Wire form. */
  readonly name: Buffer;
  readonly type: RecordType;
  /** Milliseconds for each exchange: the UDP one, its repetition without EDNS, the TCP one. */
  readonly tryMs: number;
  /** Bounds the exchanges of all look-ups together. */
  readonly gate: Gate;
  readonly signal: AbortSignal;
}

/** answered: a whole message with RCODE 0 or 3. silent: worth another try later. */
export type ServerAnswer =
  | { readonly kind: 'answered'; readonly message: Message }
  | { readonly kind: 'failed'; readonly problem: string; readonly silent: boolean };

type Transport = typeof askUdp;
type Heard = { readonly kind: 'heard'; readonly message: Message } | Exclude<ServerAnswer, { kind: 'answered' }>;

export async function askServer(question: ServerQuestion): Promise<ServerAnswer> {
  let edns = true;
  let heard = await exchange(question, { over: askUdp, edns });
  if (heard.kind === 'heard' && refusesEdns(heard.message)) {
    edns = false;
    heard = await exchange(question, { over: askUdp, edns });
  }
  if (heard.kind === 'heard' && heard.message.truncated) heard = await exchange(question, { over: askTcp, edns });
  return heard.kind === 'heard' ? judge(heard.message) : heard;
}

async function exchange(question: ServerQuestion, { over, edns }: { over: Transport; edns: boolean }): Promise<Heard> {
  const { gate, signal, tryMs, server, name, type } = question;
  if (!(await gate.enter(signal))) return failed(abortProblem(signal));
  const limit = deadline(tryMs, signal);
  try {
    const query = encodeQuery({ id: randomInt(0x10000), name, type, edns });
    const outcome = await over({ server, query, signal: limit.signal });
    if (outcome.kind === 'failed') return outcome;
    const message = decodeMessage(outcome.octets);
    return message ? { kind: 'heard', message } : failed('malformed answer');
  } finally {
    limit.end();
    gate.leave();
  }
}

/** RFC 6891 §7 names FORMERR and NOTIMP, §6.1.3 BADVERS. */
const refusesEdns = (message: Message): boolean =>
  [rcode.FORMERR, rcode.NOTIMP, rcode.BADVERS].some((code) => code === message.rcode);

function judge(message: Message): ServerAnswer {
  if (message.truncated) return failed('truncated over TCP');
  if (message.rcode !== rcode.NOERROR && message.rcode !== rcode.NXDOMAIN) return failed(rcodeName(message.rcode));
  return message.referral ? failed('lame server') : { kind: 'answered', message };
}

const failed = (problem: string) => ({ kind: 'failed', problem, silent: false }) as const;

const rcodeName = (code: number): string =>
  Object.entries(rcode).find(([, value]) => value === code)?.[0] ?? `RCODE ${code}`;
