/**
 * Whom a mail is relayed to: the recipients that were taken, or those that a plugin wants instead. A new one must be of
 * a hosted domain, and is judged as any at RCPT: no plugin can send a mail where no client could have, but those of
 * which the list says `anywhere`.
 */
import { runHook } from '../../hooks/run.js';
import { rcptContext } from '../../hooks/shown/mail-views.js';
import { type Address, needsSmtpUtf8, parseAddress } from '../../mail/address.js';
import type { Eventual } from '../../mail/eventual.js';
import { type Reply, isTemporary, localProblem } from '../../mail/reply.js';
import { type DestinationList, takesOneRecipient } from '../../relay/destination/destination.js';
import { destinationsFor, destinationsOf } from './destinations.js';
import { RecipientJudgement } from './recipient-judgement.js';
import type { Services } from '../services.js';
import type { SessionPlugins } from '../session-plugins.js';
import type { SmtpTransaction } from '../transaction.js';

export interface AddressedMail {
  readonly transaction: SmtpTransaction;
  readonly services: Services;
  readonly plugins: SessionPlugins;
}

export type RelayRecipients =
  | { readonly kind: 'recipients'; readonly recipients: readonly string[]; readonly to: DestinationList }
  /** The plugin has taken all away. */
  | { readonly kind: 'nobody'; readonly plugin: string }
  /** It cannot be told now. */
  | { readonly kind: 'unknown'; readonly reply: Reply; readonly problem: string };

export function recipientsToRelay(mail: AddressedMail): Eventual<RelayRecipients> {
  const { envelope: taken, rewritten } = mail.transaction;
  if (taken === undefined) {
    const problem = 'the recipients are not those that were taken at RCPT';
    return { kind: 'unknown', reply: localProblem, problem };
  }
  const { recipients: wanted, reversePath = '', plugin = '' } = rewritten;
  if (!mail.transaction.sender.smtpUtf8 && /[^\x00-\x7f]/.test(reversePath))
    return { kind: 'unknown', reply: localProblem, problem: `the new reverse-path ${reversePath} needs SMTPUTF8` };
  if (wanted !== undefined) return judged(mail, wanted, plugin);
  return goingTo(destinationsFor(mail.transaction, mail.services), taken);
}

async function judged(mail: AddressedMail, wanted: readonly string[], plugin: string): Promise<RelayRecipients> {
  const { transaction, services } = mail;
  const recipients = new Set<string>();
  for (const text of wanted) {
    const address = parseAddress(text);
    const stopped =
      address === undefined ? 'no address' : await problemOf(mail, { address, plugin, before: recipients.size });
    if (typeof stopped === 'object') return stopped;
    if (stopped === undefined) recipients.add(address?.text ?? text);
    else services.log.info({ id: transaction.id, plugin, recipient: text, why: stopped }, 'recipient not added');
  }
  if (recipients.size > 0) return together(mail, [...recipients]);
  if (wanted.length === 0) return { kind: 'nobody', plugin };
  return { kind: 'unknown', reply: localProblem, problem: `${plugin} wants recipients of which none can be one` };
}

/** A plugin may want more for LMTP than RCPT would have taken. */
function goingTo(to: DestinationList, recipients: readonly string[]): RelayRecipients {
  if (recipients.length < 2 || !takesOneRecipient(to)) return { kind: 'recipients', recipients, to };
  const problem = `a plugin wants it taken to ${to.text}, which takes one recipient a mail: ${recipients.join(', ')}`;
  return { kind: 'unknown', reply: localProblem, problem };
}

/** One mail has one destination, and one reply to tell what became of it. */
function together({ transaction, services }: AddressedMail, recipients: readonly string[]): RelayRecipients {
  const usual = destinationsFor(transaction, services);
  if (transaction.rewritten.route !== undefined) return goingTo(usual, recipients);
  const lists = recipients.map((text) => {
    const domain = parseAddress(text)?.domain;
    return domain === undefined || transaction.hasTaken(text) ? usual : destinationsOf(domain, services);
  });
  const [to = usual] = lists;
  if (lists.every(({ text }) => text === to.text)) return goingTo(to, recipients);
  const problem = `its recipients belong to different destinations: ${recipients.join(', ')}`;
  return { kind: 'unknown', reply: localProblem, problem };
}

interface WantedRecipient {
  readonly address: Address;
  readonly plugin: string;
  /** So many there are before it. */
  readonly before: number;
}

/** Why it may not be a recipient; undefined where it may. */
async function problemOf(
  { transaction, services, plugins }: AddressedMail,
  { address, plugin, before }: WantedRecipient,
): Promise<string | RelayRecipients | undefined> {
  if (transaction.hasTaken(address.text)) return undefined;
  if (before >= services.settings.max_recipients) return 'too many recipients';
  if (needsSmtpUtf8(address) && !transaction.sender.smtpUtf8) return 'it needs SMTPUTF8';
  if (!services.srv.isHosted(address.domain))
    return services.plugins.anywhere.has(plugin) ? undefined : 'not hosted, and the line of the list has no "anywhere"';
  const judgement = new RecipientJudgement(transaction, {
    recipient: address,
    parameters: undefined,
    askAhead: () => services.relay.probe(address.text, destinationsOf(address.domain, services)),
  });
  const outcome = await runHook({
    hook: 'rcpt',
    plugins: services.plugins,
    id: transaction.id,
    context: rcptContext(plugins, transaction, judgement),
    turn: plugins.turn,
    log: () => plugins.log(transaction.id),
    debug: services.settings.log_level === 'debug',
    timeoutMs: services.settings.plugin_timeout,
    note: (said) => judgement.note(said),
  });
  if (outcome.kind === 'go on') return judgement.objection?.rejection.log;
  if (!isTemporary(outcome.reply)) return outcome.log;
  return { kind: 'unknown', reply: outcome.reply, problem: `${address.text}: ${outcome.log}` };
}
