/**
 * The contexts that plugins are shown. Each is a frozen object without properties of its own: what it shows are getters
 * of a frozen prototype, over what only the session can change. So it costs little, and whatever a plugin writes to it,
 * or to what it finds in it, reaches neither the mail nor the next plugin. Octets and header fields are copies.
 */
import type { Content } from '../../mail/content/content.js';
import { deepFreeze } from '../../mail/frozen.js';
import type { Field, Header } from '../../mail/header.js';
import type { HeaderEdit } from '../../mail/edits/header-edits.js';
import type { Ip } from '../../mail/ip.js';
import type { MessageSource } from '../../mail/message.js';
import type { Rejection } from '../../mail/verdict.js';
import type { Resolver } from '../../dns/resolver.js';
import type {
  AuthenticationResult,
  GreylistResult,
  ClientName,
  DataContext,
  Host,
  LocalAddress,
  MailContext,
  Markers,
  PluginStore,
  RcptContext,
  Recipient,
  RelayedMail,
  SessionContext,
  SessionFacts,
  TlsSeen,
  UnknownCommandContext,
} from '../contexts.js';
import type { PluginSurroundings } from './surroundings.js';

/** What the session knows of itself, and changes as it goes on. */
export interface SessionState {
  readonly id: string;
  readonly clientIp: Ip;
  readonly clientName: Promise<ClientName>;
  knownClientName: ClientName | undefined;
  helo: string;
  tls: TlsSeen | undefined;
  readonly localAddress: () => LocalAddress | undefined;
  unknownCommands: number;
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
  readonly authenticated: Readonly<Record<string, string>>;
  addField(name: string, value: string): void;
  addArchivedField(name: string, value: () => string): void;
  recordAuthentication(result: AuthenticationResult): void;
  recordGreylisting(result: GreylistResult): void;
}

/** One recipient while it is being judged. */
export interface SeenRecipient {
  readonly recipient: Recipient;
  readonly rejection: Rejection | undefined;
  readonly pardoned: string | undefined;
  askAhead(): ReturnType<RcptContext['askAhead']>;
}

/** A mail that has been read to its end. */
export interface SeenMail {
  readonly header: Header;
  readonly message: MessageSource;
  isHosted(domain: string): boolean;
  /** Asked once. */
  content(): Promise<Content>;
  editHeader(edit: HeaderEdit): string | undefined;
  relayed(): RelayedMail;
}

export const sessionFacts = (state: SessionState): SessionFacts => Object.freeze(new SessionView(state));

export const sessionContext = (around: PluginSurroundings, session: SessionFacts): SessionContext =>
  Object.freeze(new SessionContextView(around, session));

export const unknownCommandContext = (
  around: PluginSurroundings,
  session: SessionFacts,
  command: string,
): UnknownCommandContext => Object.freeze(new UnknownCommandView(around, session, command));

export const mailContext = (
  around: PluginSurroundings,
  session: SessionFacts,
  transaction: SeenTransaction,
): MailContext => Object.freeze(new MailContextView(around, session, transaction));

export const rcptContext = (
  around: PluginSurroundings,
  session: SessionFacts,
  transaction: SeenTransaction,
  seen: SeenRecipient,
): RcptContext => Object.freeze(new RcptContextView(around, session, transaction, seen));

export const dataContext = (
  around: PluginSurroundings,
  session: SessionFacts,
  transaction: SeenTransaction,
  seen: SeenMail,
): DataContext => Object.freeze(new DataContextView(around, session, transaction, seen));

class SessionView implements SessionFacts {
  readonly #state: SessionState;

  constructor(state: SessionState) {
    this.#state = state;
  }

  get id(): string {
    return this.#state.id;
  }
  get clientIp(): Ip {
    return this.#state.clientIp;
  }
  get clientName(): () => Promise<ClientName> {
    return () => this.#state.clientName;
  }
  get knownClientName(): ClientName | undefined {
    return this.#state.knownClientName;
  }
  get helo(): string {
    return this.#state.helo;
  }
  get secure(): boolean {
    return this.#state.tls !== undefined;
  }
  get tls(): TlsSeen | undefined {
    return this.#state.tls;
  }
  get localAddress(): LocalAddress | undefined {
    return this.#state.localAddress();
  }
  get unknownCommands(): number {
    return this.#state.unknownCommands;
  }
}

class SessionContextView implements SessionContext {
  readonly #around: PluginSurroundings;
  readonly #session: SessionFacts;

  constructor(around: PluginSurroundings, session: SessionFacts) {
    this.#around = around;
    this.#session = session;
  }

  get session(): SessionFacts {
    return this.#session;
  }
  get markers(): Markers {
    return this.#around.markers;
  }
  get dns(): Resolver {
    return this.#around.dns;
  }
  get store(): PluginStore {
    return this.#around.store;
  }
  get host(): Host {
    return this.#around.host;
  }
}

class UnknownCommandView extends SessionContextView implements UnknownCommandContext {
  readonly #command: string;

  constructor(around: PluginSurroundings, session: SessionFacts, command: string) {
    super(around, session);
    this.#command = command;
  }

  get command(): string {
    return this.#command;
  }
}

class MailContextView extends SessionContextView implements MailContext {
  readonly #transaction: SeenTransaction;

  constructor(around: PluginSurroundings, session: SessionFacts, transaction: SeenTransaction) {
    super(around, session);
    this.#transaction = transaction;
  }

  get id(): string {
    return this.#transaction.id;
  }
  get reversePath(): string {
    return this.#transaction.sender.reversePath;
  }
  get senderDomain(): string {
    return this.#transaction.sender.domain;
  }
  get parameters(): readonly string[] {
    return this.#transaction.sender.parameters ?? noParameters;
  }
}

const noParameters: readonly string[] = Object.freeze([]);

class RcptContextView extends MailContextView implements RcptContext {
  readonly #seen: SeenRecipient;
  readonly #recipient: Recipient;

  constructor(around: PluginSurroundings, session: SessionFacts, transaction: SeenTransaction, seen: SeenRecipient) {
    super(around, session, transaction);
    this.#seen = seen;
    this.#recipient = copyOf(seen.recipient);
  }

  get domain(): string {
    return this.#recipient.domain;
  }
  get recipient(): Recipient {
    return this.#recipient;
  }
  get rejection(): Rejection | undefined {
    return this.#seen.rejection;
  }
  get pardoned(): string | undefined {
    return this.#seen.pardoned;
  }
  get askAhead(): RcptContext['askAhead'] {
    return async () => deepFreeze(await this.#seen.askAhead());
  }
}

class DataContextView extends MailContextView implements DataContext {
  readonly #transaction: SeenTransaction;
  readonly #seen: SeenMail;
  readonly #recipients: readonly Recipient[];
  readonly #header: Header;
  readonly #message: MessageSource;
  #content: Promise<Content> | undefined;

  constructor(around: PluginSurroundings, session: SessionFacts, transaction: SeenTransaction, seen: SeenMail) {
    super(around, session, transaction);
    this.#transaction = transaction;
    this.#seen = seen;
    this.#recipients = Object.freeze(transaction.recipients.map(copyOf));
    this.#header = Object.freeze(new HeaderView(seen.header));
    this.#message = Object.freeze(new MessageView(seen.message));
  }

  get domain(): string {
    return this.#transaction.domain;
  }
  get recipients(): readonly Recipient[] {
    return this.#recipients;
  }
  get header(): Header {
    return this.#header;
  }
  get message(): MessageSource {
    return this.#message;
  }
  get rejection(): Rejection | undefined {
    return this.#transaction.objection?.rejection;
  }
  get pardoned(): string | undefined {
    return this.#transaction.pardoned;
  }
  get addField(): DataContext['addField'] {
    return (name, value) => this.#transaction.addField(fieldName(name), textOf(value, `the field ${name}`));
  }
  get addArchivedField(): DataContext['addArchivedField'] {
    return (name, value) =>
      this.#transaction.addArchivedField(fieldName(name), () => textOf(value(), `the field ${name}`));
  }
  get editHeader(): DataContext['editHeader'] {
    return (edit) => this.#seen.editHeader(editOf(edit));
  }
  get relayed(): DataContext['relayed'] {
    return () => {
      const mail = this.#seen.relayed();
      return deepFreeze({ ...mail, body: new MessageView(mail.body) });
    };
  }
  get isHosted(): DataContext['isHosted'] {
    return (domain) => this.#seen.isHosted(domain);
  }
  get content(): DataContext['content'] {
    return () => (this.#content ??= Object.freeze(this.#seen.content().then(deepFreeze)));
  }
  get authenticated(): DataContext['authenticated'] {
    return () => this.#transaction.authenticated;
  }
  get recordGreylisting(): DataContext['recordGreylisting'] {
    return (result) => this.#transaction.recordGreylisting(result);
  }
  get recordAuthentication(): DataContext['recordAuthentication'] {
    return ({ method, result, details }) =>
      this.#transaction.recordAuthentication({
        method: textOf(method, 'the method'),
        result: textOf(result, 'the result'),
        details: textsOf(details),
      });
  }
}

const copyOf = ({ text, localPart, domain }: Recipient): Recipient => Object.freeze({ text, localPart, domain });

function editOf(edit: HeaderEdit): HeaderEdit {
  const name = textOf(edit.name, 'the name of a field');
  const text = textOf(edit.text, `the field ${name}`);
  switch (edit.kind) {
    case 'add':
      return { kind: 'add', name, text };
    case 'insert':
    case 'change':
      return { kind: edit.kind, index: indexOf(edit), name, text };
    default:
      throw new TypeError('no change of a header section');
  }
}

function indexOf({ kind, index }: HeaderEdit & { readonly index: number }): number {
  if (Number.isSafeInteger(index) && index >= (kind === 'change' ? 1 : 0)) return index;
  throw new TypeError(`${String(index)} is no place of a field`);
}

/** RFC 5322 §2.2. */
function fieldName(name: unknown): string {
  if (typeof name === 'string' && /^[!-9;-~]{1,76}$/.test(name)) return name;
  throw new TypeError(`${JSON.stringify(name)} is no name of a header field`);
}

function textOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`${what} is ${typeof value}, not a text`);
}

/** The loop goes over whatever a plugin gives; Array.from() takes ten times as long for an array. */
function textsOf(details: Iterable<unknown>): readonly string[] {
  const texts: string[] = [];
  for (const detail of details) texts.push(textOf(detail, 'a detail'));
  return texts;
}

class HeaderView implements Header {
  readonly #header: Header;
  #fields: readonly Field[] | undefined;

  constructor(header: Header) {
    this.#header = header;
  }

  get fields(): readonly Field[] {
    this.#fields ??= Object.freeze(
      this.#header.fields.map(({ name, value, raw }) => Object.freeze({ name, value, raw: Buffer.from(raw) })),
    );
    return this.#fields;
  }

  get(name: string): string | undefined {
    return this.#header.get(name);
  }

  all(name: string): readonly string[] {
    return Object.freeze(this.#header.all(name));
  }
}

class MessageView implements MessageSource {
  readonly #message: MessageSource;

  constructor(message: MessageSource) {
    this.#message = message;
  }

  get size(): number {
    return this.#message.size;
  }

  parts(): readonly Buffer[] | AsyncIterable<Buffer> {
    const parts = this.#message.parts();
    return Array.isArray(parts)
      ? parts.map((part: Buffer) => Buffer.from(part))
      : copies(parts as AsyncIterable<Buffer>);
  }
}

async function* copies(parts: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  for await (const part of parts) yield Buffer.from(part);
}

for (const view of [
  SessionView,
  SessionContextView,
  UnknownCommandView,
  MailContextView,
  RcptContextView,
  DataContextView,
  HeaderView,
  MessageView,
]) {
  Object.freeze(view);
  Object.freeze(view.prototype);
}
