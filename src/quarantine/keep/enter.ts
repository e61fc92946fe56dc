/**
 * The second half of archiving: mails that are on disk in tmp/ get their names in new/ and their lines in the index,
 * and both are synced. In rounds: a sync costs the same for one mail and for twenty. Leaves taking away what failed to
 * the archive.
 */
import type { Folder } from '../disk/folder.js';
import { appendLines } from '../disk/index-file.js';
import type { MailFile } from '../disk/mail-file.js';
import { inRounds } from '../disk/rounds.js';

/** All copies of a mail. */
export interface EnteringMail {
  readonly files: readonly MailFile[];
  readonly lines: Buffer;
}

/** Resolves when all of it is on disk. Throws when something of it is not: then none of its lines are in the index. */
export type Enter = (mail: EnteringMail) => Promise<void>;

export function enterInRounds(folder: Folder): Enter {
  const enter = inRounds((mails: readonly WaitingMail[]) => round(folder, mails));
  return async ({ files, lines }) => {
    const mail: WaitingMail = { files, lines, problem: undefined };
    await enter(mail);
    if (mail.problem) throw mail.problem.error;
  };
}

interface WaitingMail extends EnteringMail {
  problem: { readonly error: unknown } | undefined;
}

async function round(folder: Folder, mails: readonly WaitingMail[]): Promise<void> {
  for (const mail of mails) publish(mail);
  const lines = mails.flatMap((mail) => (mail.problem ? [] : [mail.lines]));
  // Both are synced at once: README.md says why a crash between them is harmless.
  if (lines.length > 0) await appendLines(folder, Buffer.concat(lines), [folder.new]);
}

/** A mail that cannot get its name has a problem of its own; what goes wrong later is one of all. */
function publish(mail: WaitingMail): void {
  try {
    for (const file of mail.files) file.publish();
  } catch (error) {
    mail.problem = { error };
  }
}
