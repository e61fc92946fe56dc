/** Who is to be judged, as the options of `spf check` and the lines of `--batch` both say it. */
import { parseIp } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';
import type { SpfQuery } from '../../spf/check-host.js';
import { shown } from '../terminal.js';

export interface QueryOptions {
  readonly ip: string | undefined;
  readonly helo: string | undefined;
  readonly from: string | undefined;
  readonly receiver?: string | undefined;
}

/** What `%{h}` stands for when no HELO name was given. */
const unknownHelo = 'unknown';

/** `spell` writes a name as its place does. */
export function queryOf(given: QueryOptions, spell: (name: string) => string): Result<SpfQuery> {
  const { ip: text, receiver } = given;
  if (text === undefined) return wrong(`${spell('ip')} is missing: the client's address`);
  const ip = parseIp(text);
  if (!ip) return wrong(`${spell('ip')} must be an IPv4 or IPv6 address, not "${shown(text, 60)}"`);
  const from = given.from === undefined ? '' : reversePath(given.from);
  if (given.helo === undefined && from === '') {
    return wrong(
      given.from === undefined
        ? `give ${spell('from')}, ${spell('helo')} or both`
        : `${spell('from')} is the null reverse-path, which is judged by the HELO name: give ${spell('helo')}`,
    );
  }
  const more = receiver !== undefined && { receiver };
  return { ok: true, value: { ip, helo: given.helo ?? unknownHelo, from, ...more } };
}

/** `<user@example.org>` is user@example.org; '' and `<>` are the null reverse-path. */
const reversePath = (text: string): string => (/^<.*>$/s.test(text) ? text.slice(1, -1) : text);
