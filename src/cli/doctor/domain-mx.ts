/** Where the mail of each hosted domain goes by the DNS: to us, as it should. */
import type { Mx } from '../../dns/resolver.js';
import type { Ip } from '../../mail/ip.js';
import { type Diagnoses, type Diagnosis, type Examined, failing, good, inOrder, note, warning } from './diagnosis.js';

/** Returns the names by which the MX records of hosted domains point at us. */
export async function* examineMx(examined: Examined, ours: readonly Ip[]): Diagnoses<readonly string[]> {
  const names = new Set<string>();
  for await (const found of inOrder(examined.domains, (domain) => mxOf(domain, examined, ours))) {
    for (const name of found.ourNames) names.add(name);
    yield found.diagnosis;
  }
  return [...names];
}

interface MxFound {
  readonly diagnosis: Diagnosis;
  readonly ourNames: readonly string[];
}

async function mxOf(domain: string, examined: Examined, ours: readonly Ip[]): Promise<MxFound> {
  const { hostname } = examined.settings;
  const answer = await examined.resolver.lookup(domain, 'MX');
  const publish = `publish "${domain}. MX 10 ${hostname}."`;
  switch (answer.kind) {
    case 'failed':
      return nobody(note('domain', `the MX of ${domain} cannot be asked for: ${answer.problem}`));
    case 'void':
      if (answer.why === 'nxdomain')
        return nobody(failing('domain', `${domain} is not in the DNS`, `register it, or take it out of /srv`));
      // RFC 5321 §5.1: without an MX the domain's own address is its MX.
      if (await isOurs(domain, examined, ours))
        return nobody(warning('domain', `${domain} has no MX record; its own address, which is ours, counts`, publish));
      return nobody(failing('domain', `${domain} has no MX record`, publish));
    case 'found':
      return judged(domain, answer.records, { examined, ours, publish });
  }
}

const nobody = (diagnosis: Diagnosis): MxFound => ({ diagnosis, ourNames: [] });

interface MxContext {
  readonly examined: Examined;
  readonly ours: readonly Ip[];
  readonly publish: string;
}

async function judged(
  domain: string,
  records: readonly Mx[],
  { examined, ours, publish }: MxContext,
): Promise<MxFound> {
  const sorted = records.toSorted((a, b) => a.preference - b.preference).slice(0, maxHosts);
  const names = sorted.map(({ exchange }) => exchange.toLowerCase().replace(/\.$/, ''));
  if (names.length === 1 && names[0] === '')
    return nobody(failing('domain', `${domain} says that it takes no mail (null MX, RFC 7505)`, publish));
  const areOurs = await Promise.all(names.map((name) => isOurs(name, examined, ours)));
  const ourNames = names.filter((_, i) => areOurs[i]);
  const all = sorted.map(({ preference }, i) => `${names[i]} (${preference})`).join(', ');
  const [best] = ourNames;
  if (best === undefined)
    return nobody(failing('domain', `the MX of ${domain} is ${all}, and not ${examined.settings.hostname}`, publish));
  const least = sorted[names.indexOf(best)]?.preference ?? 0;
  const before = names.filter((_, i) => (sorted[i]?.preference ?? 0) < least);
  if (before.length === 0) return { diagnosis: good('domain', `the MX of ${domain} is ${all}`), ourNames };
  const text = `the MX of ${domain} is ${all}: mail comes to ${best} when ${before.join(' and ')} cannot be reached`;
  return { diagnosis: note('domain', text), ourNames };
}

/** RFC 7208 and common sense: nobody has more. */
const maxHosts = 20;

/** Is it our name, or one with an address of ours? */
async function isOurs(name: string, { settings, resolver }: Examined, ours: readonly Ip[]): Promise<boolean> {
  if (name === settings.hostname) return true;
  if (name === '' || ours.length === 0) return false;
  const answers = await Promise.all([resolver.lookup(name, 'A'), resolver.lookup(name, 'AAAA')]);
  const addresses = answers.flatMap((answer) => (answer.kind === 'found' ? answer.records : []));
  return addresses.some(({ text }) => ours.some((own) => own.text === text));
}
