/**
 * What the submission policy is told and handed, as values. Reading the environment is the business of the command
 * line.
 */
import type { Directory } from '../../directory/directory.js';
import type { Resolver } from '../../dns/resolver.js';
import type { Ip } from '../../mail/ip.js';
import type { RecordPattern } from './pattern.js';
import type { PolicyLog } from '../policy-log.js';

export interface SubmissionSettings {
  /** `test` never refuses: it logs, and marks mail of own domains. */
  readonly mode: 'test' | 'reject';
  /** It stands before what is said to the client. */
  readonly name: string;
  readonly rejectMessage: string;
  readonly tmpfailMessage: string;
  /** What a record must say to permit us; undefined: nothing of the kind is asked. */
  readonly pattern: RecordPattern | undefined;
  /** Our addresses as the world sees them: a record that one of them passes by permits us, too. */
  readonly outgoing: readonly Ip[];
  /** Values of {rcpt_host}, in lower case: mail that goes to these alone is not judged. */
  readonly ignoredNextHops: ReadonlySet<string>;
  /** What becomes of mail in reject mode while DNS fails. */
  readonly dnsFailure: 'tempfail' | 'pass';
  /**
   * While the directory fails and a mail is not permitted: is its domain taken for foreign, or is it told to come
   * again?
   */
  readonly directoryFailure: 'tempfail' | 'foreign';
}

export interface SubmissionTools {
  readonly resolver: Resolver;
  /** Knows our own domains; undefined: none is known. */
  readonly directory: Pick<Directory, 'has'> | undefined;
  readonly log: PolicyLog;
  readonly observe: (event: SubmissionEvent) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Makes an id for mail that has no queue id. */
  readonly newId: () => string;
}

/** `unknown`: the directory did not say. */
export type DomainKind = 'own' | 'foreign' | 'unknown';

/** What is worth counting. */
export type SubmissionEvent =
  | { readonly kind: 'session'; readonly change: 1 | -1 }
  /**
   * A mail by what was found: no policy that concerns us, permitted, to ignored next hops only, not permitted, a
   * record that cannot be evaluated, DNS failed.
   */
  | {
      readonly kind: 'message';
      readonly outcome: 'skipped' | 'open' | 'permitted' | 'ignored' | 'broken' | 'dns-failed';
    }
  | { readonly kind: 'violation'; readonly domain: string; readonly of: DomainKind; readonly action: ViolationAction };

export type ViolationAction = 'passed' | 'marked' | 'refused' | 'deferred';
