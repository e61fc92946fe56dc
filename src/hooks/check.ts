/**
 * The plugin of the common kind: one function that looks at a mail and objects, or does not. Its wrapper asks whether the
 * check is on for the domain and whether the mail is settled already; the author's types do not show either.
 */
import { type Verdict, skip } from '../mail/verdict.js';
import type { DataContext, Plugin } from './plugin.js';

export type { DataContext, Plugin } from './plugin.js';
export { accept, defer, pardon, pass, refuse, reject, skip } from '../mail/verdict.js';
export type { Verdict } from '../mail/verdict.js';

/** What a check sees: the mail and where it came from, not the switch files. */
export type Mail = Omit<DataContext, 'markers' | 'rejection' | 'pardoned'>;

export interface Check {
  /** The marker's name: `/srv/DOMAIN/checks/NAME`. */
  readonly name: string;
  /** Does `checks/all` switch it on as well? Default yes. */
  readonly inAll?: boolean;
  inspect(mail: Mail): Verdict | Promise<Verdict>;
}

/** Makes a plugin of a check. */
export function defineCheck(check: Check): Plugin {
  const inAll = check.inAll ?? true;
  return {
    name: check.name,
    inAll,
    dataPost(context) {
      if (context.rejection) return skip('rejected already');
      if (context.pardoned !== undefined) return skip(context.pardoned);
      if (!context.markers.isEnabled(context.domain, check.name, inAll)) return skip('not enabled');
      return check.inspect(context);
    },
  };
}
