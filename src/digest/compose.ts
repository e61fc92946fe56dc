/** The digest as a mail: text and HTML. nodemailer makes the MIME, hono's `html` escapes what clients wrote. */
import { html } from 'hono/html';
import MailComposer from 'nodemailer/lib/mail-composer';
import { shown } from '../mail/text.js';
import { senderText } from '../quarantine/look/sender.js';
import type { IndexEntry } from '../quarantine/disk/index-entry.js';

export interface Digest {
  readonly domain: string;
  readonly hostname: string;
  /** `2026-11-24` */
  readonly day: string;
  /** How many there are; `rows` may be fewer. */
  readonly mails: number;
  readonly expires: Date;
  readonly rows: readonly { readonly entry: IndexEntry; readonly link: string }[];
}

export async function composeDigest(digest: Digest): Promise<Buffer> {
  const { domain, hostname, day, mails } = digest;
  const composer = new MailComposer({
    from: { name: 'Quarantine', address: `postmaster@${domain}` },
    to: { name: '', address: `postmaster@${domain}` },
    subject: `${counted(mails)} for ${domain} refused on ${day}`,
    messageId: `<digest.${day}.${Date.now()}.${domain}@${hostname}>`,
    headers: { 'Auto-Submitted': 'auto-generated' },
    text: textOf(digest),
    html: await htmlOf(digest),
    newline: 'windows',
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

export const counted = (mails: number): string => (mails === 1 ? '1 mail' : `${mails} mails`);

interface DigestRow {
  readonly clock: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly why: string;
}

/** A client's text: one line each, without invisible characters. */
const rowOf = (entry: IndexEntry): DigestRow => {
  const { time, recipient, subject, reason, plugin } = entry;
  return {
    clock: shown(time.slice(11, 16), 5),
    from: shown(senderText(entry), 300),
    to: shown(recipient, 200),
    subject: subject === '' ? '(no subject)' : shown(subject, 200),
    why: shown(`${reason} (${plugin})`, 300),
  };
};

function wordsOf({ domain, day, mails, rows, expires }: Digest): { readonly first: string; readonly last: string } {
  const more = mails > rows.length ? `These are the newest ${rows.length}; the quarantine page has all. ` : '';
  const until = expires.toISOString().slice(0, 16).replace('T', ' ');
  return {
    first: `On ${day}, ${counted(mails)} for ${domain} ${mails === 1 ? 'was' : 'were'} refused and kept in quarantine.`,
    last:
      `${more}Each link asks before it delivers its mail, works once, and ends ${until} UTC. ` +
      'Who has a link can use it: do not forward this mail.',
  };
}

function textOf(digest: Digest): string {
  const { first, last } = wordsOf(digest);
  const rows = digest.rows.map(({ entry, link }) => {
    const { clock, from, to, subject, why } = rowOf(entry);
    return `${clock}  ${subject}\n  from     ${from}\n  to       ${to}\n  refused  ${why}\n  release  ${link}\n`;
  });
  return [first, '', ...rows, last, ''].join('\n');
}

/** Mail readers take styles within elements alone, and colours that suit light and dark. */
const faint = 'color: #667085; font-size: 13px';

async function htmlOf(digest: Digest): Promise<string> {
  const { first, last } = wordsOf(digest);
  const rows = digest.rows.map(({ entry, link }) => {
    const { clock, from, to, subject, why } = rowOf(entry);
    return html`<tr>
      <td style="padding: 10px 14px 10px 0; border-top: 1px solid #8884; vertical-align: top; ${faint}">${clock}</td>
      <td style="padding: 10px 14px 10px 0; border-top: 1px solid #8884; overflow-wrap: anywhere">
        <b>${subject}</b><br />
        ${from} <span style="${faint}">to</span> ${to}<br />
        <span style="${faint}">${why}</span>
      </td>
      <td style="padding: 10px 0; border-top: 1px solid #8884; vertical-align: top; white-space: nowrap">
        <a href="${link}">Release …</a>
      </td>
    </tr>`;
  });
  return (
    await html`<!doctype html>
      <html lang="en">
        <body style="font: 15px/1.5 sans-serif; max-width: 720px">
          <p>${first}</p>
          <table style="border-collapse: collapse; width: 100%">
            ${rows}
          </table>
          <p style="${faint}">${last}</p>
        </body>
      </html>`
  ).toString();
}
