/** The refused mails that somebody names on the command line: by the ID of the 550, by name, or by path. */
import path from 'node:path';
import { mailKey } from '../quarantine/disk/folder.js';
import { idOf, parseRef } from '../quarantine/disk/mail-ref.js';
import type { KeptMails } from '../quarantine/kept-mails.js';
import type { ListItem } from '../quarantine/look/browse.js';
import { parseQuery } from '../quarantine/look/query.js';
import { idTime } from '../smtp/transaction-id.js';

/** A mail of the list, whose line may be missing. */
export type NamedMail = Pick<ListItem, 'ref'> & Partial<Pick<ListItem, 'entry' | 'mark'>>;

/** The mails that a word names: by ID all copies, else one. None when there is none. */
export async function mailsNamed(word: string, mails: KeptMails): Promise<readonly NamedMail[]> {
  const ref = parseRef(word) ?? parseRef(word.split(path.sep).slice(-4).toSpliced(2, 1).join('/'));
  if (ref) {
    const disposition = await mails.disposition(ref);
    if (disposition.entry) return [{ ref, ...disposition }];
    // The ID is what no reader changes.
    const [id = '', copy] = mailKey(ref.filename)?.split('_') ?? [];
    const known = id === '' ? [] : await copiesOf(id, copy, mails);
    return known.length > 0 || !(await mails.isThere(ref)) ? known : [{ ref, ...disposition }];
  }
  const [id = '', copy] = word.toUpperCase().split('_');
  return /^[A-Z0-9]{1,64}$/.test(id) ? copiesOf(id, copy, mails) : [];
}

async function copiesOf(id: string, copy: string | undefined, mails: KeptMails): Promise<readonly NamedMail[]> {
  const time = idTime(id);
  const dayMs = 86_400_000;
  const parsed = parseQuery(`id:.${id}_`);
  if (!parsed.ok) return [];
  const query = time === undefined ? parsed.value : { ...parsed.value, after: time - dayMs, before: time + dayMs };
  const copies: NamedMail[] = [];
  for await (const item of mails.all({ query })) {
    const isWanted = idOf(item.ref.filename) === id && (copy === undefined || item.ref.filename.includes(`_${copy}.`));
    if (isWanted) copies.push(item);
  }
  return copies;
}
