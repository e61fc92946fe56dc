/** What dnsbl and rhsbl share: zones to ask, and what their answers mean; no plugin itself. */
import { type Mail, type Plugin, type Verdict, defineCheck, note, pass, reject } from '../../src/hooks/check.js';
import { parseDomain } from '../../src/mail/domain.js';
import { type Ip, type Network, inAny, parseNetwork } from '../../src/mail/ip.js';
import { asciiText } from '../../src/mail/text.js';

export interface DnsListCheck {
  readonly name: string;
  /** The file of zones, below /srv/DOMAIN/. */
  readonly list: string;
  /** Arguments of the plugin. There is one at most: how many seconds all look-ups of a mail may take. */
  readonly args: readonly string[];
  /** What is looked up, without the zone; undefined where there is nothing to ask for. */
  readonly subject: (mail: Mail) => ListSubject | undefined;
}

export interface ListSubject {
  /** Stands before the zone in the question. */
  readonly labels: string;
  /** For the reply, such as "your address 192.0.2.1". */
  readonly text: string;
}

export function checkDnsLists({ name, list, args, subject }: DnsListCheck): Plugin {
  const timeoutMs = secondsOf(args) * 1000;
  return defineCheck({
    name,
    list,
    inspect(mail, lines) {
      const asked = subject(mail);
      return asked === undefined ? pass : judge(mail, asked, { lines, timeoutMs });
    },
  });
}

function secondsOf([seconds = '3', ...more]: readonly string[]): number {
  if (!/^[1-9]\d?$/.test(seconds) || more.length > 0) throw new Error('takes one number, of seconds: 1 to 99');
  return Number(seconds);
}

interface Zone {
  readonly name: string;
  /** The answers that count; undefined: all of 127.0.0.0/8. */
  readonly codes: readonly Network[] | undefined;
}

/** A line of the file: `zone`, or `zone=127.0.0.2,127.0.0.4/30`; undefined when it is neither. */
export function readZone(line: string): Zone | undefined {
  const [name = '', codes, ...more] = line.split('=').map((part) => part.trim());
  const zone = parseDomain(name.replace(/\.$/, ''));
  const networks = codes?.split(',').map((code) => parseNetwork(code.trim()));
  if (zone === undefined || more.length > 0 || networks?.includes(undefined) === true) return undefined;
  return { name: zone, codes: networks?.filter((network) => network !== undefined) };
}

const listed: readonly Network[] = [networkOf('127.0.0.0/8')];
/**
 * What a list answers to say that it does not answer: over the quota, asked through a public resolver, a name misspelt.
 */
const errorCodes: readonly Network[] = [networkOf('127.255.255.0/24')];

function networkOf(text: string): Network {
  const network = parseNetwork(text);
  if (!network) throw new Error(text);
  return network;
}

type ListAnswer =
  | { readonly kind: 'listed'; readonly zone: Zone; readonly code: Ip }
  | { readonly kind: 'not listed' }
  | { readonly kind: 'problem'; readonly problem: string };

/** Asks all zones at once; names the first that lists it, in the order of the file. */
async function judge(
  { dns }: Mail,
  { labels, text }: ListSubject,
  { lines, timeoutMs }: { readonly lines: readonly string[]; readonly timeoutMs: number },
): Promise<Verdict> {
  const signal = AbortSignal.timeout(timeoutMs);
  const ask = async (line: string): Promise<ListAnswer> => {
    const zone = readZone(line);
    if (zone === undefined) return { kind: 'problem', problem: `no zone: ${line}` };
    return zoneAnswer(zone, await dns.lookup(`${labels}.${zone.name}`, 'A', { signal }));
  };
  const found = await Promise.all(lines.map(ask));
  const hit = found.find((one) => one.kind === 'listed');
  if (hit === undefined) {
    const problems = found.flatMap((one) => (one.kind === 'problem' ? [one.problem] : []));
    return problems.length === 0 ? pass : note(problems.join('; '));
  }
  const why = reasonOf(await dns.lookup(`${labels}.${hit.zone.name}`, 'TXT', { signal }));
  return reject(
    `${text} is listed by ${publicName(hit.zone.name)}${why === '' ? '' : `: ${why}`}`,
    `${labels}.${hit.zone.name} is ${hit.code.text}${why === '' ? '' : `: ${why}`}`,
  );
}

/** What the answer to a question for an A record of the zone means. */
export function zoneAnswer(zone: Zone, answer: Awaited<ReturnType<Mail['dns']['lookup']>>): ListAnswer {
  if (answer.kind === 'void') return { kind: 'not listed' };
  if (answer.kind === 'failed') return { kind: 'problem', problem: `${zone.name}: ${answer.problem}` };
  const codes = answer.records as readonly Ip[];
  const inside = codes.filter((code) => inAny(listed, code) && !inAny(errorCodes, code));
  const code = inside.find((one) => zone.codes === undefined || inAny(zone.codes, one));
  if (code !== undefined) return { kind: 'listed', zone, code };
  if (inside.length > 0) return { kind: 'not listed' };
  return { kind: 'problem', problem: `${zone.name}: answers ${codes.map((one) => one.text).join(', ')}: no listing` };
}

/** The list's own words, which are as untrusted as any client's. */
function reasonOf(answer: Awaited<ReturnType<Mail['dns']['lookup']>>): string {
  const [first] = answer.kind === 'found' ? (answer.records as readonly (readonly string[])[]) : [];
  return asciiText(first?.join('') ?? '', 200).trim();
}

/** The zone without what looks like the operator's own key, as in KEY.zen.dq.spamhaus.net. */
const publicName = (zone: string): string => zone.replace(/^(?=[a-z0-9]*\d)[a-z0-9]{20,}\./, '');

export const isLoopback = (ip: Ip): boolean => ip.text === '::1' || (ip.family === 4 && inAny(listed, ip));

/** The domain of a HELO name; undefined where that is an address, or has no dot. */
export function domainOf(helo: string): string | undefined {
  const domain = parseDomain(helo.replace(/\.$/, ''));
  return domain?.includes('.') ? domain : undefined;
}
