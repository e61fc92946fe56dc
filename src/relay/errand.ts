/**
 * One mail on its way to the MTAs of a list: one after the other is tried, as long as none has the mail or has judged
 * it, over a kept connection or a fresh one. Everything is called back, so that a mail waits for its turn and for the
 * MTA, and for nothing else. Leaves what is said over a connection to transaction.ts, and which MTA is next to ways.ts.
 */
import { errorText } from '../mail/error-text.js';
import { replyText } from '../mail/reply.js';
import { asciiText } from '../mail/text.js';
import { type MtaConnection, WrongServer } from './connection/mta-connection.js';
import type { Deadlines, MailDeadline } from './deadline.js';
import type { DestinationList } from './destination/destination.js';
import type { Way, Ways } from './destination/ways.js';
import { AllBusy } from './pool.js';
import type { RelayResult } from './relay.js';
import type { Reports } from './reports.js';
import { handOver, type HandoverOwner, type RelayMail, type RelayOutcome } from './transaction.js';

/** What all of them have in common. */
export interface ErrandOptions {
  readonly ways: Ways;
  readonly deadlines: Deadlines;
  readonly reports: Reports;
  /** A destination could not be reached, or ended its service, and the mail goes on to the next. */
  onDetour(destination: string): void;
}

/** What one destination said, in one way or another. */
type FinalOutcome = Exclude<RelayOutcome, { readonly kind: 'stale' }>;

/** Where there is another to try, an MTA has to answer to EHLO in less time than the mail has. */
const detourMs = 5_000;

/** Rejects only for what nobody foresaw. */
export const runErrand = (mail: RelayMail, to: DestinationList, options: ErrandOptions): Promise<RelayResult> =>
  new Promise((resolve, reject) => new Errand({ mail, to, options, resolve, reject }).begin());

interface Order {
  readonly mail: RelayMail;
  readonly to: DestinationList;
  readonly options: ErrandOptions;
  resolve(result: RelayResult): void;
  reject(error: unknown): void;
}

class Errand implements HandoverOwner {
  readonly #order: Order;
  readonly #deadline: MailDeadline;
  #way: Way;
  #hasAnother = false;
  #connection: MtaConnection | undefined;
  /** The destinations that were tried in vain, and why. */
  readonly #tried: Way[] = [];
  readonly #problems: string[] = [];

  constructor(order: Order) {
    this.#order = order;
    this.#way = order.options.ways.first(order.to);
    this.#deadline = order.options.deadlines.begin();
  }

  begin(): void {
    const { to, options } = this.#order;
    this.#hasAnother = options.ways.hasAnother(to, this.#tried, this.#way);
    const turn = this.#way.pool.place(this.#deadline);
    if (turn === undefined) this.#inPlace();
    else
      turn
        .then(
          () => this.#inTurn(),
          (error: unknown) => this.#judge(unreachable(error)),
        )
        .catch(this.#broken);
  }

  #inTurn(): void {
    if (!this.#hasAnother || !this.#order.options.ways.isResting(this.#way)) return this.#inPlace();
    return this.#leave({ kind: 'unreachable', problem: 'it failed a moment ago', elsewhere: true });
  }

  #inPlace(): void {
    const kept = this.#way.pool.kept(this.#deadline);
    if (kept) this.#over(kept);
    else this.#overFresh();
  }

  #over(connection: MtaConnection): void {
    this.#connection = connection;
    handOver(connection, this.#order.mail, this);
  }

  #overFresh(): void {
    const { options } = this.#order;
    const { pool, destination } = this.#way;
    const lost = (error: unknown): void => {
      if (error instanceof WrongServer) options.reports.tellAtTimes(`${destination.text}: ${error.message}`);
      this.#leave(unreachable(error));
    };
    const opened = pool.fresh(this.#deadline, this.#hasAnother ? detourMs : undefined);
    opened.then((connection) => this.#over(connection), lost).catch(this.#broken);
  }

  report(problem: string): void {
    this.#order.options.reports.tell(problem);
  }

  done(outcome: RelayOutcome): void {
    try {
      if (outcome.kind === 'stale') this.#overAnother();
      else this.#leave(outcome);
    } catch (error) {
      this.#broken(error);
    }
  }

  readonly #broken = (error: unknown): void => {
    this.#deadline.done();
    this.#order.reject(error);
  };

  /** A fresh one is never stale. */
  #overAnother(): void {
    if (this.#connection) this.#way.pool.retire(this.#connection);
    this.#connection = undefined;
    this.#overFresh();
  }

  #leave(outcome: FinalOutcome): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#way.pool.release(connection);
    this.#judge(outcome);
  }

  #judge(outcome: FinalOutcome): void {
    // The MTA does not have the mail, and has not judged it.
    if ('elsewhere' in outcome && outcome.elsewhere) return this.#detour(outcome);
    if (outcome.kind !== 'unreachable') this.#order.options.ways.worked(this.#way);
    return this.#settle(outcome);
  }

  #detour(outcome: FinalOutcome): void {
    const { to, options } = this.#order;
    const way = this.#way;
    // Those before it may have left it no time to answer in.
    if (!this.#deadline.isOver || this.#tried.length === 0) options.ways.failed(way);
    this.#tried.push(way);
    const problem = `${way.destination.text}: ${problemOf(outcome)}`;
    this.#problems.push(problem);
    const next = this.#hasAnother && !this.#deadline.isOver ? options.ways.next(to, this.#tried) : undefined;
    if (next === undefined) return this.#settle(this.#summary(outcome));
    options.reports.tell(`${problem}; mail goes to ${next.destination.text}`);
    options.onDetour(way.destination.text);
    this.#way = next;
    return this.begin();
  }

  /** What the last one said; where it said nothing, why each could not be reached. */
  #summary(last: FinalOutcome): FinalOutcome {
    const isSilent = last.kind === 'unreachable' && this.#tried.length > 1;
    return isSilent ? { ...last, problem: this.#problems.join('; ') } : last;
  }

  #settle(outcome: FinalOutcome): void {
    this.#deadline.done();
    this.#order.resolve(resultOf(outcome, this.#way.destination.text));
  }
}

const problemOf = (outcome: FinalOutcome): string =>
  outcome.kind === 'refused' ? replyText(outcome.reply) : 'problem' in outcome ? outcome.problem : '';

const unreachable = (error: unknown): FinalOutcome => ({
  kind: 'unreachable',
  problem: errorText(error),
  elsewhere: !(error instanceof AllBusy),
});

function resultOf(outcome: FinalOutcome, destination: string): RelayResult {
  switch (outcome.kind) {
    case 'accepted': // as nearly all are
      return { kind: 'accepted', text: outcome.text, destination };
    case 'unreachable':
      return { kind: 'unreachable', problem: asciiText(outcome.problem), destination };
    case 'refused':
      return { kind: 'refused', reply: outcome.reply, destination };
    default:
      return { ...outcome, destination };
  }
}
