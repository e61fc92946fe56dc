/**
 * Days as people write them in more than one language: with the name of the month, or with the year first; never as
 * two numbers.
 */
const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** Makes `25 Nov` of `2026-11-25`, or of a whole time (RFC 3339), in the zone that it has; '' of anything else. */
export function dayWords(time: string): string {
  const [, month = '', day = ''] = /^\d{4}-(\d\d)-(\d\d)/.exec(time) ?? [];
  const name = months[Number(month) - 1];
  return name === undefined ? '' : `${Number(day)} ${name}`;
}

/** Writes `2026-11-28 21:00`, by this machine's clock. */
export function localText(time: Date): string {
  const date = [time.getFullYear(), time.getMonth() + 1, time.getDate()].map(twoDigits).join('-');
  return `${date} ${twoDigits(time.getHours())}:${twoDigits(time.getMinutes())}`;
}

/** Writes `2026-11-28`, by this machine's clock. */
export const localDay = (time: Date): string => localText(time).slice(0, 10);

const twoDigits = (number: number): string => String(number).padStart(2, '0');
