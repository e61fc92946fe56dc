/** What the session gives of itself to the contexts that plugins are shown: what is behind their getters. */
import type { Content, ContentWish } from '../../mail/content/content.js';
import type { Eventual } from '../../mail/eventual.js';
import type { Header } from '../../mail/header.js';
import type { HeaderEdit } from '../../mail/edits/header-edits.js';
import type { Ip } from '../../mail/ip.js';
import type { MessageSource } from '../../mail/message.js';
import type { Rejection } from '../../mail/verdict.js';
import type {
  AuthenticationResult,
  ClientName,
  EarlyTalk,
  GivenPoints,
  GreylistResult,
  LocalAddress,
  PluginSaying,
  RcptContext,
  Recipient,
  RelayedContext,
  RelayedMail,
  SessionFacts,
  TlsSeen,
} from '../contexts.js';
import type { HookLog, PluginTurn } from '../run.js';
import type { PluginSurroundings } from './surroundings.js';

/** What the session knows of itself, and changes as it goes on. */
export interface SessionState {
  readonly id: string;
  readonly clientIp: Ip;
  readonly clientName: Eventual<ClientName>;
  knownClientName: ClientName | undefined;
  helo: string;
  tls: TlsSeen | undefined;
  readonly localAddress: () => LocalAddress | undefined;
  early: EarlyTalk | undefined;
  unknownCommands: number;
  /** Made when the first plugin asks for it. */
  notes: Map<string, unknown> | undefined;
}

/** One session, as all its contexts see it. */
export interface SeenSession {
  readonly surroundings: PluginSurroundings;
  readonly facts: SessionFacts;
  /** Whose turn it is: lines of the log bear that name. */
  readonly turn: PluginTurn;
  /** What was said at the hooks of the session. */
  readonly found: readonly PluginSaying[];
  /** A log whose lines tell the session, and the mail where there is one. */
  log(id: string | undefined): HookLog;
}

/** What plugins see of a transaction, and may add to it. */
export interface SeenTransaction {
  readonly id: string;
  readonly sender: {
    readonly reversePath: string;
    readonly domain: string;
    readonly parameters?: readonly string[] | undefined;
  };
  readonly domain: string;
  readonly recipients: readonly Recipient[];
  readonly objection: { readonly rejection: Rejection } | undefined;
  readonly pardoned: string | undefined;
  readonly points: readonly GivenPoints[];
  readonly authenticated: Readonly<Record<string, string>>;
  readonly notes: Map<string, unknown>;
  readonly found: readonly PluginSaying[];
  addField(name: string, value: string): void;
  addArchivedField(name: string, value: () => string): void;
  recordAuthentication(result: AuthenticationResult): void;
  recordGreylisting(result: GreylistResult): void;
}

/** One recipient while it is being judged. */
export interface SeenRecipient {
  readonly recipient: Recipient;
  readonly parameters: readonly string[] | undefined;
  readonly rejection: Rejection | undefined;
  readonly pardoned: string | undefined;
  askAhead(): ReturnType<RcptContext['askAhead']>;
}

/** A mail that has been read to its end. */
export interface SeenMail {
  readonly header: Header;
  readonly message: MessageSource;
  isHosted(domain: string): boolean;
  /** Asked once for each wish. */
  content(wish: ContentWish): Promise<Content>;
  editHeader(edit: HeaderEdit): string | undefined;
  relayed(): RelayedMail;
}

/** What the MTA said of a mail that it has taken. */
export type RelayedFacts = Pick<RelayedContext, 'answer' | 'queueId' | 'destination'>;
