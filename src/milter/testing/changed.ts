/** What a mail is when an MTA has made a filter's edits, by the rules of Postfix: for tests of filters. */
import type { Edit, HeaderField } from '../policy.js';

export interface ChangedMail {
  /** Without angle brackets. */
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly header: readonly HeaderField[];
  readonly body: Buffer;
  /** Why the MTA holds it; undefined where it does not. */
  readonly quarantined: string | undefined;
}

const bare = (address: string): string => address.replace(/^<(.*)>$/s, '$1');
const isNamed =
  (name: string) =>
  (field: HeaderField): boolean =>
    field.name.toLowerCase() === name.toLowerCase();

/** The edits are made in their order. */
export function changedBy(edits: readonly Edit[], mail: ChangedMail): ChangedMail {
  const pieces = edits.flatMap((edit) => (edit.kind === 'replace-body' ? [Buffer.from(edit.body)] : []));
  const changed = edits.reduce(changedByOne, mail);
  return pieces.length === 0 ? changed : { ...changed, body: Buffer.concat(pieces) };
}

function changedByOne(mail: ChangedMail, edit: Edit): ChangedMail {
  switch (edit.kind) {
    case 'change-sender':
      return { ...mail, sender: bare(edit.sender) };
    case 'add-recipient':
      return { ...mail, recipients: [...mail.recipients, bare(edit.recipient)] };
    case 'delete-recipient':
      return { ...mail, recipients: mail.recipients.filter((one) => one !== bare(edit.recipient)) };
    case 'quarantine':
      return { ...mail, quarantined: edit.reason };
    case 'replace-body':
      return mail;
    default:
      return { ...mail, header: headerBehind(mail.header, edit) };
  }
}

type FieldEdit = Extract<Edit, { readonly name: string }>;

/** A field that is not there is added where it is to be changed; where it is to be deleted nothing happens. */
function headerBehind(header: readonly HeaderField[], edit: FieldEdit): readonly HeaderField[] {
  const field = edit.kind === 'delete-header' ? undefined : { name: edit.name, value: edit.value };
  if (edit.kind === 'add-header') return [...header, { name: edit.name, value: edit.value }];
  if (edit.kind === 'insert-header') return header.toSpliced(edit.index, 0, { name: edit.name, value: edit.value });
  const place = header.flatMap((one, at) => (isNamed(edit.name)(one) ? [at] : []))[edit.index - 1];
  if (place === undefined) return field ? [...header, field] : header;
  return field ? header.with(place, field) : header.toSpliced(place, 1);
}
