/**
 * What the policy changes in a message: fields with the results, a mark, the hold queue; forgeries of ours are taken
 * away.
 */
import { parseDomain } from '../../mail/domain.js';
import { unicode } from '../../mail/text.js';
import {
  authenticationResultsName,
  authservIdOf,
  spfMethod,
  writeAuthenticationResults,
} from '../../spf/fields/authentication-results.js';
import { receivedSpfName, writeReceivedSpf } from '../../spf/fields/received-spf.js';
import { deleteHeader, type Edit, type HeaderField, insertHeader } from '../policy.js';
import type { JudgedMail, VerifiedIdentity } from './judge.js';
import { knowsOwnDomains, ownField } from './own-domains.js';
import type { VerifySettings } from './settings.js';

const folded = { folded: true };
const lowerOwnField = ownField.toLowerCase();

/** The fields in the order in which they are inserted at the top: the last one ends up uppermost. */
export function resultFields(
  results: readonly VerifiedIdentity[],
  subject: JudgedMail,
  settings: VerifySettings,
): Edit[] {
  if (results.length === 0) return [];
  const { ip, receiver, smtpUtf8 } = subject;
  const client = { clientIp: ip, helo: subject.helo ?? 'unknown', smtpUtf8 };
  return settings.header.flatMap((field) => {
    if (field === 'Received-SPF')
      return results.map(({ outcome }) =>
        insertHeader(receivedSpfName, octetsOf(writeReceivedSpf(outcome, { ...client, receiver }, folded))),
      );
    const localPart = settings.include_mailfrom_local_part;
    const plain = settings.authentication_results_form === 'plain';
    const methods = results.map(({ outcome }) => spfMethod(outcome, { ...client, localPart, plain }));
    const input = { authservId: settings.authserv_id ?? receiver, methods };
    return [insertHeader(authenticationResultsName, octetsOf(writeAuthenticationResults(input, folded)))];
  });
}

/** A text as the milter protocol takes it: its UTF-8, one octet to a character. */
const octetsOf = (text: string): string => (/^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text).toString('latin1'));

/** The mark of results the operator wants marked, and the hold queue for those to be held. */
export function consequences({ outcome: { result, domain } }: VerifiedIdentity, settings: VerifySettings): Edit[] {
  const edits: Edit[] = [];
  if (settings.mark_results.has(result)) edits.push(insertHeader(settings.mark_field, result));
  if (settings.quarantine_results.has(result))
    edits.push({ kind: 'quarantine', reason: `SPF ${result}: ${domain.replace(/[^!-~]/g, '?')}` });
  return edits;
}

/**
 * Counts the fields of a header as they come, and remembers which are forgeries of ours: RFC 8601 §5, and Received-SPF,
 * which a DMARC filter behind us takes for a result of ours.
 */
export class Forgeries {
  readonly #ownId: string;
  readonly #wanted: VerifySettings;
  /** How many fields of a name there were; made with the first that may be a forgery. */
  #counts: Map<string, number> | undefined = undefined;
  readonly #deletions: Edit[] = [];

  constructor(settings: VerifySettings, receiver: string) {
    this.#ownId = settings.authserv_id ?? receiver;
    this.#wanted = settings;
  }

  see({ name, value }: HeaderField): void {
    const lower = name.toLowerCase();
    if (lower === 'authentication-results' && this.#wanted.delete_incoming_authentication_results) {
      const id = authservIdOf(value);
      this.#count(name, id !== undefined && comparable(id) === comparable(this.#ownId));
    } else if (this.#isOurs(lower)) {
      this.#count(name, true);
    }
  }

  /** A field of that name is a forgery whatever is in it. */
  #isOurs(name: string): boolean {
    const { delete_incoming_received_spf: received, mark_results: marked, mark_field: mark } = this.#wanted;
    if (name === 'received-spf') return received;
    if (marked.size > 0 && name === mark.toLowerCase()) return true;
    return name === lowerOwnField && knowsOwnDomains(this.#wanted);
  }

  #count(name: string, isForgery: boolean): void {
    this.#counts ??= new Map();
    const index = (this.#counts.get(name.toLowerCase()) ?? 0) + 1;
    this.#counts.set(name.toLowerCase(), index);
    if (isForgery) this.#deletions.push(deleteHeader(name, index));
  }

  get deletions(): readonly Edit[] {
    return this.#deletions;
  }
}

/** Names are the same as A-labels, without case and final dot (RFC 8601 §2.5); the wire's octets may be UTF-8. */
function comparable(id: string): string {
  const text = /^[\x00-\xff]*$/.test(id) ? unicode(id) : id;
  const name = text.replace(/\.$/, '').normalize('NFC');
  return parseDomain(name) ?? name.toLowerCase();
}
