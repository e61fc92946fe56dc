/** SPF for other programs: `postern/spf`. Needs a resolver (`postern/dns` has some), no package and nothing of Node. */
export { checkHelo, checkHost, type SpfOptions, type SpfOutcome, type SpfQuery } from './check-host.js';
export type { LookupTrace, RecordTrace, SpfTrace, TermOutcome, TermTrace } from './trace/trace.js';
export { defaultLimits, type SpfLimits } from './limits.js';
export { isSpfRecord, parseRecord } from './parse.js';
export type { Directive, Modifier, ParsedRecord, SpfRecord, SpfResultCode, SyntaxProblem, Term } from './record.js';
export { type Selection, selectRecord } from './read-answer.js';
export { type Finding, lint, type LintOptions, type LintReport, type LintSubject } from './lint/lint.js';
export { sentenceOf } from './fields/sentence.js';
export {
  readReceivedSpf,
  type ReceivedSpf,
  type ReceivedSpfInput,
  receivedSpfName,
  writeReceivedSpf,
} from './fields/received-spf.js';
export {
  type AuthenticationResults,
  type AuthenticationResultsInput,
  authenticationResultsName,
  readAuthenticationResults,
  spfMethod,
  type SpfMethodInput,
  writeAuthenticationResults,
} from './fields/authentication-results.js';
export { contains, type Ip, type Network, parseIp, parseNetwork } from '../mail/ip.js';
export type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from '../dns/resolver.js';
