/**
 * A parsed SPF record: what `parse.ts` makes of the text and `evaluate.ts` runs.
 *
 *     record     = version terms *SP                                       ; RFC 7208 §4.5, §12
 *     version    = "v=spf1"
 *     terms      = *( 1*SP ( directive / modifier ) )
 *     directive  = [ qualifier ] mechanism
 *     qualifier  = "+" / "-" / "?" / "~"
 *     mechanism  = all / include / a / mx / ptr / ip4 / ip6 / exists
 *     modifier   = redirect / explanation / unknown-modifier
 *
 * Everything an evaluation needs again and again is worked out once, at parsing: masks of
 * networks, the name a domain-spec without macros stands for, the result of a qualifier, and which
 * directives are decided by the client's address alone.
 */
import type { MacroString } from './macro.js';

/** RFC 7208 §2.6. */
export type SpfResultCode = 'none' | 'neutral' | 'pass' | 'fail' | 'softfail' | 'temperror' | 'permerror';

/** What a matching directive makes the result, by its qualifier (RFC 7208 §4.6.2). */
export type DirectiveResult = 'pass' | 'fail' | 'softfail' | 'neutral';

/**
 *     domain-spec = macro-string domain-end                                ; RFC 7208 §7.1
 *     domain-end  = ( "." toplabel [ "." ] ) / macro-expand
 */
export interface DomainSpec {
  readonly macro: MacroString;
  /**
   * The target-name when no macro stands in it, '' when DNS cannot be asked for it; undefined when it has to be
   * expanded.
   */
  readonly name: string | undefined;
  /** Can that name have a record of its own, to be included (RFC 7208 §4.3)? */
  readonly isCheckable: boolean;
}

interface TermBase {
  /** As written, qualifier included. */
  readonly text: string;
  /** Index of its first character in the record. */
  readonly at: number;
}

interface DirectiveBase extends TermBase {
  readonly result: DirectiveResult;
}

/** `all = "all"` (RFC 7208 §5.1) */
export interface All extends DirectiveBase {
  readonly kind: 'all';
}

/** `include = "include" ":" domain-spec` (RFC 7208 §5.2) */
export interface Include extends DirectiveBase {
  readonly kind: 'include';
  readonly target: DomainSpec;
}

/**
 *     a  = "a"  [ ":" domain-spec ] [ dual-cidr-length ]                   ; RFC 7208 §5.3
 *     mx = "mx" [ ":" domain-spec ] [ dual-cidr-length ]                   ; RFC 7208 §5.4
 */
export interface AddressDirective extends DirectiveBase {
  readonly kind: 'a' | 'mx';
  readonly target: DomainSpec | undefined;
  readonly prefix4: number;
  readonly prefix6: number;
  readonly mask4: number;
  readonly masks6: Masks;
}

/** `ptr = "ptr" [ ":" domain-spec ]` (RFC 7208 §5.5) */
export interface Ptr extends DirectiveBase {
  readonly kind: 'ptr';
  readonly target: DomainSpec | undefined;
}

/** `ip4 = "ip4" ":" ip4-network [ ip4-cidr-length ]` (RFC 7208 §5.6) */
export interface Ip4 extends DirectiveBase {
  readonly kind: 'ip4';
  /** The network's 32 bits as a signed integer, host bits cleared. */
  readonly base: number;
  readonly mask: number;
  readonly prefix: number;
}

/** `ip6 = "ip6" ":" ip6-network [ ip6-cidr-length ]` (RFC 7208 §5.6) */
export interface Ip6 extends DirectiveBase {
  readonly kind: 'ip6';
  /** Four signed 32-bit integers, host bits cleared. */
  readonly base: Masks;
  readonly masks: Masks;
  readonly prefix: number;
}

/** `exists = "exists" ":" domain-spec` (RFC 7208 §5.7) */
export interface Exists extends DirectiveBase {
  readonly kind: 'exists';
  readonly target: DomainSpec;
}

export type Directive = All | Include | AddressDirective | Ptr | Ip4 | Ip6 | Exists;

/** The directives that ask DNS. */
export type AskingDirective = Include | AddressDirective | Ptr | Exists;

/** Directives that stand side by side and are decided by the client's address, as numbers to compare it with. */
export interface Networks {
  readonly kind: 'networks';
  readonly directives: readonly (Ip4 | Ip6 | All)[];
  /** For each directive its base and its mask, for clients of IPv4. */
  readonly words4: Int32Array;
  /** For each directive its four bases and its four masks, for clients of IPv6; undefined where no such client fits. */
  readonly words6: Int32Array | undefined;
}

/** What an evaluation takes in one step. */
export type Step = Networks | AskingDirective;

/**
 *     redirect    = "redirect" "=" domain-spec                             ; RFC 7208 §6.1
 *     explanation = "exp" "=" domain-spec                                  ; RFC 7208 §6.2
 */
export interface TargetModifier extends TermBase {
  readonly kind: 'redirect' | 'exp';
  readonly target: DomainSpec;
}

/** `unknown-modifier = name "=" macro-string`: ignored, however often (RFC 7208 §6). */
export interface UnknownModifier extends TermBase {
  readonly kind: 'unknown';
  readonly name: string;
}

export type Modifier = TargetModifier | UnknownModifier;
export type Term = Directive | Modifier;

/** Four signed 32-bit words, most significant first. */
export type Masks = readonly number[];

export interface SpfRecord {
  readonly text: string;
  /** All terms in the order written. */
  readonly terms: readonly Term[];
  /** The directives alone, in the order they are evaluated. */
  readonly directives: readonly Directive[];
  /** The same, as they are evaluated; those behind an `all` are never reached. */
  readonly steps: readonly Step[];
  /** Undefined also where an `all` anywhere in the record makes it void (RFC 7208 §5.1, §6.1). */
  readonly redirect: TargetModifier | undefined;
  readonly exp: TargetModifier | undefined;
}

/** Why a record is not one; `at` is the index of the offending character in the record. */
export interface SyntaxProblem {
  readonly kind: 'problem';
  readonly problem: string;
  readonly at: number;
  /** The term it stands in, as written; '' when it is not in a term. */
  readonly term: string;
}

export type ParsedRecord = { readonly kind: 'record'; readonly record: SpfRecord } | SyntaxProblem;
