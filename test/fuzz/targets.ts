/** All targets by name: `npm run fuzz -- NAME SECONDS`. */
import { journalLine } from './journal-target.js';
import { mailTargets } from './mail-targets.js';
import { otherTargets } from './other-targets.js';
import { smtpSession } from './session-target.js';
import type { Target } from './target.js';

export const targets: Readonly<Record<string, Target>> = {
  'smtp-session': smtpSession,
  ...mailTargets,
  ...otherTargets,
  'journal-line': journalLine,
};
