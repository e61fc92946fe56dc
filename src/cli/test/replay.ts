/** A mail of the quarantine as it came: to be judged anew by `postern test --replay` and by the page. */
import { Writable } from 'node:stream';
import { closePlugins } from '../../hooks/close.js';
import { isExported } from '../../hooks/loading/load.js';
import { createLogger } from '../../log.js';
import { parseIp } from '../../mail/ip.js';
import { unicode } from '../../mail/text.js';
import type { MailRef } from '../../quarantine/disk/mail-ref.js';
import type { KeptMails } from '../../quarantine/kept-mails.js';
import type { KeptMail } from '../../quarantine/look/kept-mail.js';
import type { Settings } from '../../settings/settings.js';
import type { Replay } from '../../web/replay-page.js';
import { wireToTry } from '../wire.js';
import { type Tried, tryMail, type MailToTry } from './try-mail.js';

/** Tries the mail with services of its own, which are closed behind it. Fails where the plugins are wrong. */
export async function tryOnce(
  mail: MailToTry,
  settings: Settings,
): Promise<Tried | { readonly problems: readonly string[] }> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const wired = await wireToTry(settings, createLogger(settings, { stream: silent, isTerminal: false }));
  if (!wired.ok) return { problems: wired.problem };
  const { content, relay, store, plugins } = wired.value;
  try {
    return await tryMail(mail, wired.value);
  } finally {
    await closePlugins(wired.value, plugins.listed.filter(isExported));
    await Promise.all([content.close(), relay.close(), store.close()]);
  }
}

/** Judges kept mails for the page, one at a time: each costs what a mail costs an MX. */
export function replaying(settings: Settings, mails: Pick<KeptMails, 'open'>): (ref: MailRef) => Promise<Replay> {
  let isBusy = false;
  return async (ref) => {
    if (isBusy) return { kind: 'busy' };
    isBusy = true;
    try {
      const kept = await mails.open(ref);
      if (!kept) return { kind: 'gone' };
      const ip = parseIp(keptField(kept, 'X-REMOTE-IP') ?? '');
      if (!ip) return { kind: 'failed', problem: 'it does not say which client it came from' };
      const helo = keptField(kept, 'X-HELO') ?? `[${ip.text}]`;
      const { reversePath: from, recipient } = kept;
      const tried = await tryOnce({ ip, helo, from, to: [recipient], message: await messageOf(kept) }, settings);
      return 'problems' in tried
        ? { kind: 'failed', problem: tried.problems.join('; ') }
        : { kind: 'judged', ...tried };
    } finally {
      isBusy = false;
    }
  };
}

export function keptField({ header }: KeptMail, name: string): string | undefined {
  const value = header.get(name);
  return value === undefined ? undefined : unicode(value);
}

/** As it came: without our fields, of which X-REJECT-PLUGIN is the last (smtp/disposing/trace-fields). */
export async function messageOf({ header, message }: KeptMail): Promise<Buffer> {
  const last = header.fields.findIndex(({ name }) => name === 'x-reject-plugin');
  const [recipient, ...ours] = header.fields.slice(0, last + 1);
  const skip = recipient === undefined ? 0 : ours.reduce((sum, { raw }) => sum + raw.length, 0);
  const parts: Buffer[] = [];
  for await (const part of message.parts()) parts.push(part);
  return Buffer.concat(parts).subarray(skip);
}
