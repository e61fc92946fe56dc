/**
 * ms-lite, whose tree of markers postern reads as it is: what in it would not count, the quarantine whose days it
 * counted from 0, the cron job that must go first, and the configuration of qpsmtpd around it.
 */
import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { loadPlugins } from '../../../hooks/loading/load.js';
import type { Settings } from '../../../settings/settings.js';
import { namedKinds, readName } from '../../../srv/marker-names.js';
import { isYday, ydayOf } from '../../../quarantine/disk/day.js';
import { oldExpiry } from '../../doctor/folders.js';
import { findingsIn } from '../../srv/findings.js';
import { foldersOf, listOf } from '../../wire.js';
import { ForeignFolder } from '../foreign.js';
import type { SourceReader } from '../import.js';
import type { PlanDraft } from '../plan.js';
import { readQpsmtpd } from './qpsmtpd.js';

export const readMsLite: SourceReader = async (plan, { path, settings }) => {
  for (const { text, remedy = '' } of oldExpiry()) plan.note('first', 'cron', `${text}: ${remedy}`);
  if (existsSync(settings.srv)) await tree(plan, settings);
  else plan.note('first', 'srv', `${settings.srv} is not there: set srv to ms-lite’s tree`);
  if (existsSync(settings.spam)) quarantine(plan, settings.spam);
  if (existsSync('/etc/blacklist.d')) plan.setting('blacklist_dir', '/etc/blacklist.d', 'blacklist.d');
  plan.takeExisting();
  readQpsmtpd(new ForeignFolder(path, plan), plan);
  for (const [from, text] of lists) plan.note('by hand', from, text);
  for (const [from, text] of differences) plan.note('differs', from, text);
};

const lists = [
  [
    'spf',
    'forwarders that the plugin named, iki.fi among them, passed by their HELO name alone: spf_forwarders = *.iki.fi, … names them; their reverse name must bear them out',
  ],
  [
    'mailers, dkim',
    'the lists of words in the plugins are others here: copy the words into files of your own, and name these in the list of plugins (mailers /etc/postern/mailers.txt, dkim /etc/postern/signers.txt)',
  ],
] as const;

/** What test/contract/predecessor.test.ts has, said for people. */
const differences = [
  ['spf', 'a bounce (null reverse-path) is judged by its HELO name'],
  ['sender', 'the domain must have a dot; a dot in the local-part does not do'],
  ['helo', 'an address literal is legal, [IPv6:…] as well'],
  ['empty_body', 'there must be a text to read, a picture or an attachment; blank lines and empty HTML are no text'],
  ['dkim', 'a DomainKey-Signature does not count'],
  ['dnsbl', '127.255.255.x is a list’s error and no listing; a carriage return behind a zone is passed over'],
  [
    'greylisting',
    'the second try must come five minutes later, and a network is what is known, not a file of sender and recipient',
  ],
  ['users', 'local-parts that an MTA might route elsewhere (a%b) need a marker of just that name'],
  ['whitelist', 'a whitelisted sender makes no mailbox: only whitelisted/recipients does'],
  ['postmaster', '<postmaster> without a domain is always taken'],
  [
    'recipients',
    'each domain of a mail to several is judged by its own switches: the others are told to come in a mail of their own',
  ],
  ['archive', 'what cannot be kept is deferred (4xx), never refused'],
  ['index', 'the index is the file index; index.json is a link to it (index_link)'],
] as const;

/** Markers that would count under another name are made under it; all else is the operator's. */
async function tree(plan: PlanDraft, settings: Settings): Promise<void> {
  const plugins = await loadPlugins(listOf(settings), foldersOf(settings));
  if (!plugins.ok) return plan.note('first', 'plugins', plugins.problem.join('; '));
  for (const { path, problem } of findingsIn(settings, plugins.value)) {
    const { scope, kind, name } = placeOf(path);
    const read = kind === undefined ? undefined : readName(kind, name);
    const right = read?.kind === 'good' ? read.name : read?.right;
    const isFile = statSync(join(settings.srv, path), { throwIfNoEntry: false })?.isFile() === true;
    if (kind !== undefined && right !== undefined && right !== name && isFile)
      plan.listed(scope, kind, right, `${path}: ${problem}`);
    else if (problem.includes('link out of the tree'))
      plan.note('by hand', path, `${problem}. Move the folder into ${settings.srv}, or mount it there (mount --bind)`);
    else plan.note('by hand', path, problem);
  }
}

/** `example.com/users/valid/Alice` */
function placeOf(path: string) {
  const [scope = '', ...rest] = path.split('/');
  const kind = namedKinds.find((one) => rest.slice(0, -1).join('/') === one);
  return { scope, kind, name: rest.at(-1) ?? '' };
}

/**
 * ms-lite counted days from 0: its folder 331 holds what postern keeps in 332. When a mail came tells whose count a
 * folder has, so that a second run moves nothing.
 */
function quarantine(plan: PlanDraft, spam: string): void {
  const days = readdirSync(spam)
    .filter((name) => (isYday(name) || name === '0') && lstatSync(join(spam, name)).isDirectory())
    .toSorted((a, b) => Number(b) - Number(a));
  const moved = new Set<string>();
  for (const day of days) {
    if (countedFrom(join(spam, day), Number(day)) !== 0) continue;
    const next = String(Number(day) + 1);
    if (days.includes(next) && !moved.has(next))
      plan.note(
        'by hand',
        `${spam}/${day}`,
        `counts days from 0, but ${next} holds mail of the same day already: move its folders there by hand`,
      );
    else {
      plan.move(join(spam, day), join(spam, next), 'days counted from 0');
      moved.add(day);
    }
  }
  if (moved.size > 0)
    plan.note('by hand', spam, 'postern quarantine check, once the days are moved: mails without a line get one');
}

/** Returns 0 or 1; undefined where no mail tells, or mails of both counts are in it. */
function countedFrom(folder: string, day: number): 0 | 1 | undefined {
  const counts = new Set(newestMails(folder).map((mtime) => ydayOf(mtime) - day));
  const [only] = counts;
  return counts.size === 1 && (only === 0 || only === 1) ? (only === 1 ? 0 : 1) : undefined;
}

const maxAsked = 50;

function newestMails(folder: string): readonly Date[] {
  const boxes = readdirSync(folder).flatMap((domain) => ['new', 'cur'].map((box) => join(folder, domain, box)));
  return boxes
    .filter((box) => lstatSync(box, { throwIfNoEntry: false })?.isDirectory() === true)
    .flatMap((box) =>
      readdirSync(box)
        .slice(0, maxAsked)
        .map((name) => lstatSync(join(box, name)).mtime),
    );
}
