/**
 * One transaction, MAIL to the end of DATA: what has been said and decided, and which changes are legal. No IO.
 *
 * SMTP gives one reply behind DATA, so all recipients share one disposition: the first one fixes the policy domain and
 * the kind, and whoever differs is told to come again in a transaction of its own (RFC 5321 §4.5.3.1.10).
 */
import type { AuthenticationResult, GivenPoints, GreylistResult, PluginSaying, Recipient } from '../hooks/plugin.js';
import type { NotedVerdict } from '../hooks/run.js';
import type { PluginWord } from '../journal/line.js';
import type { RequestedDsn } from '../relay/envelope.js';
import { type Pardon, type Points, type Rejection, type Rewrite, rounded, type Verdict } from '../mail/verdict.js';
import { addWord, sayingsOf, wordOf } from './plugin-words.js';

/**
 * deliverable and refused: of a hosted domain. postmaster: the domainless one. relay: whatever a client in
 * `relay_networks` names.
 */
export type RecipientKind = 'deliverable' | 'refused' | 'postmaster' | 'relay';

export interface Objection {
  readonly plugin: string;
  readonly rejection: Rejection;
}

export interface Sender {
  /** In wire form; '' is the null reverse-path. */
  readonly reversePath: string;
  readonly domain: string;
  readonly smtpUtf8: boolean;
  readonly eightBit: boolean;
  /** What it asks of delivery status notifications, for the MTA behind; '' for nothing. */
  readonly dsn?: string;
  /** The ESMTP words of MAIL, as given. */
  readonly parameters?: readonly string[] | undefined;
}

export interface TransactionRecipient extends Recipient {
  /** Why it is refused; undefined where it is not. */
  readonly objection: Objection | undefined;
}

const none: readonly never[] = Object.freeze([]);

/** The list with one more; most have one only, for which `push` would make room for 17. */
function longer<T>(list: readonly T[], one: T): readonly T[] {
  if (list.length === 0) return [one];
  (list as T[]).push(one);
  return list;
}

export class SmtpTransaction {
  readonly id: string;
  readonly sender: Sender;
  /** It is a time of the monotonic clock, in milliseconds. */
  readonly startedAt: number;
  /** By recipients. */
  #dsn: Map<string, string> | undefined;
  #fields: readonly (readonly [name: string, value: string])[] = none;
  #archivedFields: readonly (readonly [name: string, value: () => string])[] = none;
  #authentication: readonly AuthenticationResult[] = none;
  #authenticated: Readonly<Record<string, string>> | undefined;
  #greylisted: GreylistResult | undefined;
  #isJudged = false;
  #recipients: readonly TransactionRecipient[] = none;
  /** The recipients whose RCPT was answered 250, as text, which nothing can change. */
  readonly #taken = new Set<string>();
  #kind: RecipientKind | undefined;
  #domain = '';
  #objection: Objection | undefined;
  readonly #said: PluginWord[] = [];
  #rewritten: Rewritten = {};
  #routeOfRecipients: string | undefined;
  #notes: Map<string, unknown> | undefined;
  #points: readonly GivenPoints[] = none;
  /** What plugins have given at RCPT. */
  #recipientPoints: Map<string, GivenPoints> | undefined;
  #pardon: { readonly plugin: string; readonly pardon: Pardon } | undefined;

  constructor(id: string, sender: Sender, startedAt: number) {
    this.id = id;
    this.sender = sender;
    this.startedAt = startedAt;
  }

  get fields(): readonly (readonly [name: string, value: string])[] {
    return this.#fields;
  }

  /** The fields of the archived mail alone. */
  get archivedFields(): readonly (readonly [name: string, value: () => string])[] {
    return this.#archivedFields;
  }

  /** What plugins said of the mail, in order, for the journal. */
  get said(): readonly PluginWord[] {
    return this.#said;
  }

  /** The same for plugins. */
  get found(): readonly PluginSaying[] {
    return sayingsOf(this.#said);
  }

  /** What plugins keep for each other; made when the first one asks for it. */
  get notes(): Map<string, unknown> {
    return (this.#notes ??= new Map());
  }

  get authentication(): readonly AuthenticationResult[] {
    return this.#authentication;
  }

  get recipients(): readonly TransactionRecipient[] {
    return this.#recipients;
  }

  /** What plugins have changed of that which is relayed. */
  get rewritten(): Rewritten {
    return this.#rewritten;
  }

  /** Where plugins have sent the recipients that were taken, each for itself; they have it in common. */
  get routeOfRecipients(): string | undefined {
    return this.#routeOfRecipients;
  }

  /** Nothing that a plugin adds or changes counts any more. */
  get isJudged(): boolean {
    return this.#isJudged;
  }

  /** Was that recipient, in wire form, answered 250? */
  hasTaken(recipient: string): boolean {
    return this.#taken.has(recipient);
  }

  /**
   * Whom to name to the local MTA where no plugin has changed it: those that were taken at RCPT. undefined: they are
   * not the same any more.
   */
  get envelope(): readonly string[] | undefined {
    const texts = this.#recipients.map(({ text }) => text);
    return texts.length === this.#taken.size && texts.every((text) => this.#taken.has(text)) ? texts : undefined;
  }

  /** Fixed by the first recipient; undefined before it. */
  get kind(): RecipientKind | undefined {
    return this.#kind;
  }

  /** The hosted domain whose policy holds; '' for postmaster and relay. */
  get domain(): string {
    return this.#domain;
  }

  /** Why the mail is refused: for what it is, or for its recipients. A pardon lifts the former, one of `all` both. */
  get objection(): Objection | undefined {
    if (this.#pardon?.pardon.lifts !== 'all' && this.#kind === 'refused') return this.#recipients[0]?.objection;
    return this.#pardon === undefined ? this.#objection : undefined;
  }

  /** Why nothing that is found will refuse the mail. */
  get pardoned(): string | undefined {
    return this.#pardon?.pardon.log;
  }

  /** Weak signs that were found, in order. */
  get points(): readonly GivenPoints[] {
    return this.#recipientPoints === undefined ? this.#points : [...this.#recipientPoints.values(), ...this.#points];
  }

  /** The sum of the points; undefined where nobody gave any. */
  get score(): number | undefined {
    const { points } = this;
    return points.length === 0 ? undefined : rounded(points.reduce((sum, given) => sum + given.points, 0));
  }

  /** The results by method, for the log; where there are several, as of signatures, one that passed counts. */
  get authenticated(): Readonly<Record<string, string>> {
    return (this.#authenticated ??= this.#byMethod());
  }

  /** What greylisting says of the mail, where it was asked. */
  get greylisted(): GreylistResult | undefined {
    return this.#greylisted;
  }

  #byMethod(): Readonly<Record<string, string>> {
    const [only] = this.#authentication;
    if (only === undefined) return noResults;
    if (this.#authentication.length === 1) return { [only.method]: only.result };
    const passedLast = this.#authentication.toSorted(
      (a, b) => Number(a.result === 'pass') - Number(b.result === 'pass'),
    );
    return Object.fromEntries(passedLast.map(({ method, result }) => [method, result]));
  }

  /** Takes a recipient, or says false where it differs from the first; the same one twice counts once. */
  add(recipient: TransactionRecipient, kind: RecipientKind, domain: string): boolean {
    if (this.#kind !== undefined && (this.#kind !== kind || this.#domain !== domain)) return false;
    this.#kind = kind;
    this.#domain = domain;
    if (!this.#taken.has(recipient.text)) this.#recipients = longer(this.#recipients, recipient);
    this.#taken.add(recipient.text);
    return true;
  }

  /** What is asked of delivery status notifications for a recipient that was taken, in wire form. */
  askDsn(recipient: string, words: string): void {
    this.#dsn ??= new Map();
    if (!this.#dsn.has(recipient)) this.#dsn.set(recipient, words);
  }

  /** What the MTA behind shall be told of it; undefined where nothing was asked. */
  get dsn(): RequestedDsn | undefined {
    const { dsn = '' } = this.sender;
    return dsn === '' && this.#dsn === undefined ? undefined : { mail: dsn, recipients: this.#dsn ?? new Map() };
  }

  addField(name: string, value: string): void {
    if (!this.#isJudged) this.#fields = longer(this.#fields, [name, value]);
  }

  addArchivedField(name: string, value: () => string): void {
    if (!this.#isJudged) this.#archivedFields = longer(this.#archivedFields, [name, value]);
  }

  recordAuthentication(result: AuthenticationResult): void {
    if (this.#isJudged) return;
    this.#authentication = longer(this.#authentication, result);
    this.#authenticated = undefined;
  }

  recordGreylisting(result: GreylistResult): void {
    if (!this.#isJudged) this.#greylisted = result;
  }

  /** What a plugin adds from now on comes too late, as where it was waited for in vain, and is dropped. */
  close(): void {
    this.#isJudged = true;
  }

  /** A plugin that was asked has answered; `ms` where it was waited for. */
  hear(plugin: string, verdict: Verdict, ms?: number): void {
    addWord(this.#said, wordOf(plugin, verdict, ms));
  }

  #rewrite(plugin: string, { recipients, reversePath, body }: Rewrite): void {
    if (this.#isJudged) return;
    this.#rewritten = {
      ...this.#rewritten,
      ...(recipients !== undefined && { recipients, plugin }),
      ...(reversePath !== undefined && { reversePath }),
      ...(body !== undefined && { body: Buffer.from(body) }),
    };
  }

  /** What was said of a recipient that is taken. A plugin that gives points to several has given the most of them. */
  noteOfRecipient(said: NotedVerdict): void {
    const { plugin, verdict } = said;
    if (verdict.kind === 'route') this.#routeOfRecipients = verdict.to;
    if (verdict.kind !== 'score') return this.note(said);
    const { points, log } = verdict;
    this.#recipientPoints ??= new Map();
    if (points > (this.#recipientPoints.get(plugin)?.points ?? -Infinity))
      this.#recipientPoints.set(plugin, { plugin, points, log });
  }

  #route(to: string): void {
    if (!this.#isJudged) this.#rewritten = { ...this.#rewritten, route: to };
  }

  #addPoints(plugin: string, { points, log }: Points): void {
    if (!this.#isJudged) this.#points = longer(this.#points, { plugin, points, log });
  }

  /** The first objection stands, later ones are no news; of pardons one that lifts all. */
  note({ plugin, verdict }: NotedVerdict): void {
    if (verdict.kind === 'reject') this.#objection ??= { plugin, rejection: verdict };
    else if (verdict.kind === 'rewrite') this.#rewrite(plugin, verdict);
    else if (verdict.kind === 'route') this.#route(verdict.to);
    else if (verdict.kind === 'score') this.#addPoints(plugin, verdict);
    else if (this.#pardon?.pardon.lifts !== 'all') this.#pardon = { plugin, pardon: verdict };
  }
}

const noResults: Readonly<Record<string, string>> = Object.freeze({});

/** What is not there is as it came. */
export interface Rewritten {
  readonly recipients?: readonly string[];
  readonly reversePath?: string;
  readonly body?: Buffer;
  /** The destinations, as an operator would write them. */
  readonly route?: string;
  /** The one who changed the recipients. */
  readonly plugin?: string;
}
