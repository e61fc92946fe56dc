/** The refused mails of this host's files: everything is read anew, so that nobody needs to be told of a change. */
import { discard } from './care/discard.js';
import { release } from './care/release.js';
import { locate } from './disk/mail-ref.js';
import type { KeptMails } from './kept-mails.js';
import { browse, browsePage } from './look/browse.js';
import { dispositionOf } from './look/disposition.js';
import { openKeptMail } from './look/kept-mail.js';
import { collectStats } from './look/stats.js';

/** `root` is /spam. */
export const keptOnDisk = (root: string): KeptMails => ({
  all: (search) => browse({ ...search, root }),
  page: (search) => browsePage({ ...search, root }),
  count: (search, progress) => collectStats({ ...search, root }, progress),
  disposition: async (ref) => dispositionOf(root, ref),
  isThere: async (ref) => (await locate(root, ref)) !== undefined,
  async open(ref) {
    const file = await locate(root, ref);
    return file === undefined ? undefined : openKeptMail(file);
  },
  release: (ref, order) => release(ref, { ...order, root }),
  discard: (ref, by) => discard(root, ref, by),
  behind: async () => [],
});
