/** `postern spf suggest`: what a domain could publish, and why. */
import { type Network, parseNetwork } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';
import { stringsOf } from '../../spf/flatten/flat-records.js';
import { isWithinNetwork } from '../../spf/flatten/networks.js';
import { lint, type LintReport } from '../../spf/lint/lint.js';
import { defaultLimits } from '../../spf/limits.js';
import { type MailSource, suggest, type Suggestion, type SuggestionWish } from '../../spf/suggest.js';
import type { Line } from '../../text/line.js';
import { failed } from '../complain.js';
import { type Given, misused } from '../command/command.js';
import type { Words } from '../command/options.js';
import { render, shown, terminalOf } from '../terminal.js';
import { dnsOf } from './dns.js';
import { spfExit } from './exit.js';
import { spfJsonObject } from './json.js';
import { domainOf } from './subject.js';
import { commentLine, recordLines } from './zone-lines.js';

/** Exit code 0; EX_DATAERR where what was named makes no good record. */
export async function spfSuggest(given: Given): Promise<number> {
  const { options: asked, env } = given;
  const wish = wishOf(given);
  if (!wish.ok) return misused(given, wish.problem);
  const dns = dnsOf(asked);
  if (!dns.ok) return failed(dns.problem.code, [`spf suggest: ${dns.problem.text}`]);
  const options = { resolver: dns.value.resolver, signal: AbortSignal.timeout(dns.value.totalMs) };
  const suggested = await suggest(wish.value, options);
  if (!suggested.ok) {
    const { isTemporary, text } = suggested.problem;
    return failed(isTemporary ? spfExit.unavailable : spfExit.dataError, [`spf suggest: ${shown(text, 300)}`]);
  }
  const { domain } = wish.value;
  const report = await lint({ domain, strings: stringsOf(suggested.value.record) }, options);
  const terminal = terminalOf(process.stdout, env);
  process.stdout.write(
    asked.has('json')
      ? spfJsonObject(asJson(domain, suggested.value, report))
      : render(asText(domain, suggested.value, report), terminal),
  );
  return report.findings.some(({ severity }) => severity === 'error') ? spfExit.dataError : spfExit.ok;
}

const ends = ['-all', '~all', '?all'];

function wishOf({ options, words: [word, ...more] }: Words): Result<SuggestionWish> {
  if (word === undefined) return wrong('give the DOMAIN, and behind it the addresses and names that send its mail');
  const domain = domainOf(word);
  if (!domain.ok) return domain;
  const end = options.get('end');
  if (end !== undefined && !ends.includes(end))
    return wrong(`--end must be ${ends.join(', ')}, not "${shown(end, 30)}"`);
  const senders: MailSource[] = [];
  for (const text of more) {
    const sender = senderOf(text);
    if (!sender.ok) return sender;
    senders.push(sender.value);
  }
  return { ok: true, value: { domain: domain.value, senders, end } };
}

/** An address, a network or a name; also as a term, `ip4:192.0.2.1` or `include:_spf.example.net`. */
function senderOf(word: string): Result<MailSource> {
  const text = word.replace(/^\+?(?:ip[46]?:|include:|a:)/i, '');
  const network = parseNetwork(text);
  if (network !== undefined) return { ok: true, value: { kind: 'network', network } };
  const name = domainOf(text);
  if (name.ok && /[^0-9.]/.test(text)) return { ok: true, value: { kind: 'name', name: name.value } };
  return wrong(`"${shown(word, 60)}" is neither an address, a network nor a name`);
}

const asJson = (domain: string, suggestion: Suggestion, { findings, tree }: LintReport): object => ({
  domain,
  ...suggestion,
  strings: stringsOf(suggestion.record),
  lookups: tree.lookups,
  findings,
});

function asText(domain: string, suggestion: Suggestion, { findings, tree }: LintReport): readonly Line[] {
  const { record, terms, hosts, notes, published } = suggestion;
  const width = Math.min(50, Math.max(...terms.map(({ term }) => term.length)));
  return [
    ...terms.map(({ term, why }) => commentLine(`${shown(term, 200).padEnd(width)}  ${shown(why, 300)}`)),
    commentLine(`${tree.lookups} of ${defaultLimits.lookups} look-ups`),
    ...notes.map((note) => commentLine(shown(note, 400), 'yellow')),
    ...findings.map(({ severity, problem }) =>
      commentLine(`${severity}: ${shown(problem, 400)}`, severity === 'error' ? 'red' : 'yellow'),
    ),
    ...publishedLines(record, published),
    ...recordLines([{ name: domain, text: record }]),
    ...(hosts.length === 0 ? [] : [commentLine('for the names that its own hosts say in HELO (RFC 7208 §2.3)')]),
    ...recordLines(hosts),
  ];
}

/** What is there now, and what of it the suggestion leaves out. */
function publishedLines(record: string, published: string | undefined): readonly Line[] {
  if (published === undefined) return [];
  if (published === record) return [commentLine('published just so already', 'green')];
  const suggested = record.toLowerCase().split(' ');
  const networks = suggested.flatMap((term) => networkOf(term) ?? []);
  const missing = published
    .split(' ')
    .filter((term) => term !== '' && !suggested.includes(term.toLowerCase()) && !isAmongNetworks(term, networks));
  return [
    commentLine(`in the place of ${shown(published, 600)}`),
    ...(missing.length === 0 ? [] : [commentLine(`without its ${shown(missing.join(' '), 400)}`, 'yellow')]),
  ];
}

const networkOf = (term: string): Network | undefined => parseNetwork(/^\+?ip[46]:(.*)$/i.exec(term)?.[1] ?? '');

function isAmongNetworks(term: string, networks: readonly Network[]): boolean {
  const network = networkOf(term);
  return network !== undefined && networks.some((wide) => isWithinNetwork(network, wide));
}
