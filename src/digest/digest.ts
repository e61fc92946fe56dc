/**
 * A mail a day and domain to its postmaster: what was refused the day before, why, and links that release it. Leaves
 * when to send it to whoever calls, that it was sent to sent-digests.ts, and the way to the MTA to the relay.
 */
import { parseIp } from '../mail/ip.js';
import { replyText } from '../mail/reply.js';
import { dayBefore } from '../quarantine/disk/day.js';
import type { KeptMails } from '../quarantine/kept-mails.js';
import type { ListItem } from '../quarantine/look/browse.js';
import type { Relay } from '../relay/relay.js';
import { localDay } from '../text/day.js';
import { composeDigest } from './compose.js';
import { type DigestLinks, linkLife } from './links.js';
import type { DigestOfDay, DigestTurn, SentDigests } from './sent-digests.js';

export interface DigestOptions {
  readonly mails: Pick<KeptMails, 'all'>;
  readonly sent: SentDigests;
  readonly hostname: string;
  /** It is the address of the quarantine page as the postmaster's browser reaches it, without a slash at its end. */
  readonly url: string;
  readonly relay: Pick<Relay, 'send'>;
  readonly links: DigestLinks;
  /** It is true where the digest is sent even if that day's was sent before. */
  readonly again: boolean;
  readonly dryRun: boolean;
  readonly now?: Date;
}

export type DigestResult =
  | { readonly kind: 'sent'; readonly mails: number; readonly detail: string }
  /** A dry run: so it would be. */
  | { readonly kind: 'would send'; readonly mails: number }
  /** Nothing was refused, or all of it is released or deleted. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'already' }
  /** Another process is at it. */
  | { readonly kind: 'busy' }
  /** Nobody knows whether the MTA has it. */
  | { readonly kind: 'unknown'; readonly detail: string }
  | { readonly kind: 'refused'; readonly detail: string }
  | { readonly kind: 'unreachable'; readonly detail: string };

/** Mails that one digest lists. */
const maxRows = 200;

/** Broken IO throws; once the MTA has the mail, only after an attempt to remember it. */
export async function sendDigest(domain: string, options: DigestOptions): Promise<DigestResult> {
  const { sent, again, dryRun, now = new Date() } = options;
  const digest = { domain, day: localDay(dayBefore(now)) };
  if (dryRun) return tryDigest(digest, options);
  const taken = await sent.take(digest, again, (turn) => sendTaken(digest, turn, options));
  return taken.kind === 'done' ? taken.result : taken;
}

async function tryDigest(digest: DigestOfDay, options: DigestOptions): Promise<DigestResult> {
  if (!options.again && (await options.sent.wasSent(digest))) return { kind: 'already' };
  const { mails } = await refused(digest.domain, options);
  return mails === 0 ? { kind: 'nothing' } : { kind: 'would send', mails };
}

async function sendTaken(
  { domain, day }: DigestOfDay,
  turn: DigestTurn,
  options: DigestOptions,
): Promise<DigestResult> {
  const { items, mails } = await refused(domain, options);
  if (mails === 0) return { kind: 'nothing' };
  const { url, links, hostname, relay, now = new Date() } = options;
  const expires = now.getTime() + linkLife;
  const octets = await composeDigest({
    domain,
    hostname,
    day,
    mails,
    expires: new Date(expires),
    rows: await Promise.all(
      items.map(async ({ ref, entry }) => ({ entry, link: `${url}/digest/${await links.make({ ref, expires })}` })),
    ),
  });
  const result = await relay.send({
    clientIp: parseIp('127.0.0.1') ?? unreachable(),
    clientName: 'localhost',
    helo: hostname,
    protocol: 'ESMTP',
    // RFC 3834 §3.3: nobody answers it.
    reversePath: '',
    recipients: [`postmaster@${domain}`],
    smtputf8: false,
    eightBit: false,
    head: Buffer.alloc(0),
    message: {
      size: octets.length,
      async *parts() {
        yield octets;
        await turn.begin();
      },
    },
  });
  switch (result.kind) {
    case 'accepted':
      await turn.sent();
      return { kind: 'sent', mails, detail: result.text };
    case 'refused':
    case 'message refused':
      return { kind: 'refused', detail: replyText(result.reply) };
    case 'partly':
      return { kind: 'refused', detail: [...result.refused.values()].map(replyText).join(', ') };
    case 'unreachable':
      return { kind: 'unreachable', detail: result.problem };
  }
}

function unreachable(): never {
  throw new Error('unreachable');
}

/** The day before, in local time as the quarantine's days are: midnight to midnight. */
function dayBounds(now: Date): { readonly after: number; readonly before: number } {
  const [year, month, day] = [now.getFullYear(), now.getMonth(), now.getDate()];
  return { after: new Date(year, month, day - 1).getTime(), before: new Date(year, month, day).getTime() };
}

async function refused(
  domain: string,
  { mails: kept, now = new Date() }: DigestOptions,
): Promise<{ readonly items: readonly ListItem[]; readonly mails: number }> {
  const items: ListItem[] = [];
  let mails = 0;
  const query = { ...dayBounds(now), domain, all: true, terms: [], matches: () => true };
  for await (const item of kept.all({ query, now })) {
    if (item.mark !== undefined) continue;
    if (items.length < maxRows) items.push(item);
    mails++;
  }
  return { items, mails };
}
