/**
 * What the SPF policy is told, as values. The names are those of spf-milter.conf(5), so that whoever knows that file
 * knows these; what stands behind "Beyond" is postern's own. Reading the file is the business of the command line.
 */
import type { DirectoryOptions } from '../../directory/directory.js';
import type { Ip, Network } from '../../mail/ip.js';
import type { MacroString } from '../../spf/macro.js';
import type { SpfResultCode } from '../../spf/record.js';
import type { SenderPattern } from './pattern.js';

export type ResultField = 'Received-SPF' | 'Authentication-Results';

/** Results that may be refused; RFC 7208 leaves all but pass to the receiver. */
export const refusableResults = ['fail', 'softfail', 'neutral', 'none', 'temperror', 'permerror'] as const;
export type RefusableResult = (typeof refusableResults)[number];

/** A text of the operator's, which `%{exp}` or `%{reason}` may split: what it stands for goes between. */
export interface ReplyText {
  readonly before: MacroString;
  /** What stands behind the token. Where it is undefined the token does not occur, and the text is `before` alone. */
  readonly after: MacroString | undefined;
}

export interface ReplyTemplate {
  readonly code: number;
  /** The enhanced code (RFC 3463); its class is the first digit of `code`. */
  readonly enhanced: string;
  /** For temperror and permerror the token is the reason; for other results there is none. */
  readonly text: ReplyText;
}

export interface VerifySettings {
  /** Our name for `receiver=` and `%{r}`; where it is undefined, the MTA's macro `j` is. */
  readonly hostname: string | undefined;
  /** Where it is undefined, the hostname counts. */
  readonly authserv_id: string | undefined;
  readonly verify_helo: boolean;
  readonly definitive_helo_results: ReadonlySet<SpfResultCode>;
  readonly reject_helo_results: ReadonlySet<SpfResultCode>;
  readonly reject_results: ReadonlySet<SpfResultCode>;
  readonly include_all_results: boolean;
  /** In the order they are inserted at the top, so that the last one comes to stand uppermost. */
  readonly header: readonly ResultField[];
  readonly include_mailfrom_local_part: boolean;
  readonly delete_incoming_authentication_results: boolean;
  readonly replies: Readonly<Record<RefusableResult, ReplyTemplate>>;
  /** The text for a fail that the domain itself explains; the token is the domain's explanation. */
  readonly fail_reply_text_exp: ReplyText;
  readonly max_lookups: number;
  readonly max_void_lookups: number;
  readonly timeout_secs: number;
  readonly skip_senders: readonly SenderPattern[];
  readonly trusted_networks: readonly Network[];
  readonly trust_authenticated_senders: boolean;
  readonly dry_run: boolean;

  // Beyond spf-milter

  /** Fields that claim to be a result of ours, and that others behind us would believe, are taken out. */
  readonly delete_incoming_received_spf: boolean;
  /** Where a HELO name is refused. */
  readonly reject_helo_at: 'helo' | 'mail';
  /** `plain`: the result and the identity, as spf-milter writes it; `full`: also why. */
  readonly authentication_results_form: 'plain' | 'full';
  /** Recipients whose mail is not refused; a refusal waits for RCPT where there are any. */
  readonly skip_recipients: readonly SenderPattern[];
  /** Clients by HELO name, believed where the name's own SPF record or their confirmed host name says so. */
  readonly skip_helo_names: readonly SenderPattern[];
  /** Hosts that pass mail on: by confirmed host name, or as a domain whose SPF record permits them. */
  readonly skip_forwarders: readonly SenderPattern[];
  /**
   * Hosts of ours or our friends that pass mail on and write honest Received fields: the client named there is
   * judged.
   */
  readonly forwarding_hosts: readonly Network[];
  /** Mail of trusted and authenticated clients is judged as if it came from here, as the next hop will see it. */
  readonly prospective_ip: readonly Ip[];
  /** Results whose mail is held in the MTA's quarantine. */
  readonly quarantine_results: ReadonlySet<SpfResultCode>;
  /** Results whose mail gets a `mark_field` with the result in it. */
  readonly mark_results: ReadonlySet<SpfResultCode>;
  readonly mark_field: string;
  /** Our customers' domains: mail that names one as its sender and fails is marked, and the log tells of it. */
  readonly own_domains: readonly SenderPattern[];
  /** A directory that knows further domains of our customers. */
  readonly own_domains_ldap: DirectoryOptions | undefined;
  /** Milliseconds that MAIL is answered within; what takes longer is settled at DATA or at the end of the message. */
  readonly answer_within: number;
}
