/** `postern spf check`: judges one mail and says why; with --batch, hands over to batch. */
import { checkHost, type SpfOutcome, type SpfQuery } from '../../spf/check-host.js';
import { receivedSpfName, writeReceivedSpf } from '../../spf/fields/received-spf.js';
import { sentenceOf } from '../../spf/fields/sentence.js';
import { spfTraceName, writeSpfTrace } from '../../spf/fields/trace-field.js';
import type { SpfResultCode } from '../../spf/record.js';
import { type Given, misused } from '../command/command.js';
import { runBatch } from './batch.js';
import { dnsOf, type Dns } from './dns.js';
import { spfExit } from './exit.js';
import { spfJsonObject } from './json.js';
import { render, shown, type Terminal, terminalOf } from '../terminal.js';
import type { Line } from '../../text/line.js';
import { countsOf, styleOfResult, traceLines } from '../../spf/trace/tree.js';
import { queryOf } from './query.js';
import { failed } from '../complain.js';

/** The codes of Mail::SPF's spfquery, for --exit-code; ours for what goes wrong begin at 64. */
const exitOfResult: Readonly<Record<SpfResultCode, number>> = {
  pass: 0,
  fail: 1,
  softfail: 2,
  neutral: 3,
  permerror: 4,
  temperror: 5,
  none: 6,
};

/** Exit code 0 whatever the result is, unless --exit-code asks for that of the result. */
export async function spfCheck(given: Given): Promise<number> {
  const { options, env } = given;
  const problem = misfit(given);
  if (problem !== undefined) return misused(given, problem);
  const dns = dnsOf(options);
  if (!dns.ok) return failed(dns.problem.code, [`spf check: ${dns.problem.text}`]);
  return options.has('batch') ? batch(given, dns.value) : single(given, dns.value, terminalOf(process.stdout, env));
}

/** What a line of a batch says by itself, and what is made of one mail alone. */
const saidByLines = ['ip', 'helo', 'from'];
const ofOneMail = ['header', 'exit-code'];

function misfit({ options }: Given): string | undefined {
  const given = (names: readonly string[]): string | undefined => names.find((name) => options.has(name));
  if (!options.has('batch'))
    return given(['json']) && given(['header']) && '--header prints a field, --json an object: give one of them';
  const [said, alone] = [given(saidByLines), given(ofOneMail)];
  if (said !== undefined) return `--batch reads each ${said} from its lines: leave out --${said}`;
  return alone === undefined ? undefined : `--${alone} is for one mail, not for --batch`;
}

function batch({ options }: Given, { resolver, totalMs }: Dns): Promise<number> {
  return runBatch({
    input: process.stdin,
    output: process.stdout,
    resolver,
    totalMs,
    trace: options.has('explain'),
    receiver: options.get('receiver'),
  });
}

async function single(given: Given, { resolver, totalMs }: Dns, terminal: Terminal): Promise<number> {
  const { options } = given;
  const option = (name: string): string | undefined => options.get(name);
  const asked = queryOf(
    { ip: option('ip'), helo: option('helo'), from: option('from'), receiver: option('receiver') },
    (name) => `--${name}`,
  );
  if (!asked.ok) return misused(given, asked.problem);
  const query = asked.value;
  const explain = options.has('explain');
  const outcome = await checkHost(query, { resolver, limits: { totalMs }, trace: explain });
  process.stdout.write(
    options.has('json')
      ? spfJsonObject(asJson(outcome, query))
      : options.has('header')
        ? asFields(outcome, query)
        : render(asText(outcome, query, terminal), terminal),
  );
  return options.has('exit-code') ? exitOfResult[outcome.result] : spfExit.ok;
}

const asJson = (outcome: SpfOutcome, { ip }: SpfQuery): object => {
  const { trace, ...rest } = outcome;
  return { ...rest, reason: sentenceOf(outcome, ip), ...(trace && { trace }) };
};

/** The fields that a receiver writes above the mail, X-SPF-TRACE where there is a trace; lines end in LF. */
function asFields(outcome: SpfOutcome, { ip, helo, receiver = unknownReceiver }: SpfQuery): string {
  const field = (name: string, body: string): string => `${name}: ${body.replaceAll('\r\n', '\n')}\n`;
  const received = writeReceivedSpf(outcome, { clientIp: ip, helo, receiver }, { folded: true });
  return (
    field(receivedSpfName, received) + (outcome.trace === undefined ? '' : field(spfTraceName, writeSpfTrace(outcome)))
  );
}

/** As `%{r}` has it (RFC 7208 §7.3). */
const unknownReceiver = 'unknown';

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
