/**
 * What plugins see: the context of each hook. All of it is frozen or a copy: nothing that a plugin does to it reaches
 * the mail or another plugin. Leaves which hook has which context to plugin.ts.
 */
import type { Resolver } from '../dns/resolver.js';
import type { Content, ContentWish } from '../mail/content/content.js';
import type { Header } from '../mail/header.js';
import type { HeaderEdit, ShownField } from '../mail/edits/header-edits.js';
import type { Ip } from '../mail/ip.js';
import type { MessageSource } from '../mail/message.js';
import type { Rejection } from '../mail/verdict.js';
import type { CheckMode } from '../srv/check-mode.js';
import type { Store } from '../store/store.js';
import type { ClientName } from '../dns/client-name.js';

export type { ClientName };

export interface SessionFacts {
  readonly id: string;
  readonly clientIp: Ip;
  /** Waits for DNS, no longer than the setting `dns_timeout`. */
  readonly clientName: () => Promise<ClientName>;
  /** The same without waiting: undefined until DNS has answered. */
  readonly knownClientName: ClientName | undefined;
  /** HELO or EHLO argument as given; '' before it came. */
  readonly helo: string;
  /** Is the connection encrypted? */
  readonly secure: boolean;
  /** How it is encrypted; undefined in the clear. */
  readonly tls: TlsSeen | undefined;
  /** Where the client has reached us; undefined where there is no connection. */
  readonly localAddress: LocalAddress | undefined;
  /** What the client has said before it was its turn; undefined where it has waited so far. */
  readonly early: EarlyTalk | undefined;
  /** How many unknown commands there have been, this one included. */
  readonly unknownCommands: number;
  /** What plugins keep for each other while the connection lasts, by names of their own. It survives STARTTLS. */
  readonly notes: Map<string, unknown>;
}

/**
 * The first thing that was said too early: before the greeting; a command before the reply to the one before it, where
 * pipelining was not offered (RFC 2920 §3.1) or EHLO not answered yet; the message before 354.
 */
export type EarlyTalk = 'greeting' | 'pipelining' | 'message';

export interface TlsSeen {
  /** For example `TLSv1.3`. */
  readonly protocol: string;
  /** OpenSSL's name. */
  readonly cipher: string;
  /** The name that the client asked for (RFC 6066 §3), in lower case. */
  readonly sni?: string;
}

export interface LocalAddress {
  readonly ip: Ip;
  readonly port: number;
}

export interface Recipient {
  /** In wire form: quoted where it must be, the domain as A-labels. */
  readonly text: string;
  readonly localPart: string;
  readonly domain: string;
}

/** Look-ups in /srv. Each may throw: leave that to the runner, which defers. See src/srv/srv.ts. */
export interface Markers {
  /** What becomes of that which the check would reject. */
  checkMode(domain: string, check: string, inAll: boolean): CheckMode;
  /** The same for any check of the domain, whose folder is looked at once. */
  checkModes(domain: string): (check: string, inAll: boolean) => CheckMode;
  /**
   * The lines of the domain's own file of that name, without comments and empty lines; undefined where there is no
   * file.
   */
  lines(domain: string, file: string): readonly string[] | undefined;
  /** `unknown`: no marker says anything of it; `names`: what its mailbox may be called, the likeliest first. */
  recipient(
    domain: string,
    localPart: string,
    client: Ip,
  ):
    | { readonly kind: 'valid'; readonly marker: string }
    | { readonly kind: 'refused'; readonly why: string }
    | { readonly kind: 'unknown'; readonly why: string; readonly names: readonly string[] };
  listed(domain: string, list: 'blacklisted' | 'whitelisted', kind: string, key: string): string | undefined;
  /** Is anything listed there at all? */
  anyListed(domain: string, list: 'blacklisted' | 'whitelisted', kind: string): boolean;
  addressListed(domain: string, list: 'blacklisted' | 'whitelisted', client: Ip): string | undefined;
  recipientWhitelisted(domain: string, localPart: string): string | undefined;
}

/** Who we are, and what the settings say to plugins. */
export interface Host {
  readonly hostname: string;
  /** Our name in Authentication-Results (RFC 8601 §2.5). */
  readonly authservId: string;
  /** Names, or `*.domain`, of hosts that forward mail of others. */
  readonly spfForwarders: readonly string[];
  /** Terms of SPF records that may find nothing in DNS (RFC 7208 §4.6.4). */
  readonly spfVoids: number;
  /** What is to become of a mail while the store cannot be asked. */
  readonly storeDown: 'pass' | 'defer';
  /** Octets that a message may have. */
  readonly maxSize: number;
}

export type PluginStore = Omit<Store, 'close'>;

/** Lines of the plugin's own in the log: they bear its name, and tell session and mail. */
export interface PluginLog {
  debug(text: string, details?: object): void;
  info(text: string, details?: object): void;
  warn(text: string, details?: object): void;
  error(text: string, details?: object): void;
}

/** One word of a plugin, as the journal has it. */
export interface PluginSaying {
  readonly plugin: string;
  /** `reject` also where a plugin has refused, `mark` where it has changed the mail. */
  readonly word: 'pass' | 'skip' | 'mark' | 'score' | 'reject' | 'defer';
  /** Why, for the operator; '' where there is nothing to say. */
  readonly why: string;
  /** What the word `score` counts. */
  readonly points?: number;
}

/** What is there whatever happens. */
export interface CloseContext {
  readonly dns: Resolver;
  /** Remembers between mails, for all processes. */
  readonly store: PluginStore;
  readonly host: Host;
  readonly log: PluginLog;
}

export interface SessionContext extends CloseContext {
  readonly session: SessionFacts;
  readonly markers: Markers;
  /**
   * What plugins have said so far: of the mail where there is one, else of the session. Before the mail is read, a
   * plain pass is no news.
   */
  readonly found: readonly PluginSaying[];
}

export interface UnknownCommandContext extends SessionContext {
  /** As it came, made safe to print, without its end where it is long. */
  readonly command: string;
}

export interface MailContext extends SessionContext {
  /** The transaction's id; for a rejected mail it is what the sender is told. */
  readonly id: string;
  /** In wire form; '' is the null reverse-path. */
  readonly reversePath: string;
  /** The domain of the reverse-path in A-labels; '' for the null reverse-path. */
  readonly senderDomain: string;
  /** The ESMTP words of MAIL: `SIZE=1000`. */
  readonly parameters: readonly string[];
  /** What plugins keep for each other from MAIL to the end of the transaction, by names of their own. */
  readonly notes: Map<string, unknown>;
}

export interface EnvelopeContext extends MailContext {
  /** The hosted domain whose policy holds: that of the recipients. */
  readonly domain: string;
  /** Those that were taken so far. */
  readonly recipients: readonly Recipient[];
  /** Why the mail, or the recipient that is looked at, is refused so far. */
  readonly rejection: Rejection | undefined;
  /** Why it will not be refused, whatever is found. */
  readonly pardoned: string | undefined;
}

export interface RcptContext extends EnvelopeContext {
  readonly recipient: Recipient;
  /** The ESMTP words of this RCPT, such as `NOTIFY=NEVER`; those of MAIL are `parameters`. */
  readonly recipientParameters: readonly string[];
  /**
   * Would the local MTA take the recipient? Asked by RCPT, without a mail, and remembered for a while; never rejects.
   * `unknown`: it cannot be asked, or answers neither yes nor that there is no such mailbox.
   */
  readonly askAhead: () => Promise<
    | { readonly kind: 'taken' }
    | { readonly kind: 'refused'; readonly text: string }
    | { readonly kind: 'unknown'; readonly problem: string }
  >;
}

export interface DataContext extends EnvelopeContext {
  readonly header: Header;
  /** Whole message as received. */
  readonly message: MessageSource;
  /** The weak signs that were found so far, in order. */
  readonly points: readonly GivenPoints[];
  /** Puts a field on top of the mail, archived or relayed; folded by the caller where it is long. */
  readonly addField: (name: string, value: string) => void;
  /**
   * Changes the header section, in a mail that is relayed or archived. Returns what is wrong with the change, which is
   * not made then.
   */
  readonly editHeader: (edit: HeaderEdit) => string | undefined;
  /** The mail as it would be relayed now: with all that was changed so far. */
  readonly relayed: () => RelayedMail;
  /** Such a field for the quarantine alone; its value is made when the mail is archived. */
  readonly addArchivedField: (name: string, value: () => string) => void;
  /** Is it one of our domains (A-labels)? May throw: leave that to the runner, which defers. */
  readonly isHosted: (domain: string) => boolean;
  /**
   * The message taken apart by MIME. Read when the first plugin asks, once a mail, in a thread beside; rejects where
   * the message cannot be read from disk (leave that to the runner, which defers).
   */
  readonly content: (wish?: ContentWish) => Promise<Content>;
  /**
   * The results recorded so far, by method: `spf: 'pass'`. Where a method has several, as signatures do, one that
   * passed counts.
   */
  readonly authenticated: () => Readonly<Record<string, string>>;
  /** One more result in Authentication-Results and in the log; that of SPF is in the index, too. */
  readonly recordAuthentication: (result: AuthenticationResult) => void;
  /** What greylisting says of the mail, for the metrics. */
  readonly recordGreylisting: (result: GreylistResult) => void;
}

export interface RelayedContext extends EnvelopeContext {
  /** What the MTA said behind its 250. */
  readonly answer: string;
  /** The MTA's name of the mail, where it tells it. */
  readonly queueId: string | undefined;
  /** The MTA, as the settings write it. */
  readonly destination: string;
}

/** Points that a plugin has given the mail. */
export interface GivenPoints {
  readonly plugin: string;
  readonly points: number;
  /** For the operator. */
  readonly log: string;
}

/** A mail as others have changed it. */
export interface RelayedMail {
  /** Without those that only postern may write, but with what checks have found (Received-SPF, for example). */
  readonly fields: readonly ShownField[];
  readonly body: MessageSource;
  /** In wire form. */
  readonly recipients: readonly string[];
  /** In wire form; '' is the null reverse-path. */
  readonly reversePath: string;
}

/** A first try, one that comes too early, one that has waited long enough, a sender that is known. */
export type GreylistResult = 'new' | 'early' | 'passed' | 'known';

/** RFC 8601 §2.2: a resinfo. */
export interface AuthenticationResult {
  /** Such as spf, dkim, dmarc. */
  readonly method: string;
  readonly result: string;
  /** Comments, reason and properties, each well-formed as it stands in the field. */
  readonly details: readonly string[];
}
