/** What /srv says, seen as a whole: hosted domains, their checks, and markers and lists that switch on nothing. */
import type { Plugin } from '../../hooks/plugin.js';
import { type Result, wrong } from '../../mail/result.js';
import { type Destination, type DestinationList, everyDestination } from '../../relay/destination/destination.js';
import { BrokenMarker, type Srv } from '../../srv/srv.js';
import { ownLimits } from '../../srv/expiry.js';

export interface DomainSurvey {
  readonly domain: string;
  /** What is switched on, by its marker or by its list. */
  readonly checks: readonly string[];
  /** It is what does nothing: one line each, for the log and for check-config. */
  readonly idle: readonly IdleCheck[];
  /** What is wrong with its files `expire` and `relay`. */
  readonly broken: readonly string[];
  /** Its own destinations; none where they are those of the setting. */
  readonly relay: readonly Destination[];
}

export interface IdleCheck {
  readonly check: string;
  readonly text: string;
}

/** Lists by what they switch on, also where the operator's own list of plugins has left that out. */
export const shippedLists: readonly (readonly [check: string, list: string])[] = [
  ['dnsbl', 'zones'],
  ['rhsbl', 'domain_zones'],
  ['uribl', 'uri_zones'],
  ['score', 'score'],
];

/** What a survey must know of a plugin. */
export type SurveyedPlugin = Pick<Plugin, 'name' | 'inAll' | 'list'>;

export const survey = (srv: Srv, plugins: readonly SurveyedPlugin[]): DomainSurvey[] => [...surveyEach(srv, plugins)];

/** One domain after the other. Throws BrokenMarker when /srv cannot be read. */
export function* surveyEach(srv: Srv, plugins: readonly SurveyedPlugin[]): Generator<DomainSurvey> {
  const known = plugins.filter(({ inAll }) => inAll !== undefined);
  const lists = new Map([...shippedLists, ...known.flatMap(({ name, list }) => (list ? [[name, list] as const] : []))]);
  const isKnown = (check: string): boolean => check === 'all' || known.some(({ name }) => name === check);
  for (const domain of srv.domains()) {
    const marked = srv.checks(domain);
    const listed = [...lists].filter(([, list]) => isThere(srv, domain, list));
    const idle = [
      ...marked.filter((check) => !isKnown(check)).map((check) => unlisted(check, `${domain}/checks/${check}`)),
      ...listed.filter(([check]) => !isKnown(check)).map(([check, list]) => unlisted(check, `${domain}/${list}`)),
      ...marked.flatMap((check): IdleCheck[] => {
        const list = lists.get(check);
        if (list === undefined || !isKnown(check) || isThere(srv, domain, list)) return [];
        return [{ check, text: `${domain}/checks/${check} does nothing without the file ${domain}/${list}` }];
      }),
    ];
    const on = listed.map(([check]) => check).filter((check) => isKnown(check) && !marked.includes(check));
    const limits = ownLimits(srv, domain);
    const own = ownRelay(srv, domain);
    const problems = [limits?.kind === 'broken' ? limits.problem : undefined, own.ok ? undefined : own.problem];
    yield {
      domain,
      checks: [...marked, ...on],
      idle,
      broken: problems.filter((problem) => problem !== undefined),
      relay: own.ok && own.value ? everyDestination(own.value) : [],
    };
  }
}

function ownRelay(srv: Srv, domain: string): Result<DestinationList | undefined> {
  try {
    return { ok: true, value: srv.destinations(domain) };
  } catch (error) {
    if (!(error instanceof BrokenMarker)) throw error;
    return wrong(`${error.message}; until this is mended the mail of ${domain} is deferred`);
  }
}

const unlisted = (check: string, marker: string): IdleCheck => ({
  check,
  text: `${marker} does nothing: no plugin "${check}" is in the list of plugins`,
});

/** A list that is no file is there, and defers mail: that is said where mail comes. */
function isThere(srv: Srv, domain: string, list: string): boolean {
  try {
    return srv.lines(domain, list) !== undefined;
  } catch (error) {
    if (error instanceof BrokenMarker) return true;
    throw error;
  }
}
