/** `postern spf lint`: what is wrong or unwise in a record, and where its look-ups go. */
import { lint, type LintReport, type LintSubject } from '../../spf/lint/lint.js';
import { type Result, wrong } from '../../mail/result.js';
import type { CommandLine } from '../load.js';
import { dnsOf, dnsOptions } from './dns.js';
import { spfExit } from './exit.js';
import { spfJsonObject } from './json.js';
import { lintText } from './lint-text.js';
import { type OptionTable, readWords, type Words } from '../options.js';
import { domainOf, stringsOfRecord } from './subject.js';
import { render, shown, terminalOf } from '../terminal.js';
import { failed } from '../complain.js';

const table: OptionTable = { record: { example: "'v=spf1 mx -all'" }, ...dnsOptions, json: 'flag' };

/** Exit code 0 when there are warnings at most, EX_DATAERR when there is an error. */
export async function spfLint({ argv, env }: CommandLine): Promise<number> {
  const read = readWords(argv, table);
  const subject = read.ok ? subjectOf(read) : read;
  if (!read.ok || !subject.ok) return failed(spfExit.usage, [`spf lint: ${problemOf(read, subject)}`]);
  const dns = dnsOf(read.options);
  if (!dns.ok) return failed(dns.problem.code, [`spf lint: ${dns.problem.text}`]);
  const signal = AbortSignal.timeout(dns.value.totalMs);
  const report = await lint(subject.value, { resolver: asksDns(read) ? dns.value.resolver : undefined, signal });
  const terminal = terminalOf(process.stdout, env);
  process.stdout.write(
    read.options.has('json')
      ? spfJsonObject(asJson(subject.value, report))
      : render(lintText(report, terminal.width), terminal),
  );
  return report.findings.some(({ severity }) => severity === 'error') ? spfExit.dataError : spfExit.ok;
}

const problemOf = (...read: readonly { readonly ok: boolean; readonly problem?: string }[]): string =>
  read.find(({ ok }) => !ok)?.problem ?? '';

/** A record alone is judged by its text. */
const asksDns = ({ options, words }: Words): boolean =>
  words.length > 0 || options.has('zone') || options.has('server');

function subjectOf({ options, words }: Words): Result<LintSubject> {
  const [word, extra] = words;
  const record = options.get('record');
  if (extra !== undefined)
    return wrong(`one DOMAIN at a time, not also "${shown(extra, 60)}"; a record goes into --record='...'`);
  if (word === undefined && record === undefined) return wrong('give a DOMAIN, or --record with the text of a record');
  const domain = word === undefined ? undefined : domainOf(word);
  if (domain?.ok === false) return domain;
  const strings = record === undefined ? {} : { strings: stringsOfRecord(record) };
  return { ok: true, value: { domain: domain?.value, ...strings } };
}

const asJson = ({ domain }: LintSubject, { findings, tree }: LintReport): object => ({
  domain,
  record: tree.record,
  errors: findings.filter(({ severity }) => severity === 'error').length,
  warnings: findings.filter(({ severity }) => severity === 'warning').length,
  lookups: tree.lookups,
  voids: tree.voids,
  findings,
  tree,
});
