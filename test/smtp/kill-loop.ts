/**
 * `postern serve` killed again and again (SIGKILL) while mails come in, and what its answers were worth. `kill.test.ts`
 * runs twenty rounds; as a program it runs as many as it is told and prints the findings:
 *
 *     npm run kill-loop -- 1000      # INT and TERM end it with the round, and the findings so far
 *
 * A killed process loses no page cache, so this cannot see a missing fsync: that is durability.test.ts.
 */
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { PosternProcess, makeRoot } from '../support/child.js';
import { message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';

export interface Findings {
  readonly rounds: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Mails whose sender heard nothing, or 4xx: no promise was made. */
  readonly unsettled: number;
  /** Everything below must be empty. Answered 250, and not whole at the MTA. */
  readonly lost: readonly string[];
  /** Answered 550 with an ID, and no whole mail, or no index line, of that ID. */
  readonly unarchived: readonly string[];
  /** Seen in new/, by a reader while it ran or at the end, and not whole. */
  readonly half: readonly string[];
  /** Index lines that are no JSON, or name a mail that is not there. */
  readonly torn: readonly string[];
  /** 250 for what should be rejected, 5xx for what should not. */
  readonly wrong: readonly string[];
}

export interface KillLoopOptions {
  readonly rounds: number;
  /** Clients at a time. */
  readonly senders?: number;
  /** The most mails that a process answers before its death. */
  readonly maxMails?: number;
  /** Asked before each round: end it here? */
  readonly stopped?: () => boolean;
}

const domain = 'example.com';
const end = 'END-OF-MAIL';

export async function killLoop(options: KillLoopOptions): Promise<Findings> {
  const mta = await ScriptedMta.start({ extensions: ['PIPELINING', '8BITMIME'] });
  const root = makeRoot([`${domain}/users/valid/alice`]);
  try {
    return await new Loop(options, mta, root).run();
  } finally {
    await mta.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

class Loop {
  readonly #options: Required<KillLoopOptions>;
  readonly #mta: ScriptedMta;
  readonly #root: string;
  /** The process that serves now. */
  #child: PosternProcess | undefined;
  #over = false;
  #rounds = 0;
  #mails = 0;
  #unsettled = 0;
  /** Marks of good mails that were answered 250, and of those the MTA has. */
  readonly #promised = new Set<string>();
  readonly #handedOver = new Set<string>();
  /** IDs that were answered 550, and the marks of their mails. */
  readonly #kept = new Map<string, string>();
  readonly #wrong: string[] = [];
  /** Names in new/ that have been read. */
  readonly #seen = new Set<string>();
  readonly #half: string[] = [];

  constructor(options: KillLoopOptions, mta: ScriptedMta, root: string) {
    this.#options = { senders: 6, maxMails: 15, stopped: () => false, ...options };
    this.#mta = mta;
    this.#root = root;
  }

  async run(): Promise<Findings> {
    const { rounds, senders, maxMails, stopped } = this.#options;
    const busy = [...Array.from({ length: senders }, () => this.#send()), this.#watch()];
    for (; this.#rounds < rounds && !stopped(); this.#rounds++) {
      await this.#up();
      await this.#settled(Math.floor(Math.random() * (maxMails + 1)));
      await sleep(Math.random() * 20);
      await this.#kill();
      this.#collect();
    }
    this.#over = true;
    await Promise.all(busy);
    await this.#settle();
    return this.#findings();
  }

  async #up(): Promise<void> {
    const start = (): Promise<PosternProcess> => PosternProcess.start({ root: this.#root, relayPort: this.#mta.port });
    // What stops us from a terminal stops the process that is starting, too.
    this.#child = await start().catch((error: unknown) => {
      if (this.#options.stopped()) return start();
      throw error;
    });
  }

  /** Waits until so many more mails have got an answer that is a promise, however slow the machine is. */
  async #settled(mails: number): Promise<void> {
    const promises = (): number => this.#promised.size + this.#kept.size;
    for (const goal = promises() + mails; promises() < goal && !this.#options.stopped();) await sleep(2);
  }

  async #kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await child?.close();
  }

  /** A last life, in which one refused mail has whatever is torn mended, as it would be in the operator's. */
  async #settle(): Promise<void> {
    await this.#up();
    const { port } = this.#child ?? { port: 0 };
    await this.#sendOne(port, 'nobody');
    await this.#child?.stop();
    this.#collect();
    this.#look();
  }

  async #send(): Promise<void> {
    while (!this.#over) {
      if (this.#child) await this.#sendOne(this.#child.port, Math.random() < 0.5 ? 'alice' : 'nobody');
      else await sleep(5);
    }
  }

  async #sendOne(port: number, to: 'alice' | 'nobody'): Promise<void> {
    const mark = `M${++this.#mails}`;
    const lines = Math.floor(Math.random() < 0.1 ? 20_000 : Math.random() * 100);
    const body = `${'a line of the body\r\n'.repeat(lines)}${end}`;
    const client = RawClient.connect({ port });
    const opening = ['EHLO client.example', 'MAIL FROM:<sender@sender.example>', `RCPT TO:<${to}@${domain}>`, 'DATA'];
    let reply = await client.reply();
    for (const line of [...opening, `${message({ fields: [`X-Mark: ${mark}`], body })}\r\n.`])
      if (/^[23]/.test(reply)) reply = await client.say(line);
    client.end();
    this.#heard({ mark, to, reply });
  }

  #heard({ mark, to, reply }: { mark: string; to: 'alice' | 'nobody'; reply: string }): void {
    const id = /^550 5\.1\.1 .* \(([0-9A-Z]+)\)$/.exec(reply)?.[1];
    if (to === 'alice' && reply.startsWith('250 ')) this.#promised.add(mark);
    else if (to === 'nobody' && id !== undefined) this.#kept.set(id, mark);
    else if (reply === '' || reply.startsWith('4')) this.#unsettled++;
    else this.#wrong.push(`${mark} to ${to}: ${reply}`);
  }

  /** Whole mails at the MTA. */
  #collect(): void {
    for (const { wire } of this.#mta.messages.splice(0)) {
      const text = wire.toString('latin1');
      const mark = /^X-Mark: (\S+)\r$/m.exec(text)?.[1];
      if (mark !== undefined && text.endsWith(`${end}\r\n`)) this.#handedOver.add(mark);
    }
  }

  async #watch(): Promise<void> {
    while (!this.#over) {
      this.#look();
      await sleep(5);
    }
  }

  /** Reads what is new in new/: whole from the first moment that it is seen. */
  #look(): void {
    for (const [path, name] of this.#archived()) {
      if (this.#seen.has(name)) continue;
      this.#seen.add(name);
      const text = readFileSync(path, 'latin1');
      if (!text.startsWith('Recipient: ') || !text.endsWith(`${end}\r\n`)) this.#half.push(name);
    }
  }

  /** [path, name] */
  #archived(): [string, string][] {
    return this.#folders().flatMap((folder) => {
      const mails = join(folder, 'new');
      return existsSync(mails) ? readdirSync(mails).map((name): [string, string] => [join(mails, name), name]) : [];
    });
  }

  #folders(): string[] {
    const spam = join(this.#root, 'spam');
    if (!existsSync(spam)) return [];
    const days = readdirSync(spam).filter((name) => /^\d+$/.test(name));
    return days.map((day) => join(spam, day, domain)).filter(existsSync);
  }

  #findings(): Findings {
    const mails = new Map(this.#archived().map(([path, name]) => [name, path]));
    const lines = this.#folders()
      .flatMap((folder) => readFileSync(join(folder, 'index'), 'utf8').split('\n'))
      .filter((line) => line !== '');
    const named = lines.map(nameIn);
    const isKept = ([id, mark]: readonly [string, string]): boolean => {
      const name = named.find((one) => one?.includes(`.${id}_`));
      const path = mails.get(name ?? '');
      return path !== undefined && readFileSync(path, 'latin1').includes(`\r\nX-Mark: ${mark}\r\n`);
    };
    return {
      rounds: this.#rounds,
      accepted: this.#promised.size,
      rejected: this.#kept.size,
      unsettled: this.#unsettled,
      lost: [...this.#promised].filter((mark) => !this.#handedOver.has(mark)),
      unarchived: [...this.#kept].filter((one) => !isKept(one)).map(([id]) => id),
      half: this.#half,
      torn: lines.filter((_, i) => named[i] === undefined || !mails.has(named[i])),
      wrong: this.#wrong,
    };
  }
}

function nameIn(line: string): string | undefined {
  try {
    return (JSON.parse(line) as { filename?: string }).filename;
  } catch {
    return undefined;
  }
}

const started = process.argv[1];
if (started !== undefined && import.meta.url === pathToFileURL(started).href) {
  let stopped = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (stopped = true));
  const rounds = Number(process.argv[2] ?? 1000);
  const findings = await killLoop({ rounds, stopped: () => stopped });
  console.log(findings);
  const faults = [findings.lost, findings.unarchived, findings.half, findings.torn, findings.wrong];
  process.exitCode = faults.some((fault) => fault.length > 0) ? 1 : 0;
}
