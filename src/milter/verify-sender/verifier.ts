/**
 * What becomes of a mail whose sender is verified.
 *
 * Both identities are verified at MAIL, when it is known whether the sender has authenticated. A refusal is said
 * there. Where DNS takes longer than `answer_within`, MAIL is let pass and the result is acted on at DATA or, with
 * PROGRESS, at the end of the message, so that no MTA gives up on us. Mail that a forwarding host passes on is
 * verified at the end as well, for only its header names the client.
 */
import { after, type Eventual } from '../../mail/eventual.js';
import { inAny, type Ip, noAddress } from '../../mail/ip.js';
import { decodeUtf8, unicode } from '../../mail/text.js';
import {
  accept,
  type Answer,
  type EnvelopePath,
  type FinalAnswer,
  type HeaderField,
  proceed,
  type ReplyAnswer,
  type Session,
  type SessionAnswer,
} from '../policy.js';
import { consequences, Forgeries, resultFields } from './fields.js';
import {
  type HeloMemory,
  judge,
  judgeHelo,
  type JudgeContext,
  type Judgement,
  judgeProspectively,
  type JudgedMail,
} from './judge.js';
import {
  type FactsOfMail,
  factsOf,
  type MailState,
  newMailState,
  type SettledSender,
  type Verifying,
} from './mail-state.js';
import { ownFailure, ownMark } from './own-domains.js';
import { matchesAny } from './pattern.js';
import { trueClient } from './received.js';
import { refusalReply } from './reply.js';
import type { VerifySettings } from './settings.js';
import type { MessageVerdict, VerifyTools } from './tools.js';

export class SenderVerifier {
  readonly #settings: VerifySettings;
  readonly #tools: VerifyTools;

  constructor(settings: VerifySettings, tools: VerifyTools) {
    this.#settings = settings;
    this.#tools = tools;
  }

  newMail(session: Session): MailState {
    return newMailState(new Forgeries(this.#settings, this.#receiver(session)));
  }

  #receiver(session: Session): string {
    return this.#settings.hostname ?? session.macro('j') ?? 'unknown';
  }

  connect({ client }: Session<HeloMemory>): SessionAnswer {
    if (this.#settings.prospective_ip.length > 0 || (client.ip && !this.#isTrusted(client.ip))) return proceed;
    this.#tools.log.debug({ ip: client.ip?.text }, 'connection of a trusted client');
    return accept;
  }

  /** What is not known in time is acted on at MAIL. */
  async helo(session: Session<HeloMemory>): Promise<SessionAnswer> {
    const { ip } = session.client;
    if (!ip || this.#isTrusted(ip) || inAny(this.#settings.forwarding_hosts, ip)) return proceed;
    let answer: SessionAnswer = proceed;
    const refused = this.#heloRefusal(session).then((reply) => {
      if (reply) answer = reply;
    });
    await within(refused, this.#settings.answer_within);
    return answer;
  }

  async #heloRefusal(session: Session<HeloMemory>): Promise<ReplyAnswer | undefined> {
    const subject = this.#subjectOf(session, { from: '', smtpUtf8: false, life: session });
    const refusal = await judgeHelo(subject, this.#contextOf(session));
    if (!refusal || this.#settings.dry_run) return undefined;
    const reply = await refusalReply(refusal, subject, { settings: this.#settings, tools: this.#tools });
    const facts = { ip: subject.ip.text, result: refusal.result, code: reply.code, reply: reply.text };
    this.#tools.log.info(facts, `HELO name refused: ${refusal.identity}`);
    return reply;
  }

  /** What is known of a mail, and of whoever is connected. */
  #subjectOf(session: Session<HeloMemory>, { from, smtpUtf8, life }: OfMail): JudgedMail {
    return {
      ip: session.client.ip ?? noAddress,
      helo: session.helo === undefined ? undefined : unicode(session.helo),
      from,
      smtpUtf8,
      receiver: this.#receiver(session),
      life,
    };
  }

  mail(transaction: Verifying): Eventual<Answer> {
    const { session, state, sender } = transaction;
    const { ip } = session.client;
    const own = !ip || this.#isTrusted(ip) || this.#isAuthenticated(transaction);
    if (own && this.#settings.prospective_ip.length === 0) return this.#skip();
    const ofMail = { from: unicode(sender.address), smtpUtf8: isSmtpUtf8(sender), life: transaction };
    state.subject = this.#subjectOf(session, ofMail);
    const context = this.#contextOf(session);
    if (own) return this.#atMail(transaction, this.#settle(judgeProspectively(state.subject, context), state.subject));
    if (ip && inAny(this.#settings.forwarding_hosts, ip)) {
      state.forwarded = true;
      return proceed;
    }
    return this.#atMail(transaction, this.#settle(judge(state.subject, context), state.subject));
  }

  /** A refusal that is known waits for the recipients where some of them may be exempt. */
  #atMail(transaction: Verifying, verdict: Eventual<SettledSender>): Eventual<Answer> {
    const { state } = transaction;
    state.verdict = after(verdict, (settled) => (state.settled = settled));
    if (state.settled) return this.#answerAtMail(transaction);
    return within(state.verdict, this.#settings.answer_within).then(() => this.#answerAtMail(transaction));
  }

  #answerAtMail(transaction: Verifying): Answer {
    const { settled, subject } = transaction.state;
    if (!settled) this.#tools.log.debug({ from: subject?.from }, 'DNS is slow: the result waits for the message');
    if (!settled?.reply || this.#settings.skip_recipients.length > 0) return proceed;
    return this.#refuse(transaction, settled.reply);
  }

  rcpt({ state }: Verifying, { address }: EnvelopePath): Answer {
    if (matchesAny(this.#settings.skip_recipients, unicode(address))) return proceed;
    const { settled } = state;
    if (settled?.reply && !this.#settings.dry_run) return settled.reply;
    state.strict = true;
    return proceed;
  }

  /** A result that came after MAIL, before the message is sent for nothing. */
  data(transaction: Verifying): Answer {
    return this.#lateRefusal(transaction) ?? proceed;
  }

  header(state: MailState, field: HeaderField): void {
    state.forgeries.see(field);
    if (state.forwarded && field.name.toLowerCase() === 'received') state.received.push(field.value);
  }

  async #forwardedVerdict(transaction: Verifying): Promise<void> {
    const { state, session } = transaction;
    const { subject } = state;
    const hop = trueClient(state.received, this.#settings.forwarding_hosts);
    const facts = { ip: subject?.ip.text, client: hop?.ip.text, helo: hop?.helo };
    if (!subject || !hop) {
      this.#tools.log.info(facts, 'not verified: no Received field of the forwarding host names its client');
    } else if (this.#isTrusted(hop.ip)) {
      this.#tools.log.debug(facts, 'not verified: the forwarding host has it from a trusted client');
    } else {
      this.#tools.log.debug(facts, 'the client of a forwarding host is verified');
      state.subject = { ...subject, ip: hop.ip, helo: hop.helo };
      const context = { ...this.#contextOf(session), memory: { verified: undefined } };
      state.verdict = this.#settle(judge(state.subject, context), state.subject);
    }
  }

  eom(transaction: Verifying): Eventual<FinalAnswer> {
    const { state } = transaction;
    if (state.forwarded || (state.verdict && !state.settled)) return this.#finishLate(transaction);
    return this.#lateRefusal(transaction) ?? this.#finish(transaction); // the result may have come behind DATA
  }

  async #finishLate(transaction: Verifying): Promise<FinalAnswer> {
    const { state } = transaction;
    const timer = setInterval(() => transaction.progress(), progressEveryMs);
    try {
      if (state.forwarded) await this.#forwardedVerdict(transaction);
      if (state.verdict) state.settled = await state.verdict;
    } finally {
      clearInterval(timer);
    }
    return this.#lateRefusal(transaction) ?? this.#finish(transaction);
  }

  /** Refuses the message where not all its recipients are exempt. */
  #lateRefusal(transaction: Verifying): Answer | undefined {
    const { settled, strict } = transaction.state;
    if (!settled?.reply || (this.#settings.skip_recipients.length > 0 && !strict)) return undefined;
    return this.#refuse(transaction, settled.reply);
  }

  #finish({ state, session, queueId }: Verifying): FinalAnswer {
    const { settled, subject } = state;
    const edits = [...state.forgeries.deletions];
    let verdict: MessageVerdict = 'skipped';
    if (settled && subject) {
      const { results, refusal } = settled.judgement;
      // Mail to recipients who are exempt says what was found all the same.
      const shown = refusal && !results.some(({ outcome }) => outcome === refusal.outcome) ? [refusal] : results;
      const last = shown.at(-1);
      edits.push(...resultFields(shown, subject, this.#settings), ...(last ? consequences(last, this.#settings) : []));
      if (settled.own) edits.push(ownMark(settled.own));
      if (last) verdict = edits.some(({ kind }) => kind === 'quarantine') ? 'held' : 'passed';
    }
    this.#tell(state, verdict, { id: queueId });
    if (edits.length === 0) return proceed;
    if (this.#settings.dry_run) {
      this.#tools.log.debug({ id: queueId, edits }, 'dry run: the message is not changed');
      return proceed;
    }
    if (verdict === 'held' && !session.offers('quarantine'))
      this.#tools.log.warn({ id: queueId }, 'not held: the MTA does not offer quarantine');
    this.#tools.log.debug({ id: queueId, edits }, 'message changed');
    return { kind: 'continue', edits };
  }

  /** The reply is made with the judgement: it may need DNS as well. */
  #settle(judgement: Eventual<Judgement>, subject: JudgedMail): Eventual<SettledSender> {
    const context = { settings: this.#settings, tools: this.#tools };
    return after(judgement, (made) =>
      after(ownFailure(made, subject, context), (own) =>
        made.refusal
          ? after(refusalReply(made.refusal, subject, context), (reply) => ({ judgement: made, reply, own }))
          : { judgement: made, reply: undefined, own },
      ),
    );
  }

  #refuse({ state, queueId }: Verifying, reply: ReplyAnswer): Answer {
    if (this.#settings.dry_run) {
      this.#tools.log.info(factsOf(state, { id: queueId }), 'dry run: message not refused');
      return accept;
    }
    this.#tell(state, 'refused', { id: queueId, code: reply.code, reply: reply.text });
    return reply;
  }

  /** Logs one line at the end of each message that was looked at, whatever its end. */
  #tell(state: MailState, verdict: MessageVerdict, facts: FactsOfMail): void {
    this.#tools.observe({ kind: 'message', verdict });
    this.#tools.log.info(factsOf(state, facts), messageTexts[verdict]);
  }

  #skip(): Answer {
    this.#tools.log.debug({}, 'not verified: a trusted client or sender');
    this.#tools.observe({ kind: 'message', verdict: 'skipped' });
    return accept;
  }

  #contextOf(session: Session<HeloMemory>): JudgeContext {
    return { settings: this.#settings, tools: this.#tools, memory: session.state, session };
  }

  #isTrusted(ip: Ip): boolean {
    return inAny(this.#settings.trusted_networks, ip);
  }

  /** Has the client authenticated? A macro that is set but empty does not say so. */
  #isAuthenticated(transaction: Verifying): boolean {
    if (!this.#settings.trust_authenticated_senders) return false;
    return Boolean(transaction.macro('auth_authen')) || Boolean(transaction.macro('auth_type'));
  }
}

type OfMail = Pick<JudgedMail, 'from' | 'smtpUtf8' | 'life'>;

const messageTexts: Readonly<Record<MessageVerdict, string>> = {
  passed: 'message passed',
  refused: 'message refused',
  held: 'message held',
  skipped: 'message not verified',
};

/** An MTA may pass octets on for which nobody has asked leave. */
const isSmtpUtf8 = ({ address, parameters }: Verifying['sender']): boolean =>
  parameters.some((parameter) => /^SMTPUTF8$/i.test(parameter)) &&
  decodeUtf8(Buffer.from(address, 'latin1')) !== undefined;

/** Settles with the promise or when the time is over, whatever comes first. */
function within(promise: Eventual<unknown>, milliseconds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    Promise.resolve(promise).then(done, reject);
  });
}

/** The MTA's time-out at the end of a message is at least 10 s (Sendmail's default). */
const progressEveryMs = 4000;
