/** The context of a mail that has been read to its end, and what plugins may add to it by way of it. */
import type { Content } from '../../mail/content/content.js';
import { deepFreeze } from '../../mail/frozen.js';
import type { Header } from '../../mail/header.js';
import type { HeaderEdit } from '../../mail/edits/header-edits.js';
import type { MessageSource } from '../../mail/message.js';
import type { DataContext, GivenPoints } from '../contexts.js';
import { HeaderView, MessageView } from './copies.js';
import { type BehindEnvelope, EnvelopeContextView } from './mail-views.js';
import { behind } from './session-views.js';
import type { SeenMail, SeenSession, SeenTransaction } from './seen.js';

export const dataContext = (seen: SeenSession, transaction: SeenTransaction, mail: SeenMail): DataContext =>
  Object.freeze(
    new DataContextView({
      seen,
      transaction,
      recipients: undefined,
      mail,
      header: undefined,
      message: undefined,
      content: undefined,
      opened: undefined,
    }),
  );

/** What is undefined is made when the first plugin asks for it. */
interface BehindData extends BehindEnvelope {
  readonly mail: SeenMail;
  header: Header | undefined;
  message: MessageSource | undefined;
  content: Promise<Content> | undefined;
  opened: Promise<Content> | undefined;
}

class DataContextView extends EnvelopeContextView<BehindData> implements DataContext {
  get header(): Header {
    const own = behind(this);
    return (own.header ??= Object.freeze(new HeaderView(own.mail.header)));
  }
  get message(): MessageSource {
    const own = behind(this);
    return (own.message ??= Object.freeze(new MessageView(own.mail.message)));
  }
  get points(): readonly GivenPoints[] {
    const { points } = behind(this).transaction;
    return points.length === 0 ? noPoints : deepFreeze(points.map((given) => ({ ...given })));
  }
  get addField(): DataContext['addField'] {
    const { transaction } = behind(this);
    return (name, value) => transaction.addField(fieldName(name), textOf(value, `the field ${name}`));
  }
  get addArchivedField(): DataContext['addArchivedField'] {
    const { transaction } = behind(this);
    return (name, value) => transaction.addArchivedField(fieldName(name), () => textOf(value(), `the field ${name}`));
  }
  get editHeader(): DataContext['editHeader'] {
    const { mail } = behind(this);
    return (edit) => mail.editHeader(editOf(edit));
  }
  get relayed(): DataContext['relayed'] {
    const { mail } = behind(this);
    return () => {
      const relayed = mail.relayed();
      return deepFreeze({ ...relayed, body: new MessageView(relayed.body) });
    };
  }
  get isHosted(): DataContext['isHosted'] {
    const { mail } = behind(this);
    return (domain) => mail.isHosted(domain);
  }
  get content(): DataContext['content'] {
    const own = behind(this);
    return ({ archives = false } = {}) => {
      if (archives) return (own.opened ??= Object.freeze(own.mail.content({ archives }).then(deepFreeze)));
      // Who was here before may have looked closer.
      return (own.content ??= own.opened ?? Object.freeze(own.mail.content({}).then(deepFreeze)));
    };
  }
  get authenticated(): DataContext['authenticated'] {
    const { transaction } = behind(this);
    return () => Object.freeze(transaction.authenticated);
  }
  get recordGreylisting(): DataContext['recordGreylisting'] {
    const { transaction } = behind(this);
    return (result) => transaction.recordGreylisting(result);
  }
  get recordAuthentication(): DataContext['recordAuthentication'] {
    const { transaction } = behind(this);
    return ({ method, result, details }) =>
      transaction.recordAuthentication({
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

/** Whatever a plugin gives is taken over; Array.from() takes ten times as long for an array. */
function textsOf(details: Iterable<unknown>): readonly string[] {
  const texts = [...details];
  for (const text of texts) textOf(text, 'a detail');
  return texts as string[];
}
