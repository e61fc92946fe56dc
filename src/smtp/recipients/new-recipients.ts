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
import { destinationsFor, destinationsOf, routed } from './destinations.js';
import { RecipientJudgement } from './recipient-judgement.js';
import { writesDebug } from '../session/asked-hook.js';
import type { Services } from '../services.js';
import type { SessionPlugins } from '../session/session-plugins.js';
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
  /** With a route of its own, where a plugin has one for it. */
  const recipients = new Map<string, string | undefined>();
  for (const text of wanted) {
    const address = parseAddress(text);
    const said = address ? await judgedAlone(mail, { address, plugin, before: recipients.size }) : 'no address';
    if (typeof said === 'string')
      services.log.info({ id: transaction.id, plugin, recipient: text, why: said }, 'recipient not added');
    else if (said.kind === 'welcome') recipients.set(address?.text ?? text, said.route);
    else return said;
  }
  if (recipients.size > 0) return together(mail, recipients);
  if (wanted.length === 0) return { kind: 'nobody', plugin };
  return { kind: 'unknown', reply: localProblem, problem: `${plugin} wants recipients of which none can be one` };
}

/** A plugin may want more for LMTP than RCPT would have taken. */
function goingTo(to: DestinationList, recipients: readonly string[]): RelayRecipients {
  if (recipients.length < 2 || !takesOneRecipient(to)) return { kind: 'recipients', recipients, to };
  const problem = `a plugin wants it taken to ${to.text}, which takes one recipient a mail: ${recipients.join(', ')}`;
  return { kind: 'unknown', reply: localProblem, problem };
}

/**
 * One mail has one destination, and one reply to tell what became of it. A route of the whole mail is that of all its
 * recipients.
 */
function together(
  { transaction, services }: AddressedMail,
  recipients: ReadonlyMap<string, string | undefined>,
): RelayRecipients {
  const usual = destinationsFor(transaction, services);
  const { routeOfRecipients, rewritten } = transaction;
  const all = [...recipients.keys()];
  if (rewritten.route !== routeOfRecipients) return goingTo(usual, all);
  const lists = all.map((text) => {
    const own = routed(recipients.get(text));
    const domain = parseAddress(text)?.domain;
    const isUsual = domain === undefined || rewritten.route !== undefined || transaction.hasTaken(text);
    return own ?? (isUsual ? usual : destinationsOf(domain, services));
  });
  const [to = usual] = lists;
  if (lists.every(({ text }) => text === to.text)) return goingTo(to, all);
  const problem = `its recipients belong to different destinations: ${all.join(', ')}`;
  return { kind: 'unknown', reply: localProblem, problem };
}

interface WantedRecipient {
  readonly address: Address;
  readonly plugin: string;
  /** So many there are before it. */
  readonly before: number;
}

interface Welcome {
  readonly kind: 'welcome';
  readonly route?: string | undefined;
}

/** A text says why it may not be a recipient. */
async function judgedAlone(
  { transaction, services, plugins }: AddressedMail,
  { address, plugin, before }: WantedRecipient,
): Promise<string | Welcome | RelayRecipients> {
  if (transaction.hasTaken(address.text)) return { kind: 'welcome' };
  if (before >= services.settings.max_recipients) return 'too many recipients';
  if (needsSmtpUtf8(address) && !transaction.sender.smtpUtf8) return 'it needs SMTPUTF8';
  if (!services.srv.isHosted(address.domain))
    return services.plugins.anywhere.has(plugin)
      ? { kind: 'welcome' }
      : 'not hosted, and the line of the list has no "anywhere"';
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
    debug: writesDebug(services.settings),
    timeoutMs: services.settings.plugin_timeout,
    note: (said) => judgement.note(said),
  });
  if (outcome.kind === 'go on')
    return judgement.objection?.rejection.log ?? { kind: 'welcome', route: judgement.route };
  if (!isTemporary(outcome.reply)) return outcome.log;
  return { kind: 'unknown', reply: outcome.reply, problem: `${address.text}: ${outcome.log}` };
}
