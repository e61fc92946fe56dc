/** A host's /spam, filled without a mail server: lines of many domains, with the mails behind them or without. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { mailName } from '../../../src/quarantine/disk/folder.js';
import { type IndexEntry, indexLine } from '../../../src/quarantine/disk/index-entry.js';
import { newId } from '../../../src/smtp/transaction-id.js';
import { folderOf } from '../../quarantine/support.js';

export interface SpamSize {
  readonly mails: number;
  /** Octets of each; 0: there is its line alone. */
  readonly octets: number;
  readonly host: string;
}

const domains = 20;

/** Its path. All of it is of the last minutes, so many of each domain. */
export function makeSpam({ mails, octets, host }: SpamSize): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-bench-spam-'));
  const now = Date.now();
  for (let d = 0; d < domains; d++) {
    const domain = `d${d}.example`;
    const folder = folderOf(root, new Date(now), domain);
    for (const dir of ['tmp', 'new', 'cur']) fs.mkdirSync(path.join(folder, dir), { recursive: true });
    const lines: Buffer[] = [];
    for (let i = d; i < mails; i += domains) {
      const time = new Date(now - (mails - i));
      const entry = entryOf(i, { time, domain, host });
      const text = octets === 0 ? undefined : mailText(entry, octets);
      if (text !== undefined) fs.writeFileSync(path.join(folder, 'new', entry.filename), text);
      lines.push(indexLine({ ...entry, size: text?.length ?? 4_000 }));
    }
    fs.writeFileSync(path.join(folder, 'index'), Buffer.concat(lines));
  }
  return root;
}

interface MailAt {
  readonly time: Date;
  readonly domain: string;
  readonly host: string;
}

/** Its texts are as long as those of real spam. */
function entryOf(i: number, { time, domain, host }: MailAt): IndexEntry {
  const id = newId(time.getTime());
  return {
    time: time.toISOString(),
    from: `bounces+${i}-campaign@mailer${i % 499}.sender.example`,
    recipient: `recipient${i % 71}@${domain}`,
    subject: `Your invoice number ${i} is overdue, please see what is attached`,
    filename: mailName(time, id, 1, host),
    ip: `192.0.2.${i % 250}`,
    host: `mail-${i % 250}.outbound.sender.example`,
    helo: `mail-${i % 250}.outbound.sender.example`,
    reason: 'SPF fail',
    plugin: i % 7 === 0 ? 'valid_users' : 'spf',
    messageId: `<${id}.${i}@mailer${i % 499}.sender.example>`,
    size: 0,
    spf: 'fail',
    reply: `550 5.7.23 SPF fail: 192.0.2.${i % 250} may not send mail of sender.example (${id})`,
    headerFrom: `Accounts Department <accounts@mailer${i % 499}.sender.example>`,
  };
}

const words = 'the of invoice payment please find attached account number regards because customer'.split(' ');

/** Half of each line is words, half is random: it deflates as mails do, to some two thirds. */
function mailText({ recipient, subject, messageId }: IndexEntry, octets: number): string {
  const head = `Recipient: ${recipient}\r\nX-HELO: client.example\r\nSubject: ${subject}\r\nMessage-ID: ${messageId}\r\n\r\n`;
  const lines = [head];
  for (let length = head.length; length < octets;) {
    const some = Array.from({ length: 5 }, () => words[Math.floor(Math.random() * words.length)] ?? '').join(' ');
    const line = `${some} ${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}\r\n`;
    lines.push(line);
    length += line.length;
  }
  return lines.join('').slice(0, octets);
}
