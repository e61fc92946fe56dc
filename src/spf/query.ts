/** What is asked of an evaluation, and what comes of it. */
import type { Ip } from '../mail/ip.js';
import type { Resolver } from '../dns/resolver.js';
import type { SpfLimits } from './limits.js';
import type { SpfResultCode } from './record.js';
import type { SpfTrace } from './trace/trace.js';

export interface SpfQuery {
  readonly ip: Ip;
  /** HELO or EHLO argument, as given. */
  readonly helo: string;
  /** Reverse-path without <>; '' is the null reverse-path. */
  readonly from: string;
  /** This host's name, for `%{r}`; "unknown" without it. */
  readonly receiver?: string;
}

export interface SpfOptions {
  readonly resolver: Resolver;
  readonly limits?: Partial<SpfLimits>;
  /** Milliseconds since 1970; for the time limit and `%{t}`. */
  readonly now?: () => number;
  /** Milliseconds of the time limit that another evaluation for the same mail has used; default 0. */
  readonly spentMs?: number;
  /** Collect a trace; without it none is kept, at no cost. */
  readonly trace?: boolean;
  /** Fetch the domain's explanation of a fail; default true. */
  readonly explain?: boolean;
  /** Ends the evaluation with temperror when aborted; it is looked at when there is something to wait for. */
  readonly signal?: AbortSignal;
}

export interface SpfOutcome {
  readonly result: SpfResultCode;
  readonly identity: 'mailfrom' | 'helo';
  /** The domain that was checked. */
  readonly domain: string;
  /** The sender as `%{s}` has it. */
  readonly sender: string;
  /** The directive, as written, that decided; "default" when none matched; undefined when there was none to decide. */
  readonly mechanism: string | undefined;
  /** The domain in whose record it stood. */
  readonly mechanismDomain: string | undefined;
  /** Why the result is none, temperror or permerror. May hold octets of the client's and the domain's. */
  readonly problem: string | undefined;
  /** The domain's own words on a fail, printable US-ASCII; undefined where it may not be used. */
  readonly explanation: string | undefined;
  /** Terms that asked DNS. */
  readonly lookups: number;
  /** Terms of which a look-up found nothing. */
  readonly voids: number;
  readonly trace?: SpfTrace;
}
