/** Times as logs and journals write them: RFC 3339 in UTC, with milliseconds. */

/** The text of the second that was written last: nearly always the next one's as well. */
let last = { second: NaN, text: '' };

/** `time` as Date.now() gives it, in milliseconds; of more precise ones the rest is dropped. */
export function isoTime(time: number): string {
  const second = Math.floor(time / 1000);
  if (second !== last.second) last = { second, text: new Date(second * 1000).toISOString().slice(0, -4) };
  const milliseconds = Math.floor(time - second * 1000);
  return `${last.text}${milliseconds < 10 ? '00' : milliseconds < 100 ? '0' : ''}${milliseconds}Z`;
}
