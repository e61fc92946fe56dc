/**
 * spf — asks the domain of the reverse-path (of the HELO name, where that is null) whether the client may send its
 * mail: Sender Policy Framework, RFC 7208.
 *
 *     fail, permerror                  rejected
 *     temperror                        deferred
 *     softfail, neutral, none, pass    taken
 *
 * permerror is also what has more than 16,384 octets of records: no domain has, and they would hold up others.
 *
 * The result is recorded in Received-SPF and Authentication-Results, in the quarantine's index and in the log. Not
 * asked: clients in relay_networks, whitelisted mail, and hosts in the setting spf_forwarders, which forward mail of
 * others: such a host must say a HELO name that the setting lists, and have a forward-confirmed reverse name that it
 * lists as well.
 */
import { type Mail, defer, defineCheck, pass, reject, skip } from '../src/hooks/check.js';
import { after } from '../src/mail/eventual.js';
import { asciiText } from '../src/mail/text.js';
import { reply } from '../src/mail/reply.js';
import type { SpfOutcome } from '../src/spf/check-host.js';
import { sentenceOf } from '../src/spf/fields/sentence.js';
import { isForwarder, spfOf } from './shared/spf-result.js';

export default defineCheck({
  name: 'spf',
  inspect: (mail) =>
    after(isForwarder(mail), (isOne) =>
      isOne ? skip('a forwarder of spf_forwarders') : after(spfOf(mail), (outcome) => judge(mail, outcome)),
    ),
});

function judge({ session }: Mail, outcome: SpfOutcome): ReturnType<typeof reject> {
  const { result } = outcome;
  if (result !== 'fail' && result !== 'permerror' && result !== 'temperror') return pass;
  const why = sentenceOf(outcome, session.clientIp);
  switch (result) {
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
  }
}

/** RFC 7208 §6.2, §11.5: a domain's own words are marked as such; behind a redirect it is the target that speaks. */
const explanationOf = ({ explanation, mechanismDomain, domain }: SpfOutcome): string =>
  explanation === undefined
    ? ''
    : `; ${asciiText(mechanismDomain ?? domain, 100)} explains: ${asciiText(explanation, 150)}`;
