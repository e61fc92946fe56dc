/**
 * One filter during one SMTP session: what it is told of client, envelope and message, and what it says to that. A
 * connection that the filter has closed meanwhile is opened anew, and all that it had been told is said again. Leaves
 * what a verdict does to the mail, and edits, to the plugin.
 *
 * Never says QUIT_NC: libmilter takes it behind a finished message only; elsewhere it may judge the next client by this
 * one.
 */
import type { Ip } from '../../mail/ip.js';
import { type Reply, reply } from '../../mail/reply.js';
import type { MessageSource } from '../../mail/message.js';
import type { Endpoint } from '../endpoint.js';
import type { Edit, HeaderField } from '../policy.js';
import type { Availability } from './availability.js';
import type { FilterReply, FilterSaid } from './answer.js';
import {
  type FilterMacros,
  commands,
  encodeChunk,
  encodeConnect,
  encodeHeader,
  encodeHelo,
  encodePath,
  maxChunk,
} from './commands.js';
import { FilterConversation, type FilterLimits } from './conversation.js';
import { SocketWire, FilterProblem } from './socket-wire.js';

/** One filter, for all sessions of a process. */
export interface Filter {
  /** As the operator calls it. */
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly limits: FilterLimits;
  readonly availability: Availability;
  /** Told when it fails, and when it works again (`undefined`): once each. */
  readonly changed: (problem: string | undefined) => void;
}

export interface FilteredClient {
  /** Confirmed; else the address in brackets. */
  readonly host: string;
  readonly ip: Ip;
  readonly macros: FilterMacros;
}

/** What HELO said, and the macros that belong to it, those of TLS. */
export interface FilteredHelo {
  readonly name: string;
  readonly macros: FilterMacros;
}

export interface FilteredPath {
  /** Without brackets; '' is the null reverse-path. */
  readonly address: string;
  /** ESMTP words: `SIZE=1000`. */
  readonly parameters: readonly string[];
  readonly macros: FilterMacros;
}

/** Fields and body as they are when the filter sees them. */
export interface FilteredMessage {
  /** In order; the value is all that stands behind the colon, its lines end in LF, octets as latin1. */
  readonly fields: readonly HeaderField[];
  readonly body: MessageSource;
  readonly macros: FilterMacros;
}

export type FilterVerdict =
  /** `edits` are the filter's own, in order; none before the end of the message. */
  | { readonly kind: 'go on'; readonly edits: readonly Edit[] }
  /** `text` has a line each. */
  | {
      readonly kind: 'reject';
      readonly enhanced: string;
      readonly text: readonly string[];
      readonly edits: readonly Edit[];
    }
  /** The reply is a 4xx; it closes the connection where the filter wants that. */
  | { readonly kind: 'defer'; readonly reply: Reply }
  | { readonly kind: 'discard'; readonly edits: readonly Edit[] }
  /** It cannot be asked, or makes no sense. */
  | { readonly kind: 'down'; readonly problem: string };

const goOn: FilterVerdict = { kind: 'go on', edits: [] };

/** How far the filter is with a mail. */
interface FilteredMail {
  readonly path: FilteredPath;
  readonly recipients: FilteredPath[];
  /** The filter has said all that it will: no more is asked. */
  settled: FilterVerdict | undefined;
  /** It has seen enough recipients. */
  skipsRecipients: boolean;
}

export class FilterSession {
  readonly #filter: Filter;
  readonly #client: FilteredClient;
  #conversation: FilterConversation | undefined;
  /** The name that the filter was told. */
  #helo: FilteredHelo | undefined;
  /** What it said of the client, or of HELO, holds for each mail. */
  #ofClient: FilterVerdict | undefined;
  #ofHelo: FilterVerdict | undefined;
  #mail: FilteredMail | undefined;
  /** MAIL has been said on this connection, and ABORT has not. */
  #inMail = false;
  /** The SMTP session is over. */
  #isOver = false;
  /** The end of the message has been said: what happens to the connection now, it is not said again. */
  #isEnding = false;

  constructor(filter: Filter, client: FilteredClient) {
    this.#filter = filter;
    this.#client = client;
  }

  /** What it has said of the mail as a whole; undefined while it wants to see more. */
  get settled(): FilterVerdict | undefined {
    return this.#mail?.settled;
  }

  get isInMail(): boolean {
    return this.#mail !== undefined;
  }

  /** It wants to see recipients that are refused as well. */
  get wantsRefusedRecipients(): boolean {
    return this.#conversation?.wantsRefusedRecipients ?? false;
  }

  /** It was told of recipients, and has nothing against some of them. */
  get hasRecipients(): boolean {
    return (this.#mail?.recipients.length ?? 0) > 0;
  }

  /** None of these methods rejects but where the message cannot be read. */
  async mail(path: FilteredPath, helo: FilteredHelo): Promise<FilterVerdict> {
    const { availability } = this.#filter;
    const mail: FilteredMail = { path, recipients: [], settled: undefined, skipsRecipients: false };
    this.#mail = mail;
    if (!isSame(helo, this.#helo)) this.#ofHelo = undefined;
    const known = this.#ofClient ?? this.#ofHelo;
    if (known) return this.#settle(mail, known);
    const { paused } = availability;
    if (paused !== undefined) return this.#settle(mail, { kind: 'down', problem: paused });
    return this.#attempt(mail, async () => {
      const greeted = await this.#greet(helo);
      return greeted ? this.#works(mail, greeted) : this.#sayMail(mail);
    });
  }

  async rcpt(recipient: FilteredPath): Promise<FilterVerdict> {
    const mail = this.#mail;
    if (!mail) return goOn;
    if (mail.settled) return mail.settled;
    if (mail.skipsRecipients) return goOn;
    return this.#attempt(mail, async () => {
      const said = await this.#sayRcpt(await this.#current(mail), mail, recipient);
      const verdict = this.#verdictOf(said);
      if (said.kind === 'continue' || said.kind === 'skip') mail.recipients.push(recipient);
      // It is the recipient's alone.
      if (said.kind === 'reject' || said.kind === 'tempfail' || said.kind === 'reply') return verdict;
      return this.#settleUnlessGoing(mail, said, verdict);
    });
  }

  /** The whole message, DATA to its end. */
  async message(message: FilteredMessage): Promise<FilterVerdict> {
    const mail = this.#mail;
    if (!mail) return goOn;
    if (mail.settled) return mail.settled;
    return this.#attempt(mail, async () => this.#works(mail, await this.#sayMessage(mail, message)));
  }

  /** The mail is over, whatever became of it. */
  abort(): void {
    this.#mail = undefined;
    const conversation = this.#conversation;
    if (!this.#inMail || !conversation?.alive) return;
    this.#inMail = false;
    conversation.abort().catch(() => this.#forget());
  }

  /** The SMTP session is over. */
  quit(): void {
    this.#isOver = true;
    this.#mail = undefined;
    if (this.#conversation?.alive) this.#conversation.quit();
    this.#forget();
  }

  /** The filter has had its time with this mail. */
  giveUp(): void {
    this.#conversation?.drop();
    this.#forget();
  }

  #forget(): void {
    this.#conversation = undefined;
    this.#inMail = false;
  }

  #settle(mail: FilteredMail, verdict: FilterVerdict): FilterVerdict {
    mail.settled = verdict.kind === 'go on' ? goOn : verdict;
    return verdict;
  }

  /** It has said all that it will of the mail. */
  #works(mail: FilteredMail, verdict: FilterVerdict): FilterVerdict {
    if (this.#filter.availability.worked()) this.#filter.changed(undefined);
    return this.#settle(mail, verdict);
  }

  #settleUnlessGoing(mail: FilteredMail, said: FilterSaid, verdict: FilterVerdict): FilterVerdict {
    return said.kind === 'continue' || said.kind === 'skip' ? verdict : this.#works(mail, verdict);
  }

  /** Asks; once more where the connection turns out to be gone before the end of the message was said. */
  async #attempt(mail: FilteredMail, ask: () => Promise<FilterVerdict>): Promise<FilterVerdict> {
    this.#isEnding = false;
    try {
      return await this.#asked(ask);
    } catch (error) {
      this.#conversation?.drop();
      this.#forget();
      if (!(error instanceof FilterProblem)) throw error;
      if (this.#isOver) return goOn;
      if (this.#filter.availability.failed(error)) this.#filter.changed(error.message);
      return this.#settle(mail, { kind: 'down', problem: error.message });
    } finally {
      if (this.#isOver) this.quit();
    }
  }

  async #asked(ask: () => Promise<FilterVerdict>): Promise<FilterVerdict> {
    try {
      return await ask();
    } catch (error) {
      const mayRepeat = error instanceof FilterProblem && error.kind === 'gone' && !this.#isEnding && !this.#isOver;
      if (!mayRepeat) throw error;
      this.#forget();
      return await ask();
    }
  }

  /** A connection on which the client and its HELO are known; what the filter says to these where it objects. */
  async #greet(helo: FilteredHelo): Promise<FilterVerdict | undefined> {
    if (!this.#conversation?.alive) return this.#connect(helo);
    if (isSame(helo, this.#helo)) return undefined;
    return this.#sayHelo(this.#conversation, helo);
  }

  async #connect(helo: FilteredHelo): Promise<FilterVerdict | undefined> {
    this.#forget();
    const { endpoint, limits } = this.#filter;
    const conversation = await converse(await SocketWire.open(endpoint, limits.timeoutMs), limits);
    this.#conversation = conversation;
    const { host, ip, macros } = this.#client;
    conversation.tell('connect', macros);
    const said = await conversation.ask('connect', encodeConnect(host, ip, 0));
    this.#ofClient = this.#sessionVerdict(said);
    return this.#ofClient ?? this.#sayHelo(conversation, helo);
  }

  async #sayHelo(conversation: FilterConversation, helo: FilteredHelo): Promise<FilterVerdict | undefined> {
    this.#helo = helo;
    conversation.tell('helo', helo.macros);
    const said = await conversation.ask('helo', encodeHelo(helo.name));
    this.#ofHelo = this.#sessionVerdict(said);
    return this.#ofHelo;
  }

  /** An answer before MAIL that holds for each mail of the session; the connection has done its part then. */
  #sessionVerdict(said: FilterSaid): FilterVerdict | undefined {
    // Before a mail there is nothing to throw away.
    if (said.kind === 'continue' || said.kind === 'skip' || said.kind === 'discard') return undefined;
    this.#conversation?.quit();
    this.#forget();
    return this.#verdictOf(said);
  }

  async #sayMail(mail: FilteredMail): Promise<FilterVerdict> {
    const conversation = this.#conversation;
    if (!conversation) return goOn;
    if (this.#inMail) await conversation.abort();
    this.#inMail = true;
    conversation.tell('mail', mail.path.macros);
    const said = await conversation.ask('mail', encodePath('M', mail.path.address, mail.path.parameters));
    return this.#settleUnlessGoing(mail, said, this.#verdictOf(said));
  }

  async #sayRcpt(conversation: FilterConversation, mail: FilteredMail, recipient: FilteredPath): Promise<FilterSaid> {
    conversation.tell('rcpt', recipient.macros);
    const said = await conversation.ask('rcpt', encodePath('R', recipient.address, recipient.parameters));
    if (said.kind === 'skip') mail.skipsRecipients = true;
    return said;
  }

  /** The connection on which the mail is under way; a new one is told what the old one was. */
  async #current(mail: FilteredMail): Promise<FilterConversation> {
    if (this.#conversation?.alive && this.#inMail) return this.#conversation;
    const greeted = this.#helo && (await this.#connect(this.#helo));
    const conversation = this.#conversation;
    if (greeted || !conversation) throw new FilterProblem('wrong', 'asked again, it answers otherwise');
    if ((await this.#sayMail(mail)).kind !== 'go on' || mail.settled)
      throw new FilterProblem('wrong', 'asked again, it answers otherwise');
    for (const recipient of mail.recipients) {
      const { kind } = await this.#sayRcpt(conversation, mail, recipient);
      if (kind !== 'continue' && kind !== 'skip') throw new FilterProblem('wrong', 'asked again, it answers otherwise');
    }
    return conversation;
  }

  async #sayMessage(mail: FilteredMail, { fields, body, macros }: FilteredMessage): Promise<FilterVerdict> {
    const conversation = await this.#current(mail);
    conversation.tell('data', macros);
    const early =
      earlyAnswer(await conversation.ask('data', commands.data)) ??
      (await this.#sayHeader(conversation, fields)) ??
      (conversation.tell('eoh', macros), earlyAnswer(await conversation.ask('eoh', commands.eoh))) ??
      (await this.#sayBody(conversation, body));
    if (early) return this.#verdictOf(early);
    conversation.tell('eom', macros);
    this.#isEnding = true;
    const { said, edits } = await conversation.end();
    return this.#verdictOf(said, edits);
  }

  async #sayHeader(conversation: FilterConversation, fields: readonly HeaderField[]): Promise<FilterSaid | undefined> {
    if (!conversation.wants('header')) return undefined;
    for (const { name, value } of fields) {
      const shown = conversation.leadingSpace ? value : value.replace(/^ /, '');
      const said = await conversation.ask('header', encodeHeader(name, shown));
      if (said.kind === 'skip') return undefined;
      if (said.kind !== 'continue') return said;
    }
    return undefined;
  }

  async #sayBody(conversation: FilterConversation, body: MessageSource): Promise<FilterSaid | undefined> {
    if (!conversation.wants('body')) return undefined;
    for await (const chunk of chunks(body)) {
      const said = await conversation.ask('body', encodeChunk(chunk));
      if (said.kind === 'skip') return undefined;
      if (said.kind !== 'continue') return said;
    }
    return undefined;
  }

  #verdictOf(said: FilterSaid, edits: readonly Edit[] = []): FilterVerdict {
    switch (said.kind) {
      case 'continue':
      case 'skip':
      case 'accept':
        return edits.length === 0 ? goOn : { kind: 'go on', edits: this.#whole(edits) };
      case 'discard':
        return { kind: 'discard', edits: this.#whole(edits) };
      case 'reject':
        return { kind: 'reject', enhanced: '5.7.1', text: [this.#refusal], edits: this.#whole(edits) };
      case 'tempfail':
        return { kind: 'defer', reply: reply(451, '4.7.1', 'Try again later') };
      case 'shutdown':
        return { kind: 'defer', reply: reply(421, '4.7.0', 'Try again later, closing connection') };
      case 'reply':
        return this.#inItsWords(said, edits);
    }
  }

  get #refusal(): string {
    return `Refused by ${this.#filter.name}`;
  }

  #inItsWords({ code, enhanced, lines }: FilterReply, edits: readonly Edit[]): FilterVerdict {
    const [first = code < 500 ? 'Try again later' : this.#refusal, ...further] = lines;
    if (code >= 500)
      return { kind: 'reject', enhanced: enhanced || '5.7.1', text: [first, ...further], edits: this.#whole(edits) };
    const said = reply(code, enhanced || '4.7.1', first);
    return { kind: 'defer', reply: further.length === 0 ? said : { ...said, further } };
  }

  /** Header values with the blank behind the colon, which a filter leaves out where it has not asked for it. */
  #whole(edits: readonly Edit[]): readonly Edit[] {
    if (this.#conversation?.leadingSpace) return edits;
    return edits.map((edit) => ('value' in edit && edit.value !== '' ? { ...edit, value: ` ${edit.value}` } : edit));
  }
}

/** The same name, with or without encryption as before. */
const isSame = (a: FilteredHelo, b: FilteredHelo | undefined): boolean =>
  a.name === b?.name && a.macros['cipher'] === b.macros['cipher'];

/** undefined: the filter wants to see more. */
const earlyAnswer = (said: FilterSaid): FilterSaid | undefined =>
  said.kind === 'continue' || said.kind === 'skip' ? undefined : said;

async function converse(wire: SocketWire, limits: FilterLimits): Promise<FilterConversation> {
  try {
    return await FilterConversation.open(wire, limits);
  } catch (error) {
    wire.drop();
    // Whoever hangs up on the first word is no filter, or one that does not work.
    if (error instanceof FilterProblem && error.kind === 'gone') throw new FilterProblem('wrong', error.message);
    throw error;
  }
}

/** Pieces as large as a filter takes them. */
async function* chunks(body: MessageSource): AsyncIterable<Buffer> {
  let held: Buffer[] = [];
  let octets = 0;
  for await (const part of body.parts()) {
    for (let at = 0; at < part.length;) {
      const piece = part.subarray(at, at + maxChunk - octets);
      at += piece.length;
      octets += piece.length;
      held.push(piece);
      if (octets < maxChunk) continue;
      yield held.length === 1 ? piece : Buffer.concat(held);
      held = [];
      octets = 0;
    }
  }
  if (octets > 0) yield Buffer.concat(held);
}
