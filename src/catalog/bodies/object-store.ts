/**
 * An S3-compatible store, by as few of its requests as any has: put, get, list, delete. npm aws4fetch signs them. Every
 * wait has a limit, and what is not an answer to the question is a StoreDown.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { AwsClient } from 'aws4fetch';
import { errorText } from '../../mail/error-text.js';
import type { StoreAddress } from './store-address.js';
import { StoreDown } from './store-down.js';

const requestMs = 20_000;

export interface StoredObject {
  readonly octets: Buffer;
  readonly etag: string;
}

export class ObjectStore {
  readonly #address: StoreAddress;

  constructor(address: StoreAddress) {
    this.#address = address;
  }

  /** An object of that name stays as it is: names hold the hash of what they name. */
  async put(name: string, octets: Buffer): Promise<void> {
    await this.#write(name, octets, { 'If-None-Match': '*' });
  }

  /** Writes over the object where it is still the one that was read; false where it is not. */
  replace(name: string, octets: Buffer, etag: string): Promise<boolean> {
    return this.#write(name, octets, { 'If-Match': etag });
  }

  async #write(name: string, octets: Buffer, condition: Record<string, string>): Promise<boolean> {
    const hash = createHash('sha256').update(octets).digest('hex');
    const answer = await this.#ask('PUT', name, { ...condition, 'X-Amz-Content-Sha256': hash }, octets);
    if (answer.status === 412) return false;
    if (answer.status !== 200) throw refusal(answer);
    return true;
  }

  /** Undefined where there is no such object. `length` octets from `start` on, or all. */
  async get(
    name: string,
    range?: { readonly start: number; readonly length: number },
  ): Promise<StoredObject | undefined> {
    const headers: Record<string, string> = range
      ? { Range: `bytes=${range.start}-${range.start + range.length - 1}` }
      : {};
    const answer = await this.#ask('GET', name, headers);
    if (answer.status === 404 || answer.status === 416) return undefined;
    if (answer.status !== 200 && answer.status !== 206) throw refusal(answer);
    const { octets, etag } = answer;
    // A server that knows no ranges sends all.
    const isAll = range !== undefined && answer.status === 200;
    return {
      octets: isAll ? octets.subarray(range.start, range.start + range.length) : octets,
      etag,
    };
  }

  /** Up to a thousand names that begin so, in order; those behind `after`. */
  async list(prefix: string, after = ''): Promise<readonly string[]> {
    const query = new URLSearchParams({ 'list-type': '2', prefix, ...(after !== '' && { 'start-after': after }) });
    const answer = await this.#ask('GET', `?${query.toString()}`);
    if (answer.status !== 200) throw refusal(answer);
    const text = answer.octets.toString();
    // Our names have no character that XML escapes.
    return [...text.matchAll(/<Key>([\w/-]+)<\/Key>/g)].map(([, name = '']) => name);
  }

  async remove(name: string): Promise<void> {
    const answer = await this.#ask('DELETE', name);
    if (![200, 204, 404].includes(answer.status)) throw refusal(answer);
  }

  /** All of the answer, within the limit, whatever becomes of the request. */
  async #ask(
    method: string,
    name: string,
    headers: Record<string, string> = {},
    body?: Buffer,
  ): Promise<StoreAnswered> {
    const { endpoint, bucket, region } = this.#address;
    const stop = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, fail) => {
      timer = setTimeout(() => {
        stop.abort();
        // Node forgets what a signal is for when it collects garbage meanwhile: the request may go on for minutes.
        fail(new Error(`no answer within ${requestMs / 1000} s`));
      }, requestMs);
    });
    try {
      // The key is read anew, so that it can be changed.
      const client = new AwsClient({ ...this.#key(), service: 's3', region, retries: 0 });
      const request = await client.sign(`${endpoint}/${bucket}/${name}`, {
        method,
        headers,
        ...(body && { body: new Uint8Array(body) }),
      });
      return await Promise.race([late, answerOf(fetch(request, { signal: stop.signal }))]);
    } catch (error) {
      throw new StoreDown(`bodies: ${endpoint}: ${textOf(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }

  #key(): { readonly accessKeyId: string; readonly secretAccessKey: string } {
    const [id = '', secret = ''] = fs.readFileSync(this.#address.keyFile, 'utf8').split(/\r?\n/);
    return { accessKeyId: id.trim(), secretAccessKey: secret.trim() };
  }
}

interface StoreAnswered {
  readonly status: number;
  readonly origin: string;
  readonly etag: string;
  readonly octets: Buffer;
}

async function answerOf(asked: Promise<Response>): Promise<StoreAnswered> {
  const answer = await asked;
  return {
    status: answer.status,
    origin: new URL(answer.url).origin,
    etag: answer.headers.get('etag') ?? '',
    octets: Buffer.from(await answer.arrayBuffer()),
  };
}

/** Node says `fetch failed`, and why in its cause. */
const textOf = (error: unknown): string =>
  errorText(error instanceof Error && error.cause instanceof Error ? error.cause : error) || 'no answer';

function refusal({ status, origin, octets }: StoreAnswered): StoreDown {
  const code = /<Code>(\w{1,60})<\/Code>/.exec(octets.toString())?.[1];
  return new StoreDown(`bodies: ${origin}: ${status}${code === undefined ? '' : ` ${code}`}`);
}
