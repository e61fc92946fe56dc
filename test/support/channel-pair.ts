/** Both ends of a pipe between two processes of a service, without the processes. */
import { EventEmitter } from 'node:events';
import type { ChannelEnd } from '../../src/cli/service/channel.js';

/** What one end sends, the other hears in the next turn, as JSON has it. */
export class End extends EventEmitter implements ChannelEnd {
  connected = true;
  other: End | undefined;
  /** As a process that was stopped: nothing is read. */
  isStopped = false;

  send(message: unknown, _handle: undefined, _options: undefined, done: (error: Error | null) => void): boolean {
    const text = JSON.stringify(message);
    setImmediate(() => {
      if (this.other?.isStopped === false) this.other.emit('message', JSON.parse(text));
      done(null);
    });
    return true;
  }
}

export function pair(): readonly [End, End] {
  const [one, other] = [new End(), new End()];
  one.other = other;
  other.other = one;
  return [one, other];
}
