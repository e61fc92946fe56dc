/**
 * The store in a Redis or Valkey, which several hosts share. One that is down, slow or wrong is an answer, and never a
 * wait of more than a second: after a time-out it is left alone for a moment, and connected to anew.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisAddress } from './redis-address.js';
import { isAnswer, late, lateText, openLink, type RedisLink, textOf, withinMs } from './redis-link.js';
import type { Backend, Operation, StoreAnswer, Value } from './store.js';

export interface RedisOptions {
  readonly address: RedisAddress;
  /** Told when the connection is lost or cannot be made, and when it is there again. */
  readonly onChange?: (problem: string | undefined) => void;
  readonly timeoutMs?: number;
}

/** How long the store may keep a mail waiting. */
export const usualTimeoutMs = 1000;

const prefix = 'postern:';

/** In one step, and on every server there is: SET with NX and GET together is Redis 7's. */
const claimScript = `local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`;

const addScript = `local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return tostring(sum)`;

/** While one question has found no answer, the next are not asked. */
const quietMs = 1000;
const maxPauseMs = 2000;

export class Redis implements Backend {
  readonly #address: RedisAddress;
  readonly #timeoutMs: number;
  readonly #onChange: (problem: string | undefined) => void;
  readonly #closed = new AbortController();
  #link: RedisLink | undefined;
  /** Ends the use of the link, with the reason. */
  #giveUp: (problem: string) => void = () => undefined;
  #problem: string | undefined = 'not connected yet';
  #quietUntil = 0;
  /** Resolves when the first attempt has come to something. */
  readonly #tried: Promise<void>;

  constructor({ address, onChange = () => {}, timeoutMs = usualTimeoutMs }: RedisOptions) {
    this.#address = address;
    this.#timeoutMs = timeoutMs;
    this.#onChange = onChange;
    this.#tried = new Promise((resolve) => void this.#keepLinked(resolve));
  }

  async run(operation: Operation): Promise<StoreAnswer<Value>> {
    if (performance.now() < this.#quietUntil) return { ok: false, problem: 'no answer a moment ago' };
    // Only at the start: later there is a connection, or a reason why there is none.
    if (this.#problem === 'not connected yet') await withinMs(this.#tried, this.#timeoutMs);
    const link = this.#link;
    if (!link) return { ok: false, problem: this.#problem ?? 'the connection is being made' };
    try {
      const value = await withinMs(send(link, operation), this.#timeoutMs);
      if (value !== late) return { ok: true, value: value ?? undefined };
      this.#quietUntil = performance.now() + quietMs;
      return { ok: false, problem: this.#leave(link, lateText(this.#timeoutMs)) };
    } catch (error) {
      return { ok: false, problem: isAnswer(error) ? textOf(error) : this.#leave(link, textOf(error)) };
    }
  }

  close(): Promise<void> {
    this.#closed.abort();
    this.#giveUp('closed');
    return Promise.resolve();
  }

  /** Another may be in use by now. */
  #leave(link: RedisLink, problem: string): string {
    if (this.#link === link) this.#giveUp(problem);
    return problem;
  }

  /** Makes one connection after the other, each as long as it is good, until the store is closed. */
  async #keepLinked(tried: () => void): Promise<void> {
    const { signal } = this.#closed;
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        const link = await openLink(this.#address, this.#timeoutMs);
        tries = 0;
        this.#tell(undefined);
        const given = new Promise<string>((resolve) => (this.#giveUp = resolve));
        if (signal.aborted) this.#giveUp('closed');
        this.#link = link;
        tried();
        const problem = await Promise.race([link.lost, given]);
        this.#link = undefined;
        link.close();
        if (!signal.aborted) this.#tell(problem);
      } catch (error) {
        if (!signal.aborted) this.#tell(textOf(error));
      }
      tried();
      await delay(Math.min(100 * 2 ** Math.min(tries, 5), maxPauseMs), undefined, { signal }).catch(() => undefined);
    }
  }

  #tell(problem: string | undefined): void {
    if (problem !== this.#problem && (problem !== undefined || this.#problem !== 'not connected yet'))
      this.#onChange(problem);
    this.#problem = problem;
  }
}

/** Asks something; says who has answered, or throws why nobody has. */
export async function reach(address: RedisAddress, timeoutMs: number): Promise<string> {
  const link = await openLink(address, timeoutMs);
  try {
    const answer = await withinMs(link.get(`${prefix}reach`), timeoutMs);
    if (answer === late) throw new Error(lateText(timeoutMs));
    return link.where;
  } finally {
    link.close();
  }
}

async function send(link: RedisLink, operation: Operation): Promise<string | null> {
  const key = `${prefix}${operation.key}`;
  switch (operation.kind) {
    case 'get':
      return link.get(key);
    case 'put':
      await link.put(key, operation.value, operation.lifeMs);
      return null;
    case 'claim':
      return textIn(await link.run(claimScript, key, [operation.value, String(operation.lifeMs)]));
    case 'add':
      return textIn(await link.run(addScript, key, [String(operation.by), String(operation.lifeMs)]));
  }
}

function textIn(answer: unknown): string {
  if (typeof answer !== 'string') throw new TypeError('the script answered no text');
  return answer;
}
