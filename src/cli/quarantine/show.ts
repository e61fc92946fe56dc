/**
 * `postern quarantine show`: why it was refused, then the mail, in a pager. Nothing in a mail reaches the terminal as a
 * command.
 */
import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import type { Content } from '../../mail/content/content.js';
import { charsetParameter, decodeField } from '../../mail/encoded-word.js';
import { rejectionLog } from '../../journal/shown/rejection-log.js';
import { headlineOf } from '../../mail/shown/headline.js';
import { htmlText } from '../../mail/content/html-text.js';
import { shown, unicode } from '../../mail/text.js';
import { openContentReader } from '../../mime/content-reader.js';
import type { KeptMail } from '../../quarantine/look/kept-mail.js';
import { idOf, refText } from '../../quarantine/disk/mail-ref.js';
import { smtpReply } from '../../quarantine/look/smtp-reply.js';
import { readSpfTrace, spfTraceName } from '../../spf/fields/trace-field.js';
import { exit } from '../exit-codes.js';
import { openJournalHoldings } from '../holdings.js';
import { render } from '../terminal.js';
import type { Line } from '../../text/line.js';
import { goneText, jsonOf, type Task } from './task.js';
import { type NamedMail, mailsNamed } from '../named-mails.js';
import { complain } from '../complain.js';

export async function show(task: Task): Promise<number> {
  const { mails, options, words, terminal, isTerminal, env } = task;
  const [word, ...more] = words;
  if (word === undefined || more.length > 0) {
    complain(['quarantine show: name one mail, by the ID of its 550']);
    return exit.usage;
  }
  const raw = options.has('raw');
  if (raw && isTerminal) {
    complain(['quarantine show: --raw is for a pipe or a file: the mail may hold commands for your terminal']);
    return exit.usage;
  }
  const [mail] = await mailsNamed(word, mails);
  if (!mail) {
    complain([`there is no mail ${shown(word, 200)}`]);
    return exit.notAll;
  }
  if (options.has('json')) {
    process.stdout.write(jsonOf(mail));
    return exit.ok;
  }
  const kept = await mails.open(mail.ref);
  if (raw) return writeRaw(kept, task);
  const text = render(await describe(mail, kept, task), terminal);
  const paged = isTerminal && options.get('pager') !== 'no' && (await throughPager(text, env));
  if (!paged) process.stdout.write(text);
  return kept ? exit.ok : exit.notAll;
}

async function writeRaw(kept: KeptMail | undefined, task: Task): Promise<number> {
  if (!kept) {
    complain([goneText(task)]);
    return exit.notAll;
  }
  await pipeline(kept.whole.parts(), process.stdout, { end: false });
  return exit.ok;
}

/** A shell's exit code where there is no such program (POSIX). */
const notFound = 127;

/** False when there is no pager. */
function throughPager(text: string, env: Task['env']): Promise<boolean> {
  const pager = env['PAGER'] ?? '';
  const child =
    pager === ''
      ? spawn('less', ['-FRX'], { stdio: ['pipe', 'inherit', 'inherit'] })
      : spawn(pager, { shell: true, stdio: ['pipe', 'inherit', 'inherit'] });
  return new Promise((resolve) => {
    child.on('error', () => resolve(false));
    child.on('close', (code) => resolve(code !== notFound));
    child.stdin.on('error', () => undefined);
    child.stdin.end(text);
  });
}

async function describe(mail: NamedMail, kept: KeptMail | undefined, task: Task): Promise<readonly Line[]> {
  const log = await logOf(mail, task);
  if (!kept)
    return [...reasonLines(mail, undefined, log), [['']], [[`${goneText(task).replace('the', 'The')}.`, 'yellow']]];
  const reader = openContentReader();
  try {
    const body = bodyLines(await reader.read(kept.message));
    return [...reasonLines(mail, kept, log), [['']], ...headerLines(kept), [['']], ...body];
  } finally {
    await reader.close();
  }
}

/** Which marker, which value; '' where nobody knows any more. */
async function logOf({ ref, entry }: NamedMail, { settings, options }: Task): Promise<string> {
  const { journal, close } = await openJournalHoldings(settings, { here: options.has('here') });
  try {
    return await rejectionLog({ journal, entry, id: idOf(ref.filename) });
  } finally {
    await close();
  }
}

function reasonLines({ ref, entry, mark }: NamedMail, kept: KeptMail | undefined, log: string): readonly Line[] {
  const value = (name: string, known: string | undefined): string => known ?? unicode(kept?.header.get(name) ?? '');
  const plugin = value('X-REJECT-PLUGIN', entry?.plugin);
  const reason = value('X-REJECT-REASON', entry?.reason);
  const rows: readonly (readonly [string, string])[] = [
    ['why', log],
    ['SMTP reply', smtpReply({ reply: entry?.reply, reason, id: idOf(ref.filename) })],
    ['when', entry?.time ?? ''],
    ['client', `${value('X-REMOTE-IP', entry?.ip)} ${value('X-REMOTE-HOST', entry?.host)}`.trim()],
    ['HELO', value('X-HELO', entry?.helo)],
    ['from', entry?.headerFrom ?? (kept ? headlineOf(kept.header).headerFrom : '')],
    ['envelope', `<${value('X-MAIL-FROM', entry?.from)}> to <${kept?.recipient ?? entry?.recipient ?? ''}>`],
    ['SPF', entry?.spf ?? ''],
    ['points', entry?.points ?? ''],
    ['size', entry === undefined ? '' : `${entry.size} octets`],
    ['file', kept?.place ?? refText(ref)],
    [mark?.kind ?? '', mark ? `${mark.time} by ${mark.by}${mark.detail === '' ? '' : `: ${mark.detail}`}` : ''],
  ];
  const trace = kept ? readSpfTrace(kept.header) : [];
  return [
    [['Refused by '], [shown(plugin), 'yellow'], [': '], [shown(reason, 2000), 'bold']],
    ...rows
      .filter(([, text]) => text !== '')
      .map(([label, text]): Line => [[`  ${label.padEnd(11)}`, 'dim'], [shown(text, 2000)]]),
    ...(trace.length > 0 ? [[['  SPF, term by term', 'dim']] as const] : []),
    ...trace.map((text): Line => [['    '], [shown(text, 500)]]),
  ];
}

const line = (text: string, style?: 'dim' | 'yellow'): Line => [[shown(text, 10_000), style ?? 'bold']];

const headerLines = ({ header }: KeptMail): readonly Line[] => {
  const charset = charsetParameter(header.get('Content-Type') ?? '');
  return header.fields
    .filter(({ name }) => name !== '' && name !== 'recipient' && name !== spfTraceName.toLowerCase())
    .map(({ raw, value }): Line => [
      [`${shown(raw.toString('latin1').split(':')[0] ?? '', 100)}: `, 'cyan'],
      [shown(decodeField(value, charset).replace(/\s+/g, ' '), 2000)],
    ]);
};

function bodyLines(content: Content): readonly Line[] {
  if (content.kind === 'unreadable') return [line(`(${content.why}; --raw gives it as it is)`, 'yellow')];
  const text = content.text === '' ? htmlText(content.html) : content.text;
  return [
    ...text.split(/\r?\n|\r|\u2028|\u2029/).map((one): Line => [[shown(one.replaceAll('\t', '    '), 10_000)]]),
    ...content.attachments.map(({ names, type, size }) =>
      line(`[attachment: ${names[0] ?? 'no name'}, ${type}, ${size} octets]`, 'dim'),
    ),
  ];
}
