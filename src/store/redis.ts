/**
 * The store in a Redis or Valkey server, which several hosts share. A server that is down, slow or wrong is an
 * answer, and never a wait of more than a second: after a time-out it is left alone for a moment.
 */
import { createClient } from '@redis/client';
import { errorText } from '../mail/error-text.js';
import type { Backend, Operation, StoreAnswer, Value } from './store.js';

export interface RedisOptions {
  /** redis://[user:password@]host[:port][/number], rediss:// with TLS. */
  readonly url: string;
  /** Told when the connection is lost or cannot be made, and when it is there again. */
  readonly onChange?: (problem: string | undefined) => void;
  readonly timeoutMs?: number;
}

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

export class Redis implements Backend {
  readonly #client: ReturnType<typeof createClient>;
  readonly #timeoutMs: number;
  readonly #onChange: (problem: string | undefined) => void;
  #problem: string | undefined = 'not connected yet';
  #quietUntil = 0;
  readonly #connected: Promise<unknown>;

  constructor({ url, onChange = () => {}, timeoutMs = 1000 }: RedisOptions) {
    this.#timeoutMs = timeoutMs;
    this.#onChange = onChange;
    this.#client = createClient({
      url: url.replace(/^valkey/, 'redis'),
      disableOfflineQueue: true,
      commandsQueueMaxLength: 10_000,
      socket: {
        connectTimeout: timeoutMs,
        reconnectStrategy: (retries: number) => Math.min(100 * 2 ** Math.min(retries, 5), 2000),
      },
    });
    this.#client.on('error', (error: Error) => this.#tell(textOf(error)));
    this.#client.on('ready', () => this.#tell(undefined));
    this.#connected = this.#client.connect().catch(() => undefined);
  }

  async run(operation: Operation): Promise<StoreAnswer<Value>> {
    if (performance.now() < this.#quietUntil) return { ok: false, problem: 'no answer a moment ago' };
    // Only at the start: later there is a connection, or a reason why there is none.
    if (!this.#client.isReady && this.#problem === 'not connected yet') await this.#inTime(this.#connected);
    try {
      const value = await this.#inTime(this.#send(operation));
      if (value === late) {
        this.#quietUntil = performance.now() + quietMs;
        return { ok: false, problem: `no answer within ${this.#timeoutMs} ms` };
      }
      return { ok: true, value: value ?? undefined };
    } catch (error) {
      return { ok: false, problem: this.#problem ?? textOf(error) };
    }
  }

  close(): Promise<void> {
    if (this.#client.isOpen) this.#client.destroy();
    return Promise.resolve();
  }

  async #send(operation: Operation): Promise<string | null> {
    const key = `${prefix}${operation.key}`;
    switch (operation.kind) {
      case 'get':
        return this.#client.get(key);
      case 'put':
        await this.#client.set(key, operation.value, { expiration: { type: 'PX', value: operation.lifeMs } });
        return null;
      case 'claim':
        return this.#eval(claimScript, key, [operation.value, String(operation.lifeMs)]);
      case 'add':
        return this.#eval(addScript, key, [String(operation.by), String(operation.lifeMs)]);
    }
  }

  async #eval(script: string, key: string, args: readonly string[]): Promise<string> {
    const answer = await this.#client.eval(script, { keys: [key], arguments: [...args] });
    if (typeof answer !== 'string') throw new TypeError('the script answered no text');
    return answer;
  }

  async #inTime<T>(answer: Promise<T>): Promise<T | typeof late> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<typeof late>((resolve) => {
      timer = setTimeout(() => resolve(late), this.#timeoutMs);
    });
    try {
      return await Promise.race([answer, tooLate]);
    } finally {
      clearTimeout(timer);
      answer.catch(() => undefined);
    }
  }

  #tell(problem: string | undefined): void {
    if (problem !== this.#problem && (problem !== undefined || this.#problem !== 'not connected yet'))
      this.#onChange(problem);
    this.#problem = problem;
  }
}

const late = Symbol('late');

/** A host name with several addresses fails with an AggregateError, whose message is empty. */
const textOf = (error: unknown): string => errorText(error) || ((error as NodeJS.ErrnoException).code ?? String(error));
