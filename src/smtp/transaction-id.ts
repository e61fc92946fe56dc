/** Ids for sessions and transactions. A rejected mail is named by its transaction's: a bounce is enough to find it. */
import { randomFillSync } from 'node:crypto';

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const epoch = Date.UTC(2020, 0, 1);

/**
 * 14 characters of [0-9A-Z] without I L O U: 40 bits of milliseconds, so that ids sort by time, and 30 random bits. All
 * at once, for a text that is put together piece by piece is slow for whoever looks into it.
 */
export function newId(now: number = Date.now()): string {
  const time = Math.max(now - epoch, 0);
  const [late, early, random] = [time % 2 ** 20, Math.floor(time / 2 ** 20), randomWord()];
  return String.fromCharCode(
    charOf(early >>> 15),
    charOf(early >>> 10),
    charOf(early >>> 5),
    charOf(early),
    charOf(late >>> 15),
    charOf(late >>> 10),
    charOf(late >>> 5),
    charOf(late),
    charOf(random),
    charOf(random >>> 5),
    charOf(random >>> 10),
    charOf(random >>> 15),
    charOf(random >>> 20),
    charOf(random >>> 25),
  );
}

const charOf = (bits: number): number => digits.charCodeAt(bits & 31);

/** Asking the system for four octets costs as much as for a thousand. */
const pool = Buffer.alloc(1024);
let taken = pool.length;

function randomWord(): number {
  if (taken === pool.length) {
    randomFillSync(pool);
    taken = 0;
  }
  taken += 4;
  return pool.readUInt32BE(taken - 4);
}

/** When an id was made, in milliseconds; undefined for what is no id of ours. */
export function idTime(id: string): number | undefined {
  if (!/^[0-9A-HJKMNP-TV-Z]{14}$/.test(id)) return undefined;
  return epoch + Array.from(id.slice(0, 8)).reduce((time, digit) => time * 32 + digits.indexOf(digit), 0);
}
