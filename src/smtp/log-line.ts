/** What the log says of a mail when it is dealt with. */
import { escaped, listText, numberField, textField } from '../lines/json-line.js';
import { replyText } from '../mail/reply.js';
import type { EndedMail } from './journal-lines.js';
import { tlsLogText } from './tls-facts.js';
import type { SmtpTransaction } from './transaction.js';

/** As fields of JSON, each behind a comma. */
export function logFields({ session, transaction, size, ms, disposition }: EndedMail): string {
  const { id, clientIp, helo, tls } = session;
  const { verdict, plugin, reason, relayed, reply } = disposition;
  const recipients = listText(transaction.recipients, ({ text }) => `"${escaped(text)}"`);
  return (
    `,"ip":"${clientIp.text}","id":"${transaction.id}","session":"${id}","helo":"${escaped(helo)}"` +
    `,"tls":"${tls ? escaped(tlsLogText(tls)) : 'no'}","from":"${escaped(transaction.sender.reversePath)}"` +
    `,"rcpts":${recipients},"domain":"${escaped(transaction.domain)}","size":${size},"verdict":"${verdict}"` +
    textField('plugin', plugin) +
    textField('reason', reason) +
    textField('pardoned', transaction.pardoned) +
    textField('destination', relayed?.destination) +
    numberField('score', transaction.score) +
    textField('points', pointsText(transaction.points)) +
    `,"reply":"${escaped(replyText(reply))}","ms":${Math.round(ms)}` +
    resultFields(transaction.authenticated)
  );
}

/** Results stand beside the others under the names of their methods, which plugins choose. */
function resultFields(authenticated: SmtpTransaction['authenticated']): string {
  let fields = '';
  for (const method in authenticated)
    if (!taken.has(method) && Object.hasOwn(authenticated, method))
      fields += textField(escaped(method), authenticated[method]);
  return fields;
}

const taken = new Set(
  'ip id session helo tls from rcpts domain size verdict plugin reason pardoned destination score points reply ms'.split(
    ' ',
  ),
);

/** Who gave how many, and why. */
export const pointsText = (all: SmtpTransaction['points']): string | undefined =>
  all.length === 0 ? undefined : all.map(({ plugin, points, log }) => `${plugin} ${points} (${log})`).join(', ');
