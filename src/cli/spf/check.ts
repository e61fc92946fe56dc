/** `postern spf check`: judges one mail and says why; with --batch, hands over to spf-batch. */
import { checkHost, type SpfOutcome, type SpfQuery } from '../../spf/check-host.js';
import { sentenceOf } from '../../spf/fields/sentence.js';
import type { CommandLine } from '../load.js';
import { runBatch } from './batch.js';
import { dnsOf, dnsOptions, type Dns } from './dns.js';
import { spfExit } from './exit.js';
import { spfJson } from './json.js';
import { type OptionTable, readWords, type Words } from '../options.js';
import { render, shown, type Terminal, terminalOf } from '../terminal.js';
import type { Line } from '../../text/line.js';
import { countsOf, styleOfResult, traceLines } from '../../spf/trace/tree.js';
import { queryOf } from './query.js';
import { failed } from '../complain.js';

const table: OptionTable = {
  ip: { example: '192.0.2.1' },
  helo: { example: 'mail.example.org' },
  from: { example: 'user@example.org' },
  receiver: { example: 'mx.example.com' },
  ...dnsOptions,
  explain: 'flag',
  json: 'flag',
  batch: 'flag',
};

/** Exit code 0 whatever the result is. */
export async function spfCheck({ argv, env }: CommandLine): Promise<number> {
  const read = readWords(argv, table);
  if (!read.ok) return failed(spfExit.usage, [`spf check: ${read.problem}`]);
  const problem = misfit(read);
  if (problem !== undefined) return failed(spfExit.usage, [`spf check: ${problem}`]);
  const dns = dnsOf(read.options);
  if (!dns.ok) return failed(dns.problem.code, [`spf check: ${dns.problem.text}`]);
  return read.options.has('batch') ? batch(read, dns.value) : single(read, dns.value, terminalOf(process.stdout, env));
}

const ofOneMail = ['ip', 'helo', 'from'];

function misfit({ options, words: [word] }: Words): string | undefined {
  if (word !== undefined) return `"${shown(word, 60)}" belongs to no option; postern spf --help shows how to write it`;
  const stray = options.has('batch') ? ofOneMail.find((name) => options.has(name)) : undefined;
  return stray === undefined ? undefined : `--batch reads each ${stray} from its lines: leave out --${stray}`;
}

function batch({ options }: Words, { resolver, totalMs }: Dns): Promise<number> {
  return runBatch({
    input: process.stdin,
    output: process.stdout,
    resolver,
    totalMs,
    trace: options.has('explain'),
    receiver: options.get('receiver'),
  });
}

async function single({ options }: Words, { resolver, totalMs }: Dns, terminal: Terminal): Promise<number> {
  const option = (name: string): string | undefined => options.get(name);
  const asked = queryOf(
    { ip: option('ip'), helo: option('helo'), from: option('from'), receiver: option('receiver') },
    (name) => `--${name}`,
  );
  if (!asked.ok) return failed(spfExit.usage, [`spf check: ${asked.problem}`]);
  const query = asked.value;
  const explain = options.has('explain');
  const outcome = await checkHost(query, { resolver, limits: { totalMs }, trace: explain });
  process.stdout.write(
    options.has('json') ? spfJson(asJson(outcome, query)) : render(asText(outcome, query, terminal), terminal),
  );
  return spfExit.ok;
}

const asJson = (outcome: SpfOutcome, { ip }: SpfQuery): unknown => {
  const { trace, ...rest } = outcome;
  return { ...rest, reason: sentenceOf(outcome, ip), ...(trace && { trace }) };
};

function asText(outcome: SpfOutcome, query: SpfQuery, terminal: Terminal): readonly Line[] {
  const { result, trace } = outcome;
  const headline: Line = [
    [result, styleOfResult[result]],
    [`  ${shown(sentenceOf(outcome, query.ip))}`, 'bold'],
  ];
  const counts = countsOf(outcome);
  const rows = rowsOf(outcome, trace === undefined ? counts : undefined);
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, text, remark = '']): Line => [
    [`  ${label.padEnd(width)}  `, 'dim'],
    [shown(text, 2000)],
    [remark === '' ? '' : `  (${shown(remark)})`, 'dim'],
  ]);
  if (trace === undefined) return [headline, ...lines];
  return [headline, ...lines, [['']], ...traceLines(outcome, terminal.width)];
}

type CheckRow = readonly [label: string, text: string, remark?: string];

function rowsOf(outcome: SpfOutcome, counts: string | undefined): readonly CheckRow[] {
  const { identity, domain, sender, mechanism, mechanismDomain, explanation } = outcome;
  const who = identity === 'helo' ? `the HELO name, as ${sender}` : `the domain of the reverse-path ${sender}`;
  return [
    ['checked', domain === '' ? '(no domain)' : domain, who],
    ...(mechanism === undefined ? [] : [mechanismRow(mechanism, mechanismDomain ?? domain)]),
    ...(explanation === undefined
      ? []
      : [['explanation', `"${explanation}"`, `${mechanismDomain}'s own words`] as const]),
    ...(counts === undefined ? [] : [['look-ups', counts.replace(' look-ups', '')] as const]),
  ];
}

const mechanismRow = (mechanism: string, domain: string): CheckRow =>
  mechanism === 'default'
    ? ['mechanism', 'default', `no term in the record of ${domain} matched`]
    : ['mechanism', mechanism, `in the record of ${domain}`];
