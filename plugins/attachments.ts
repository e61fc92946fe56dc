/**
 * attachments — rejects mail with an attachment of a kind that is not wanted, by its name or type, inside zip
 * archives (by the names they list; nothing is unpacked) and attached mails, too.
 *
 *     attachments                                  the list that ships with postern (attachments.txt): programs
 *     attachments /etc/postern/attachments.txt     a list of your own
 *     attachments unreadable=reject                what becomes of mail whose content cannot be read, because it is
 *                                                  too deep, has too many parts …: reject (the default: nothing gets
 *                                                  past the list that way), or pass. What takes too long now is
 *                                                  deferred
 *
 * A list has one pattern a line, with # comments. `*` stands for anything. One with a slash is compared with the
 * type, such as application/x-msdownload, any other with the name, such as *.exe. Case does not matter, nor what
 * Windows drops from the end of a name. Not part of checks/all: what is not wanted is a matter of the house.
 */
import { type Plugin, defineCheck, pass, reject } from '../src/hooks/check.js';
import type { Attachment } from '../src/mail/content/content.js';
import { asciiText } from '../src/mail/text.js';
import { judgeUnreadable, unreadableOf } from './shared/unreadable.js';
import { readWordList, shippedList } from './shared/word-list.js';

export default function attachments(args: readonly string[]): Plugin {
  const { unreadable, rest } = unreadableOf(args, 'reject');
  const [file = shippedList('attachments.txt'), ...more] = rest;
  if (more.length > 0) throw new Error('takes one file, and unreadable=');
  const isUnwanted = matcher(readWordList(file));
  return defineCheck({
    name: 'attachments',
    inAll: false,
    async inspect(mail) {
      const content = await mail.content();
      if (content.kind === 'unreadable') return judgeUnreadable(unreadable, content);
      const found = content.attachments.flatMap(wordsOf).find(isUnwanted);
      return found === undefined ? pass : reject(`Attachment of this kind is not accepted: ${asciiText(found, 100)}`);
    },
  });
}

/** What may match: the type and all names, without their folders and what Windows drops or does not show. */
function wordsOf({ type, names, inside }: Attachment): string[] {
  const plain = [...names, ...inside].map((name) => {
    const visible = name.replace(/[\p{Cc}\p{Cf}]/gu, '');
    return visible.slice(Math.max(visible.lastIndexOf('/'), visible.lastIndexOf('\\')) + 1).replace(/[. ]+$/, '');
  });
  return [type, ...plain].filter((word) => word !== '');
}

function matcher(list: readonly string[]): (word: string) => boolean {
  const patterns = list.map((pattern) => pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&')));
  // A name has no slash any more, so a pattern without one is never compared with a type, nor the other way round.
  const one = new RegExp(`^(?:${patterns.map((parts) => parts.join('[^/]*')).join('|')})$`, 'is');
  return (word) => patterns.length > 0 && one.test(word.slice(-1024));
}
