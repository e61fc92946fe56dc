/**
 * The policy that verifies senders by SPF: what spf-milter does, by the parameters of spf-milter.conf(5), and what
 * stands behind "Beyond" in settings.ts. Here is what it wants of the MTA; what becomes of a mail is `verifier`.
 */
import type { EditKind, EnvelopePath, HeaderField, MacroWishes, MilterPolicy, Session } from '../policy.js';
import type { HeloMemory } from './judge.js';
import type { MailState, Verifying } from './mail-state.js';
import { knowsOwnDomains } from './own-domains.js';
import type { VerifySettings } from './settings.js';
import type { VerifyTools } from './tools.js';
import { SenderVerifier } from './verifier.js';

export function verifySender(settings: VerifySettings, tools: VerifyTools): MilterPolicy<HeloMemory, MailState> {
  const verifier = new SenderVerifier(settings, tools);
  const looksAtHeader =
    settings.delete_incoming_authentication_results ||
    settings.delete_incoming_received_spf ||
    settings.mark_results.size > 0 ||
    knowsOwnDomains(settings) ||
    settings.forwarding_hosts.length > 0;
  return {
    edits: editsOf(settings),
    macros: macrosOf(settings),
    // Fields are only read. HELO has no handler: the session remembers it.
    silent: ['header'],
    dispensable: ['data'],
    newSession: () => {
      tools.observe({ kind: 'session', change: 1 });
      return { verified: undefined };
    },
    newTransaction: (session) => verifier.newMail(session),
    connect: (session) => verifier.connect(session),
    ...(settings.reject_helo_at === 'helo' && {
      helo: (session: Session<HeloMemory>) => verifier.helo(session),
    }),
    mail: (transaction) => verifier.mail(transaction),
    ...(settings.skip_recipients.length > 0 && {
      rcpt: (transaction: Verifying, recipient: EnvelopePath) => verifier.rcpt(transaction, recipient),
    }),
    data: (transaction) => verifier.data(transaction),
    ...(looksAtHeader && {
      header: ({ state }: Verifying, field: HeaderField) => verifier.header(state, field),
    }),
    eom: (transaction) => verifier.eom(transaction),
    close: () => tools.observe({ kind: 'session', change: -1 }),
  };
}

function editsOf(settings: VerifySettings): EditKind[] {
  if (settings.dry_run) return [];
  const edits: EditKind[] = [];
  const marks = settings.mark_results.size > 0 || knowsOwnDomains(settings);
  if (settings.header.length > 0 || marks) edits.push('insert-header');
  const deletes = settings.delete_incoming_authentication_results || settings.delete_incoming_received_spf;
  if (deletes || marks) edits.push('delete-header');
  if (settings.quarantine_results.size > 0) edits.push('quarantine');
  return edits;
}

/** Each list replaces the MTA's own. */
function macrosOf(settings: VerifySettings): MacroWishes {
  return {
    ...(settings.hostname === undefined && { connect: ['j'] }),
    ...(settings.trust_authenticated_senders && { mail: ['i', 'auth_type', 'auth_authen'] }),
    eom: ['i'],
  };
}
