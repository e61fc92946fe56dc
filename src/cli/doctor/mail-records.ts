/** What hosted domains publish about the mail that they send: SPF, DMARC, and the DKIM keys that can be found. */
import { dkimKeyProblems, dmarcProblems, isDmarcRecord, type RecordProblem } from '../../dkim/record-lint.js';
import { lint } from '../../spf/lint/lint.js';
import { type Diagnoses, type Diagnosis, type Examined, failing, good, inOrder, note, warning } from './diagnosis.js';

export async function* examineRecords(examined: Examined): Diagnoses {
  for await (const found of inOrder(examined.domains, (domain) => recordsOf(domain, examined))) yield* found;
}

async function recordsOf(domain: string, examined: Examined): Promise<readonly Diagnosis[]> {
  const found = await Promise.all([spf(domain, examined), dmarc(domain, examined), dkim(domain, examined)]);
  const problems = found.flatMap((one) => one.problems);
  return problems.length > 0
    ? problems
    : [good('records', `${domain}: ${found.map(({ name }) => name).join(', ')} are in order`)];
}

interface RecordsFound {
  readonly name: string;
  readonly problems: readonly Diagnosis[];
}

const lintMs = 20_000;

async function spf(domain: string, { resolver }: Examined): Promise<RecordsFound> {
  const { findings, tree } = await lint({ domain }, { resolver, signal: AbortSignal.timeout(lintMs) });
  if (
    tree.record === undefined &&
    findings.length === 1 &&
    tree.note !== undefined &&
    /^no such|^no SPF/.test(tree.note)
  ) {
    const remedy = `publish "v=spf1 mx -all", or "v=spf1 -all" where it sends no mail; postern spf suggest helps`;
    return { name: 'SPF', problems: [warning('records', `${domain}: there is no SPF record`, remedy)] };
  }
  const problems = findings.map(({ severity, problem, domain: where }) =>
    tell(severity, `SPF of ${where ?? domain}: ${problem}`, `postern spf lint ${domain} shows where`),
  );
  return { name: 'SPF', problems };
}

const tell = (severity: 'error' | 'warning', text: string, remedy?: string): Diagnosis =>
  severity === 'error' ? failing('records', text, remedy) : warning('records', text, remedy);

const told = (what: string, problems: readonly RecordProblem[]): readonly Diagnosis[] =>
  problems.map(({ severity, problem }) => tell(severity, `${what}: ${problem}`));

/** The policy of a domain above it counts where it has none of its own (RFC 7489 §6.6.3). */
async function dmarc(domain: string, { resolver }: Examined): Promise<RecordsFound> {
  const labels = domain.split('.');
  for (let i = 0; labels.length - i >= 2; i++) {
    const name = `_dmarc.${labels.slice(i).join('.')}`;
    const answer = await resolver.lookup(name, 'TXT');
    if (answer.kind === 'failed')
      return { name: 'DMARC', problems: [note('records', `${name} cannot be asked for: ${answer.problem}`)] };
    const texts = answer.kind === 'found' ? answer.records.map((parts) => parts.join('')).filter(isDmarcRecord) : [];
    if (texts.length > 0) return { name: 'DMARC', problems: told(name, dmarcProblems(texts)) };
  }
  const remedy = `publish "_dmarc.${domain}. TXT v=DMARC1; p=none; rua=mailto:postmaster@${domain}" to begin with`;
  return { name: 'DMARC', problems: [warning('records', `${domain}: there is no DMARC record`, remedy)] };
}

/** Nobody can list the selectors of a domain; these are what the usual signers call theirs. */
const selectors = ['default', 'mail', 'dkim', 'selector1', 'selector2', 'google', 's1', 's2', 'k1', 'k2', 'k3'];

async function dkim(domain: string, { resolver }: Examined): Promise<RecordsFound> {
  const name = 'DKIM';
  const above = `_domainkey.${domain}`;
  const top = await resolver.lookup(above, 'TXT');
  // RFC 8020: below what does not exist there is nothing.
  if (top.kind === 'void' && top.why === 'nxdomain') {
    const remedy = 'where mail is sent under this domain, sign it, and publish the key';
    return {
      name,
      problems: [warning('records', `${domain}: there is no DKIM key, for ${above} does not exist`, remedy)],
    };
  }
  const found = await Promise.all(
    selectors.map(async (selector) => [selector, await resolver.lookup(`${selector}.${above}`, 'TXT')] as const),
  );
  const problems = found.flatMap(([selector, answer]) => {
    if (answer.kind !== 'found') return [];
    const what = `${selector}.${above}`;
    if (answer.records.length > 1)
      return [failing('records', `${what}: there are ${answer.records.length} records: keep one`)];
    return told(what, dkimKeyProblems(answer.records[0]?.join('') ?? ''));
  });
  return { name, problems };
}
