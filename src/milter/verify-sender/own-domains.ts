/**
 * Mail from outside that names a domain of our own customers, and fails: a forgery, or a record that lacks a server of
 * theirs. Either way somebody here wants to know, whatever becomes of the mail.
 */
import { after, type Eventual } from '../../mail/eventual.js';
import { isQueryName } from '../../spf/domain.js';
import type { SpfResultCode } from '../../spf/record.js';
import { type Edit, insertHeader } from '../policy.js';
import type { Judgement, JudgedMail } from './judge.js';
import { matchesAny } from './pattern.js';
import type { VerifySettings } from './settings.js';
import type { VerifyTools } from './tools.js';

type OwnSettings = Pick<VerifySettings, 'own_domains' | 'own_domains_ldap'>;

/** The sender, `own.example fail`. */
export const ownField = 'X-SPF-Own-Domain';

export const knowsOwnDomains = ({ own_domains: listed, own_domains_ldap: directory }: OwnSettings): boolean =>
  listed.length > 0 || directory !== undefined;

const failures: ReadonlySet<SpfResultCode> = new Set(['fail', 'softfail', 'permerror']);

/** An own domain, and how it failed. */
export interface OwnFailure {
  readonly domain: string;
  readonly result: SpfResultCode;
}

export const ownMark = ({ domain, result }: OwnFailure): Edit => insertHeader(ownField, `${domain} ${result}`);

/** Looks whose domain the MAIL FROM is, where it failed; undefined for others, and while the directory does not say. */
export function ownFailure(
  { results, refusal }: Judgement,
  { ip, from }: JudgedMail,
  { settings, tools }: { readonly settings: OwnSettings; readonly tools: VerifyTools },
): Eventual<OwnFailure | undefined> {
  const outcome = (refusal ?? results.at(-1))?.outcome;
  if (outcome?.identity !== 'mailfrom' || !failures.has(outcome.result)) return undefined;
  const { result } = outcome;
  const domain = outcome.domain.toLowerCase();
  return after(isOwn(domain, settings, tools), (own) => {
    if (!own) return undefined;
    tools.log.info({ ip: ip.text, from, domain, result }, 'own domain: its record does not permit this client');
    tools.observe({ kind: 'own', result });
    return { domain, result };
  });
}

function isOwn(domain: string, settings: OwnSettings, tools: VerifyTools): Eventual<boolean> {
  if (matchesAny(settings.own_domains, domain)) return true;
  if (!tools.directory || !isQueryName(domain)) return false;
  return after(tools.directory.has({ d: domain }), (answer) => {
    if (answer.kind === 'failed')
      tools.log.warn({ domain, problem: answer.problem }, 'the directory does not say whose domain it is');
    return answer.kind === 'found';
  });
}
