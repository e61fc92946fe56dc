/** `postern spf lint`: what is wrong or unwise in a record, and where its look-ups go. */
import { lint, type LintMail, type LintReport, type LintSubject } from '../../spf/lint/lint.js';
import { type Result, wrong } from '../../mail/result.js';
import { BrokenMarker } from '../../srv/folder.js';
import { type Given, misused } from '../command/command.js';
import type { Words } from '../command/options.js';
import { load } from '../load.js';
import { dnsOf, type DnsProblem } from './dns.js';
import { spfExit } from './exit.js';
import { spfJsonObject } from './json.js';
import { lintText } from './lint-text.js';
import { queryOf } from './query.js';
import { domainOf, stringsOfRecord } from './subject.js';
import { render, shown, terminalOf } from '../terminal.js';
import { failed } from '../complain.js';

/** Exit code 0 when there are warnings at most, EX_DATAERR when there is an error; with --strict also for warnings. */
export async function spfLint(given: Given): Promise<number> {
  const subject = given.options.has('all') ? undefined : subjectOf(given);
  if (subject?.ok === false) return misused(given, subject.problem);
  const mail = mailOf(given.options);
  if (!mail.ok) return misused(given, mail.problem);
  const linter = linterOf(given, mail.value);
  if (!linter.ok) return failed(linter.problem.code, [`spf lint: ${linter.problem.text}`]);
  return subject ? linter.value(subject.value) : lintAll(given, linter.value);
}

/** Judges a record, prints what is found, and says with which code the command ends. */
type Linter = (subject: LintSubject) => Promise<number>;

function linterOf(given: Given, mail: LintMail | undefined): Result<Linter, DnsProblem> {
  const { options, env } = given;
  const dns = dnsOf(options);
  if (!dns.ok) return dns;
  const resolver = asksDns(given) ? dns.value.resolver : undefined;
  const terminal = terminalOf(process.stdout, env);
  const form = options.has('all') ? 'findings' : 'whole';
  return {
    ok: true,
    value: async (subject) => {
      const signal = AbortSignal.timeout(dns.value.totalMs);
      const report = await lint(subject, { resolver, signal, ...(mail && { mail }) });
      process.stdout.write(
        options.has('json')
          ? spfJsonObject(asJson(subject, report))
          : render(lintText(report, { width: terminal.width, form }), terminal),
      );
      const isBad = report.findings.some(({ severity }) => severity === 'error' || options.has('strict'));
      return isBad ? spfExit.dataError : spfExit.ok;
    },
  };
}

/** Every hosted domain, by the settings of `postern serve`; the worst code of all. */
async function lintAll(given: Given, linter: Linter): Promise<number> {
  if (given.words.length > 0 || given.options.has('record'))
    return misused(given, '--all judges what every domain of /srv publishes: name none, and no record');
  const loaded = load(given, [...given.options.keys()]);
  if (!loaded.ok) return failed(spfExit.config, loaded.problem);
  const { srvOf } = await import('../wire.js');
  let code: number = spfExit.ok;
  try {
    for (const name of srvOf(loaded.value.settings).domains()) {
      const domain = domainOf(name);
      if (domain.ok) code = Math.max(code, await linter({ domain: domain.value }));
    }
  } catch (error) {
    if (!(error instanceof BrokenMarker)) throw error;
    return failed(spfExit.ioError, [`spf lint: ${shown(error.message, 300)}`]);
  }
  return code;
}

/** The mail of --ip, --helo and --from; none where none of them is given. */
function mailOf(options: ReadonlyMap<string, string>): Result<LintMail | undefined> {
  const [ip, helo, from] = ['ip', 'helo', 'from'].map((name) => options.get(name));
  if (ip === undefined && helo === undefined && from === undefined) return { ok: true, value: undefined };
  return queryOf({ ip, helo, from }, (name) => `--${name}`);
}

/** A record alone is judged by its text. */
const asksDns = ({ options, words }: Words): boolean =>
  words.length > 0 || ['all', 'zone', 'server'].some((name) => options.has(name));

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
