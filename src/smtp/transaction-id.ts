/** Ids for sessions and transactions. A rejected mail is named by its transaction's: a bounce is enough to find it. */
import { randomFillSync } from 'node:crypto';

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const epoch = Date.UTC(2020, 0, 1);

/** 14 characters of [0-9A-Z] without I L O U: 40 bits of milliseconds, so that ids sort by time, and 30 random bits. */
export function newId(now: number = Date.now()): string {
  let time = Math.max(now - epoch, 0);
  let id = '';
  for (let i = 0; i < 8; i++) {
    id = digits.charAt(time % 32) + id;
    time = Math.floor(time / 32);
  }
  for (let random = randomWord(), i = 0; i < 6; i++, random >>>= 5) id += digits.charAt(random & 31);
  return id;
}

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
