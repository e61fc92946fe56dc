/**
 * dmarc — obeys what the domain of the From: field asks for (RFC 7489), where neither SPF nor a DKIM signature stands
 * for that domain.
 *
 *     dmarc                         p=reject: rejected; p=quarantine: taken, with X-DMARC-RESULT: quarantine;
 *                                   p=none: taken
 *     dmarc quarantine=archive      p=quarantine: rejected, too, and so archived
 *
 * SPF and the signatures are evaluated for it where no other check has done so. If DNS does not answer, and the answer
 * would have decided, the mail is deferred. pct= is obeyed: what it spares is treated one step milder (§6.6.4). The
 * result is recorded in Authentication-Results and log. A mail with several From: fields is nobody's (RFC 5322 §3.6):
 * neither SPF nor DKIM stands for it. Where the field has several domains, each is judged, and the hardest policy
 * holds; the log has the result of that domain. What readers show as an address is one here, too: that which an encoded
 * word in its place hides. A From: field with no domain at all is nobody's to ask, and passes (§6.6.1): the check
 * `address` rejects it.
 *
 * Not asked: hosts in spf_forwarders, and whitelisted mail. Not part of checks/all: mailing lists and forwarding break
 * both SPF and DKIM, and an ARC chain that says they were fine before is recorded, not believed.
 */
import { type DmarcOutcome, type DmarcPolicy, evaluateDmarc } from '../src/dkim/dmarc.js';
import { type Mail, type Plugin, type Verdict, defer, defineCheck, pass, reject, skip } from '../src/hooks/check.js';
import { reply } from '../src/mail/reply.js';
import { comment } from '../src/spf/fields/lexical.js';
import { dnsMs, signaturesOf } from './shared/dkim-signatures.js';
import { fromDomainsOf } from './shared/from-domains.js';
import { isForwarder, spfOf } from './shared/spf-result.js';

export default function dmarc([quarantine = 'quarantine=mark', ...more]: readonly string[]): Plugin {
  if (!['quarantine=mark', 'quarantine=archive'].includes(quarantine) || more.length > 0)
    throw new Error('takes quarantine=mark or quarantine=archive');
  return defineCheck({
    name: 'dmarc',
    inAll: false,
    async inspect(mail) {
      if (await isForwarder(mail)) return skip('a forwarder of spf_forwarders');
      const { domains, isReadable } = fromDomainsOf(mail);
      if (!isReadable) return reject('From: is too large');
      if (domains.length === 0 || domains.length > maxDomains) {
        const problem = domains.length === 0 ? 'no domain in From:' : 'too many domains in From:';
        mail.recordAuthentication({ method: 'dmarc', result: 'permerror', details: [comment(problem)] });
        return domains.length === 0 ? pass : reject('DMARC: too many domains in From:');
      }
      const judged: Judged[] = [];
      for (const domain of domains) judged.push(await judge(mail, domain, quarantine === 'quarantine=archive'));
      judged.sort((a, b) => hardness(a) - hardness(b));
      for (const each of judged) record(mail, each); // the last one is that of the log
      return judged.at(-1)?.verdict ?? pass;
    },
  });
}

/** Each costs DNS questions. */
const maxDomains = 5;

interface Judged {
  readonly from: string;
  readonly outcome: DmarcOutcome;
  readonly verdict: Verdict;
}

const results = ['pass', 'none', 'temperror', 'fail'];
const verdicts = ['defer', 'reject'];

/** The hardest of all is that which decides. */
const hardness = ({ outcome, verdict }: Judged): number =>
  (verdicts.indexOf(verdict.kind) + 1) * results.length + results.indexOf(outcome.result);

async function judge(mail: Mail, from: string, archives: boolean): Promise<Judged> {
  const spf = await spfOf(mail);
  const { dkim } = await signaturesOf(mail);
  const { isOneField } = fromDomainsOf(mail);
  const passed = dkim.filter(({ result }) => isOneField && result === 'pass').map(({ domain }) => domain);
  const outcome = await evaluateDmarc({
    from,
    spf: isOneField && spf.result === 'pass' ? spf.domain : undefined,
    dkim: passed,
    dns: mail.dns,
    dnsMs,
  });
  const isOpen = [spf, ...dkim].some(({ result }) => result === 'temperror');
  const isUnsure = outcome.result === 'fail' && outcome.policy !== 'none' && isOpen;
  if (outcome.result !== 'temperror' && !isUnsure)
    return {
      from,
      outcome,
      verdict: outcome.result === 'fail' ? obey(mail, from, sampled(outcome), archives) : pass,
    };
  const text = `DMARC temperror: what ${from} has in the DNS cannot be looked up now`;
  const problem = outcome.result === 'temperror' ? outcome.problem : 'DNS failure';
  return { from, outcome: { result: 'temperror', problem }, verdict: defer('', text, reply(451, '4.7.5', text)) };
}

/** RFC 7489 §6.6.4. */
function sampled({ policy, percent }: { readonly policy: DmarcPolicy; readonly percent: number }): DmarcPolicy {
  if (Math.random() * 100 < percent) return policy;
  return policy === 'reject' ? 'quarantine' : 'none';
}

function obey(mail: Mail, from: string, policy: DmarcPolicy, archives: boolean): Verdict {
  const why = `DMARC: neither SPF nor DKIM stands for ${from}, which asks to ${policy} such mail`;
  if (policy === 'reject' || (policy === 'quarantine' && archives)) return reject(why);
  if (policy === 'quarantine') mail.addField('X-DMARC-RESULT', `quarantine ${from}`);
  return pass;
}

function record(mail: Mail, { from, outcome }: Judged): void {
  const details = 'policy' in outcome ? [comment(`p=${outcome.policy}`)] : [];
  if (outcome.result === 'temperror') details.push(comment(outcome.problem));
  mail.recordAuthentication({ method: 'dmarc', result: outcome.result, details: [...details, `header.from=${from}`] });
}
