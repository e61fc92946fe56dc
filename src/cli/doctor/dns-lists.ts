/**
 * The DNS lists that hosted domains reject by: each must list its test point and nothing that nobody lists (RFC 5782
 * §5). A list that has died or does not answer to us often lists nothing, or everything.
 */
import { zoneAnswer } from '../../../plugins/shared/dns-list-check.js';
import { readZone } from '../../../plugins/shared/zone-line.js';
import { type Diagnoses, type Diagnosis, type Examined, failing, good, inOrder, note } from './diagnosis.js';

interface ListedZone {
  readonly file: string;
  /** A line of the file: the zone, and which answers count. */
  readonly line: string;
  readonly domain: string;
}

export async function* examineLists(examined: Examined): Diagnoses {
  const zones = zonesOf(examined);
  for await (const diagnosis of inOrder(zones.values(), (zone) => judged(zone, examined))) yield diagnosis;
}

/** Each zone once, whichever domain was the first to name it. */
function zonesOf({ srv, plugins, domains }: Examined): ReadonlyMap<string, ListedZone> {
  const files = plugins.flatMap(({ list }) => list ?? []);
  const zones = new Map<string, ListedZone>();
  for (const domain of domains)
    for (const file of files)
      for (const line of srv.lines(domain, file) ?? []) {
        const name = readZone(line)?.name;
        if (name !== undefined && !zones.has(`${file} ${name}`))
          zones.set(`${file} ${name}`, { file, line: name, domain });
      }
  return zones;
}

/** What every list of its kind lists, and what none does. */
const testPoints = {
  addresses: { listed: '2.0.0.127', shown: '127.0.0.2', never: '1.0.0.127', neverShown: '127.0.0.1' },
  domains: { listed: 'test', shown: 'TEST', never: 'invalid', neverShown: 'INVALID' },
} as const;

async function judged({ file, line, domain }: ListedZone, { resolver }: Examined): Promise<Diagnosis> {
  const zone = readZone(line);
  if (!zone) return failing('lists', `${domain}/${file}: ${line} is no zone`);
  const points = file === 'zones' ? testPoints.addresses : testPoints.domains;
  const [listed, never] = await Promise.all(
    [points.listed, points.never].map(async (labels) =>
      zoneAnswer(zone, await resolver.lookup(`${labels}.${zone.name}`, 'A')),
    ),
  );
  const where = `${zone.name} (${domain}/${file})`;
  const remedy = `take it out of ${file}, or see what its operator asks for`;
  if (listed?.kind === 'problem') return failing('lists', `${where}: ${problemText(listed.problem)}`, remedy);
  if (never?.kind === 'listed')
    return failing('lists', `${where} lists ${points.neverShown}, and so most likely everything`, remedy);
  if (listed?.kind === 'listed') return good('lists', `${where} lists its test point ${points.shown}`);
  const silent = `${where} does not list its test point ${points.shown}`;
  // Not every list of domains has one.
  if (points === testPoints.domains) return note('lists', silent, 'look at its own page for how it is tested');
  return failing('lists', `${silent}: it is dead, or does not answer to you`, remedy);
}

/** What the addresses mean that are no listing. */
const errorCodes: Readonly<Record<string, string>> = {
  '127.255.255.252': 'the name is misspelt',
  '127.255.255.254': 'it does not answer to public resolvers: ask it by a resolver of your own',
  '127.255.255.255': 'too many questions: its operator wants to hear from you',
};

function problemText(problem: string): string {
  const code = Object.keys(errorCodes).find((one) => problem.includes(one));
  return code === undefined ? problem : `${problem} (${errorCodes[code]})`;
}
