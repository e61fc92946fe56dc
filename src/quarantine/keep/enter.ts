/**
 * The second half of archiving: mails that are on disk in tmp/ get their names in new/ and their lines in the index,
 * and both are synced. In rounds: a sync costs the same for one mail and for twenty. Leaves taking away what failed to
 * the archive.
 */
import { syncFolder } from '../disk/durable.js';
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
  const enter = inRounds((mails: readonly EnteringMail[]) => round(folder, mails));
  return async (mail) => {
    const problem = await enter(mail);
    if (problem !== undefined) throw problem.error;
  };
}

interface Problem {
  readonly error: unknown;
}

/** A mail that cannot get its name is a problem of its own; what goes wrong later is one of all. */
async function round(folder: Folder, mails: readonly EnteringMail[]): Promise<readonly (Problem | undefined)[]> {
  const problems = mails.map(publish);
  const lines = mails.flatMap((mail, i) => (problems[i] ? [] : [mail.lines]));
  // The two syncs run beside each other: README.md says why a crash between them is harmless.
  if (lines.length > 0) await appendLines(folder, Buffer.concat(lines), syncFolder(folder.new));
  return problems;
}

function publish({ files }: EnteringMail): Problem | undefined {
  try {
    for (const file of files) file.publish();
    return undefined;
  } catch (error) {
    return { error };
  }
}
