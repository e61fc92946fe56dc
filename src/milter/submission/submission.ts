/**
 * The policy for mail that we send on: what sos-milter does. A sender's domain whose SPF record ends in "-all" and
 * does not permit us would have its mail refused by the world; it is refused (or marked) here instead, where somebody
 * can be told.
 *
 * DNS is asked at MAIL, while the client talks on, and the verdict comes at the end of the message, when all next
 * hops and the queue id are known.
 */
import { unicode } from '../../mail/text.js';
import { noAddress } from '../../mail/ip.js';
import { checkHost } from '../../spf/check-host.js';
import { mailFromIdentity } from '../../spf/identity.js';
import { type Edit, type FinalAnswer, type MilterPolicy, proceed, replyWith, type Transaction } from '../policy.js';
import { type Published, published } from './record.js';
import { replyLines } from './reply-lines.js';
import type { DomainKind, SubmissionSettings, SubmissionTools, ViolationAction } from './settings.js';

/** What DNS says of a sender. */
type SenderFinding =
  | { readonly kind: 'skipped'; readonly why: string }
  | (Recorded & { readonly kind: 'open' | 'permitted' })
  | Violation
  | { readonly kind: 'broken' | 'dns-failed'; readonly sender: SubmissionSender; readonly problem: string };

interface Recorded {
  readonly sender: SubmissionSender;
  readonly published: Published;
}

interface Violation extends Recorded {
  readonly kind: 'violation';
}

interface SubmissionSender {
  readonly address: string;
  readonly domain: string;
}

interface SubmissionMail {
  finding: Promise<SenderFinding> | undefined;
  /** {rcpt_host} of the recipients that were accepted; undefined where the MTA did not say. */
  readonly nextHops: Set<string | undefined>;
}

type Submitted = Transaction<undefined, SubmissionMail>;

/** The MTA's time-out at the end of a message is at least 10 s (Sendmail's default). */
const progressEveryMs = 4000;
/** RFC 7208 §4.6.4: "at least 20 seconds", for everything DNS is asked for one mail. */
const dnsMs = 20_000;

/** Next hops in a line of the log. */
const maxLogged = 20;

/** Added, not inserted: sos-milter's own tests look for that. */
const mark: Edit = { kind: 'add-header', name: 'X-SOS-Milter', value: 'failed SPF-expectation' };

export function submission(
  settings: SubmissionSettings,
  tools: SubmissionTools,
): MilterPolicy<undefined, SubmissionMail> {
  const policy = new Submission(settings, tools);
  return {
    edits: settings.mode === 'test' ? ['add-header'] : [],
    // Each list replaces the MTA's own: {client_addr} is in none of them, `i` and {rcpt_host} not in all.
    macros: { connect: ['client_addr'], mail: ['i', 'client_addr'], rcpt: ['i', 'rcpt_host'], eom: ['i'] },
    // CONNECT has no handler, the session remembers it; unanswered, it would hold HELO up over TCP.
    newSession: () => {
      tools.observe({ kind: 'session', change: 1 });
      return undefined;
    },
    newTransaction: () => ({ finding: undefined, nextHops: new Set() }),
    mail: (transaction) => policy.mail(transaction),
    rcpt: (transaction) => policy.rcpt(transaction),
    // DATA is asked for though nothing happens there: without it, Postfix waits 40 ms for our kernel's acknowledgement.
    data: () => proceed,
    eom: (transaction) => policy.eom(transaction),
    close: () => tools.observe({ kind: 'session', change: -1 }),
  };
}

class Submission {
  readonly #settings: SubmissionSettings;
  readonly #tools: SubmissionTools;

  constructor(settings: SubmissionSettings, tools: SubmissionTools) {
    this.#settings = settings;
    this.#tools = tools;
  }

  mail({ state, sender, signal }: Submitted): void {
    state.finding = this.#find(unicode(sender.address), signal);
    state.finding.catch(() => {}); // heard at the end of the message, if there is one
  }

  rcpt({ state, session }: Submitted): void {
    state.nextHops.add(session.macro('rcpt_host'));
  }

  async eom(transaction: Submitted): Promise<FinalAnswer> {
    const timer = setInterval(() => transaction.progress(), progressEveryMs);
    try {
      const finding = await transaction.state.finding;
      return finding ? await this.#conclude(finding, transaction) : proceed;
    } catch (error) {
      return this.#bug(error, transaction);
    } finally {
      clearInterval(timer);
    }
  }

  async #find(address: string, signal: AbortSignal): Promise<SenderFinding> {
    if (address === '') return { kind: 'skipped', why: 'null reverse-path' };
    const identity = mailFromIdentity(address);
    const domain = identity.domain.toLowerCase();
    if (!address.includes('@') || !identity.isCheckable) return { kind: 'skipped', why: 'sender without a domain' };
    const sender = { address, domain };
    const limited = AbortSignal.any([signal, AbortSignal.timeout(dnsMs)]);
    const ip = this.#settings.outgoing[0] ?? noAddress;
    const names = { sender: address, localPart: identity.localPart, senderDomain: domain };
    const macros = { ...names, ip, helo: domain, receiver: 'unknown', now: this.#tools.now };
    const found = await published({ domain, macros }, this.#tools.resolver, { signal: limited });
    switch (found.kind) {
      case 'failed':
        return { kind: 'dns-failed', sender, problem: found.problem };
      case 'broken':
        return { kind: 'broken', sender, problem: found.problem };
      case 'none':
      case 'open':
        return { kind: 'open', sender, published: found };
      case 'restrictive':
        if (found.records.some((record) => this.#settings.pattern?.matches(record)))
          return { kind: 'permitted', sender, published: found };
        return this.#byAddress(sender, found, limited);
    }
  }

  /** Do our addresses pass, by whatever mechanism? */
  async #byAddress(sender: SubmissionSender, found: Published, signal: AbortSignal): Promise<SenderFinding> {
    let problem: string | undefined;
    for (const ip of this.#settings.outgoing) {
      const query = { ip, helo: sender.domain, from: sender.address };
      const options = { resolver: this.#tools.resolver, now: this.#tools.now, signal, explain: false };
      const outcome = await checkHost(query, options);
      if (outcome.result === 'pass') return { kind: 'permitted', sender, published: found };
      if (outcome.result === 'temperror') problem = outcome.problem ?? 'DNS failed';
    }
    return problem === undefined
      ? { kind: 'violation', sender, published: found }
      : { kind: 'dns-failed', sender, problem };
  }

  async #conclude(finding: SenderFinding, transaction: Submitted): Promise<FinalAnswer> {
    const { log, observe } = this.#tools;
    const id = transaction.queueId || this.#tools.newId();
    switch (finding.kind) {
      case 'skipped':
        log.debug({ id }, `not judged: ${finding.why}`);
        break;
      case 'open':
      case 'permitted':
        log.debug({ id, ...factsOf(finding) }, finding.kind);
        break;
      case 'broken':
        log.info({ id, ...finding.sender, problem: finding.problem }, 'not judged: the SPF record is broken');
        break;
      case 'dns-failed':
        return this.#dnsFailed(finding.sender, { id, problem: finding.problem });
      case 'violation':
        return this.#violation(finding, { id, transaction });
    }
    observe({ kind: 'message', outcome: finding.kind });
    return proceed;
  }

  /** The answer where the policy has a bug. Not even that refuses anything in test mode. */
  #bug(error: unknown, { queueId }: Submitted): FinalAnswer {
    const id = queueId || this.#tools.newId();
    this.#tools.log.warn({ id, problem: String(error) }, 'a bug: the mail could not be judged');
    return this.#settings.mode === 'test' ? proceed : this.#comeAgain(id);
  }

  #dnsFailed(sender: SubmissionSender, { id, problem }: { id: string; problem: string }): FinalAnswer {
    const { mode, dnsFailure } = this.#settings;
    const deferred = mode === 'reject' && dnsFailure === 'tempfail';
    this.#tools.log.warn({ id, ...sender, problem }, `DNS failed: ${deferred ? '450' : 'passed'}`);
    this.#tools.observe({ kind: 'message', outcome: 'dns-failed' });
    return deferred ? this.#comeAgain(id) : proceed;
  }

  async #violation(
    finding: Violation,
    { id, transaction }: { id: string; transaction: Submitted },
  ): Promise<FinalAnswer> {
    const { session, state } = transaction;
    const { domain } = finding.sender;
    const client = session.client.ip?.text ?? session.macro('client_addr');
    const facts = { id, client, ...factsOf(finding), next_hops: [...state.nextHops].slice(0, maxLogged) };
    if (this.#areIgnored(state.nextHops)) {
      this.#tools.log.info(facts, 'not permitted, but all next hops are ignored');
      this.#tools.observe({ kind: 'message', outcome: 'ignored' });
      return proceed;
    }
    const of = await this.#kindOf(domain, id);
    const action = this.#actionFor(of, transaction);
    this.#tools.observe({ kind: 'violation', domain, of, action });
    const text = reasonOf(finding);
    this.#tools.log.info({ ...facts, of, action, mode: this.#settings.mode }, `not permitted: ${text}`);
    switch (action) {
      case 'passed':
        return proceed;
      case 'marked':
        return { kind: 'continue', edits: [mark] };
      case 'refused':
        return this.#told(550, '5.7.1', `${id} ${text} ${this.#settings.rejectMessage}`);
      case 'deferred':
        return this.#comeAgain(id);
    }
  }

  /** A mail to several recipients passes only where each of them is reached by such a hop. */
  #areIgnored(nextHops: ReadonlySet<string | undefined>): boolean {
    const { ignoredNextHops } = this.#settings;
    return (
      nextHops.size > 0 && [...nextHops].every((hop) => hop !== undefined && ignoredNextHops.has(hop.toLowerCase()))
    );
  }

  async #kindOf(domain: string, id: string): Promise<DomainKind> {
    const answer = await this.#tools.directory?.has({ d: domain });
    if (answer?.kind !== 'failed') return answer?.kind === 'found' ? 'own' : 'foreign';
    this.#tools.log.warn({ id, domain, problem: answer.problem }, 'the directory does not say whose domain it is');
    return 'unknown';
  }

  #actionFor(of: DomainKind, { session }: Submitted): ViolationAction {
    const { mode, directoryFailure } = this.#settings;
    if (mode === 'test') return of === 'own' && session.offers('add-header') ? 'marked' : 'passed';
    return of === 'unknown' && directoryFailure === 'tempfail' ? 'deferred' : 'refused';
  }

  #comeAgain(id: string): FinalAnswer {
    return this.#told(450, '4.7.1', `${id} ${this.#settings.tmpfailMessage}`);
  }

  #told(code: number, enhanced: string, text: string): FinalAnswer {
    return replyWith(code, enhanced, replyLines(`${this.#settings.name}: ${text}`.trim()));
  }
}

function reasonOf({ sender: { domain }, published: found }: Violation): string {
  return found.kind === 'restrictive' && found.sendsNoMail
    ? `${domain} says by its SPF record (v=spf1 -all) that it sends no mail!`
    : `SPF-record (-all) of 5321_from_domain=${domain} does not permit us to relay this message!`;
}

function factsOf({ sender, published: found }: Recorded): object {
  return { from: sender.address, domain: sender.domain, ...('records' in found && { records: found.records }) };
}
