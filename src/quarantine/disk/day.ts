/** Days as the quarantine counts them: local time, as `date +%-j` prints them. Touches no disk. */

/** 1 … 366 in local time. Counted in UTC between two calendar dates, so that a day of 23 or 25 hours is one day. */
export function ydayOf(time: Date): number {
  const day = Date.UTC(time.getFullYear(), time.getMonth(), time.getDate());
  return (day - Date.UTC(time.getFullYear(), 0, 1)) / 86_400_000 + 1;
}

/** Returns the day with its year, which tells two days with the same folder name apart. */
export const dateKey = (time: Date): string => `${time.getFullYear()}-${ydayOf(time)}`;

/** Is this a name that a day's folder has? */
export const isYday = (name: string): boolean => /^[1-9]\d{0,2}$/.test(name) && Number(name) <= 366;

/** The calendar day before, at noon: no clock change makes noon ambiguous. */
export const dayBefore = (time: Date): Date => new Date(time.getFullYear(), time.getMonth(), time.getDate() - 1, 12);

/** RFC 3339 §5.6 in local time with its offset, milliseconds: the day in it is the folder's. */
export function rfc3339(time: Date): string {
  const offset = -time.getTimezoneOffset();
  const local = new Date(time.getTime() + offset * 60_000).toISOString().slice(0, -1);
  if (offset === 0) return `${local}Z`;
  const minutes = Math.abs(offset);
  return `${local}${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

const two = (n: number): string => String(n).padStart(2, '0');
