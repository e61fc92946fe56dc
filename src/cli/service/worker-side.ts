/** A worker's own side: the channel to the process that started it, to which it says each second that it lives. */
import { Channel } from './channel.js';
import { childSign, firstPortFd, rotated, serving, turning } from './child.js';
import { reopenLogFiles } from '../../log-output.js';
import { complain } from '../complain.js';
import type { Signals } from './signals.js';

/** Is this process a child of a service? What it starts itself is none. */
export const isChild = process.env[childSign] !== undefined && process.send !== undefined;
delete process.env[childSign];

const turnsEveryMs = 1000;

export class WorkerSide {
  readonly channel = new Channel(process);
  readonly #timer: NodeJS.Timeout;

  /** It is to stop when the process that started it is gone. */
  constructor(signals: Signals) {
    process.once('disconnect', () => signals.stopFor('primary gone'));
    this.channel.hear(rotated, () => complain(reopenLogFiles()));
    if (!process.connected) signals.stopFor('primary gone');
    this.#timer = setInterval(() => this.channel.tell(turning, undefined), turnsEveryMs);
  }

  /** The descriptors of the ports that it was given. */
  portFds(count: number): readonly number[] {
    return Array.from({ length: count }, (_, i) => firstPortFd + i);
  }

  serves(): void {
    this.channel.tell(serving, undefined);
  }

  /** Lets the process end. */
  close(): void {
    clearInterval(this.#timer);
    if (process.connected) process.disconnect();
  }
}
