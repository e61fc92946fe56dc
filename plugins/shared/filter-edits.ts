/**
 * What a filter wants changed in a mail (milter's edits), as changes of ours: the header at once, the rest as a
 * rewriting to come. It is no plugin itself.
 */
import type { DataContext, RelayedMail } from '../../src/hooks/plugin.js';
import { parsePathText } from '../../src/mail/address.js';
import type { HeaderEdit } from '../../src/mail/edits/header-edits.js';
import { asciiText } from '../../src/mail/text.js';
import type { Rewrite } from '../../src/mail/verdict.js';
import type { Edit } from '../../src/milter/policy.js';

/** Makes the changes of the header; returns what is wrong with those that are not made. */
export function editHeader(mail: Pick<DataContext, 'editHeader'>, edits: readonly Edit[]): readonly string[] {
  return edits.flatMap((edit) => {
    const change = headerEdit(edit);
    const problem = change && mail.editHeader(change);
    return problem === undefined ? [] : [problem];
  });
}

function headerEdit(edit: Edit): HeaderEdit | undefined {
  switch (edit.kind) {
    case 'add-header':
      return { kind: 'add', name: edit.name, text: edit.value };
    case 'insert-header':
      return { kind: 'insert', index: edit.index, name: edit.name, text: edit.value };
    case 'change-header':
      return { kind: 'change', index: edit.index, name: edit.name, text: edit.value };
    case 'delete-header':
      return { kind: 'change', index: edit.index, name: edit.name, text: '' };
    default:
      return undefined;
  }
}

/** The reason to keep it back, where the filter gives one; '' for one without words. */
export function quarantineReason(edits: readonly Edit[]): string | undefined {
  const reasons = edits.flatMap((edit) => (edit.kind === 'quarantine' ? [asciiText(edit.reason, 300)] : []));
  return reasons.at(-1);
}

export interface WantedRewriting {
  /** What is to be changed; empty where nothing is. */
  readonly what: Omit<Rewrite, 'kind' | 'log'>;
  /** What is wrong with the others. */
  readonly problems: readonly string[];
}

/** Recipients, sender and body as the filter wants them. `before` is the mail that it has seen. */
export function rewriting(
  edits: readonly Edit[],
  before: RelayedMail,
  { parameters, domain }: Pick<DataContext, 'parameters' | 'domain'>,
): WantedRewriting {
  const problems: string[] = [];
  const recipients = new Set(before.recipients);
  let reversePath: string | undefined;
  const body: Uint8Array[] = [];
  for (const edit of edits) {
    switch (edit.kind) {
      case 'add-recipient':
      case 'delete-recipient': {
        const address = addressOf(edit.recipient);
        if (address === undefined || address === '') problems.push('a recipient that is no address');
        else if (edit.kind === 'delete-recipient') {
          if (!recipients.delete(address)) problems.push(`${address} is no recipient`);
        } else if (address.endsWith(`@${domain}`)) recipients.add(address);
        else problems.push(`${address} is not of ${domain}`);
        break;
      }
      case 'change-sender': {
        const address = addressOf(edit.sender);
        const isSendable = address !== undefined && (parameters.includes('SMTPUTF8') || /^[\x00-\x7f]*$/.test(address));
        if (isSendable) reversePath = address;
        else problems.push('a sender that is no address');
        break;
      }
      case 'replace-body':
        body.push(edit.body);
        break;
      default: // fields, and what holds a mail back
    }
  }
  const isSame = recipients.size === before.recipients.length && before.recipients.every((one) => recipients.has(one));
  return {
    what: {
      ...(!isSame && { recipients: [...recipients] }),
      ...(reversePath !== undefined && reversePath !== before.reversePath && { reversePath }),
      ...(body.length > 0 && { body: Buffer.concat(body) }),
    },
    problems,
  };
}

/** In wire form; '' is the null reverse-path. Octets, with or without angle brackets. */
function addressOf(octets: string): string | undefined {
  const bare = octets.startsWith('<') && octets.endsWith('>') ? octets.slice(1, -1) : octets;
  const read = parsePathText(`<${Buffer.from(bare, 'latin1').toString('utf8')}>`);
  if (!read.ok || read.value.parameters.size > 0 || read.value.path.kind === 'postmaster') return undefined;
  return read.value.path.kind === 'null' ? '' : read.value.path.address.text;
}
