/** The SPF result of a mail for those that need it: spf, dmarc, from_spoof; no plugin itself. */
import type { Mail } from '../../src/hooks/check.js';
import { type Eventual, after } from '../../src/mail/eventual.js';
import { spfMethod } from '../../src/spf/fields/authentication-results.js';
import { type SpfOutcome, type SpfQuery, checkHost } from '../../src/spf/check-host.js';
import { writeReceivedSpf } from '../../src/spf/fields/received-spf.js';
import { spfTraceName, writeSpfTrace } from '../../src/spf/fields/trace-field.js';

/** What SPF says of a client and a sender, and how it is told. */
interface SpfResult {
  readonly outcome: SpfOutcome;
  readonly helo: string;
  readonly reversePath: string;
  /** By the monotonic clock, in milliseconds. */
  readonly since: number;
  readonly receivedSpf: string;
  readonly details: readonly string[];
}

/** What was last found in a session: all who ask of one mail are told the same, and the next mostly has its sender. */
interface LastFound {
  mail: string;
  outcome: Eventual<SpfOutcome> | undefined;
  result: SpfResult | undefined;
}

const bySession = new WeakMap<Mail['session'], LastFound>();

/**
 * Evaluated once a mail, and recorded in Received-SPF, Authentication-Results, index and log then; refused mail has the
 * trace. The outcome is there at once where DNS need not be asked.
 */
export function spfOf(mail: Mail): Eventual<SpfOutcome> {
  const { session, id } = mail;
  let last = bySession.get(session);
  if (last === undefined) bySession.set(session, (last = { mail: '', outcome: undefined, result: undefined }));
  if (last.outcome !== undefined && last.mail === id) return last.outcome;
  const result = resultOf(mail, last);
  const outcome = result instanceof Promise ? result.then((late) => recorded(mail, late)) : recorded(mail, result);
  last.mail = id;
  last.outcome = outcome;
  return outcome;
}

/** It is much less than any answer of DNS is kept (dns/cache). */
const keptMs = 1_000;

function resultOf({ session, reversePath, dns, host }: Mail, last: LastFound): Eventual<SpfResult> {
  const known = last.result;
  if (known?.reversePath === reversePath && known.helo === session.helo && performance.now() - known.since < keptMs)
    return known;
  const query = { ip: session.clientIp, helo: session.helo, from: reversePath, receiver: host.hostname };
  const options = { resolver: dns, limits: { voids: host.spfVoids }, trace: true };
  return after(checkHost(query, options), (outcome) => {
    const result = told(query, outcome);
    // What could not be looked up is asked again.
    if (outcome.result !== 'temperror') last.result = result;
    return result;
  });
}

function told({ ip, helo, from, receiver }: Required<SpfQuery>, outcome: SpfOutcome): SpfResult {
  // A sender that is not ASCII is taken of mail that is SMTPUTF8 only.
  const client = { clientIp: ip, helo, receiver, smtpUtf8: true };
  const receivedSpf = writeReceivedSpf(outcome, client, { folded: true });
  const details = spfMethod(outcome, client).slice(1);
  return { outcome, helo, reversePath: from, since: performance.now(), receivedSpf, details };
}

function recorded(mail: Mail, { outcome, receivedSpf, details }: SpfResult): SpfOutcome {
  mail.addField('Received-SPF', receivedSpf);
  mail.addArchivedField(spfTraceName, () => writeSpfTrace(outcome));
  mail.recordAuthentication({ method: 'spf', result: outcome.result, details });
  return outcome;
}

/**
 * A host in spf_forwarders: it says a HELO name that the setting lists, and its confirmed reverse name is listed as
 * well.
 */
export function isForwarder({ session, host }: Mail): Eventual<boolean> {
  if (host.spfForwarders.length === 0) return false;
  const isListed = (name: string): boolean => host.spfForwarders.some((pattern) => matches(pattern, name));
  if (!isListed(session.helo.toLowerCase().replace(/\.$/, ''))) return false;
  return after(
    session.knownClientName ?? session.clientName(),
    (client) => client.kind === 'confirmed' && isListed(client.name),
  );
}

const matches = (pattern: string, name: string): boolean =>
  pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern;
