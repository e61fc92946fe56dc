/** What /srv says, seen as a whole: hosted domains, their checks, and markers of checks that no loaded plugin knows. */
import type { Plugin } from '../hooks/plugin.js';
import type { Srv } from '../srv/srv.js';

export interface DomainSurvey {
  readonly domain: string;
  readonly checks: readonly string[];
  /** Markers below checks/ that switch on nothing. */
  readonly unknown: readonly string[];
}

/** Throws BrokenMarker when /srv cannot be read. */
export function survey(srv: Srv, plugins: readonly Plugin[]): DomainSurvey[] {
  const known = new Set(plugins.filter(({ inAll }) => inAll !== undefined).map(({ name }) => name));
  return srv.domains().map((domain) => {
    const checks = srv.checks(domain);
    return { domain, checks, unknown: checks.filter((check) => check !== 'all' && !known.has(check)) };
  });
}

/** One line for the log and for check-config. */
export const unknownText = (domain: string, check: string): string =>
  `${domain}/checks/${check} does nothing: no plugin "${check}" is in the list of plugins`;
