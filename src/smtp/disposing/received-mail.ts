/** A mail that has been received to its end, as those see it who judge it and act on it. */
import type { ClientName, DataContext, SessionFacts } from '../../hooks/plugin.js';
import { dataContext } from '../../hooks/shown/data-view.js';
import { type Header, parseHeader } from '../../mail/header.js';
import type { IncomingMessage } from '../message/incoming.js';
import type { Services } from '../services.js';
import type { SessionPlugins } from '../session/session-plugins.js';
import type { SmtpTransaction } from '../transaction.js';
import { MailEdits } from './mail-edits.js';
import type { ClientFields } from './trace-fields.js';

/** As its session hands it over. */
export interface ReceivedMail {
  readonly transaction: SmtpTransaction;
  readonly message: IncomingMessage;
  readonly sawBareNewline: boolean;
  readonly services: Services;
  readonly plugins: SessionPlugins;
  /** SMTP, ESMTP, ESMTPS, UTF8SMTP, UTF8SMTPS (RFC 3848, RFC 6531 §4.3). */
  readonly protocol: string;
  /** The client's part of the fields that go on top. */
  readonly clientFields: (name: ClientName) => ClientFields;
}

/** The same with its header parsed, once for all who look at it, and what plugins see of it. */
export interface ReadMail extends ReceivedMail {
  readonly session: SessionFacts;
  readonly header: Header;
  readonly context: DataContext;
  readonly edits: MailEdits;
}

export function readMail(received: ReceivedMail): ReadMail {
  const { transaction, services, message, plugins, sawBareNewline, protocol, clientFields } = received;
  const header = parseHeader(message.header);
  const edits = new MailEdits({ transaction, header, message, authservId: services.settings.authserv_id });
  const context = dataContext(plugins, transaction, {
    header,
    message,
    editHeader: (edit) => edits.edit(edit),
    relayed: () => edits.shown(),
    isHosted: (domain) => services.srv.isHosted(domain),
    content: ({ archives }) => services.content.read(message, archives === true ? { kind: 'archives' } : undefined),
  });
  return {
    transaction,
    services,
    message,
    plugins,
    session: plugins.facts,
    sawBareNewline,
    protocol,
    clientFields,
    header,
    context,
    edits,
  };
}
