/**
 * The keys of TLS session tickets (RFC 8446 §4.6.1, RFC 5077): the primary makes them, and all workers have the same,
 * so that a client resumes its session at whichever of them it comes to. No disk has them, and they are replaced every
 * few hours: tickets from before are of no use then, to their clients or to anybody else.
 */
import { randomBytes } from 'node:crypto';
import { type Channel, news } from '../service/channel.js';
import type { Child } from '../service/child.js';

/** It tells workers the new keys, as base64. */
const replacing = news<string>('ticket keys');

/** tls.createSecureContext() takes keys of this length. */
const keysOctets = 48;
export const replaceEveryMs = 8 * 3_600_000;

/** Makes the keys; used in the primary. */
export class TicketKeys {
  #current = newKeys();
  readonly #timer: NodeJS.Timeout;

  constructor(workers: () => readonly Pick<Child, 'channel'>[]) {
    this.#timer = setInterval(() => {
      this.#current = newKeys();
      for (const worker of workers()) worker.channel.tell(replacing, this.#current);
    }, replaceEveryMs);
    this.#timer.unref();
  }

  /** The keys of now, as base64. */
  get current(): string {
    return this.#current;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

const newKeys = (): string => randomBytes(keysOctets).toString('base64');

/** Hears of new keys; used in a worker. */
export const hearTicketKeys = (channel: Channel, heard: (keys: Buffer) => void): void =>
  channel.hear(replacing, (keys) => heard(Buffer.from(keys, 'base64')));
