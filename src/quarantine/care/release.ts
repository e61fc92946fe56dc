/**
 * Sends a quarantined mail on after all: to the local MTA, with its own envelope, under one field more, and marks it in
 * the index. Two releases at once, by whatever processes, are one. Leaves the way to the MTA to the relay.
 */
import { createHash, randomUUID } from 'node:crypto';
import path from 'node:path';
import { mayBeRouted, parseAddress } from '../../mail/address.js';
import { errorText } from '../../mail/error-text.js';
import { parseIp } from '../../mail/ip.js';
import type { MessageSource } from '../../mail/message.js';
import { replyText } from '../../mail/reply.js';
import { asciiText, unicode } from '../../mail/text.js';
import type { Relay, RelayRequest, RelayResult } from '../../relay/relay.js';
import { addMark, dispositionOf, type UnknownRelease } from '../look/disposition.js';
import { type KeptMail, openKeptMail } from '../look/kept-mail.js';
import { underLock } from '../disk/lock.js';
import { idOf, locate, type MailRef, refText } from '../disk/mail-ref.js';
import type { Mark } from '../disk/mark.js';

export interface ReleaseOptions {
  /** /spam */
  readonly root: string;
  readonly relay: Pick<Relay, 'send'>;
  readonly hostname: string;
  /** It names who releases the mail, in X-Released-By and in the index. */
  readonly by: string;
  /** It is `attachment` for a mail from the domain's postmaster that says what it is and has the mail inside. */
  readonly form: 'raw' | 'attachment';
  /** It is true where the mail shall be sent also if it has been released before. */
  readonly again: boolean;
  /** It tells whether the domain has a marker of just that local-part. */
  readonly hasUser: (domain: string, localPart: string) => boolean;
}

export type ReleaseOrder = Omit<ReleaseOptions, 'root'>;

export type ReleaseResult =
  /** The MTA has it. `problem`: but the index could not be marked. */
  | { readonly kind: 'released'; readonly reply: string; readonly problem?: string }
  | { readonly kind: 'already'; readonly mark: Mark }
  /** Somebody else is releasing it just now. */
  | { readonly kind: 'busy' }
  /** It was about to be handed over, and whoever did so did not come to say what the MTA answered. */
  | ({ readonly kind: 'unknown' } & UnknownRelease)
  | { readonly kind: 'gone' }
  /** The MTA might send it on to somewhere else, and no marker says that this is a mailbox. */
  | { readonly kind: 'routed'; readonly marker: string }
  /** The MTA's own refusal. */
  | { readonly kind: 'refused'; readonly reply: string }
  | { readonly kind: 'unreachable'; readonly problem: string };

/** Broken IO throws before anything is sent. */
export const release = async (ref: MailRef, options: ReleaseOptions): Promise<ReleaseResult> =>
  (await underLock(lockPath(options.root, ref), () => releaseLocked(ref, options))) ?? { kind: 'busy' };

const lockPath = (root: string, ref: MailRef): string =>
  path.join(root, `.releasing-${createHash('sha256').update(refText(ref)).digest('hex').slice(0, 40)}`);

async function releaseLocked(ref: MailRef, options: ReleaseOptions): Promise<ReleaseResult> {
  const { mark: before } = dispositionOf(options.root, ref);
  if (before?.kind === 'released' && !options.again) return { kind: 'already', mark: before };
  const file = await locate(options.root, ref);
  const mail = file === undefined ? undefined : openKeptMail(file);
  if (!mail) return { kind: 'gone' };
  const result = await sendOn(mail, ref, options);
  return result.kind === 'released' ? marked(result, ref, options) : result;
}

/** Hands a mail to the MTA, and marks nothing: whoever calls sees to it that nobody else does the same meanwhile. */
export async function sendOn(mail: KeptMail, ref: MailRef, order: ReleaseOrder): Promise<ReleaseResult> {
  const marker = missingMarker(mail.recipient, ref, order);
  if (marker !== undefined) return { kind: 'routed', marker };
  return resultOf(await order.relay.send(requestFor(mail, ref, order)));
}

/**
 * `victim%elsewhere@ours` may be a mailbox, and may be sent on to elsewhere: only a marker of just that name tells (as
 * at RCPT).
 */
function missingMarker(recipient: string, ref: MailRef, { hasUser }: ReleaseOrder): string | undefined {
  const { localPart, domain } = parseAddress(recipient) ?? { localPart: recipient, domain: ref.domain };
  if (!mayBeRouted(localPart) || hasUser(domain, localPart)) return undefined;
  return `${domain}/users/valid/${localPart.toLowerCase()}`;
}

function resultOf(result: RelayResult): ReleaseResult {
  switch (result.kind) {
    case 'accepted':
      return { kind: 'released', reply: result.text };
    case 'refused':
    case 'message refused':
      return { kind: 'refused', reply: replyText(result.reply) };
    case 'partly':
      return { kind: 'refused', reply: [...result.refused.values()].map(replyText).join(', ') };
    case 'unreachable':
      return { kind: 'unreachable', problem: result.problem };
  }
}

/** The mail is on its way, whatever happens to the mark. */
async function marked(
  result: ReleaseResult & { readonly kind: 'released' },
  ref: MailRef,
  { root, by }: ReleaseOptions,
): Promise<ReleaseResult> {
  try {
    await addMark(root, ref, { kind: 'released', by, detail: result.reply });
    return result;
  } catch (error) {
    return { ...result, problem: errorText(error) };
  }
}

const loopback = parseIp('127.0.0.1');

/** It comes from us, not from the client: an MTA that judges clients would refuse it again. */
function requestFor(mail: KeptMail, ref: MailRef, options: ReleaseOrder): RelayRequest {
  if (!loopback) throw new Error('unreachable');
  const wrapped = options.form === 'attachment';
  return {
    clientIp: loopback,
    clientName: 'localhost',
    helo: options.hostname,
    protocol: 'ESMTP',
    reversePath: wrapped ? '' : mail.reversePath,
    recipients: [mail.recipient],
    smtputf8: false,
    eightBit: true,
    dsn: wrapped ? undefined : dsnOf(mail),
    head: Buffer.from(`X-Released-By: ${asciiText(options.by, 200)}\r\n`),
    message: wrapped ? attached(mail, ref, options) : mail.message,
  };
}

/** What its client asked of delivery status notifications. */
function dsnOf({ header, recipient }: KeptMail): RelayRequest['dsn'] {
  const words = unicode(header.get('X-DSN') ?? '').split(/\s+/);
  const those = (kind: RegExp): string => words.flatMap((word) => (kind.test(word) ? ` ${word}` : [])).join('');
  return { mail: those(/^(?:RET|ENVID)=/), recipients: new Map([[recipient, those(/^(?:NOTIFY|ORCPT)=/)]]) };
}

function attached(mail: KeptMail, ref: MailRef, { hostname }: ReleaseOrder): MessageSource {
  const boundary = `postern-${randomUUID()}`;
  const opening = Buffer.from(
    [
      `From: Quarantine <postmaster@${ref.domain}>`,
      `To: <${mail.recipient}>`,
      `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
      `Message-ID: <${randomUUID()}@${hostname}>`,
      `Subject: Released from quarantine: ${idOf(ref.filename)}`,
      'Auto-Submitted: auto-generated',
      'MIME-Version: 1.0',
      `Content-Type: multipart/mixed; boundary="${boundary}"`,
      '',
      `--${boundary}`,
      'Content-Type: text/plain; charset=utf-8',
      '',
      `The attached mail to ${mail.recipient} was refused and kept in quarantine:`,
      `  ${asciiText(mail.header.get('X-REJECT-REASON') ?? '')}`,
      'Somebody has released it for you. Be careful with its links and attachments.',
      '',
      `--${boundary}`,
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: 8bit',
      `Content-Disposition: attachment; filename="${idOf(ref.filename) || 'mail'}.eml"`,
      '',
      '',
    ].join('\r\n'),
  );
  const closing = Buffer.from(`\r\n--${boundary}--\r\n`);
  const { message } = mail;
  return {
    size: opening.length + message.size + closing.length,
    async *parts() {
      yield opening;
      yield* message.parts();
      yield closing;
    },
  };
}
