/**
 * Which identities are verified, in which order, and what that makes of a message (RFC 7208 §2.3, §2.4; the parameters
 * are spf-milter.conf(5)'s): HELO first; unless it is refused or definitive, MAIL FROM behind it.
 */
import { after, type Eventual } from '../../mail/eventual.js';
import { parseDomain } from '../../mail/domain.js';
import type { Ip } from '../../mail/ip.js';
import { checkHelo, checkHost, type SpfLimits, type SpfOptions, type SpfOutcome } from '../../spf/check-host.js';
import { withoutFinalDot } from '../../spf/domain.js';
import { matchesAny } from './pattern.js';
import type { RefusableResult, VerifySettings } from './settings.js';
import type { VerifyTools } from './tools.js';

/** What is known of a mail before it is judged. */
export interface JudgedMail {
  readonly ip: Ip;
  /** HELO or EHLO argument; undefined where none was given. */
  readonly helo: string | undefined;
  /** Reverse-path without <>; '' is the null reverse-path. */
  readonly from: string;
  /** MAIL said SMTPUTF8, and the reverse-path is valid UTF-8. */
  readonly smtpUtf8: boolean;
  /** This host's name. */
  readonly receiver: string;
  /** The mail, or the session, whose end ends the judging. Its signal costs something: few need it. */
  readonly life: Life;
}

export interface Life {
  readonly signal: AbortSignal;
}

/** A result, and the identity as the client gave it. */
export interface VerifiedIdentity {
  readonly outcome: SpfOutcome;
  readonly identity: string;
}

export interface SenderRefusal extends VerifiedIdentity {
  readonly result: RefusableResult;
}

export interface Judgement {
  /** All that was found out, in order. */
  readonly verified: readonly VerifiedIdentity[];
  /** What is recorded, in order; the last one is final. */
  readonly results: readonly VerifiedIdentity[];
  readonly refusal: SenderRefusal | undefined;
}

/** HELO results of a session, so that its further messages do not ask again. */
export interface HeloMemory {
  verified: VerifiedIdentity | undefined;
}

export interface JudgeContext {
  readonly settings: VerifySettings;
  readonly tools: VerifyTools;
  /** The session and its HELO result, which outlive the message that asked for the result. */
  readonly memory: HeloMemory;
  readonly session: Life;
}

const nothing: Judgement = { verified: [], results: [], refusal: undefined };

export function judge(subject: JudgedMail, context: JudgeContext): Eventual<Judgement> {
  const { settings, tools } = context;
  const started = tools.now();
  return after(verifyHelo(subject, context, started), (helo) => {
    const first = helo ? [helo] : [];
    const refused = helo && refusableIn(settings.reject_helo_results, helo);
    if (helo && refused) return { verified: first, results: [], refusal: { ...helo, result: refused } };
    if (helo && settings.definitive_helo_results.has(helo.outcome.result))
      return { verified: first, results: first, refusal: undefined };
    const earlier = settings.include_all_results ? first : [];
    return after(verifyMailFrom(subject, context, { helo, started }), (mailFrom) => {
      if (!mailFrom) return { verified: first, results: earlier, refusal: undefined };
      const verified = [...first, mailFrom];
      const results = [...earlier, mailFrom];
      const result = refusableIn(settings.reject_results, mailFrom);
      if (!result) return { verified, results, refusal: undefined };
      return after(isExemptClient(subject, context, { helo, started }), (exempt) => {
        if (exempt) tools.log.info({ ip: subject.ip.text, identity: mailFrom.identity }, `not refused: ${exempt}`);
        return { verified, results, refusal: exempt ? undefined : { ...mailFrom, result } };
      });
    });
  });
}

/** The refusal of a HELO name, before there is any mail. */
export function judgeHelo(subject: JudgedMail, context: JudgeContext): Eventual<SenderRefusal | undefined> {
  const { settings, tools } = context;
  return after(verifyHelo(subject, context, tools.now()), (helo) => {
    const result = helo && refusableIn(settings.reject_helo_results, helo);
    return helo && result && { ...helo, result };
  });
}

/**
 * Judges mail of our own clients as the next hop will see it, which may be from any of our addresses. The mail gets no
 * field of it.
 */
export async function judgeProspectively(subject: JudgedMail, context: JudgeContext): Promise<Judgement> {
  const { settings, tools } = context;
  if (subject.from === '' || matchesAny(settings.skip_senders, subject.from)) return nothing;
  const started = tools.now();
  let worst: SenderRefusal | undefined;
  for (const ip of settings.prospective_ip) {
    const query = { ip, helo: subject.receiver, from: subject.from, receiver: subject.receiver };
    const outcome = await checkHost(query, new JudgeOptions(context, subject.life, { started }));
    const verified = { outcome, identity: subject.from };
    const prospective = { ip, helo: subject.helo, life: subject.life };
    note(verified, prospective, { tools, milliseconds: tools.now() - started, waited: true, prospective: true });
    const result = refusableIn(settings.reject_results, verified);
    if (!result) return { ...nothing, verified: [verified] };
    worst ??= { ...verified, result };
  }
  return { verified: worst ? [worst] : [], results: [], refusal: worst };
}

const refusableIn = (
  set: VerifySettings['reject_results'],
  { outcome }: VerifiedIdentity,
): RefusableResult | undefined => (outcome.result !== 'pass' && set.has(outcome.result) ? outcome.result : undefined);

/**
 * Undefined where the HELO name is not verified: it is not asked for, it is exempt, or it is no name of a host: a
 * single label, an address with brackets or without (RFC 7208 §2.3).
 */
function verifyHelo(
  subject: JudgedMail,
  context: JudgeContext,
  started: number,
): Eventual<VerifiedIdentity | undefined> {
  const { settings, memory, tools } = context;
  const { helo } = subject;
  if (!settings.verify_helo || helo === undefined) return undefined;
  if (memory.verified?.identity === helo) return memory.verified;
  if (parseDomain(withoutFinalDot(helo))?.includes('.') !== true) {
    tools.log.debug({ helo }, 'HELO name not verified: it is no full domain name');
    return undefined;
  }
  if (matchesAny(settings.skip_senders, helo)) {
    tools.log.debug({ helo }, 'HELO name not verified: it is in skip_senders');
    return undefined;
  }
  const query = { ip: subject.ip, helo, from: subject.from, receiver: subject.receiver };
  const checked = checkHelo(query, new JudgeOptions(context, context.session, { started }));
  const waited = checked instanceof Promise;
  return after(checked, (outcome) => {
    const verified = { outcome, identity: helo };
    const asked = { ip: subject.ip, helo, life: context.session };
    note(verified, asked, { tools, milliseconds: waited ? tools.now() - started : 0, waited });
    // A DNS failure is for this message; the next one asks again.
    memory.verified = outcome.result === 'temperror' ? undefined : verified;
    return verified;
  });
}

interface SoFar {
  readonly helo: VerifiedIdentity | undefined;
  readonly started: number;
}

/** Undefined where the sender is exempt. */
function verifyMailFrom(
  subject: JudgedMail,
  context: JudgeContext,
  { helo, started }: SoFar,
): Eventual<VerifiedIdentity | undefined> {
  const { settings, tools } = context;
  const { from } = subject;
  const name = subject.helo ?? 'unknown';
  // RFC 7208 §2.4: a null reverse-path makes postmaster@HELO the MAIL FROM identity.
  const identity = from === '' ? `postmaster@${name}` : from;
  if (matchesAny(settings.skip_senders, identity)) {
    tools.log.debug({ from: identity }, 'sender not verified: it is in skip_senders');
    return undefined;
  }
  const known = from === '' && helo ? helo.outcome : undefined;
  const begun = tools.now();
  const query = { ip: subject.ip, helo: name, from, receiver: subject.receiver };
  const checked = known ?? checkHost(query, new JudgeOptions(context, subject.life, { started }));
  const waited = checked instanceof Promise;
  return after(checked, (outcome) => {
    const isOurs = outcome.identity === 'mailfrom';
    const verified = { outcome: isOurs ? outcome : { ...outcome, identity: 'mailfrom' as const }, identity };
    note(verified, subject, { tools, milliseconds: waited ? tools.now() - begun : 0, waited });
    return verified;
  });
}

/** Both identities share the time of one evaluation: the second has what the first has left. */
class JudgeOptions implements SpfOptions {
  readonly resolver: SpfOptions['resolver'];
  readonly limits: Partial<SpfLimits>;
  readonly now: () => number;
  readonly spentMs: number;
  readonly trace: boolean;
  readonly explain: boolean;
  readonly #life: Life;

  /** `isTold`: people will read of the result, so why it came about, and what the domain says of a fail, is wanted. */
  constructor({ settings, tools }: JudgeContext, life: Life, { started, isTold = true }: JudgingTime) {
    const totalMs = settings.timeout_secs * 1000;
    this.resolver = tools.resolver;
    this.limits = { lookups: settings.max_lookups, voids: settings.max_void_lookups, totalMs };
    this.now = tools.now;
    this.spentMs = tools.now() - started;
    this.trace = isTold && tools.trace;
    this.explain = isTold;
    this.#life = life;
  }

  /** A signal costs something: it is looked at by evaluations that wait, and those are few. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }
}

interface JudgingTime {
  readonly started: number;
  readonly isTold?: boolean;
}

interface NoteDetails {
  readonly tools: VerifyTools;
  readonly milliseconds: number;
  /** DNS was asked: the mail may be gone meanwhile. */
  readonly waited: boolean;
  readonly prospective?: true;
}

/** One line for each identity, as spf-milter writes it, with the facts behind. */
function note(
  { outcome, identity }: VerifiedIdentity,
  { ip, helo, life }: Pick<JudgedMail, 'ip' | 'helo' | 'life'>,
  { tools, milliseconds, waited, prospective }: NoteDetails,
): void {
  const { result, problem, mechanism, trace } = outcome;
  if (waited && life.signal.aborted) return; // nobody waits for it any more
  tools.observe({ kind: 'result', identity: outcome.identity, result, milliseconds });
  const why = problem === undefined || result === 'none' ? '' : ` (${problem})`;
  const facts = { ip: ip.text, helo, mechanism, prospective };
  tools.log.info(facts, `${identity} (${outcome.identity}): ${result}${why}`);
  if (trace) tools.log.debug({ identity, trace }, 'how the result came about');
}

/** Why mail of this client is not refused for its MAIL FROM; undefined where it may be. */
function isExemptClient(
  subject: JudgedMail,
  context: JudgeContext,
  { helo, started }: SoFar,
): Eventual<string | undefined> {
  const { skip_helo_names, skip_forwarders } = context.settings;
  const named = subject.helo !== undefined && matchesAny(skip_helo_names, subject.helo);
  if (named && helo?.outcome.result === 'pass') return `HELO name ${subject.helo} is in skip_helo_names and passes`;
  if (!named && skip_forwarders.length === 0) return undefined;
  return exemptByLookup(subject, context, { named, started });
}

/** A HELO name is only said; it counts where the client's confirmed name is listed as well. */
async function exemptByLookup(
  subject: JudgedMail,
  context: JudgeContext,
  { named, started }: { readonly named: boolean; readonly started: number },
): Promise<string | undefined> {
  const { settings, tools } = context;
  const name = await tools.clientName(subject.ip, subject.life.signal);
  if (name !== undefined && named && matchesAny(settings.skip_helo_names, name))
    return `client ${name} is in skip_helo_names`;
  if (name !== undefined && matchesAny(settings.skip_forwarders, name)) return `client ${name} is in skip_forwarders`;
  for (const { domain, below } of settings.skip_forwarders) {
    if (below) continue;
    const query = { ...subject, helo: domain, from: `postmaster@${domain}` };
    const options = new JudgeOptions(context, subject.life, { started, isTold: false });
    const { result } = await checkHost(query, options);
    if (result === 'pass') return `the client may send mail of ${domain}, which is in skip_forwarders`;
  }
  return undefined;
}
