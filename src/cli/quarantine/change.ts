/**
 * `postern quarantine release` and `delete`: they print one line for each mail that is named or found, which says what
 * was done with it.
 */
import { userInfo } from 'node:os';
import { deleteRecord, releaseRecord } from '../../audit/mail-records.js';
import { printable } from '../../mail/text.js';
import { unknownText } from '../../quarantine/look/disposition.js';
import { senderText } from '../../quarantine/look/sender.js';
import { idOf, refText } from '../../quarantine/disk/mail-ref.js';
import type { ReleaseResult } from '../../quarantine/care/release.js';
import { exit } from '../exit-codes.js';
import { jsonLine, render } from '../terminal.js';
import type { Style } from '../../text/line.js';
import { bar, goneText, progressLine, queryOf, type Task } from './task.js';
import { type NamedMail, mailsNamed } from '../named-mails.js';
import { recordCommand } from '../record.js';
import { hasUser } from '../wire.js';
import { wayOut } from '../relay/way-out.js';
import { complain } from '../complain.js';

interface ChangeOutcome {
  readonly kind: string;
  readonly text: string;
  readonly code: number;
}

/** Who did it: for the index and X-Released-By. */
const me = (): string => `${userInfo().username} (command line)`;

export async function releaseMails(task: Task): Promise<number> {
  const { settings, options } = task;
  const way = wayOut(settings);
  if (!way.ok) {
    complain([way.problem]);
    return exit.config;
  }
  const relay = way.value;
  try {
    return await eachMail(task, async ({ ref }) => {
      const result = await task.mails.release(ref, {
        relay,
        hostname: settings.hostname,
        by: me(),
        form: options.has('attachment') ? 'attachment' : 'raw',
        again: options.has('again'),
        hasUser: hasUser(settings),
      });
      recordCommand(settings, releaseRecord(ref, result));
      return outcomeOf(result, task);
    });
  } finally {
    await relay.close();
  }
}

function outcomeOf(result: ReleaseResult, task: Task): ChangeOutcome {
  const { kind } = result;
  switch (kind) {
    case 'released':
      return {
        kind,
        text: result.reply + (result.problem === undefined ? '' : `; but it could not be marked: ${result.problem}`),
        code: result.problem === undefined ? exit.ok : exit.ioError,
      };
    case 'already':
      return {
        kind,
        text: `released ${result.mark.time} by ${result.mark.by}; --again sends it again`,
        code: exit.notAll,
      };
    case 'busy':
      return { kind, text: 'somebody else is releasing it', code: exit.notAll };
    case 'unknown':
      return { kind, text: `${unknownText(result)}; --again sends it again`, code: exit.notAll };
    case 'gone':
      return { kind, text: goneText(task), code: exit.notAll };
    case 'routed':
      return {
        kind,
        text: `the local MTA might send it on to elsewhere; if it is a mailbox, touch ${task.settings.srv}/${result.marker}`,
        code: exit.notAll,
      };
    case 'refused':
      return { kind, text: result.reply, code: exit.notAll };
    case 'unreachable':
      return { kind, text: result.problem, code: exit.unavailable };
  }
}

export function deleteMails(task: Task): Promise<number> {
  return eachMail(task, async ({ ref }) => {
    const kind = await task.mails.discard(ref, me());
    recordCommand(task.settings, deleteRecord(ref, kind));
    return { kind, text: kind === 'gone' ? 'the mail itself was gone' : '', code: exit.ok };
  });
}

async function eachMail(task: Task, work: (mail: NamedMail) => Promise<ChangeOutcome>): Promise<number> {
  const mails = await mailsOf(task);
  if (typeof mails === 'number') return mails;
  const progress = progressLine();
  let code: number = mails.missing ? exit.notAll : exit.ok;
  for (const [i, mail] of mails.found.entries()) {
    if (mails.found.length > 20) progress.show(bar(i, mails.found.length));
    const outcome = await work(mail);
    code = Math.max(code, outcome.code);
    progress.end();
    process.stdout.write(lineOf(mail, outcome, task));
  }
  return code;
}

interface Mails {
  readonly found: readonly NamedMail[];
  /** Some that were named do not exist. */
  readonly missing: boolean;
}

async function mailsOf({ mails: kept, options, words }: Task): Promise<Mails | number> {
  const search = options.get('search');
  if ((search === undefined) === (words.length === 0)) {
    complain(['name mails by the IDs of their 550, or give --search; not both']);
    return exit.usage;
  }
  const found: NamedMail[] = [];
  let missing = false;
  for (const word of words) {
    const mails = await mailsNamed(word, kept);
    if (mails.length === 0) complain([`there is no mail ${printable(word, 200)}`]);
    missing ||= mails.length === 0;
    found.push(...mails);
  }
  if (search !== undefined) {
    const query = queryOf(search);
    if (typeof query === 'number') return query;
    for await (const item of kept.all({ query })) found.push({ ref: item.ref, entry: item.entry });
    if (found.length === 0) complain(['nothing found']);
    missing = found.length === 0;
  }
  return { found, missing };
}

const styles: Readonly<Record<string, Style>> = {
  released: 'green',
  deleted: 'green',
  refused: 'red',
  unreachable: 'red',
};

function lineOf({ ref, entry }: NamedMail, { kind, text }: ChangeOutcome, { options, terminal }: Task): string {
  if (options.has('json')) return jsonLine({ mail: refText(ref), id: idOf(ref.filename), result: kind, detail: text });
  const who = entry === undefined ? refText(ref) : `${senderText(entry)} → ${entry.recipient}`;
  return render(
    [
      [
        [kind.padEnd(12), styles[kind] ?? 'yellow'],
        [`${idOf(ref.filename)}  ${printable(who, 200)}  `],
        [printable(text, 500), 'dim'],
      ],
    ],
    terminal,
  );
}
