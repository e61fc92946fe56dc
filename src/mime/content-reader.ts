/**
 * Reads the content of mails in threads beside the one that serves SMTP, so that no mail can hold that up: at most so
 * many at a time, each within limits of time and memory, beyond which its thread is ended and the mail is `unreadable`.
 * Threads are started when first needed. A mail is handed over piece by piece, from memory or disk.
 */
import { Worker } from 'node:worker_threads';
import type { Content } from '../mail/content/content.js';
import type { MessageSource } from '../mail/message.js';

export interface ContentReader {
  /** Rejects where the message itself cannot be read (broken IO). */
  read(message: MessageSource, keep?: Keep): Promise<Content>;
  /** Ends the threads; what is being read becomes `unreadable`. */
  close(): Promise<void>;
}

/**
 * What else is wanted: the octets of the pictures that HTML may name, or of the attachment at this place in the list,
 * or what is packed in archives.
 */
export type Keep =
  { readonly kind: 'images' } | { readonly kind: 'attachment'; readonly at: number } | { readonly kind: 'archives' };

export interface ReaderLimits {
  /** Threads. */
  readonly threads: number;
  /** For one mail, waiting for a free thread left out; thrice that where archives are opened. */
  readonly timeMs: number;
  /** MiB of a thread's heap. */
  readonly memoryMb: number;
}

export type ToThread =
  | { readonly kind: 'begin'; readonly job: number; readonly keep: Keep | undefined }
  | { readonly kind: 'octets'; readonly octets: Uint8Array }
  | { readonly kind: 'end' };

export type FromThread =
  | { readonly kind: 'more'; readonly job: number }
  | { readonly kind: 'done'; readonly job: number; readonly content: Content };

const usualLimits: ReaderLimits = { threads: 2, timeMs: 10_000, memoryMb: 256 };

export function openContentReader(limits: ReaderLimits = usualLimits): ContentReader {
  return new Threads(limits);
}

class Threads implements ContentReader {
  readonly #limits: ReaderLimits;
  readonly #idle: Thread[] = [];
  readonly #all = new Set<Thread>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(limits: ReaderLimits) {
    this.#limits = limits;
  }

  async read(message: MessageSource, keep?: Keep): Promise<Content> {
    if (this.#busy < this.#limits.threads) this.#busy++;
    else await new Promise<void>((handedOver) => this.#waiting.push(handedOver));
    const thread = this.#idle.pop() ?? this.#start();
    try {
      return await thread.read(message, this.#limits.timeMs * (keep?.kind === 'archives' ? 3 : 1), keep);
    } finally {
      if (thread.isUsable) this.#idle.push(thread);
      const next = this.#waiting.shift();
      if (next) next();
      else this.#busy--;
    }
  }

  #start(): Thread {
    const thread = new Thread(this.#limits.memoryMb, () => {
      this.#all.delete(thread);
      const at = this.#idle.indexOf(thread);
      if (at >= 0) this.#idle.splice(at, 1);
    });
    this.#all.add(thread);
    return thread;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((thread) => thread.end('ended')));
  }
}

type Job = { readonly number: number; readonly more: () => void; readonly done: (content: Content) => void };

class Thread {
  readonly #worker: Worker;
  isUsable = true;
  #job: Job | undefined;
  #jobs = 0;

  constructor(memoryMb: number, gone: () => void) {
    this.#worker = new Worker(new URL('./thread.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 32 },
    });
    this.#worker.unref();
    this.#worker.on('message', (message: FromThread) => this.#heard(message));
    this.#worker.on('error', (error) => void this.end(error.message, isOutOfMemory(error)));
    this.#worker.on('exit', () => {
      void this.end('its thread ended');
      gone();
    });
  }

  #heard(message: FromThread): void {
    if (message.job !== this.#job?.number) return;
    if (message.kind === 'more') this.#job.more();
    else this.#job.done(message.content);
  }

  async read(message: MessageSource, timeMs: number, keep: Keep | undefined): Promise<Content> {
    const timer = setTimeout(() => void this.end(`takes longer than ${timeMs} ms`), timeMs);
    try {
      return await this.#read(message, keep);
    } catch (error) {
      await this.end('its octets cannot be read');
      throw error;
    } finally {
      clearTimeout(timer);
      this.#job = undefined;
    }
  }

  async #read(message: MessageSource, keep: Keep | undefined): Promise<Content> {
    let content: Content | undefined;
    let wake = (): void => {};
    let isAskedFor = false;
    const job = ++this.#jobs;
    const done = new Promise<Content>((resolve) => {
      this.#job = {
        number: job,
        more: () => {
          isAskedFor = true;
          wake();
        },
        done: (found) => {
          content ??= found;
          wake();
          resolve(found);
        },
      };
    });
    this.#say({ kind: 'begin', job, keep });
    for await (const part of message.parts()) {
      if (!isAskedFor && content === undefined) await new Promise<void>((asked) => (wake = asked));
      if (content !== undefined) return content;
      isAskedFor = false;
      this.#say({ kind: 'octets', octets: part }); // copied: it may be part of a larger buffer
    }
    this.#say({ kind: 'end' });
    return done;
  }

  #say(message: ToThread): void {
    this.#worker.postMessage(message, []);
  }

  /** Also tells the mail that is being read. */
  async end(why: string, isLasting = false): Promise<void> {
    this.isUsable = false;
    this.#job?.done({ kind: 'unreadable', why, isLasting });
    await this.#worker.terminate();
  }
}

/**
 * What a mail takes of a thread's memory it takes at the next try as well; of time, it takes less on a quiet machine.
 */
const isOutOfMemory = (error: Error): boolean => 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
