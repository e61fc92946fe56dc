/**
 * attachments — rejects mail with an attachment of a kind that is not wanted, by its name or type, in archives and
 * attached mails, too. Zip archives are known by the names they list, and archives in them are opened. So are, where
 * the system has bsdtar (Debian: libarchive-tools), tar with its compressions, 7z, rar, cab, iso and archives in
 * those: by a process of its own, within limits of time, memory and depth.
 *
 *     attachments                                  the list that ships with postern (attachments.txt): programs
 *     attachments /etc/postern/attachments.txt     a list of your own
 *     attachments unreadable=reject                what becomes of mail whose content cannot be read, because it is
 *                                                  too deep, has too many parts, is packed to burst …: reject (the
 *                                                  default: nothing gets past the list that way), or pass. What takes
 *                                                  too long now is deferred
 *     attachments encrypted=reject                 what becomes of archives and office documents with a password:
 *                                                  reject, or log; without it they pass
 *     attachments macros=reject                    what becomes of office documents with macros, also where their name
 *                                                  does not tell: reject, or log; without it they pass
 *
 * A list has one pattern a line, with # comments. `*` stands for anything. One with a slash is compared with the
 * type, such as application/x-msdownload, any other with the name, such as *.exe. Case does not matter, nor what
 * Windows drops from the end of a name. Not part of checks/all: what is not wanted is a matter of the house.
 */
import { setImmediate as otherSessions } from 'node:timers/promises';
import { type Mail, type Plugin, type Verdict, defineCheck, note, pass, reject } from '../src/hooks/check.js';
import type { Attachment, Content } from '../src/mail/content/content.js';
import { asciiText } from '../src/mail/text.js';
import { splitOption } from './shared/scanner.js';
import { judgeUnreadable, unreadableOf, type WhenUnreadable } from './shared/unreadable.js';
import { readWordList, shippedList } from './shared/word-list.js';

export default function attachments(args: readonly string[]): Plugin {
  const rules = rulesOf(args);
  return {
    ...defineCheck({ name: 'attachments', inAll: false, inspect: async (mail) => judge(await contentOf(mail), rules) }),
    timeoutMs: 60_000, // opening archives may take half of that
  };
}

/** A closer look is paid for only where there is something to open. */
async function contentOf(mail: Mail): Promise<Content> {
  const content = await mail.content();
  const isPacked = content.kind === 'read' && content.attachments.some((one) => one.isPacked === true);
  return isPacked ? mail.content({ archives: true }) : content;
}

/** A thing that an attachment may have, by the argument that says what becomes of it. */
type Trait = 'encrypted' | 'macros';

interface Rules {
  readonly isUnwanted: (word: string) => boolean;
  readonly unreadable: WhenUnreadable;
  readonly traits: ReadonlyMap<Trait, 'reject' | 'log'>;
}

function rulesOf(args: readonly string[]): Rules {
  const { unreadable, rest } = unreadableOf(args, 'reject');
  const isTrait = (word: string): boolean => /^(?:encrypted|macros)=/.test(word);
  const traits = rest.filter(isTrait).map((word) => {
    const [name, value] = splitOption(word, ['encrypted', 'macros']);
    if (value !== 'reject' && value !== 'log') throw new Error(`${name} is reject or log`);
    return [name as Trait, value] as const;
  });
  const [file = shippedList('attachments.txt'), ...more] = rest.filter((word) => !isTrait(word));
  if (more.length > 0) throw new Error('takes one file, unreadable=, encrypted= and macros=');
  return { isUnwanted: matcher(readWordList(file)), unreadable, traits: new Map(traits) };
}

async function judge(content: Content, rules: Rules): Promise<Verdict> {
  if (content.kind === 'unreadable') return judgeUnreadable(rules.unreadable, content);
  const found = await firstUnwanted(content.attachments, rules);
  if (found !== undefined) return reject(`Attachment of this kind is not accepted: ${asciiText(found, 100)}`);
  const said = content.attachments.flatMap((attachment) => [
    judgeUnlisted(attachment, rules),
    ...[...rules.traits].map(([trait, what]) => judgeTrait(attachment, trait, what)),
  ]);
  const objection = said.find(({ kind }) => kind === 'reject') ?? said.find(({ kind }) => kind === 'defer');
  const notes = said.flatMap((verdict) => (verdict.kind === 'note' ? [verdict.log] : []));
  return objection ?? (notes.length === 0 ? pass : note(notes.join('; ')));
}

/** Archives may hold ten thousand names: others are served in between. */
async function firstUnwanted(all: readonly Attachment[], { isUnwanted }: Rules): Promise<string | undefined> {
  let looked = 0;
  for (const attachment of all)
    for (const word of wordsOf(attachment)) {
      if (isUnwanted(word)) return word;
      if (++looked % atOnce === 0) await otherSessions();
    }
  return undefined;
}

const atOnce = 100;

/** What the list cannot get at. */
function judgeUnlisted(attachment: Attachment, { unreadable }: Rules): Verdict {
  const { unlisted } = attachment;
  if (unlisted === undefined) return pass;
  if (unlisted.kind === 'no program') return note(`not looked into, ${unlisted.why}: ${nameOf(attachment)}`);
  const why = `${nameOf(attachment)}: ${unlisted.why}`;
  return judgeUnreadable(unreadable, { kind: 'unreadable', why, isLasting: unlisted.kind === 'beyond limits' });
}

function judgeTrait(attachment: Attachment, trait: Trait, what: 'reject' | 'log'): Verdict {
  if (!has(trait, attachment)) return pass;
  if (what === 'log') return note(`${trait}: ${nameOf(attachment)}`);
  const kind = trait === 'encrypted' ? 'Encrypted attachments' : 'Documents with macros';
  return reject(`${kind} are not accepted: ${nameOf(attachment)}`);
}

function has(trait: Trait, { isEncrypted, hasMacros, type, names }: Attachment): boolean {
  if (trait === 'encrypted') return isEncrypted === true;
  return hasMacros === true || type.includes('macroenabled') || names.some(isMacroName);
}

const isMacroName = (name: string): boolean => /\.(?:doc|dot|xls|xlt|xla|ppt|pot|ppa|pps|sld)m[. ]*$/i.test(name);

const nameOf = ({ names: [name], type }: Attachment): string => asciiText(name ?? type, 100);

/**
 * What may match: the type and all names, without their folders and what Windows drops or does not show, and without
 * the end that says how a single file is compressed.
 */
function* wordsOf({ type, names, inside }: Attachment): Generator<string> {
  if (type !== '') yield type;
  for (const list of [names, inside]) for (const name of list) yield* wordsOfName(name);
}

function wordsOfName(name: string): readonly string[] {
  const visible = name.replace(/[\p{Cc}\p{Cf}]/gu, '');
  const whole = withoutEnd(visible.slice(Math.max(visible.lastIndexOf('/'), visible.lastIndexOf('\\')) + 1));
  const alone = whole.replace(/\.(?:gz|bz2|xz|zst)$/i, '');
  return (alone === whole ? [whole] : [whole, alone]).filter((word) => word !== '');
}

/** Without the dots and blanks at its end. No expression: one that looks for them from everywhere takes minutes. */
function withoutEnd(name: string): string {
  let end = name.length;
  while (end > 0 && (name[end - 1] === '.' || name[end - 1] === ' ')) end--;
  return name.slice(0, end);
}

function matcher(list: readonly string[]): (word: string) => boolean {
  const patterns = list.map((pattern) => pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&')));
  // A name has no slash any more, so a pattern without one is never compared with a type, nor the other way round.
  const one = new RegExp(`^(?:${patterns.map((parts) => parts.join('[^/]*')).join('|')})$`, 'is');
  return (word) => patterns.length > 0 && one.test(word.slice(-1024));
}
