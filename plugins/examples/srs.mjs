/**
 * srs — forwards mail to addresses elsewhere under a sender of our own (Sender Rewriting Scheme), so that SPF passes
 * there, and takes what comes back to that sender to where the mail came from.
 *
 *     srs secret=/etc/postern/srs.secret anywhere      before valid_users in the list
 *
 *     secret     a file that holds the key, which nobody else may read; it stays the same, for what is under way
 *
 * /srv/DOMAIN/forwards says who is forwarded, one a line: `bob bob@elsewhere.example`. The mail goes to the local MTA,
 * which has to let us send it anywhere, as postern has by the word `anywhere`. The null sender stays, as do senders of
 * domains that are hosted here. Each forwarded recipient has a mail of its own. A returned mail is taken where it is a
 * bounce, our hash is right, and the mail was sent in the last three weeks.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { accept, defer, pass, readArguments, rejectRecipient, reply, rewrite } from 'postern';

const file = {
  right: 'a path, such as /etc/postern/srs.secret',
  read: (text) => (text.startsWith('/') ? text : undefined),
};

/** @param {readonly string[]} args @returns {import('postern').Plugin} */
export default function srs(args) {
  const { secret } = readArguments(args, { secret: file }, { secret: undefined });
  if (secret === undefined) throw new Error('takes a file: secret=/etc/postern/srs.secret');
  const scheme = new Scheme(readFileSync(secret, 'utf8').trim());

  return {
    name: 'srs',

    rcpt({ recipient, recipients, reversePath, domain, markers, notes }) {
      const known = notes.get('srs');
      if (known?.target === recipient.text) return pass; // it is hosted here, and is judged as any
      const isReturn = scheme.isOurs(recipient.localPart);
      const returned = reversePath === '' ? scheme.reverse(recipient.localPart) : undefined;
      const target = isReturn ? returned : forwardOf(markers, domain, recipient);
      if (!isReturn && target === undefined && known === undefined) return pass;
      if (recipients.length > 0) return defer('', 'forwarded mail has one recipient', oneByOne);
      if (target === undefined) return isReturn ? rejectRecipient('No such mailbox', 'no bounce of ours') : pass;
      notes.set('srs', { target, isReturn });
      return accept;
    },

    queue({ notes, reversePath, senderDomain, domain, isHosted }) {
      const { target, isReturn } = notes.get('srs') ?? {};
      if (target === undefined) return pass;
      const isKept = isReturn || reversePath === '' || isHosted(senderDomain);
      const sender = isKept ? {} : { reversePath: scheme.forward(reversePath, domain) };
      return rewrite({ recipients: [target], ...sender }, `${isReturn ? 'returned' : 'forwarded'} to ${target}`);
    },
  };
}

const oneByOne = reply(452, '4.5.3', 'Send this recipient in a transaction of its own');

/** @param {import('postern').Markers} markers */
function forwardOf(markers, domain, { localPart }) {
  const lines = markers.lines(domain, 'forwards') ?? [];
  const [, target] = lines.map((line) => line.split(/\s+/)).find(([name]) => name === localPart.toLowerCase()) ?? [];
  return target;
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const maxDays = 21;
const dayMs = 86_400_000;

/**
 * The scheme as Mail::SRS, libsrs2 and postsrsd have it: SRS0=HASH=DAY=DOMAIN=LOCAL, and for what was rewritten by
 * somebody else before, SRS1=HASH=FIRST==HASH=DAY=DOMAIN=LOCAL, which goes back to the first of them.
 */
class Scheme {
  #secret;

  constructor(secret) {
    if (secret === '') throw new Error('the secret is empty');
    this.#secret = secret;
  }

  isOurs(localPart) {
    return /^SRS[01]=/i.test(localPart);
  }

  /** The sender that stands for this one here. */
  forward(sender, domain) {
    const at = sender.lastIndexOf('@');
    const [local, host] = [sender.slice(0, at), sender.slice(at + 1)];
    const [, first, rest] = /^SRS1[-+=][^=]+=([^=]+)=(.+)$/i.exec(local) ?? [];
    if (first !== undefined) return `SRS1=${this.#hash(first, rest)}=${first}=${rest}@${domain}`;
    const [, guarded] = /^SRS0([-+=].+)$/i.exec(local) ?? [];
    if (guarded !== undefined) return `SRS1=${this.#hash(host, guarded)}=${host}=${guarded}@${domain}`;
    const day = dayText(Date.now());
    return `SRS0=${this.#hash(day, host, local)}=${day}=${host}=${local}@${domain}`;
  }

  /** Where the mail came from; undefined where it did not come this way, or too long ago. */
  reverse(localPart) {
    const [, hash1, first, guarded] = /^SRS1=([^=]+)=([^=]+)=([-+=].+)$/i.exec(localPart) ?? [];
    if (first !== undefined) return this.#isHash(hash1, first, guarded) ? `SRS0${guarded}@${first}` : undefined;
    const [, hash, day, host, local] = /^SRS0=([^=]+)=([^=]{2})=([^=]+)=(.+)$/i.exec(localPart) ?? [];
    if (local === undefined || !this.#isHash(hash, day, host, local)) return undefined;
    return isRecent(day) ? `${local}@${host}` : undefined;
  }

  #hash(...parts) {
    const hmac = createHmac('sha1', this.#secret).update(parts.join('').toLowerCase());
    return hmac.digest('base64').slice(0, 4);
  }

  /** On its way the address may have lost its capitals. */
  #isHash(given, ...parts) {
    const [a, b] = [given, this.#hash(...parts)].map((hash) => Buffer.from(hash.toLowerCase()));
    return a.length === b.length && timingSafeEqual(a, b);
  }
}

/** Two digits: days, modulo 1024. */
function dayText(time) {
  const day = Math.floor(time / dayMs);
  return digits[(day >> 5) & 31] + digits[day & 31];
}

function isRecent(text) {
  const [high, low] = [...text.toUpperCase()].map((digit) => digits.indexOf(digit));
  if (high < 0 || low < 0) return false;
  return (Math.floor(Date.now() / dayMs) - (high * 32 + low)) % 1024 <= maxDays;
}
