/**
 * One mail at one destination: its turn, a connection, and the second try where a kept one turned out to be dead.
 * Leaves what is said over it to transaction.ts, and other destinations to relay.ts.
 */
import { errorText } from '../mail/error-text.js';
import { type MtaConnection, WrongServer } from './connection/mta-connection.js';
import type { MailDeadline } from './deadline.js';
import type { Way, Ways } from './destination/ways.js';
import { AllBusy } from './pool.js';
import type { Reports } from './reports.js';
import { handOver, type RelayMail, type RelayOutcome } from './transaction.js';

export interface AttemptOptions {
  readonly mail: RelayMail;
  readonly way: Way;
  readonly ways: Ways;
  readonly deadline: MailDeadline;
  /** There is another to try. */
  readonly hasAnother: boolean;
  readonly reports: Reports;
}

export type AttemptOutcome = Exclude<RelayOutcome, { readonly kind: 'stale' }>;

/** Where there is another to try, an MTA has to answer to EHLO in less time than the mail has. */
const detourMs = 5_000;

const failedMeanwhile: AttemptOutcome = { kind: 'unreachable', problem: 'it failed a moment ago', elsewhere: true };

/** Never rejects. A mail waits for its turn and for the MTA, and for nothing else. */
export function attempt(options: AttemptOptions): Promise<AttemptOutcome> {
  const { way, deadline } = options;
  const turn = way.pool.place(deadline);
  return turn === undefined ? inPlace(options) : behind(turn, options);
}

async function behind(turn: Promise<void>, options: AttemptOptions): Promise<AttemptOutcome> {
  const { way, ways, hasAnother } = options;
  try {
    await turn;
  } catch (error) {
    return unreachable(error);
  }
  if (!hasAnother || !ways.isResting(way)) return inPlace(options);
  way.pool.release(undefined);
  return failedMeanwhile;
}

function inPlace(options: AttemptOptions): Promise<AttemptOutcome> {
  const connection = options.way.pool.kept(options.deadline);
  return connection ? over(connection, options) : overFresh(options);
}

const over = (connection: MtaConnection, options: AttemptOptions): Promise<AttemptOutcome> =>
  new Promise((resolve) => {
    const { way, mail, reports } = options;
    const done = (outcome: RelayOutcome): void => {
      if (outcome.kind === 'stale') {
        way.pool.retire(connection);
        return resolve(overFresh(options));
      }
      way.pool.release(connection);
      return resolve(outcome);
    };
    handOver(connection, mail, { report: reports.tell, done });
  });

/** A fresh connection is never stale. */
async function overFresh(options: AttemptOptions): Promise<AttemptOutcome> {
  const { way, deadline, hasAnother, reports } = options;
  let connection: MtaConnection;
  try {
    connection = await way.pool.fresh(deadline, hasAnother ? detourMs : undefined);
  } catch (error) {
    way.pool.release(undefined);
    if (error instanceof WrongServer) reports.tellAtTimes(`${way.destination.text}: ${error.message}`);
    return unreachable(error);
  }
  return over(connection, options);
}

const unreachable = (error: unknown): AttemptOutcome => ({
  kind: 'unreachable',
  problem: errorText(error),
  elsewhere: !(error instanceof AllBusy),
});
