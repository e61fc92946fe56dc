/** Asks a process of ours for its numbers, as Prometheus does. */
import { setTimeout as sleep } from 'node:timers/promises';
import { patience } from '../../support/until.js';

export interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export async function get(port: number, path: string, method = 'GET'): Promise<Answered> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  const type = response.headers.get('content-type') ?? '';
  return { status: response.status, type, body: await response.text() };
}

export type Numbers = ReadonlyMap<string, number>;

/** The numbers by series, as `postern_messages_total{verdict="relayed"}`. */
export async function scrape(port: number): Promise<Numbers> {
  return numbersIn((await get(port, '/metrics')).body);
}

export const numbersIn = (text: string): Numbers =>
  new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );

/** Asks until it is so; fails with what was last heard. */
export async function heard<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean): Promise<T> {
  for (const late = Date.now() + patience; ;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (Date.now() > late) throw new Error(`not within ${patience} ms: ${JSON.stringify(answer)}`);
    await sleep(50);
  }
}
