/** spf-milter, whose file postern milter reads as it is: it is copied where that looks, and what is wrong is said. */
import { readText } from '../../../settings/read-text.js';
import { loadMilterConfig } from '../../milter/verify-sender/config.js';
import type { SourceReader } from '../import.js';
import type { PlanDraft } from '../plan.js';

export const readSpfMilter: SourceReader = (plan, { path, to }) => {
  const text = readText(path);
  if (path !== to) plan.file(to, text, path);
  const loaded = loadMilterConfig({ file: path, options: [], readFile: readText });
  if (!loaded.ok) for (const problem of loaded.problem) plan.note('by hand', path, problem);
  noteMilter(plan, path);
  for (const [from, what] of differences) plan.note('differs', from, what);
};

/** What is to be done for either of the SPF milters. */
export function noteMilter(plan: PlanDraft, from: string): void {
  plan.note(
    'by hand',
    from,
    'systemctl disable --now the old milter, then enable postern-milter.socket and postern-milter.service',
  );
  plan.note(
    'by hand',
    from,
    'smtpd_milters stays as it is where the service opens its own socket; with postern-milter.socket it is unix:postern/milter.sock (docs/milter.md)',
  );
}

const differences = [
  [
    'reject_helo_results',
    'a bad HELO name is refused at MAIL, when it is known whether the client has authenticated (reject_helo_at)',
  ],
  [
    'timeout_secs',
    'MAIL is answered within answer_within (8s); what slow DNS says later is acted on at the end of the message',
  ],
  ['delete_incoming_received_spf', 'a Received-SPF that came with the mail is taken out'],
  ['verify_helo', 'a HELO name that is no full domain name is not verified'],
  ['temperror', 'a name server that says SERVFAIL is temperror, not none'],
] as const;
