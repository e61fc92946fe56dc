/**
 * sender_domain — rejects a reverse-path that nobody could answer: its domain has neither an MX nor an address record,
 * or says by a null MX that it takes no mail (RFC 7505). If DNS does not answer, the mail is deferred. The null
 * reverse-path passes. Not part of checks/all.
 */
import { type Mail, type Verdict, defer, defineCheck, pass } from '../src/hooks/check.js';
import { parseDomain } from '../src/mail/domain.js';
import { reply } from '../src/mail/reply.js';

export default defineCheck({
  name: 'sender_domain',
  inAll: false,
  // An address literal has no records; what else is no domain is for other checks.
  inspect: (mail) => (parseDomain(mail.senderDomain) === undefined ? pass : judge(mail)),
});

async function judge({ dns, senderDomain }: Mail): Promise<Verdict> {
  const mx = await dns.lookup(senderDomain, 'MX');
  if (mx.kind === 'failed') return unknown(senderDomain, mx.problem);
  if (mx.kind === 'found')
    return mx.records.every(({ exchange }) => exchange === '')
      ? rejected('5.7.27', `Sender domain ${senderDomain} takes no mail (null MX)`) // RFC 7505 §4.2
      : pass;
  // RFC 5321 §5.1: without an MX, the address stands for it. A name that is not there has no address either.
  const addresses =
    mx.why === 'nxdomain' ? [] : await Promise.all([dns.lookup(senderDomain, 'A'), dns.lookup(senderDomain, 'AAAA')]);
  if (addresses.some(({ kind }) => kind === 'found')) return pass;
  const failed = addresses.find((answer) => answer.kind === 'failed');
  if (failed?.kind === 'failed') return unknown(senderDomain, failed.problem);
  const what = mx.why === 'nxdomain' ? 'does not exist' : 'has neither MX nor address';
  return rejected('5.1.8', `Sender domain ${senderDomain} ${what}`); // RFC 3463: bad sender's system address
}

const rejected = (enhanced: string, reason: string): Verdict => ({
  kind: 'reject',
  about: 'mail',
  enhanced,
  reason,
  log: reason,
});

function unknown(domain: string, problem: string): Verdict {
  const text = `Sender domain ${domain} cannot be looked up now, try again later`;
  return defer(text, problem, reply(451, '4.4.3', text));
}
