/** What dnsbl, rhsbl and uribl share: zones to ask, and what their answers mean; no plugin itself. */
import { type Mail, type Plugin, type Verdict, defineCheck, note, pass, reject, score } from '../../src/hooks/check.js';
import { type Eventual, after } from '../../src/mail/eventual.js';
import { parseDomain } from '../../src/mail/domain.js';
import { type Ip, type Network, inAny, parseNetwork } from '../../src/mail/ip.js';
import { asciiText } from '../../src/mail/text.js';
import { rounded } from '../../src/mail/verdict.js';
import { isCode, readZone, type Zone, zoneProblems } from './zone-line.js';

export interface DnsListCheck {
  readonly name: string;
  /** The file of zones, below /srv/DOMAIN/. */
  readonly list: string;
  /** Arguments of the plugin. There is one at most: how many seconds all look-ups of a mail may take. */
  readonly args: readonly string[];
  /** What is looked up, without the zone; none where there is nothing to ask for. */
  readonly subjects: (mail: Mail) => Eventual<readonly ListSubject[]>;
}

export interface ListSubject {
  /** Stands before the zone in the question. */
  readonly labels: string;
  /** For the reply, such as "your address 192.0.2.1". */
  readonly text: string;
}

export function checkDnsLists({ name, list, args, subjects }: DnsListCheck): Plugin {
  const timeoutMs = secondsOf(args) * 1000;
  return defineCheck({
    name,
    list,
    listProblems: zoneProblems,
    inspect: (mail, lines) =>
      after(subjects(mail), (asked): Eventual<Verdict> => {
        return asked.length === 0 ? pass : judge(mail, asked, { lines, timeoutMs });
      }),
  });
}

function secondsOf([seconds = '3', ...more]: readonly string[]): number {
  if (!/^[1-9]\d?$/.test(seconds) || more.length > 0) throw new Error('takes one number, of seconds: 1 to 99');
  return Number(seconds);
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

interface ZoneHit {
  readonly zone: Zone;
  readonly code: Ip;
  readonly subject: ListSubject;
}

/**
 * Asks all zones at once. The first that lists something, in the order of the file, and has no weight rejects; where
 * only such do that have one, their points count, those of each line once.
 */
async function judge(
  { dns }: Mail,
  subjects: readonly ListSubject[],
  { lines, timeoutMs }: { readonly lines: readonly string[]; readonly timeoutMs: number },
): Promise<Verdict> {
  const signal = AbortSignal.timeout(timeoutMs);
  const zones = lines.flatMap((line) => readZone(line) ?? []);
  const answers = await askAll(zones, subjects, (name) => dns.lookup(name, 'A', { signal }));
  const hits: ZoneHit[] = [];
  const problems = new Set(lines.filter((line) => readZone(line) === undefined).map((line) => `no zone: ${line}`));
  for (const zone of zones) {
    const said = subjects.map((subject, i) => ({
      subject,
      answer: zoneAnswer(zone, answers.get(zone.name)?.[i] ?? none),
    }));
    for (const { answer } of said) if (answer.kind === 'problem') problems.add(answer.problem);
    const hit = said.find(({ answer }) => answer.kind === 'listed');
    if (hit?.answer.kind === 'listed') hits.push({ zone, code: hit.answer.code, subject: hit.subject });
  }
  const hit = hits.find(({ zone }) => zone.points === undefined);
  if (hit === undefined) return weigh(hits, [...problems]);
  const asked = `${hit.subject.labels}.${hit.zone.name}`;
  const why = reasonOf(await dns.lookup(asked, 'TXT', { signal }));
  return reject(
    `${hit.subject.text} is listed by ${publicName(hit.zone.name)}${why === '' ? '' : `: ${why}`}`,
    `${asked} is ${hit.code.text}${why === '' ? '' : `: ${why}`}`,
  );
}

type AddressAnswer = Awaited<ReturnType<Mail['dns']['lookup']>>;
const none: AddressAnswer = { kind: 'void', why: 'nxdomain' };

/** The answers of each zone, in the order of the subjects. One that stands in several lines is asked once. */
async function askAll(
  zones: readonly Zone[],
  subjects: readonly ListSubject[],
  ask: (name: string) => Eventual<AddressAnswer>,
): Promise<ReadonlyMap<string, readonly AddressAnswer[]>> {
  const names = [...new Set(zones.map(({ name }) => name))];
  const asked = names.map(async (zone) => {
    const answers = await Promise.all(subjects.map(async ({ labels }) => ask(`${labels}.${zone}`)));
    return [zone, answers] as const;
  });
  return new Map(await Promise.all(asked));
}

function weigh(hits: readonly ZoneHit[], problems: readonly string[]): Verdict {
  const told = hits.map(({ zone, code, subject }) => `${subject.labels}.${zone.name} is ${code.text}: ${zone.points}`);
  const all = [...told, ...problems].join('; ');
  if (hits.length > 0) return score(rounded(hits.reduce((sum, { zone }) => sum + (zone.points ?? 0), 0)), all);
  return problems.length === 0 ? pass : note(all);
}

/** What the answer to a question for an A record of the zone means. */
export function zoneAnswer(zone: Zone, answer: AddressAnswer): ListAnswer {
  if (answer.kind === 'void') return { kind: 'not listed' };
  if (answer.kind === 'failed') return { kind: 'problem', problem: `${zone.name}: ${answer.problem}` };
  const codes = answer.records as readonly Ip[];
  const inside = codes.filter((code) => inAny(listed, code) && !inAny(errorCodes, code));
  const code = inside.find((one) => zone.codes?.some((wanted) => isCode(wanted, one)) ?? true);
  if (code !== undefined) return { kind: 'listed', zone, code };
  if (inside.length > 0) return { kind: 'not listed' };
  return { kind: 'problem', problem: `${zone.name}: answers ${codes.map((one) => one.text).join(', ')}: no listing` };
}

/** The list's own words, which are as untrusted as any client's. */
function reasonOf(answer: AddressAnswer): string {
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
