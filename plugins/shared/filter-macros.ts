/** The macros that a filter is told of a session and a mail; no plugin itself. */
import type { ClientName, MailContext, SessionFacts } from '../../src/hooks/plugin.js';
import { asciiText } from '../../src/mail/text.js';
import type { Rejection } from '../../src/mail/verdict.js';
import type { FilterMacros } from '../../src/milter/client/commands.js';

/** Macros of the session, by the names that Postfix and Sendmail have for them. */
export function sessionMacros(session: SessionFacts, name: ClientName, host: MailContext['host']): FilterMacros {
  const { clientIp, localAddress } = session;
  const named = name.kind === 'confirmed' ? name.name : 'unknown';
  const ptr = name.kind === 'confirmed' || name.kind === 'unconfirmed' ? name.name : 'unknown';
  return {
    j: host.hostname,
    daemon_name: host.hostname,
    if_name: host.hostname,
    v: 'postern',
    _: `${named} [${clientIp.text}]`,
    client_addr: prefixed(clientIp),
    client_name: named,
    client_ptr: ptr,
    ...(localAddress && { daemon_addr: localAddress.ip.text, if_addr: prefixed(localAddress.ip) }),
  };
}

const prefixed = ({ family, text }: SessionFacts['clientIp']): string => (family === 6 ? `IPv6:${text}` : text);

export const mailMacros = ({ id, reversePath, senderDomain }: MailContext): FilterMacros => ({
  i: id,
  mail_addr: reversePath,
  mail_host: senderDomain,
  mail_mailer: 'smtp',
});

/** Sendmail's way to show one. */
export const refusedMacros = ({ enhanced, reason }: Rejection): FilterMacros => ({
  rcpt_mailer: 'error',
  rcpt_host: enhanced,
  rcpt_addr: asciiText(reason),
});
