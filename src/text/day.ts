/** Days as people write them in more than one language: with the name of the month, never as two numbers. */
const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** Makes `25 Nov` of `2026-11-25`, or of a whole time (RFC 3339), in the zone that it has; '' of anything else. */
export function dayWords(time: string): string {
  const [, month = '', day = ''] = /^\d{4}-(\d\d)-(\d\d)/.exec(time) ?? [];
  const name = months[Number(month) - 1];
  return name === undefined ? '' : `${Number(day)} ${name}`;
}
