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
import type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from '../dns/resolver.js';
import { EvaluationDeadline } from './deadline.js';
import { evaluate, type AwaitedAnswer, type Evaluation, type EvaluationInput } from './evaluate.js';
import { heloIdentity, mailFromIdentity, type Identity } from './identity.js';
import { defaultLimits, type SpfLimits } from './limits.js';
import type { SpfOptions, SpfOutcome, SpfQuery } from './query.js';

export type { SpfLimits } from './limits.js';
export type { SpfOptions, SpfOutcome, SpfQuery } from './query.js';
export type { SpfResultCode } from './record.js';
export type { LookupTrace, RecordTrace, SpfTrace, TermOutcome, TermTrace } from './trace/trace.js';

/** Judges the reverse-path; a null one as postmaster@HELO (RFC 7208 §2.4). */
export function checkHost(query: SpfQuery, options: SpfOptions): SpfOutcome | Promise<SpfOutcome> {
  return check(query.from === '' ? heloIdentity(query.helo) : mailFromIdentity(query.from), query, options);
}

/** Judges the HELO name (RFC 7208 §2.3), as the sender postmaster@HELO. */
export function checkHelo(query: SpfQuery, options: SpfOptions): SpfOutcome | Promise<SpfOutcome> {
  return check(heloIdentity(query.helo), query, options);
}

function check(identity: Identity, query: SpfQuery, options: SpfOptions): SpfOutcome | Promise<SpfOutcome> {
  const question = new SpfQuestion(identity, query, options);
  const evaluation = evaluate(question, options.resolver);
  return evaluation.awaited === undefined ? outcomeOf(evaluation, identity) : finish(evaluation, question);
}

/** What is judged, and how long that may take; the clock is made when somebody asks for it. */
class SpfQuestion implements EvaluationInput {
  readonly identity: Identity;
  readonly query: SpfQuery;
  readonly options: SpfOptions;
  readonly limits: SpfLimits;
  #deadline: EvaluationDeadline | undefined = undefined;

  constructor(identity: Identity, query: SpfQuery, options: SpfOptions) {
    this.identity = identity;
    this.query = query;
    this.options = options;
    this.limits = options.limits ? { ...defaultLimits, ...options.limits } : defaultLimits;
  }

  get deadline(): EvaluationDeadline {
    return (this.#deadline ??= new EvaluationDeadline(this.limits.totalMs, this.options));
  }

  /** For resolvers: aborted when the time is over. */
  get signal(): AbortSignal {
    return this.deadline.signal;
  }
}

/** Waits for one answer after the other, and evaluates anew with each. */
async function finish(first: Evaluation, question: SpfQuestion): Promise<SpfOutcome> {
  const { deadline, identity, options } = question;
  const answers = new AnswersSoFar(options.resolver);
  let evaluation = first;
  while (evaluation.awaited !== undefined) {
    answers.keep(evaluation.awaited, await deadline.wait(evaluation.awaited.answer));
    if (deadline.problem !== undefined) break;
    evaluation = evaluate(question, answers);
  }
  deadline.stop();
  return outcomeOf(evaluation, identity, deadline.problem);
}

/** A resolver, and the answers that an evaluation has waited for. */
class AnswersSoFar implements Resolver {
  readonly #resolver: Resolver;
  readonly #known = new Map<string, DnsAnswer<unknown>>();

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  keep({ name, type }: AwaitedAnswer, answer: DnsAnswer<unknown>): void {
    this.#known.set(`${type} ${name}`, answer);
  }

  lookup<T extends RecordType>(name: string, type: T, options?: LookupOptions) {
    const key = `${type} ${name}`;
    // What is known under a type's key came from a question of that type. None is asked twice, whatever was answered.
    if (this.#known.has(key)) return this.#known.get(key) as DnsAnswer<RecordData[T]>;
    return this.#resolver.lookup(name, type, options);
  }
}

/** `overdue`: why the evaluation was not finished. A result that only lacks its explanation stands. */
function outcomeOf(evaluation: Evaluation, identity: Identity, overdue = 'a look-up brought no answer'): SpfOutcome {
  const unfinished = evaluation.result === undefined;
  const outcome: SpfOutcome = {
    result: evaluation.result ?? 'temperror',
    identity: identity.kind,
    domain: identity.domain,
    sender: identity.sender,
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
