/** What is known of a mail whose sender is verified, from MAIL to its end. */
import type { Eventual } from '../../mail/eventual.js';
import type { SpfResultCode } from '../../spf/record.js';
import type { ReplyAnswer, Transaction } from '../policy.js';
import type { Forgeries } from './fields.js';
import type { HeloMemory, Judgement, JudgedMail } from './judge.js';
import type { OwnFailure } from './own-domains.js';

export interface SettledSender {
  readonly judgement: Judgement;
  /** The reply to the client where the mail is refused; undefined where it is not. */
  readonly reply: ReplyAnswer | undefined;
  readonly own: OwnFailure | undefined;
}

/** What a message is waiting for, and what is known of it. */
export interface MailState {
  subject: JudgedMail | undefined;
  /** Undefined where nothing is verified, or not yet: a forwarding host's mail is verified at its end. */
  verdict: Eventual<SettledSender> | undefined;
  settled: SettledSender | undefined;
  /** The client passes on mail of others. */
  forwarded: boolean;
  readonly received: string[];
  readonly forgeries: Forgeries;
  /** A recipient that is not in skip_recipients was accepted. */
  strict: boolean;
}

export type Verifying = Transaction<HeloMemory, MailState>;

export const newMailState = (forgeries: Forgeries): MailState => ({
  subject: undefined,
  verdict: undefined,
  settled: undefined,
  forwarded: false,
  received: [],
  forgeries,
  strict: false,
});

export interface FactsOfMail {
  /** Postfix has none before the first recipient. */
  readonly id: string | undefined;
  readonly code?: number;
  readonly reply?: ReplyAnswer['text'];
}

/** For the log: a message's queue id, who sent it, and each result. */
export function factsOf({ subject, settled }: MailState, { id, code, reply }: FactsOfMail): object {
  const verified = settled?.judgement.verified ?? [];
  const resultOf = (wanted: 'helo' | 'mailfrom'): SpfResultCode | undefined =>
    verified.find(({ outcome }) => outcome.identity === wanted)?.outcome.result;
  const results = { spf_helo: resultOf('helo'), spf_mailfrom: resultOf('mailfrom') };
  return { id, ip: subject?.ip.text, from: subject?.from, ...results, code, reply };
}
