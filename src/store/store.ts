/**
 * What postern remembers of clients and senders between mails: small values that end by themselves, one truth for all
 * its processes, and with Redis for all its hosts. What is remembered, and what it means, is the plugins' business.
 */
import { createHash } from 'node:crypto';
import type { Result } from '../mail/result.js';

/** `ok: false`: nobody can tell now. Whoever asked goes by the setting `store_down`. */
export type StoreAnswer<T> = Result<T>;

/** A key is any text, of any length, a client's too. None of these rejects; each answers within a second or two. */
export interface Store {
  get(key: string): Promise<StoreAnswer<string | undefined>>;
  /** Remembers the value if there is none; the one that stands now. In one step, whoever else asks. */
  claim(key: string, value: string, lifeMs: number): Promise<StoreAnswer<string>>;
  /**
   * Remembers the value in place of any before, its life anew. Kept before what was only claimed, where there is no
   * room.
   */
  put(key: string, value: string, lifeMs: number): Promise<StoreAnswer<undefined>>;
  /** Counts up, from 0; the life begins with the first. The sum now. */
  add(key: string, by: number, lifeMs: number): Promise<StoreAnswer<number>>;
  close(): Promise<void>;
}

/** One request to a backend; plain data, for it may go to another process. The key is a digest. */
export type Operation =
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'claim' | 'put'; readonly key: string; readonly value: string; readonly lifeMs: number }
  | { readonly kind: 'add'; readonly key: string; readonly by: number; readonly lifeMs: number };

/** What an operation answers: `put` undefined, `add` the digits of the sum. */
export type Value = string | undefined;

/** Where it is remembered. */
export interface Backend {
  /** Never rejects. */
  run(operation: Operation): Promise<StoreAnswer<Value>>;
  close(): Promise<void>;
}

export class BackedStore implements Store {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get(key: string): Promise<StoreAnswer<string | undefined>> {
    return this.#backend.run({ kind: 'get', key: digest(key) });
  }

  async claim(key: string, value: string, lifeMs: number): Promise<StoreAnswer<string>> {
    const answer = await this.#backend.run({ kind: 'claim', key: digest(key), value, lifeMs });
    return answer.ok ? { ok: true, value: answer.value ?? value } : answer;
  }

  async put(key: string, value: string, lifeMs: number): Promise<StoreAnswer<undefined>> {
    const answer = await this.#backend.run({ kind: 'put', key: digest(key), value, lifeMs });
    return answer.ok ? { ok: true, value: undefined } : answer;
  }

  async add(key: string, by: number, lifeMs: number): Promise<StoreAnswer<number>> {
    const answer = await this.#backend.run({ kind: 'add', key: digest(key), by, lifeMs });
    if (!answer.ok) return answer;
    const sum = /^\d{1,15}$/.test(answer.value ?? '') ? Number(answer.value) : undefined;
    return sum === undefined ? { ok: false, problem: 'what is stored is no count' } : { ok: true, value: sum };
  }

  close(): Promise<void> {
    return this.#backend.close();
  }
}

/** Addresses are no secret here, but long, and any octets; 132 bits do not collide. */
const digest = (key: string): string => createHash('sha256').update(key).digest('base64url').slice(0, 22);
