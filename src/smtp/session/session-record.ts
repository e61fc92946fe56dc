/**
 * What is told of a session whose client does not get what it asks for: to the log, to the journal, and to whoever
 * counts. Leaves what becomes of a whole mail to disposing/.
 */
import type { JudgingHook } from '../../hooks/plugin.js';
import type { HookOutcome } from '../../hooks/run.js';
import type { SessionState } from '../../hooks/shown/seen.js';
import type { JournalStage, JournalVerdict } from '../../journal/line.js';
import { errorStack, errorText } from '../../mail/error-text.js';
import { type Reply, isTemporary, localProblem, replyText, reply } from '../../mail/reply.js';
import type { AwayReason } from '../../metrics/gate.js';
import { BrokenMarker } from '../../srv/srv.js';
import { type AboutTransaction, turnedAwayLine, verdictAt } from '../journal-lines.js';
import type { Services } from '../services.js';
import type { SmtpTransaction } from '../transaction.js';

export class SessionRecord {
  readonly #services: Pick<Services, 'log' | 'journal' | 'metrics'>;
  readonly #state: SessionState;

  constructor(services: Services, state: SessionState) {
    this.#services = services;
    this.#state = state;
  }

  /** Nothing comes of the command: the journal is told, for somebody may ask for the mail. */
  declined(stage: 'mail' | 'rcpt', answer: Reply, about: AboutTransaction = {}): Reply {
    this.#services.metrics.turnedAway('command');
    const verdict = isTemporary(answer) ? 'deferred' : 'turned away';
    this.#enter(stage, answer, { reason: answer.text, verdict, ...about });
    return answer;
  }

  relayingDenied(answer: Reply, { transaction, recipient }: AboutRecipient): Reply {
    const reason = `not hosted: ${recipient.text}`;
    this.#services.metrics.turnedAway('relaying');
    this.#turnedAway('rcpt', answer, { reason, verdict: 'turned away', transaction, recipient });
    return answer;
  }

  /** It has refused that recipient a short while ago, by this reply. */
  refusedByMta(answer: Reply, { transaction, recipient }: AboutRecipient): Reply {
    this.#services.metrics.turnedAway('mta');
    this.#enter('rcpt', answer, { reason: 'by the local MTA', transaction, recipient });
    return answer;
  }

  /** A plugin has refused or deferred before the end of data, where a transaction has no line of its own yet. */
  stopped(hook: JudgingHook, outcome: Stop, { transaction, recipient }: AboutTransaction): Reply {
    const { plugin, log, reply: answer } = outcome;
    this.#services.metrics.stopped(plugin, answer);
    this.#turnedAway(hook, answer, { plugin, reason: log, transaction, recipient });
    return answer;
  }

  /** The connection ends the session by a reply of its own, maybe in the middle of a message. */
  sentAway(answer: Reply, kind: AwayReason, { transaction, isReceiving }: Interrupted): void {
    this.#services.metrics.turnedAway(kind);
    const plugin = kind === 'fault' || kind === 'stopping' ? undefined : 'limits';
    const why = { plugin, reason: answer.text, transaction };
    if (isReceiving) return this.#enter('data', answer, { ...why, recipient: transaction?.recipients[0] });
    const stage = transaction ? 'rcpt' : this.#state.helo === '' ? 'connect' : 'mail';
    const away = { ...why, verdict: 'turned away' } as const;
    // Whoever floods us with connections must not flood the log: the journal counts him.
    if (kind === 'connections') this.#enter(stage, answer, away);
    else this.#turnedAway(stage, answer, away);
  }

  /** The client has left in the middle of its message: who asks for the mail is told that it was on its way. */
  brokenOff(transaction: SmtpTransaction | undefined): void {
    const reason = 'the connection ended before the mail did';
    this.#enter('data', noReply, { reason, transaction, recipient: transaction?.recipients[0] });
  }

  /** Nothing is accepted because something broke. */
  broken(error: unknown, at: 'rcpt' | 'data', about: AboutTransaction): Reply {
    const problem = error instanceof BrokenMarker ? error.message : errorStack(error);
    const { id: session, clientIp } = this.#state;
    this.#services.log.error({ ip: clientIp.text, session, at, problem }, 'cannot be judged now');
    this.#services.metrics.broken(at);
    this.#enter(at, localProblem, { reason: `cannot be judged now: ${errorText(error)}`, ...about });
    return localProblem;
  }

  /** `at` is the command, or the hook. */
  #turnedAway(at: JudgingHook, answer: Reply, why: WhyTurnedAway): void {
    const { id: session, clientIp, helo } = this.#state;
    const { plugin, reason } = why;
    const told = { ...(plugin !== undefined && { plugin }), reason };
    this.#services.log.info({ ip: clientIp.text, session, helo, at, ...told, reply: replyText(answer) }, 'turned away');
    this.#enter(stageOf(at), answer, why);
  }

  /** Writes a line into the journal alone. */
  #enter(stage: JournalStage, answer: Reply, { verdict, ...why }: WhyTurnedAway): void {
    const away = { stage, verdict: verdict ?? verdictAt(stage, answer), reply: answer, ...why };
    this.#services.journal?.write(() => turnedAwayLine(this.#state, away));
  }
}

type Stop = Exclude<HookOutcome, { readonly kind: 'go on' }>;

interface AboutRecipient extends AboutTransaction {
  readonly recipient: NonNullable<AboutTransaction['recipient']>;
}

interface Interrupted {
  readonly transaction: SmtpTransaction | undefined;
  /** 354 has been said, the end of the message has not come. */
  readonly isReceiving: boolean;
}

interface WhyTurnedAway extends AboutTransaction {
  readonly plugin?: string | undefined;
  readonly reason: string;
  /** As the stage has it where it is not given. */
  readonly verdict?: JournalVerdict;
}

/** Unknown commands come at any time; most who send them get no further than HELO. */
const stageOf = (hook: JudgingHook): JournalStage =>
  hook === 'unknownCommand' ? 'helo' : hook === 'dataPost' || hook === 'queue' ? 'dot' : hook;

/** Nothing could be said any more. */
const noReply = reply(451, '', 'Not received');
