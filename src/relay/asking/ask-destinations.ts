/** Asks the destinations of a list for a recipient, one after the other, until one has said something. */
import { ConnectionLost } from '../connection/mta-connection.js';
import type { MailDeadline } from '../deadline.js';
import type { DestinationList } from '../destination/destination.js';
import type { Way, Ways } from '../destination/ways.js';
import { AllBusy } from '../pool.js';
import { askRecipient, type Probe } from './probe.js';

export interface ProbedPlaces {
  readonly to: DestinationList;
  readonly ways: Ways;
  readonly deadline: MailDeadline;
  /** Where there is another to ask, an MTA has to answer to EHLO in that time. */
  readonly maxMs: number;
}

/** Rejects with ConnectionLost when no destination can be asked. */
export async function askDestinations(recipient: string, { to, ways, deadline, maxMs }: ProbedPlaces): Promise<Probe> {
  const tried: Way[] = [];
  let lost: unknown = new ConnectionLost('no destination');
  try {
    for (let way: Way | undefined = ways.first(to); way !== undefined; way = ways.next(to, tried)) {
      try {
        const hasAnother = ways.hasAnother(to, tried, way);
        const probe = await askBy(way, recipient, { deadline, maxMs: hasAnother ? maxMs : undefined });
        ways.worked(way);
        return probe;
      } catch (error) {
        lost = error;
        tried.push(way);
        if (deadline.isOver || error instanceof AllBusy) break;
        ways.failed(way);
      }
    }
    throw lost;
  } finally {
    deadline.done();
  }
}

interface ProbeLimits {
  readonly deadline: MailDeadline;
  readonly maxMs: number | undefined;
}

async function askBy({ pool }: Way, recipient: string, { deadline, maxMs }: ProbeLimits): Promise<Probe> {
  await pool.place(deadline);
  let connection = pool.kept(deadline);
  try {
    // Under another client's name (XCLIENT) the MTA may refuse for the client's sake.
    if (connection && connection.impersonation !== '') connection.close('a probe goes under our own name');
    if (connection?.alive) {
      // It may have been idle for too long.
      const probe = await askRecipient(connection, recipient).catch(() => undefined);
      if (probe && probe.kind !== 'unknown') return probe;
      connection.close('it did not answer to a probe');
    }
    connection = await pool.fresh(deadline, maxMs);
    return await askRecipient(connection, recipient);
  } finally {
    pool.release(connection);
  }
}
