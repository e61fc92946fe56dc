/**
 * Asks one server one question, until it has answered or is known to give no answer: with EDNS first, without it where
 * the server does not know it, over TCP where an answer was cut. How long to wait is left to `ask-in-turn`.
 */
import { randomInt } from 'node:crypto';
import { decodeMessage, encodeQuery, rcode, type Message } from '../wire/message.js';
import type { RecordType } from '../resolver.js';
import type { Server } from './servers.js';
import { askTcp } from './tcp.js';
import { askUdp, type Exchanged, type Transport } from './udp.js';

export interface ServerQuestion {
  readonly server: Server;
  /** It is in wire form. */
  readonly name: Buffer;
  readonly type: RecordType;
  /** Whether to begin with EDNS. */
  readonly edns: boolean;
  /** Whether to ask over TCP alone. */
  readonly overTcp: boolean;
  readonly wantsValidated?: boolean;
  /** Called when the server has said something, but not yet the answer. */
  readonly heard: () => void;
}

/** answered: it sent a whole message with RCODE 0 or 3. silent: another try later may help. */
export type ServerAnswer =
  | {
      readonly kind: 'answered';
      readonly message: Message;
      /** The server knows no EDNS, or has not answered a question with it. */
      readonly plain: boolean;
    }
  | { readonly kind: 'failed'; readonly problem: string; readonly silent: boolean };

/** A server being asked, until its answer was told. */
export interface Asked {
  /** Asks once more, over UDP: the answer to either question counts. */
  again(how: { readonly edns: boolean }): void;
  /** Closes the socket; nothing is told any more. */
  end(): void;
}

export function askServer(question: ServerQuestion, tell: (answer: ServerAnswer) => void): Asked {
  const { server, name, type, heard, wantsValidated = false } = question;
  const queryOf = (id: number, edns: boolean): Buffer => encodeQuery({ id, name, type, edns, wantsValidated });
  /** Whether EDNS was given up. */
  let plain = !question.edns;
  let id = 0;

  function open(over: Transport) {
    id = randomInt(0x10000);
    const edns = !plain;
    return over(server, queryOf(id, edns), (outcome) => hear(outcome, { over, edns }));
  }

  function hear(outcome: Exchanged, { over, edns }: { over: Transport; edns: boolean }): void {
    if (outcome.kind === 'failed') return tell(outcome);
    const message = decodeMessage(outcome.octets);
    if (!message) return tell(failed('malformed answer'));
    heard();
    if (edns && refusesEdns(message)) {
      plain = true;
      exchange = open(over);
    } else if (message.truncated && over === askUdp) exchange = open(askTcp);
    else tell(judge(message, plain));
  }

  let exchange = open(question.overTcp ? askTcp : askUdp);
  return {
    again({ edns }) {
      plain ||= !edns;
      exchange.again(queryOf(id, !plain));
    },
    end: () => exchange.end(),
  };
}

/** RFC 6891 §7 names FORMERR and NOTIMP, §6.1.3 BADVERS. */
const refusesEdns = (message: Message): boolean =>
  [rcode.FORMERR, rcode.NOTIMP, rcode.BADVERS].some((code) => code === message.rcode);

function judge(message: Message, plain: boolean): ServerAnswer {
  if (message.truncated) return failed('truncated over TCP');
  if (message.rcode !== rcode.NOERROR && message.rcode !== rcode.NXDOMAIN) return failed(rcodeName(message.rcode));
  if (message.referral) return failed('lame server');
  // A late answer to a question with EDNS has its OPT record, whatever was asked since.
  return { kind: 'answered', message, plain: plain && !message.edns };
}

const failed = (problem: string) => ({ kind: 'failed', problem, silent: false }) as const;

const rcodeName = (code: number): string =>
  Object.entries(rcode).find(([, value]) => value === code)?.[0] ?? `RCODE ${code}`;
