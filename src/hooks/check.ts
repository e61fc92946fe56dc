/**
 * The plugin of the common kind: one function that looks at a mail and objects, or does not. Its wrapper asks whether the
 * check is on for the domain and whether the mail is settled already; the author's types do not show either.
 */
import { type Verdict, note, skip } from '../mail/verdict.js';
import type { DataContext, Plugin } from './plugin.js';

export type { DataContext, Plugin } from './plugin.js';
export { accept, defer, note, pardon, pass, refuse, reject, skip } from '../mail/verdict.js';
export type { Verdict } from '../mail/verdict.js';

/** What a check sees: the mail and where it came from, not the switch files. */
export type Mail = Omit<DataContext, 'markers' | 'rejection' | 'pardoned'>;

export interface Check {
  /** The marker's name: `/srv/DOMAIN/checks/NAME`. */
  readonly name: string;
  /** Does `checks/all` switch it on as well? Default yes. */
  readonly inAll?: boolean;
  /** A file `/srv/DOMAIN/LIST` that switches it on in the place of the marker, and whose lines it works by. */
  readonly list?: string;
  /** `lines` are those of the list, without comments. */
  inspect(mail: Mail, lines: readonly string[]): Verdict | Promise<Verdict>;
}

/** Makes a plugin of a check. */
export function defineCheck(check: Check): Plugin {
  const inAll = check.list === undefined && (check.inAll ?? true);
  return {
    name: check.name,
    inAll,
    ...(check.list !== undefined && { list: check.list }),
    dataPost(context) {
      if (context.rejection) return skip('rejected already');
      if (context.pardoned !== undefined) return skip(context.pardoned);
      const { markers, domain } = context;
      const lines = check.list === undefined ? [] : markers.lines(domain, check.list);
      if (lines === undefined) return skip('not enabled');
      const mode = markers.checkMode(domain, check.name, inAll);
      if (mode === 'off' && check.list === undefined) return skip('not enabled');
      return mode === 'log' ? noted(check.inspect(context, lines)) : check.inspect(context, lines);
    },
    isTrial: ({ markers, domain }) => markers.checkMode(domain, check.name, inAll) === 'log',
  };
}

/** A marker that holds the word `log`: the check is tried out, and stops nothing. */
async function noted(answer: Verdict | Promise<Verdict>): Promise<Verdict> {
  const verdict = await answer;
  switch (verdict.kind) {
    case 'reject':
    case 'refuse':
    case 'defer':
      return note(`log only, would ${verdict.kind}: ${verdict.log}`);
    default:
      return verdict;
  }
}
