/**
 * Who is turned away again and again does not fill the journal: of each client, place and reason the first few of a
 * minute have a line each, the others one together with their `count`.
 */
import type { JournalLine } from './line.js';

interface Flood {
  written: number;
  /** It is the last of the lines that were held back. */
  held: JournalLine | undefined;
  count: number;
}

export const floodMs = 60_000;
/**
 * Floods that are counted in a minute, each of one client, place and reason; those beyond are counted without their
 * client.
 */
const maxFloods = 5_000;

export class Floods {
  readonly #floods = new Map<string, Flood>();

  /** Is the line to be written by itself? */
  admits(line: JournalLine): boolean {
    const { ip = '', stage, plugin = '', verdict, reply = '' } = line;
    // Behind RCPT a reply may name the recipient, or a time.
    const kind = `${stage} ${verdict} ${plugin} ${stage === 'connect' ? reply : reply.slice(0, 9)}`;
    const isOver = this.#floods.size >= maxFloods && !this.#floods.has(`${ip} ${kind}`);
    const key = isOver ? kind : `${ip} ${kind}`;
    const flood = this.#floods.get(key) ?? { written: 0, held: undefined, count: 0 };
    this.#floods.set(key, flood);
    if (!isOver && flood.written < maxAlone(line)) {
      flood.written++;
      return true;
    }
    flood.held = isOver ? { ...summary(line), ip: '' } : summary(line);
    flood.count++;
    return false;
  }

  /** The minute is over: what was held back. */
  drain(): readonly JournalLine[] {
    const lines = [...this.#floods.values()].flatMap(({ held, count }) => (held ? [{ ...held, count }] : []));
    this.#floods.clear();
    return lines;
  }
}

/** Each recipient that was named is worth a line, where there are not too many; connections are alike. */
const maxAlone = ({ stage }: JournalLine): number => (stage === 'connect' ? 1 : 10);

/** What they have in common. */
const summary = ({ time, verdict, stage, ip, host, helo, plugin, reason, reply }: JournalLine): JournalLine => {
  return { time, verdict, stage, ip, host, helo, plugin, reason, reply };
};
