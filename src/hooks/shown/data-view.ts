/** The context of a mail that has been read to its end, and what plugins may add to it by way of it. */
import type { Content } from '../../mail/content/content.js';
import { deepFreeze } from '../../mail/frozen.js';
import type { Header } from '../../mail/header.js';
import type { HeaderEdit } from '../../mail/edits/header-edits.js';
import type { MessageSource } from '../../mail/message.js';
import type { DataContext, GivenPoints } from '../contexts.js';
import { HeaderView, MessageView } from './copies.js';
import { EnvelopeContextView } from './mail-views.js';
import type { SeenMail, SeenSession, SeenTransaction } from './seen.js';

export const dataContext = (seen: SeenSession, transaction: SeenTransaction, mail: SeenMail): DataContext =>
  Object.freeze(new DataContextView(seen, transaction, mail));

class DataContextView extends EnvelopeContextView implements DataContext {
  readonly #transaction: SeenTransaction;
  readonly #mail: SeenMail;
  readonly #header: Header;
  readonly #message: MessageSource;
  #content: Promise<Content> | undefined;
  #opened: Promise<Content> | undefined;

  constructor(seen: SeenSession, transaction: SeenTransaction, mail: SeenMail) {
    super(seen, transaction);
    this.#transaction = transaction;
    this.#mail = mail;
    this.#header = Object.freeze(new HeaderView(mail.header));
    this.#message = Object.freeze(new MessageView(mail.message));
  }

  get header(): Header {
    return this.#header;
  }
  get message(): MessageSource {
    return this.#message;
  }
  get points(): readonly GivenPoints[] {
    const { points } = this.#transaction;
    return points.length === 0 ? noPoints : deepFreeze(points.map((given) => ({ ...given })));
  }
  get addField(): DataContext['addField'] {
    return (name, value) => this.#transaction.addField(fieldName(name), textOf(value, `the field ${name}`));
  }
  get addArchivedField(): DataContext['addArchivedField'] {
    return (name, value) =>
      this.#transaction.addArchivedField(fieldName(name), () => textOf(value(), `the field ${name}`));
  }
  get editHeader(): DataContext['editHeader'] {
    return (edit) => this.#mail.editHeader(editOf(edit));
  }
  get relayed(): DataContext['relayed'] {
    return () => {
      const mail = this.#mail.relayed();
      return deepFreeze({ ...mail, body: new MessageView(mail.body) });
    };
  }
  get isHosted(): DataContext['isHosted'] {
    return (domain) => this.#mail.isHosted(domain);
  }
  get content(): DataContext['content'] {
    return ({ archives = false } = {}) => {
      if (archives) return (this.#opened ??= Object.freeze(this.#mail.content({ archives }).then(deepFreeze)));
      // Who was here before may have looked closer.
      return (this.#content ??= this.#opened ?? Object.freeze(this.#mail.content({}).then(deepFreeze)));
    };
  }
  get authenticated(): DataContext['authenticated'] {
    return () => this.#transaction.authenticated;
  }
  get recordGreylisting(): DataContext['recordGreylisting'] {
    return (result) => this.#transaction.recordGreylisting(result);
  }
  get recordAuthentication(): DataContext['recordAuthentication'] {
    return ({ method, result, details }) =>
      this.#transaction.recordAuthentication({
        method: textOf(method, 'the method'),
        result: textOf(result, 'the result'),
        details: textsOf(details),
      });
  }
}

const noPoints: readonly GivenPoints[] = Object.freeze([]);

for (const view of [DataContextView]) {
  Object.freeze(view);
  Object.freeze(view.prototype);
}

function editOf(edit: HeaderEdit): HeaderEdit {
  const name = textOf(edit.name, 'the name of a field');
  if (edit.kind === 'remove') return { kind: 'remove', name };
  const text = textOf(edit.text, `the field ${name}`);
  switch (edit.kind) {
    case 'add':
      return { kind: 'add', name, text };
    case 'insert':
    case 'change':
      return { kind: edit.kind, index: indexOf(edit), name, text };
    default:
      throw new TypeError('no change of a header section');
  }
}

function indexOf({ kind, index }: HeaderEdit & { readonly index: number }): number {
  if (Number.isSafeInteger(index) && index >= (kind === 'change' ? 1 : 0)) return index;
  throw new TypeError(`${String(index)} is no place of a field`);
}

/** RFC 5322 §2.2. */
function fieldName(name: unknown): string {
  if (typeof name === 'string' && /^[!-9;-~]{1,76}$/.test(name)) return name;
  throw new TypeError(`${JSON.stringify(name)} is no name of a header field`);
}

function textOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`${what} is ${typeof value}, not a text`);
}

/** The loop goes over whatever a plugin gives; Array.from() takes ten times as long for an array. */
function textsOf(details: Iterable<unknown>): readonly string[] {
  const texts: string[] = [];
  for (const detail of details) texts.push(textOf(detail, 'a detail'));
  return texts;
}
