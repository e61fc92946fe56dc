/** Postfix's smtpd_*_restrictions: each word as a check, a list or a zone, or why there is no such thing here. */
import { rowOf } from '../foreign.js';
import type { PostfixConfig } from './postfix.js';
import { accessMap } from './postfix-access.js';

/** Words that take one behind them. */
const withArgument =
  /^(?:check_\w+|reject_rbl_client|reject_rhsbl_\w+|permit_rhswl_client|permit_dnswl_client|reject_multi_recipient_bounce_to|sleep)$/;

const checks: Readonly<Record<string, readonly [check: string, differs?: string]>> = {
  reject_unknown_reverse_client_hostname: ['rdns'],
  reject_unknown_client_hostname: ['fcrdns'],
  reject_invalid_helo_hostname: ['helo'],
  reject_invalid_hostname: ['helo'],
  reject_non_fqdn_helo_hostname: ['helo'],
  reject_non_fqdn_hostname: ['helo'],
  reject_unknown_helo_hostname: ['helo', 'whether the HELO name can be resolved is not asked'],
  reject_non_fqdn_sender: ['sender'],
  reject_unknown_sender_domain: ['sender_domain'],
};

/** What is so anyway, or is the business of the MTA behind. */
const silent = new Set(
  `permit_mynetworks permit_sasl_authenticated permit_auth_destination permit permit_mx_backup reject_unauth_destination
   defer_unauth_destination reject_unlisted_recipient reject_unlisted_sender reject_non_fqdn_recipient reject
   reject_unknown_recipient_domain reject_unauth_pipelining reject_multi_recipient_bounce permit_tls_clientcerts
   permit_inet_interfaces warn_if_reject reject_sender_login_mismatch reject_authenticated_sender_login_mismatch
   reject_known_sender_login_mismatch reject_plaintext_session permit_tls_all_clientcerts`.split(/\s+/),
);

const lists = ['client', 'helo', 'sender', 'relay', 'recipient', 'data', 'end_of_data'] as const;

export function restrictions(config: PostfixConfig): void {
  for (const list of lists) {
    const name = `smtpd_${list}_restrictions`;
    const words = [...config.main.words(name)];
    for (let word = words.shift(); word !== undefined; word = words.shift()) {
      const key = word.toLowerCase();
      restriction(
        { word: key, argument: withArgument.test(key) ? (words.shift() ?? '') : '', from: `${name}: ${word}` },
        config,
      );
    }
  }
}

interface Restriction {
  readonly word: string;
  readonly argument: string;
  readonly from: string;
}

function restriction({ word, argument, from }: Restriction, config: PostfixConfig): void {
  const { plan } = config;
  const row = rowOf(checks, word);
  const access = /^check_(client|reverse_client_hostname|helo|sender|recipient)_access$/.exec(word)?.[1];
  if (row) {
    plan.check(row[0], from);
    if (row[1] !== undefined) plan.note('differs', from, row[1]);
  } else if (access !== undefined) accessMap(argument, { of: access, from }, config);
  else if (word === 'reject_rbl_client') plan.lineOfAll('zones', argument, from);
  else if (word === 'reject_rhsbl_sender') plan.lineOfAll('domain_zones', argument, from);
  else if (word === 'check_policy_service') policyService(argument, from, config);
  else if (word === 'reject_unverified_recipient')
    plan.note('by hand', from, 'valid_users ahead in the list of plugins asks the MTA behind by RCPT');
  else if (word.startsWith('reject_rhsbl_'))
    plan.note('none', from, `${argument}: only the sender’s domain is asked for (domain_zones)`);
  else if (/^permit_(?:dnswl|rhswl)_client$/.test(word))
    plan.note('none', from, 'whitelisted/ips says whom to trust, no list in DNS');
  else if (!silent.has(word))
    plan.note(
      'none',
      from,
      /^(?:check_|reject_|permit_)/.test(word)
        ? 'there is no such check'
        : 'restriction classes have no like: checks are switched on by domain',
    );
}

function policyService(service: string, from: string, { plan }: PostfixConfig): void {
  if (/spf/i.test(service)) {
    plan.check('spf', from);
    plan.note(
      'by hand',
      from,
      'postern import pyspf-milter /etc/postfix-policyd-spf-python/policyd-spf.conf says what its options are here',
    );
  } else if (/grey|:10023$|:60000$/i.test(service)) {
    plan.check('greylisting', from);
    plan.note('differs', from, 'postgrey’s memory is not taken over: known networks are put off once more');
  } else
    plan.note(
      'none',
      from,
      `${service}: no policy service is asked; a plugin does what it does (docs/writing-plugins.md)`,
    );
}
