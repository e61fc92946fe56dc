/**
 * spf — asks the domain of the reverse-path (of the HELO name, where that is null) whether the client may send its mail:
 * Sender Policy Framework, RFC 7208.
 *
 *     fail, permerror                  rejected
 *     temperror                        deferred
 *     softfail, neutral, none, pass    taken
 *
 * The result is recorded in Received-SPF and Authentication-Results, in the quarantine's index and in the log. Not asked:
 * clients in relay_networks, whitelisted mail, and hosts in the setting spf_forwarders, which forward mail of others: such a
 * host must say a HELO name that the setting lists, and have a forward-confirmed reverse name that it lists as well.
 */
import { type Mail, defer, defineCheck, pass, reject, skip } from '../src/hooks/check.js';
import { asciiText } from '../src/mail/text.js';
import { reply } from '../src/mail/reply.js';
import { spfMethod } from '../src/spf/authentication-results.js';
import { type SpfOutcome, checkHost } from '../src/spf/check-host.js';
import { writeReceivedSpf } from '../src/spf/received-spf.js';
import { sentenceOf } from '../src/spf/sentence.js';

export default defineCheck({
  name: 'spf',
  async inspect(mail) {
    if (await isForwarder(mail)) return skip('a forwarder of spf_forwarders');
    const { session, reversePath, dns, host } = mail;
    const query = { ip: session.clientIp, helo: session.helo, from: reversePath, receiver: host.hostname };
    const checked = checkHost(query, { resolver: dns });
    const outcome = checked instanceof Promise ? await checked : checked;
    record(mail, outcome);
    return judge(mail, outcome);
  },
});

function record(mail: Mail, outcome: SpfOutcome): void {
  const { session, host } = mail;
  const client = { clientIp: session.clientIp, helo: session.helo };
  mail.addField('Received-SPF', writeReceivedSpf(outcome, { ...client, receiver: host.hostname }, { folded: true }));
  const [, ...details] = spfMethod(outcome, client);
  mail.recordAuthentication({ method: 'spf', result: outcome.result, details });
}

function judge({ session }: Mail, outcome: SpfOutcome): ReturnType<typeof reject> {
  const why = sentenceOf(outcome, session.clientIp);
  switch (outcome.result) {
    case 'fail':
      return reject(`SPF fail: ${asciiText(why, 250)}${explanationOf(outcome)}`, why);
    case 'permerror':
      return reject(`SPF permerror: the SPF record of ${asciiText(outcome.domain, 100)} is broken`, why);
    case 'temperror':
      return defer(
        '',
        why,
        reply(451, '4.4.3', `SPF temperror: ${asciiText(outcome.domain, 100)} cannot be looked up now`),
      );
    case 'softfail':
    case 'neutral':
    case 'none':
    case 'pass':
      return pass;
  }
}

/** RFC 7208 §6.2, §11.5: a domain's own words are marked as such; behind a redirect it is the target that speaks. */
const explanationOf = ({ explanation, mechanismDomain, domain }: SpfOutcome): string =>
  explanation === null ? '' : `; ${asciiText(mechanismDomain ?? domain, 100)} explains: ${asciiText(explanation, 150)}`;

async function isForwarder({ session, host }: Mail): Promise<boolean> {
  const helo = session.helo.toLowerCase().replace(/\.$/, '');
  if (!host.spfForwarders.some((pattern) => matches(pattern, helo))) return false;
  const client = await session.clientName();
  return client.kind === 'confirmed' && host.spfForwarders.some((pattern) => matches(pattern, client.name));
}

const matches = (pattern: string, name: string): boolean =>
  pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern;
