/** `postern test`: what would become of a mail, and what each plugin thinks of it. Sends nothing, stores nothing. */
import { readFileSync } from 'node:fs';
import { parseIp } from '../../mail/ip.js';
import type { KeptMail } from '../../quarantine/look/kept-mail.js';
import type { Settings } from '../../settings/settings.js';
import { misused, type SettingsTask } from '../command/command.js';
import { exit } from '../exit-codes.js';
import { mailsNamed } from '../named-mails.js';
import { jsonLine, render, shown, terminalOf } from '../terminal.js';
import type { Line, Style } from '../../text/line.js';
import { keptField, messageOf, tryOnce } from './replay.js';
import type { MailToTry, PluginSaid, Tried } from './try-mail.js';
import { failed } from '../complain.js';
import { openHoldings } from '../holdings.js';

const noInput = 66; // EX_NOINPUT

export async function test(task: SettingsTask): Promise<number> {
  const mail = await mailOf(task.options, task.settings);
  if (typeof mail === 'string') return misused(task, mail);
  return 'missing' in mail ? failed(noInput, [`test: ${mail.missing}`]) : run(mail, task);
}

async function run(mail: MailToTry, { settings, options, env }: SettingsTask): Promise<number> {
  const tried = await tryOnce(mail, settings);
  if ('problems' in tried) return failed(exit.config, tried.problems);
  const terminal = terminalOf(process.stdout, env);
  const lines = linesOf(tried, { all: options.has('all'), settings, mail });
  process.stdout.write(options.has('json') ? jsonLine(tried) : render(lines, terminal));
  return exit.ok;
}

type TestOptions = ReadonlyMap<string, string>;
interface Missing {
  readonly missing: string;
}

/** A string: what is wrong with the options. */
async function mailOf(options: TestOptions, settings: Settings): Promise<MailToTry | Missing | string> {
  const file = options.get('message');
  const replay = options.get('replay');
  if ((file === undefined) === (replay === undefined)) return 'say either --message=FILE or --replay=MAIL';
  const kept = replay === undefined ? undefined : await keptMail(replay, settings);
  if (replay !== undefined && kept === undefined) return { missing: `there is no mail ${shown(replay, 100)}` };
  const envelope = envelopeOf(options, kept);
  if (typeof envelope === 'string') return envelope;
  const message = kept ? await messageOf(kept) : readMessage(file ?? '');
  return 'missing' in message ? message : { ...envelope, message };
}

function envelopeOf(options: TestOptions, kept: KeptMail | undefined): Omit<MailToTry, 'message'> | string {
  const field = (name: string): string | undefined => kept && keptField(kept, name);
  const address = options.get('ip') ?? field('X-REMOTE-IP');
  const ip = parseIp(address ?? '');
  if (!ip) return address === undefined ? '--ip is missing' : `--ip=${shown(address, 60)} is no address`;
  const from = options.get('from') ?? kept?.reversePath;
  const to = options.get('to') ?? kept?.recipient;
  if (from === undefined) return "--from is missing; --from='' is the null reverse-path";
  if (to === undefined || to === '') return '--to is missing';
  const literal = ip.family === 4 ? `[${ip.text}]` : `[IPv6:${ip.text}]`;
  return {
    ip,
    helo: options.get('helo') ?? field('X-HELO') ?? literal,
    from: from === '<>' ? '' : from,
    to: options.has('to') ? to.split(',').map((one) => one.trim()) : [to],
  };
}

function readMessage(file: string): Buffer | Missing {
  try {
    return asSent(readFileSync(file === '-' ? 0 : file));
  } catch (error) {
    return { missing: `${shown(file, 200)} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})` };
  }
}

/** Files have lines of their system; on the wire they end in CRLF. */
function asSent(octets: Buffer): Buffer {
  const text = octets.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n');
  return Buffer.from(text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`, 'latin1');
}

async function keptMail(word: string, settings: Settings): Promise<KeptMail | undefined> {
  const { mails, close } = await openHoldings(settings);
  try {
    const [found] = await mailsNamed(word, mails);
    return found && (await mails.open(found.ref));
  } finally {
    await close();
  }
}

const styles: Readonly<Record<PluginSaid['verdict'], Style>> = {
  skip: 'dim',
  note: 'yellow',
  delay: 'yellow',
  defer: 'yellow',
  error: 'red',
  reject: 'red',
  refuse: 'red',
  score: 'yellow',
  pardon: 'green',
  rewrite: 'green',
  route: 'green',
  taken: 'green',
  pass: 'green',
  accept: 'green',
};

const dull: ReadonlySet<string> = new Set(['not enabled', 'rejected already']);

interface Shown {
  readonly all: boolean;
  readonly settings: Settings;
  readonly mail: MailToTry;
}

function linesOf(tried: Tried, { all, settings, mail }: Shown): readonly Line[] {
  const rows = tried.said.filter(({ verdict, reason }) => all || verdict !== 'skip' || !dull.has(reason));
  const width = (of: (one: PluginSaid) => string, title: string): number =>
    Math.max(title.length, ...rows.map((one) => of(one).length));
  const columns = [width(({ plugin }) => plugin, 'plugin'), width(({ hook }) => hook, 'hook')] as const;
  const row = ([plugin, hook, verdict, ms]: readonly [string, string, string, string], reason: string): string =>
    `${plugin.padEnd(columns[0])}  ${hook.padEnd(columns[1])}  ${verdict.padEnd(7)}  ${ms.padStart(7)}  ${reason}`.trimEnd();
  const left = tried.said.length - rows.length;
  return [
    [[row(['plugin', 'hook', 'verdict', 'ms'], 'reason'), 'bold']],
    ...rows.map((one): Line => [
      [row([one.plugin, one.hook, one.verdict, one.ms.toFixed(1)], shown(one.reason, 500)), styles[one.verdict]],
    ]),
    ...(left > 0 ? [[[`(${left} more that had nothing to say; --all shows them)`, 'dim']] satisfies Line] : []),
    [['']],
    [
      [dispositionText(tried, settings), tried.disposition === 'handed over' ? 'green' : 'yellow'],
      [`  ${shown(tried.reply)}`, 'bold'],
    ],
    [[`${shown(tried.command)}, from ${mail.ip.text}; nothing was sent or stored`, 'dim']],
  ];
}

function dispositionText({ disposition, recipients }: Tried, { spam }: Settings): string {
  const whom = shown(recipients.join(', '), 300);
  switch (disposition) {
    case 'handed over':
      return `would be handed to the local MTA for ${whom}:`;
    case 'taken':
      return `was taken by a plugin, which answers for it, for ${whom}:`;
    case 'archived':
      return `would be rejected and archived below ${spam} for ${whom}:`;
    case 'deferred':
      return 'would be deferred, the sender keeps it:';
    case 'refused':
      return 'would be refused, and not kept:';
  }
}
