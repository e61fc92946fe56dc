/** Clients that send mail after mail, whatever becomes of the server, and what they were told. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SmtpClient } from '../../src/trial/smtp-client.js';
import { message } from './mx.js';
import { until } from './until.js';

const mailsPerSession = 3;
/** Between two lines of a client, so that whatever happens finds some in each state. */
const pauseMs = 3;

export class SteadyLoad {
  /** Marks of mails that were answered 250. */
  readonly accepted = new Set<string>();
  /** Connections that were not taken, or closed without a greeting. */
  refused = 0;
  /** Transactions whose connection was closed without a reply. */
  readonly cut: string[] = [];
  /** Replies that should not be. */
  readonly wrong: string[] = [];
  readonly #port: number;
  readonly #clients: Promise<unknown>;
  #last = 0;
  #isOver = false;

  constructor(port: number, clients = 6) {
    this.#port = port;
    this.#clients = Promise.all(Array.from({ length: clients }, () => this.#client()));
  }

  /** Waits until so many more mails were taken. */
  async mails(count: number): Promise<void> {
    const goal = this.accepted.size + count;
    await until(() => this.accepted.size >= goal, `${count} mails more`);
  }

  /** Ends with what is done meanwhile, however that ends. */
  async during(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } finally {
      this.#isOver = true;
      await this.#clients;
    }
  }

  async #client(): Promise<void> {
    while (!this.#isOver) {
      const client = new SmtpClient('127.0.0.1', this.#port);
      const greeting = await client.reply().catch(() => undefined);
      if (greeting === undefined) this.refused++;
      if (greeting?.startsWith('220')) await this.#session(client);
      else await sleep(20);
      client.end();
    }
  }

  async #session(client: SmtpClient): Promise<void> {
    if (!(await client.say('EHLO client.example').catch(() => '421')).startsWith('250')) return;
    for (let i = 0; i < mailsPerSession; i++) if (!(await this.#mail(client))) return;
  }

  /** True where the session goes on. */
  async #mail(client: SmtpClient): Promise<boolean> {
    const mark = `M${++this.#last}.`;
    const body = 'a line of the body\r\n'.repeat(50);
    const lines = ['MAIL FROM:<sender@sender.example>', 'RCPT TO:<alice@example.com>', 'DATA'];
    const mail = `${message({ fields: [`X-Mark: ${mark}`], body })}\r\n.`;
    let reply = '';
    for (const line of [...lines, mail]) {
      await sleep(pauseMs);
      const said = await client.say(line).catch(() => undefined);
      if (said === undefined) {
        // Before MAIL was taken there is no transaction.
        if (reply !== '') this.cut.push(`${mark} after ${reply}`);
        return false;
      }
      reply = said;
      if (!/^[23]/.test(reply)) {
        if (!reply.startsWith('421')) this.wrong.push(reply);
        return false;
      }
    }
    this.accepted.add(mark);
    return true;
  }
}

/** The marks of the mails that a local MTA (trial/sink) has, as often as it has them. */
export const marksIn = (sink: string): readonly string[] =>
  fs
    .readdirSync(path.join(sink, 'new'))
    .map((name) => /^X-Mark: (\S+)/im.exec(fs.readFileSync(path.join(sink, 'new', name), 'latin1'))?.[1] ?? name);
