/** Another SPF engine as one long-lived child process that speaks JSON lines; see pyspf-driver.py for their forms. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { now, receiver, type SpfCase } from '../../support/spf-cases.js';

export interface Judgement {
  /** "crash" where the engine ended without one. */
  readonly result: string;
  /** The domain's own words on a fail; undefined without any. */
  readonly explanation: string | undefined;
}

export type PeerName = 'pyspf' | 'Mail::SPF';

const commands: Readonly<Record<PeerName, { probe: readonly string[]; driver: string }>> = {
  // Debian's interpreter, for which its packages are made, whatever else is called python3.
  pyspf: { probe: ['/usr/bin/python3', '-c', 'import spf'], driver: 'pyspf-driver.py' },
  'Mail::SPF': { probe: ['/usr/bin/perl', '-e', 'use Mail::SPF'], driver: 'mail-spf-driver.pl' },
};

export const peerNames: readonly PeerName[] = ['pyspf', 'Mail::SPF'];

export function isInstalled(name: PeerName): boolean {
  const [program = '', ...words] = commands[name].probe;
  return spawnSync(program, words).status === 0;
}

export class SpfPeer {
  readonly name: PeerName;
  readonly #process: ChildProcess;
  readonly #waiting: PromiseWithResolvers[] = [];
  #gone: string | undefined;

  constructor(name: PeerName) {
    this.name = name;
    const { probe, driver } = commands[name];
    // Beside the source of this file, also when the compiled one runs.
    const script = fileURLToPath(new URL(driver, import.meta.url.replace('/dist/test/', '/test/')));
    this.#process = spawn(probe[0] ?? '', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.once('error', (error) => this.#end(error.message));
    this.#process.once('exit', (code, signal) => this.#end(`ended with ${signal ?? code}`));
    this.#process.stdin?.on('error', () => {});
    if (!this.#process.stdout) throw new Error('no stdout');
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      const { result, explanation } = JSON.parse(line);
      this.#waiting.shift()?.resolve({ result, explanation: explanation ?? undefined });
    });
  }

  /** Answers come in the order of the questions; many may be under way. */
  judge({ ip, helo, from, zone }: SpfCase): Promise<Judgement> {
    if (this.#gone !== undefined) return Promise.reject(new Error(`${this.name} ${this.#gone}`));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#process.stdin?.write(`${JSON.stringify({ ip, helo, from, receiver, now, zone })}\n`);
    });
  }

  async stop(): Promise<void> {
    if (this.#gone !== undefined) return;
    const ended = new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.stdin?.end();
    await ended;
  }

  #end(how: string): void {
    this.#gone = how;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${this.name} ${how}`));
  }
}

interface PromiseWithResolvers {
  readonly resolve: (judgement: Judgement) => void;
  readonly reject: (error: Error) => void;
}
