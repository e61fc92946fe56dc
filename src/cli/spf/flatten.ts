/** `postern spf flatten`: the record of a domain as addresses, ready to be published, and what that would change. */
import { type Result, wrong } from '../../mail/result.js';
import { blocksOf, flatRecords, type FlatRecords, stringsOf } from '../../spf/flatten/flat-records.js';
import { type Flat, type FlatKept, type FlatTerm, flatten, type FlattenProblem } from '../../spf/flatten/flatten.js';
import { networkTerm } from '../../spf/flatten/networks.js';
import { differenceFromPublished, type FlatDifference, type TermChange } from '../../spf/flatten/published.js';
import type { Line, Style } from '../../text/line.js';
import { failed } from '../complain.js';
import { type Given, misused } from '../command/command.js';
import type { Words } from '../command/options.js';
import { render, shown, terminalOf } from '../terminal.js';
import { dnsOf } from './dns.js';
import { spfExit } from './exit.js';
import { spfJsonObject } from './json.js';
import { domainOf, stringsOfRecord } from './subject.js';
import { commentLine, recordLines } from './zone-lines.js';

interface Flattened {
  readonly domain: string;
  readonly flat: Flat;
  readonly made: FlatRecords;
  /** With --diff. */
  readonly difference: FlatDifference | undefined;
}

/** Exit code 0; with --diff 1 where something would change, as of diff(1). */
export async function spfFlatten(given: Given): Promise<number> {
  const { options: asked, env } = given;
  const subject = subjectOf(given);
  if (!subject.ok) return misused(given, subject.problem);
  const dns = dnsOf(asked);
  if (!dns.ok) return failed(dns.problem.code, [`spf flatten: ${dns.problem.text}`]);
  const { domain } = subject.value;
  const options = { resolver: dns.value.resolver, signal: AbortSignal.timeout(dns.value.totalMs) };
  const flat = await flatten(subject.value, options);
  if (!flat.ok) return gaveUp(flat.problem, domain);
  const made = flatRecords(domain, flat.value);
  const difference = asked.has('diff')
    ? await differenceFromPublished(domain, { flat: flat.value, records: made.records }, options)
    : undefined;
  if (difference?.ok === false) return gaveUp(difference.problem, domain);
  const flattened = { domain, flat: flat.value, made, difference: difference?.value };
  const terminal = terminalOf(process.stdout, env);
  process.stdout.write(asked.has('json') ? spfJsonObject(asJson(flattened)) : render(asText(flattened), terminal));
  if (made.problem !== undefined) return failed(spfExit.dataError, [`spf flatten: ${made.problem}`]);
  return (difference?.value.records.length ?? 0) > 0 ? spfExit.notAll : spfExit.ok;
}

const gaveUp = ({ isTemporary, text }: FlattenProblem, domain: string): number =>
  isTemporary
    ? failed(spfExit.unavailable, [`spf flatten: ${shown(text, 300)}; half a list would refuse good mail: try again`])
    : failed(spfExit.dataError, [`spf flatten: ${shown(text, 300)}; postern spf lint ${domain} says more`]);

interface Subject {
  readonly domain: string;
  readonly record?: string;
}

function subjectOf({ options, words: [word, extra] }: Words): Result<Subject> {
  if (word === undefined) return wrong('give the DOMAIN whose record is to be flattened');
  if (extra !== undefined) return wrong(`one DOMAIN at a time, not also "${shown(extra, 60)}"`);
  const domain = domainOf(word);
  if (!domain.ok) return domain;
  const record = options.get('record');
  const given = record === undefined ? {} : { record: stringsOfRecord(record).join('') };
  return { ok: true, value: { domain: domain.value, ...given } };
}

const asJson = ({ domain, flat, made, difference }: Flattened): object => ({
  domain,
  record: flat.record,
  lookups: made.lookups,
  records: made.records.map((record) => ({ ...record, strings: stringsOf(record.text) })),
  networks: flat.terms.flatMap((term) =>
    term.kind === 'network' ? [{ network: networkTerm(term.network), result: term.result, from: term.from }] : [],
  ),
  kept: flat.terms.flatMap((term) =>
    term.kind === 'kept' ? [{ term: term.text, result: term.result, from: term.from, why: term.why }] : [],
  ),
  notes: flat.notes,
  problem: made.problem,
  ...(difference && { difference }),
});

function asText({ domain, flat, made, difference }: Flattened): readonly Line[] {
  const head = [...headLines(flat, made), ...flat.notes.map((note) => commentLine(shown(note, 300), 'yellow'))];
  if (difference === undefined) return [...head, ...recordLines(made.records)];
  if (difference.records.length === 0) return [...head, commentLine(`${domain} publishes just this`, 'green')];
  return [...head, ...changeLines(difference)];
}

/** Which term of the record became how many networks, and what stays. */
function headLines({ terms }: Flat, { records, lookups }: FlatRecords): readonly Line[] {
  const bySource = new Map<string, FlatTerm[]>();
  for (const term of terms) {
    const mine = bySource.get(term.from);
    if (mine === undefined) bySource.set(term.from, [term]);
    else mine.push(term);
  }
  const sources = [...bySource].map(([from, mine]) => {
    const stays = mine.filter((term) => term.kind === 'kept').map((term) => staysText(term));
    const networks = mine.length - stays.length;
    const isItself = /^[-+?~]?ip[46]:/i.test(from);
    return { from, said: [...(networks > 0 && !isItself ? [counted(networks, 'network')] : []), ...stays] };
  });
  const told = sources.filter(({ said }) => said.length > 0);
  const width = Math.min(50, Math.max(0, ...told.map(({ from }) => from.length)));
  const networks = blocksOf(terms).reduce((sum, block) => sum + block.networks.length, 0);
  const octets = Math.max(...records.map(({ name, text }) => name.length + text.length));
  const sums = [counted(networks, 'network'), counted(lookups, 'look-up'), counted(records.length, 'record')].join(
    ', ',
  );
  return [
    commentLine(`${sums} of ${records.length > 1 ? 'up to ' : ''}${octets} octets with the name`),
    ...told.map(({ from, said }) => commentLine(`${shown(from, 100).padEnd(width)}  ${shown(said.join('; '), 300)}`)),
  ];
}

const staysText = ({ text, from, why }: FlatKept): string =>
  from.endsWith(text) ? `stays: ${why}` : `${text} stays: ${why}`;

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

function changeLines({ records, added, removed }: FlatDifference): readonly Line[] {
  const terms = [
    ...removed.map((change) => termLine('-', 'red', change)),
    ...added.map((change) => termLine('+', 'green', change)),
  ];
  const lines = records.flatMap(({ name, published, wanted }) => [
    ...(published === undefined ? [] : recordLines([{ name, text: published }], ['-', 'red'])),
    ...(wanted === undefined ? [] : recordLines([{ name, text: wanted }], ['+', 'green'])),
  ]);
  return [...terms, ...lines];
}

const termLine = (sign: string, style: Style, { term, from }: TermChange): Line => [
  [`; ${sign} ${shown(term, 200)}`, style],
  [from.length === 0 || from[0] === term ? '' : `   ${shown(from.join(' '), 200)}`, 'dim'],
];
