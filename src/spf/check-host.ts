/**
 * check_host() (RFC 7208 §4): who is judged by which domain, and the evaluation driven to its outcome.
 *
 * The outcome is a value, not a promise, when every DNS answer was known already:
 *
 *     const checked = checkHost(query, options);
 *     const outcome = checked instanceof Promise ? await checked : checked;
 *
 * Neither throws nor rejects, whatever the octets.
 */
import type { Ip } from '../mail/ip.js';
import type { DnsAnswer, Resolver } from '../dns/resolver.js';
import { EvaluationDeadline } from './deadline.js';
import { Evaluation, type Steps } from './evaluate.js';
import { heloIdentity, mailFromIdentity, type Identity } from './identity.js';
import { defaultLimits, type SpfLimits } from './limits.js';
import type { SpfResultCode } from './record.js';
import { recordTrace, type SpfTrace } from './trace/trace.js';

export type { SpfLimits } from './limits.js';
export type { SpfResultCode } from './record.js';
export type { LookupTrace, RecordTrace, SpfTrace, TermOutcome, TermTrace } from './trace/trace.js';

export interface SpfQuery {
  readonly ip: Ip;
  /** HELO or EHLO argument, as given. */
  readonly helo: string;
  /** Reverse-path without <>; '' is the null reverse-path. */
  readonly from: string;
  /** This host's name, for `%{r}`; "unknown" without it. */
  readonly receiver?: string;
}

export interface SpfOptions {
  readonly resolver: Resolver;
  readonly limits?: Partial<SpfLimits>;
  /** Milliseconds since 1970; for the time limit and `%{t}`. */
  readonly now?: () => number;
  /** Milliseconds of the time limit that another evaluation for the same mail has used; default 0. */
  readonly spentMs?: number;
  /** Collect a trace; without it none is kept, at no cost. */
  readonly trace?: boolean;
  /** Fetch the domain's explanation of a fail; default true. */
  readonly explain?: boolean;
  /** Ends the evaluation with temperror when aborted; it is looked at when there is something to wait for. */
  readonly signal?: AbortSignal;
}

export interface SpfOutcome {
  readonly result: SpfResultCode;
  readonly identity: 'mailfrom' | 'helo';
  /** The domain that was checked. */
  readonly domain: string;
  /** The sender as `%{s}` has it. */
  readonly sender: string;
  /** The directive, as written, that decided; "default" when none matched; undefined when there was none to decide. */
  readonly mechanism: string | undefined;
  /** The domain in whose record it stood. */
  readonly mechanismDomain: string | undefined;
  /** Why the result is none, temperror or permerror. May hold octets of the client's and the domain's. */
  readonly problem: string | undefined;
  /** The domain's own words on a fail, printable US-ASCII; undefined where it may not be used. */
  readonly explanation: string | undefined;
  /** Terms that asked DNS. */
  readonly lookups: number;
  /** Terms of which a look-up found nothing. */
  readonly voids: number;
  readonly trace?: SpfTrace;
}

/** Judges the reverse-path; a null one as postmaster@HELO (RFC 7208 §2.4). */
export function checkHost(query: SpfQuery, options: SpfOptions): SpfOutcome | Promise<SpfOutcome> {
  return check(query.from === '' ? heloIdentity(query.helo) : mailFromIdentity(query.from), query, options);
}

/** Judges the HELO name (RFC 7208 §2.3), as the sender postmaster@HELO. */
export function checkHelo(query: SpfQuery, options: SpfOptions): SpfOutcome | Promise<SpfOutcome> {
  return check(heloIdentity(query.helo), query, options);
}

function check(identity: Identity, query: SpfQuery, options: SpfOptions): SpfOutcome | Promise<SpfOutcome> {
  const now = options.now ?? Date.now;
  const limits = options.limits ? { ...defaultLimits, ...options.limits } : defaultLimits;
  const deadline = new EvaluationDeadline({
    totalMs: limits.totalMs,
    spentMs: options.spentMs ?? 0,
    now,
    caller: options,
  });
  const evaluation = new Evaluation({
    identity,
    ip: query.ip,
    helo: query.helo,
    receiver: query.receiver ?? 'unknown',
    resolver: options.resolver,
    limits,
    now,
    deadline,
    explain: options.explain ?? true,
    trace: options.trace ? recordTrace(identity.domain) : undefined,
  });
  const steps = evaluation.run();
  const step = steps.next();
  return step.done
    ? outcomeOf(evaluation, identity)
    : finish({ evaluation, identity, deadline, steps, asked: step.value });
}

interface Pending {
  readonly evaluation: Evaluation;
  readonly identity: Identity;
  readonly deadline: EvaluationDeadline;
  readonly steps: Steps<void>;
  /** The first answer that has to be waited for. */
  readonly asked: Promise<DnsAnswer<unknown>>;
}

async function finish({ evaluation, identity, deadline, steps, asked }: Pending): Promise<SpfOutcome> {
  for (let pending = asked; ;) {
    const answer = await deadline.wait(pending);
    if (deadline.problem !== undefined) break;
    const step = steps.next(answer as DnsAnswer<never>);
    if (step.done) break;
    pending = step.value;
  }
  deadline.stop();
  return outcomeOf(evaluation, identity, deadline.problem);
}

/** `overdue`: why the evaluation was not finished. A result that only lacks its explanation stands. */
function outcomeOf(evaluation: Evaluation, identity: Identity, overdue?: string): SpfOutcome {
  const unfinished = evaluation.result === undefined;
  const outcome: SpfOutcome = {
    result: evaluation.result ?? 'temperror',
    identity: identity.kind,
    domain: identity.domain,
    sender: evaluation.sender,
    mechanism: evaluation.mechanism,
    mechanismDomain: evaluation.mechanismDomain,
    problem: unfinished ? overdue : evaluation.problem,
    explanation: evaluation.explanation,
    lookups: evaluation.lookups,
    voids: evaluation.voids,
  };
  // A copy with one more property would cost as much as a third of the evaluation.
  return evaluation.trace === undefined ? outcome : Object.assign(outcome, { trace: evaluation.trace });
}
