/** The submission policy on a socket, its DNS a zone and its directory a list, and mails through it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DirectoryAnswer } from '../../../src/directory/directory.js';
import { zoneResolver } from '../../../src/dns/zone.js';
import { MilterServer } from '../../../src/milter/server.js';
import { submission } from '../../../src/milter/submission/submission.js';
import type { SubmissionEvent } from '../../../src/milter/submission/settings.js';
import { loadSubmission } from '../../../src/cli/milter/submission/config.js';
import { type Macros, MilterClient, type Offer } from '../verify-sender/client.js';

export interface Setup {
  readonly env?: Readonly<Record<string, string>>;
  readonly zone?: object;
  /** Own domains; a string says how the directory fails, 'bug' that it throws. */
  readonly own?: readonly string[] | string;
}

export interface Mail {
  readonly from?: string;
  /** {rcpt_host} of each recipient; null where the MTA does not say. */
  readonly hops?: readonly (string | null)[];
  /** At MAIL. */
  readonly macros?: Macros;
  /** At the end of the message. */
  readonly id?: string;
}

export class Milter {
  readonly events: SubmissionEvent[] = [];
  readonly log: { readonly level: string; readonly text: string; readonly facts: Record<string, unknown> }[] = [];
  readonly asked: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'postern-submission-'));
  readonly #server: MilterServer<undefined, never>;

  private constructor({ env = {}, zone = {}, own }: Setup) {
    const loaded = loadSubmission({ env: { SPF_REGEX: '.*include:us\\.test', ...env }, readFile: () => '' });
    if (!loaded.ok) throw new Error(loaded.problem.join('\n'));
    const line = (level: string) => (facts: object, text: string) =>
      void this.log.push({ level, text, facts: facts as Record<string, unknown> });
    const policy = submission(loaded.value.config, {
      resolver: zoneResolver(zone),
      directory: own === undefined ? undefined : { has: ({ d = '' }) => this.#has(own, d) },
      log: { debug: line('debug'), info: line('info'), warn: line('warn') },
      observe: (event) => void this.events.push(event),
      now: Date.now,
      newId: () => 'NEWID',
    });
    this.#server = new MilterServer(policy) as unknown as MilterServer<undefined, never>;
  }

  static async start(setup: Setup): Promise<Milter> {
    const milter = new Milter(setup);
    await milter.#server.listen({ kind: 'unix', path: milter.socket });
    return milter;
  }

  get socket(): string {
    return join(this.#folder, 'socket');
  }

  #has(own: readonly string[] | string, domain: string): Promise<DirectoryAnswer> {
    this.asked.push(domain);
    if (own === 'bug') throw new Error('thrown');
    if (typeof own === 'string') return Promise.resolve({ kind: 'failed', problem: own });
    return Promise.resolve({ kind: own.includes(domain) ? 'found' : 'absent' });
  }

  async close(): Promise<void> {
    await this.#server.stop(200);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async session(ip: string | null = '192.0.2.9', offer?: Offer): Promise<MilterClient> {
    const client = await MilterClient.open(this.socket, offer);
    if (ip !== null) await client.connect(ip, {});
    return client;
  }
}

/**
 * What is answered at the end of the mail: `continue`, `continue, add …`, or the reply; a refusal before it is said
 * as such.
 */
export async function send(client: MilterClient, mail: Mail = {}): Promise<string> {
  const { from = 'a@strict.test', hops = ['next.test'], macros = {}, id = 'QUEUEID' } = mail;
  const early = [await client.mail(from, macros)];
  for (const hop of hops)
    early.push(await client.say('R', ['<r@next.test>'], hop === null ? { i: id } : { i: id, rcpt_host: hop }));
  early.push(await client.data());
  const before = early.find(({ verdict }) => verdict !== 'continue');
  if (before) return `early: ${before.verdict}`;
  const { verdict, edits } = await client.say('E', [], id === '' ? {} : { i: id });
  return [verdict, ...edits].join(', ');
}

/** One mail through a milter of its own. */
export async function answerTo(
  mail: Mail,
  setup: Setup,
): Promise<{ readonly answer: string; readonly milter: Milter }> {
  const milter = await Milter.start(setup);
  try {
    const client = await milter.session();
    const answer = await send(client, mail);
    client.quit();
    return { answer, milter };
  } finally {
    await milter.close();
  }
}
