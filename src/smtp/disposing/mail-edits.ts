/**
 * A mail as plugins have changed it: its header fields, and in a copy that is relayed its body. Made when the first
 * plugin asks for it; a mail that nobody changes costs nothing here. What we put on top is trace-fields.
 */
import type { Header } from '../../mail/header.js';
import { EditedHeader, type HeaderEdit } from '../../mail/edits/header-edits.js';
import type { RelayedMail } from '../../hooks/plugin.js';
import type { MessageSource } from '../../mail/message.js';
import { type HeaderSplit, fieldsBelow, isOwnField, withHead, withoutOwnFields } from './own-fields.js';
import { shownOwnFields } from './trace-fields.js';
import type { SmtpTransaction } from '../transaction.js';

export interface EditableMail {
  readonly transaction: SmtpTransaction;
  readonly header: Header;
  readonly message: MessageSource;
  readonly authservId: string;
}

export class MailEdits {
  readonly #mail: EditableMail;
  #edited: EditedHeader | undefined;
  #parts: HeaderSplit | undefined;
  #isChanged = false;

  constructor(mail: EditableMail) {
    this.#mail = mail;
  }

  /** Returns what is wrong with it; it is not made then. */
  edit(edit: HeaderEdit): string | undefined {
    const { transaction } = this.#mail;
    if (transaction.isJudged) return 'it comes too late';
    if (isOwnField(edit.name)) return `${edit.name} is a field that only postern may write`;
    const problem = this.#header.apply(edit, this.#ours.length);
    if (problem === undefined) this.#isChanged = true;
    return problem;
  }

  get #header(): EditedHeader {
    this.#edited ??= new EditedHeader(this.#split.fields);
    return this.#edited;
  }

  get #split(): HeaderSplit {
    this.#parts ??= fieldsBelow(this.#mail.header, this.#mail.authservId);
    return this.#parts;
  }

  get #ours(): ReturnType<typeof shownOwnFields> {
    const { transaction, authservId } = this.#mail;
    return shownOwnFields({ added: transaction.fields, authservId, authentication: transaction.authentication });
  }

  /** The mail as it would be relayed now. */
  shown(): RelayedMail {
    const { transaction } = this.#mail;
    const { rewritten } = transaction;
    return {
      fields: this.#header.shown(this.#ours),
      body: rewritten.body === undefined ? this.#body() : inMemory(rewritten.body),
      recipients: rewritten.recipients ?? transaction.recipients.map(({ text }) => text),
      reversePath: rewritten.reversePath ?? transaction.sender.reversePath,
    };
  }

  /** What is shown as the body: behind the empty line, or from the first line on that is no field. */
  #body(): MessageSource {
    const { message } = this.#mail;
    const { rest, octets } = this.#split;
    return withHead(rest, message, rest.length === 0 ? Math.min(octets + 2, message.size) : octets);
  }

  /** The fields that stand above those of ours. */
  get above(): Buffer {
    return this.#isChanged ? this.#header.above : nothing;
  }

  /** For the quarantine: the fields that were changed, and the body that came. */
  archived(): MessageSource {
    const { message, header, authservId } = this.#mail;
    if (!this.#isChanged) return withoutOwnFields(message, header, authservId);
    const { rest, separator, octets } = this.#split;
    return withHead(Buffer.concat([this.#header.below, Buffer.from(separator), rest]), message, octets);
  }

  /** For the local MTA. */
  relayed(): MessageSource {
    const { body } = this.#mail.transaction.rewritten;
    if (body === undefined) return this.archived();
    return inMemory(Buffer.concat([this.#header.below, Buffer.from('\r\n'), body]));
  }
}

const nothing = Buffer.alloc(0);

const inMemory = (octets: Buffer): MessageSource => ({ size: octets.length, parts: () => [octets] });
