/**
 * One mail through a session as the MX would hold it, plugins, markers, DNS and all, but the last step: nothing is
 * handed to the local MTA, archived or remembered. What each plugin said is written down on the way.
 */
import type { HeardVerdict } from '../../hooks/table.js';
import { type PathArgument, parsePathArgument } from '../../mail/address.js';
import type { Result } from '../../mail/result.js';
import type { Ip } from '../../mail/ip.js';
import { type Reply, replyText } from '../../mail/reply.js';
import { printable } from '../../mail/text.js';
import type { Verdict } from '../../mail/verdict.js';
import type { Services } from '../../smtp/services.js';
import { SmtpSession } from '../../smtp/session/session.js';

export interface MailToTry {
  readonly ip: Ip;
  readonly helo: string;
  /** '' is the null reverse-path. */
  readonly from: string;
  readonly to: readonly string[];
  /** Lines end in CRLF. */
  readonly message: Buffer;
}

/** What one plugin said at one hook. */
export interface PluginSaid {
  readonly hook: string;
  readonly plugin: string;
  readonly verdict: Verdict['kind'] | 'error';
  /** Why; '' where there is nothing to say. */
  readonly reason: string;
  readonly ms: number;
}

export interface Tried {
  readonly said: readonly PluginSaid[];
  /** The command that settled it, and the reply to it. */
  readonly command: string;
  readonly reply: string;
  readonly disposition: 'handed over' | 'taken' | 'archived' | 'deferred' | 'refused';
  /** Recipients that were taken. */
  readonly recipients: readonly string[];
}

/** `services` are used for this mail only. */
export async function tryMail(mail: MailToTry, services: Services): Promise<Tried> {
  const said: PluginSaid[] = [];
  const acts: ('handed over' | 'archived')[] = [];
  const tried: Services = {
    ...services,
    plugins: services.plugins.toTry((heard) => said.push(saidOf(heard))),
    relay: {
      probe: (recipient) => services.relay.probe(recipient),
      rest: () => undefined,
      send: ({ to }) => {
        acts.push('handed over');
        const where = to === undefined ? 'the local MTA' : printable(to.text, 200);
        return Promise.resolve({ kind: 'accepted', text: `${where} would be asked now, and its reply be ours` });
      },
      close: () => services.relay.close(),
    },
    quarantine: {
      archive: () => {
        acts.push('archived');
        return Promise.resolve({ kind: 'archived', filenames: [] });
      },
      expire: () => services.quarantine.expire(),
      clockProblem: () => services.quarantine.clockProblem(),
      close: () => services.quarantine.close(),
    },
    incoming: { ...services.incoming, memory: Infinity },
  };
  const { command, reply, recipients } = await converse(mail, new SmtpSession(tried, { ip: mail.ip, name: undefined }));
  return {
    said,
    command,
    // It stands for a mail that will not be there.
    reply: replyText(reply).replace(/ \([0-9A-Z]{14}\)$/, ' (ID)'),
    disposition: acts[0] ?? dispositionBy(reply),
    recipients,
  };
}

const dispositionBy = ({ code }: Reply): Tried['disposition'] =>
  code < 300 ? 'taken' : code < 500 ? 'deferred' : 'refused';

interface Conversation {
  readonly command: string;
  readonly reply: Reply;
  readonly recipients: readonly string[];
}

async function converse({ helo, from, to, message }: MailToTry, session: SmtpSession): Promise<Conversation> {
  const early = (command: string, reply: Reply): Conversation => ({ command, reply, recipients: [] });
  const turnedAway = await session.connect();
  if (turnedAway) return early('connect', turnedAway);
  const greeted = await session.answer({ kind: 'helo', name: helo, extended: true });
  if (greeted.code !== 250) return early(`EHLO ${helo}`, greeted);
  const parameters = /^[\x00-\x7f]*$/.test([from, ...to].join('')) ? '' : ' SMTPUTF8';
  const sender = await session.answer({ kind: 'mail', argument: pathOf(`<${from}>${parameters}`) });
  if (sender.code !== 250) return early(`MAIL FROM:<${from}>`, sender);
  const taken: string[] = [];
  let last = early('RCPT TO', sender);
  for (const recipient of to) {
    const reply = await session.answer({ kind: 'rcpt', argument: pathOf(`<${recipient}>`) });
    if (reply.code === 250) taken.push(recipient);
    last = early(`RCPT TO:<${recipient}>`, reply);
  }
  const data = await session.answer({ kind: 'data' });
  if (!session.receiving) return taken.length === 0 ? last : early('DATA', data);
  await session.receive(message);
  return {
    command: 'end of data',
    reply: await session.endOfData({ sawBareNewline: false, isDotless: false }),
    recipients: taken,
  };
}

const pathOf = (text: string): Result<PathArgument> => parsePathArgument(Buffer.from(text));

const saidOf = ({ hook, plugin, said, ms }: HeardVerdict): PluginSaid =>
  said instanceof Error
    ? { hook, plugin, verdict: 'error', reason: said.message, ms }
    : { hook, plugin, verdict: said.kind, reason: reasonOf(said), ms };

function reasonOf(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'pass':
    case 'accept':
      return '';
    case 'skip':
      return verdict.why;
    case 'delay':
      return `${Math.ceil(verdict.ms / 1000)} s${verdict.log === '' ? '' : `: ${verdict.log}`}`;
    case 'score':
      return `${verdict.points}: ${verdict.log}`;
    case 'note':
    case 'pardon':
    case 'rewrite':
    case 'route':
    case 'taken':
      return verdict.log;
    case 'reject':
      return verdict.log === verdict.reason ? verdict.reason : `${verdict.reason} (${verdict.log})`;
    case 'refuse':
    case 'defer':
      return [replyText(verdict.reply), verdict.log].filter((text) => text !== '').join(': ');
  }
}
