/** The SPF result of a mail for those that need it: spf, dmarc, from_spoof; no plugin itself. */
import type { Mail } from '../../src/hooks/check.js';
import { oncePerMail } from '../../src/hooks/once-per-mail.js';
import { type Eventual, after } from '../../src/mail/eventual.js';
import { spfMethod } from '../../src/spf/fields/authentication-results.js';
import { type SpfOutcome, checkHost } from '../../src/spf/check-host.js';
import { writeReceivedSpf } from '../../src/spf/fields/received-spf.js';
import { spfTraceName, writeSpfTrace } from '../../src/spf/fields/trace-field.js';

/**
 * Evaluated once a mail, and recorded in Received-SPF, Authentication-Results, index and log then; refused mail has the
 * trace. The outcome is there at once where DNS need not be asked.
 */
export const spfOf: (mail: Mail) => Eventual<SpfOutcome> = oncePerMail((mail: Mail) => {
  const { session, reversePath, dns, host } = mail;
  const query = { ip: session.clientIp, helo: session.helo, from: reversePath, receiver: host.hostname };
  const options = { resolver: dns, limits: { voids: host.spfVoids }, trace: true };
  return after(checkHost(query, options), (outcome) => recorded(mail, outcome));
});

function recorded(mail: Mail, outcome: SpfOutcome): SpfOutcome {
  const { session, host } = mail;
  // A sender that is not ASCII is taken of mail that is SMTPUTF8 only.
  const client = { clientIp: session.clientIp, helo: session.helo, receiver: host.hostname, smtpUtf8: true };
  mail.addField('Received-SPF', writeReceivedSpf(outcome, client, { folded: true }));
  mail.addArchivedField(spfTraceName, () => writeSpfTrace(outcome));
  mail.recordAuthentication({ method: 'spf', result: outcome.result, details: spfMethod(outcome, client).slice(1) });
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
