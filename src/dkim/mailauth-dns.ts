/** Our resolver as npm mailauth asks it: arrays of strings, or an error with the code that Node's resolver gives. */
import type { Resolver } from '../dns/resolver.js';

export type MailauthDns = (name: string, type: string) => Promise<string[][]>;

/** `timeMs` for all questions together; what is asked later than that is answered as a failure. */
export function mailauthDns(dns: Resolver, timeMs: number): MailauthDns {
  const signal = AbortSignal.timeout(timeMs);
  return async (name, type) => {
    if (type !== 'TXT') throw problem('ENOTIMP', `asks for ${type}`);
    const asked = dns.lookup(name, type, { signal });
    const answer = asked instanceof Promise ? await asked : asked;
    switch (answer.kind) {
      case 'found':
        return answer.records.map((strings) => [...strings]);
      case 'void':
        throw problem(answer.why === 'nxdomain' ? 'ENOTFOUND' : 'ENODATA', answer.why);
      case 'failed':
        throw problem('ETIMEOUT', answer.problem);
    }
  };
}

const problem = (code: string, text: string): Error => Object.assign(new Error(text), { code });
