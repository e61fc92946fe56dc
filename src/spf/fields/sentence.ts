/**
 * An outcome in plain words, for header fields and logs. Holds octets of the client's and the domain's:
 * whoever writes it out quotes it by the grammar of the place.
 */
import type { Ip } from '../../mail/ip.js';
import type { SpfOutcome } from '../check-host.js';

export function sentenceOf(outcome: SpfOutcome, clientIp: Ip): string {
  const { result, domain, mechanism, mechanismDomain, problem } = outcome;
  const by = mechanism === undefined || mechanism === 'default' ? '' : ` by ${mechanism}`;
  const where = mechanismDomain === undefined || mechanismDomain === domain ? '' : ` of ${mechanismDomain}`;
  switch (result) {
    case 'pass':
      return `${domain} designates ${clientIp.text} as permitted sender${by}${where}`;
    case 'fail':
      return `${domain} does not permit ${clientIp.text} to send its mail${by}${where}`;
    case 'softfail':
      return `${domain} discourages mail from ${clientIp.text}${by}${where}`;
    case 'neutral':
      return `${domain} neither permits nor denies ${clientIp.text}${by}${where}`;
    case 'none':
    case 'temperror':
    case 'permerror':
      return problem ?? `no SPF result for ${domain}`;
  }
}
