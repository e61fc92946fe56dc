/**
 * The reply to a refused sender: the operator's words with macros expanded, the domain's own words marked as its own.
 */
import { after, type Eventual } from '../../mail/eventual.js';
import { asciiText } from '../../mail/text.js';
import { expandMacro, type MacroString } from '../../spf/macro.js';
import { type ReplyAnswer, replyWith } from '../policy.js';
import type { SenderRefusal, JudgedMail } from './judge.js';
import type { ReplyText, VerifySettings } from './settings.js';
import type { VerifyTools } from './tools.js';

/** RFC 5321 §4.5.3.1.5: a reply line has 512 octets, and code, status and a queue id of the MTA's are in it. */
const maxText = 400;

export function refusalReply(
  refusal: SenderRefusal,
  subject: JudgedMail,
  { settings, tools }: { readonly settings: VerifySettings; readonly tools: VerifyTools },
): Eventual<ReplyAnswer> {
  const { outcome, result } = refusal;
  const { code, enhanced, text } = settings.replies[result];
  // RFC 7208 §6.2, §11.5: others' words are used for a fail only, and are not to be taken for ours.
  const explained = result === 'fail' && outcome.explanation !== undefined;
  const chosen = explained ? settings.fail_reply_text_exp : text;
  const inserted = explained ? (outcome.explanation ?? '') : (outcome.problem ?? '');
  return after(validatedName(chosen, subject, tools), (validated) => {
    const expand = expander(refusal, subject, { validated, now: tools.now });
    const parts = chosen.after ? [expand(chosen.before), inserted, expand(chosen.after)] : [expand(chosen.before)];
    // RFC 8616 §4: a macro with a local-part outside US-ASCII expands to nothing that could be said.
    const words = parts.includes(undefined) ? `SPF ${result}` : parts.join('');
    return replyWith(code, enhanced, asciiText(words, maxText));
  });
}

function expander(
  { outcome }: SenderRefusal,
  { ip, helo, receiver }: JudgedMail,
  { validated, now }: { readonly validated: string; readonly now: () => number },
): (macro: MacroString) => string | undefined {
  const { sender, domain } = outcome;
  const at = sender.lastIndexOf('@');
  const values = {
    sender,
    localPart: sender.slice(0, Math.max(0, at)),
    senderDomain: sender.slice(at + 1),
    ip,
    helo: helo ?? 'unknown',
    receiver,
    now,
  };
  return (macro) => expandMacro(macro, values, { domain, validated });
}

/** `%{p}` (RFC 7208 §7.2), asked for only where a text has it. */
function validatedName(text: ReplyText, { ip, life }: JudgedMail, tools: VerifyTools): Eventual<string> {
  const wanted = text.before.usesPtr || text.after?.usesPtr === true;
  return wanted ? tools.clientName(ip, life.signal).then((name) => name ?? 'unknown') : 'unknown';
}
