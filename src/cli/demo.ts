/**
 * `postern demo`: a dozen mails through the socket of a running trial, and what became of each. The last lines show the
 * idea: a refused sender, one marker file, the same mail accepted.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { styleText } from 'node:util';
import { exit } from './exit-codes.js';
import type { SettingsTask } from './command/command.js';
import { errorText } from '../mail/error-text.js';
import { printable } from '../mail/text.js';
import type { Settings } from '../settings/settings.js';
import { type DemoMail, demoMails, marker } from '../trial/demo-mails.js';
import { SmtpClient } from '../trial/smtp-client.js';
import { sinkFolder } from '../trial/trial-settings.js';
import { complain } from './complain.js';

interface DemoRow {
  readonly what: string;
  readonly reply: string;
  readonly where: string;
}

/** Exit code 0 when every mail met the fate it was meant to. */
export async function demo({ settings }: SettingsTask): Promise<number> {
  const [listen] = settings.listen;
  if (listen?.kind !== 'tcp') {
    complain(['demo: listen must be host:port']);
    return exit.config;
  }
  try {
    return await run(settings, listen);
  } catch (error) {
    complain([
      `demo: ${errorText(error) || 'no answer'} (${listen.host}:${listen.port}); is "npm start" running in another terminal?`,
    ]);
    return exit.unavailable;
  }
}

async function run(settings: Settings, at: { host: string; port: number }): Promise<number> {
  const file = join(settings.srv, marker);
  const had = existsSync(file);
  rmSync(file, { force: true });
  const rows: DemoRow[] = [];
  let asMeant = true;
  try {
    for (const mail of demoMails) {
      if (mail.touch) {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, '');
        rows.push({ what: `touch ${relative('', file)}`, reply: '', where: '' });
      }
      const reply = await send(mail, at);
      asMeant &&= reply.startsWith(mail.expect);
      rows.push({ what: mail.what, reply, where: whereIs(mail, reply, settings) });
    }
  } finally {
    rmSync(file, { force: true });
    if (had) writeFileSync(file, '');
  }
  process.stdout.write(`\n${table(rows)}\n`);
  process.stdout.write(asMeant ? '' : 'Not every mail met the fate it was meant to: see the log of the trial.\n');
  return asMeant ? exit.ok : exit.software;
}

/** One mail in a session of its own, from a client that XCLIENT names; the reply that settled it. */
async function send(mail: DemoMail, at: { host: string; port: number }): Promise<string> {
  const client = new SmtpClient(at.host, at.port);
  try {
    const greeting = await client.reply();
    if (!greeting.startsWith('220')) return greeting;
    await client.say('EHLO demo.invalid');
    await client.say(`XCLIENT ADDR=${mail.clientIp}`);
    const lines = [`EHLO ${mail.helo}`, `MAIL FROM:<${mail.from}>`, `RCPT TO:<${mail.to}>`, 'DATA'];
    for (const line of lines) {
      const reply = await client.say(line);
      if (!/^[23]/.test(reply)) return reply;
    }
    return await client.say(`${mail.message}\r\n.`);
  } finally {
    client.end();
  }
}

function whereIs(mail: DemoMail, reply: string, settings: Settings): string {
  const id = /\(([0-9A-Z]{14})\)/.exec(reply)?.[1];
  if (id !== undefined) return find(settings.spam, id);
  const queued = reply.startsWith('250') ? newest(join(sinkFolder(), 'new'), mail.subject) : undefined;
  return queued ?? 'nowhere: the sender keeps it';
}

/** The archived copy whose name holds the id. */
function find(spam: string, id: string): string {
  for (const entry of readdirSync(spam, { recursive: true, encoding: 'utf8' })) {
    if (entry.includes(id) && !entry.includes('tmp') && /^\d/.test(entry)) return relative('', join(spam, entry));
  }
  return 'not found in the quarantine';
}

function newest(folder: string, subject: string): string | undefined {
  const names = existsSync(folder) ? readdirSync(folder).toSorted().toReversed() : [];
  const found = names
    .slice(0, 50)
    .find((name) => readFileSync(join(folder, name), 'latin1').includes(`Subject: ${subject}\r\n`));
  return found === undefined ? undefined : relative('', join(folder, found));
}

function table(rows: readonly DemoRow[]): string {
  const width = Math.max(...rows.filter(({ reply }) => reply !== '').map(({ what }) => what.length));
  return rows
    .map(({ what, reply, where }) => {
      if (reply === '') return `  ${paint('cyan', `$ ${printable(what)}`)}\n`;
      const colour = reply.startsWith('2') ? 'green' : reply.startsWith('4') ? 'yellow' : 'red';
      return `  ${what.padEnd(width)}  ${paint(colour, printable(reply))}\n  ${''.padEnd(width)}  ${paint('dim', `→ ${printable(where)}`)}\n`;
    })
    .join('');
}

const paint = (style: 'cyan' | 'green' | 'yellow' | 'red' | 'dim', text: string): string =>
  process.stdout.isTTY ? styleText(style, text) : text;
