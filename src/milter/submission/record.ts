/**
 * What a domain publishes about the mail it sends: its SPF record by RFC 7208's rules of selection, redirects
 * followed, and whether what is left over is refused by it ("-all").
 */
import type { DnsAnswer, LookupOptions, Resolver } from '../../dns/resolver.js';
import { isQueryName, withoutFinalDot } from '../../spf/domain.js';
import { defaultLimits } from '../../spf/limits.js';
import { expandMacro, type MacroValues } from '../../spf/macro.js';
import type { All, SpfRecord, TargetModifier } from '../../spf/record.js';
import { publishedRecord } from '../../spf/read-answer.js';

export type Published =
  | { readonly kind: 'none' }
  /** The record does not ask anybody to refuse what it does not list. */
  | { readonly kind: 'open'; readonly records: readonly string[] }
  /** `records`: in the order in which they are evaluated, the last being the target of the last redirect. */
  | { readonly kind: 'restrictive'; readonly records: readonly string[]; readonly sendsNoMail: boolean }
  /** permerror: there are several records, or one that cannot be read, or redirects that lead nowhere. */
  | { readonly kind: 'broken'; readonly problem: string }
  /** DNS did not answer. */
  | { readonly kind: 'failed'; readonly problem: string };

export interface Publisher {
  readonly domain: string;
  readonly macros: MacroValues;
}

/** Never rejects, where the resolver does not. */
export async function published(
  { domain, macros }: Publisher,
  resolver: Resolver,
  options: LookupOptions,
): Promise<Published> {
  const records: string[] = [];
  let name = domain;
  // RFC 7208 §4.6.4: a followed redirect is one of ten terms.
  for (let redirects = 0; redirects <= defaultLimits.lookups; redirects++) {
    const found = recordIn(await resolver.lookup(name, 'TXT', options), name);
    if (found.kind === 'none' && redirects > 0) return broken(`redirect to ${name}, which has no record`);
    if (found.kind !== 'one') return found;
    const { record } = found;
    records.push(record.text);
    const all = record.directives.find((directive): directive is All => directive.kind === 'all');
    if (all?.result === 'fail')
      return { kind: 'restrictive', records, sendsNoMail: isAllAlone(record) && redirects === 0 };
    if (!record.redirect) return { kind: 'open', records };
    const target = targetOf(record.redirect, { domain: name, macros });
    if (target === undefined) return broken(`${record.redirect.text}: no domain name comes of it`);
    name = target;
  }
  return broken(`more than ${defaultLimits.lookups} redirects`);
}

const broken = (problem: string): Published => ({ kind: 'broken', problem });

type RecordFound =
  Exclude<Published, { kind: 'open' | 'restrictive' }> | { readonly kind: 'one'; readonly record: SpfRecord };

function recordIn(answer: DnsAnswer<readonly string[]>, name: string): RecordFound {
  if (answer.kind === 'failed') return { kind: 'failed', problem: `TXT of ${name}: ${answer.problem}` };
  const selected = answer.kind === 'found' ? publishedRecord(answer.records) : ({ kind: 'none' } as const);
  switch (selected.kind) {
    case 'none':
      return selected;
    case 'several':
      return { kind: 'broken', problem: `${name} has several records` };
    case 'one': {
      const { parsed } = selected;
      return parsed.kind === 'record'
        ? { kind: 'one', record: parsed.record }
        : { kind: 'broken', problem: `${name}: ${parsed.problem}` };
    }
  }
}

/** "v=spf1 -all": the domain says that it sends no mail at all. */
const isAllAlone = ({ directives }: SpfRecord): boolean => directives[0]?.kind === 'all';

function targetOf({ target }: TargetModifier, { domain, macros }: Publisher): string | undefined {
  const text = target.name ?? expandMacro(target.macro, macros, { domain, validated: 'unknown' });
  const name = withoutFinalDot(text ?? '');
  return isQueryName(name) ? name : undefined;
}
