/**
 * One filter during one SMTP session: what it is told of client, envelope and message, and what it says to that. A
 * connection that the filter has closed meanwhile is opened anew, and all that it had been told is said again. Leaves
 * the message to `content`, and what a verdict does to the mail, and edits, to the plugin.
 *
 * Never says QUIT_NC: libmilter takes it behind a finished message only; elsewhere it may judge the next client by this
 * one.
 */
import type { Ip } from '../../mail/ip.js';
import { type Eventual, after } from '../../mail/eventual.js';
import type { Endpoint } from '../endpoint.js';
import type { Edit } from '../policy.js';
import type { Availability } from './availability.js';
import type { FilterSaid } from './answer.js';
import { type FilterMacros, encodeConnect, encodeHelo, encodePath } from './commands.js';
import { type FilteredMessage, sayContent } from './content.js';
import { FilterConversation, type FilterLimits } from './conversation.js';
import { SocketWire, FilterProblem } from './socket-wire.js';
import { type FilterVerdict, goOn, verdictOf } from './verdict.js';

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
  /** They hold at each stage. */
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
  /** Those of MAIL hold to the end of the mail. */
  readonly macros: FilterMacros;
}

/** How far the filter is with a mail. */
interface FilteredMail {
  readonly path: FilteredPath;
  readonly recipients: FilteredPath[];
  /** The filter has said all that it will: no more is asked. */
  settled: FilterVerdict | undefined;
  /** It has seen enough recipients. */
  skipsRecipients: boolean;
  /** Its message is shown, or was. */
  isShown: boolean;
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

  /** It can be asked about recipients. */
  get isInEnvelope(): boolean {
    return this.#mail?.isShown === false;
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

  /** None of these methods rejects but where the message cannot be read; what is not waited for is there at once. */
  mail(path: FilteredPath, helo: FilteredHelo): Eventual<FilterVerdict> {
    const mail: FilteredMail = { path, recipients: [], settled: undefined, skipsRecipients: false, isShown: false };
    this.#mail = mail;
    if (this.#conversation) this.#conversation.deadline = Infinity; // that of the last mail
    if (!isSame(helo, this.#helo)) this.#ofHelo = undefined;
    const known = this.#ofClient ?? this.#ofHelo;
    if (known) return this.#settle(mail, known);
    const { paused } = this.#filter.availability;
    if (paused !== undefined) return this.#settle(mail, { kind: 'down', problem: paused });
    return this.#attempt(mail, () =>
      after(this.#greet(helo), (greeted) => (greeted ? this.#works(mail, greeted) : this.#sayMail(mail))),
    );
  }

  rcpt(recipient: FilteredPath): Eventual<FilterVerdict> {
    const mail = this.#mail;
    if (!mail) return goOn;
    if (mail.settled) return mail.settled;
    if (mail.skipsRecipients) return goOn;
    return this.#attempt(mail, () =>
      after(this.#current(mail), (conversation) =>
        after(this.#sayRcpt(conversation, mail, recipient), (said) => this.#ofRcpt(mail, recipient, said)),
      ),
    );
  }

  #ofRcpt(mail: FilteredMail, recipient: FilteredPath, said: FilterSaid): FilterVerdict {
    const verdict = this.#verdictOf(said);
    if (said.kind === 'continue' || said.kind === 'skip') mail.recipients.push(recipient);
    // It is the recipient's alone.
    if (said.kind === 'reject' || said.kind === 'tempfail' || said.kind === 'reply') return verdict;
    return this.#settleUnlessGoing(mail, said, verdict);
  }

  /** The whole message, DATA to its end; its verdict has to be there at that moment, by performance.now(). */
  message(message: FilteredMessage, lateAt = Infinity): Eventual<FilterVerdict> {
    const mail = this.#mail;
    if (!mail) return goOn;
    if (mail.settled) return mail.settled;
    mail.isShown = true;
    return this.#attempt(mail, () => this.#sayMessage(mail, message, lateAt));
  }

  /** The mail is over, whatever became of it. */
  abort(): void {
    const [conversation, mail] = [this.#conversation, this.#mail];
    this.#mail = undefined;
    if (!this.#inMail || !conversation?.alive) return;
    this.#inMail = false;
    if (mail?.isShown && !mail.settled) conversation.drop();
    else if (!this.#isEnding) conversation.abort().catch(() => this.#forget());
    else if (!conversation.abortLater()) this.#forget();
  }

  /** The SMTP session is over. */
  quit(): void {
    this.#isOver = true;
    this.#mail = undefined;
    if (this.#conversation?.alive) this.#conversation.quit();
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
  #attempt(mail: FilteredMail, ask: () => Eventual<FilterVerdict>): Eventual<FilterVerdict> {
    this.#isEnding = false;
    const said = ask();
    return said instanceof Promise ? this.#later(mail, said, ask) : said;
  }

  async #later(
    mail: FilteredMail,
    first: Promise<FilterVerdict>,
    ask: () => Eventual<FilterVerdict>,
  ): Promise<FilterVerdict> {
    try {
      return await this.#orAgain(first, ask);
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

  async #orAgain(first: Promise<FilterVerdict>, ask: () => Eventual<FilterVerdict>): Promise<FilterVerdict> {
    try {
      return await first;
    } catch (error) {
      const mayRepeat = error instanceof FilterProblem && error.kind === 'gone' && !this.#isEnding && !this.#isOver;
      if (!mayRepeat) throw error;
      this.#forget();
      return await ask();
    }
  }

  /** A connection on which the client and its HELO are known; what the filter says to these where it objects. */
  #greet(helo: FilteredHelo): Eventual<FilterVerdict | undefined> {
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
    const said = await conversation.ask('connect', () => encodeConnect(host, ip, 0));
    this.#ofClient = this.#sessionVerdict(said);
    return this.#ofClient ?? this.#sayHelo(conversation, helo);
  }

  #sayHelo(conversation: FilterConversation, helo: FilteredHelo): Eventual<FilterVerdict | undefined> {
    this.#helo = helo;
    conversation.tell('helo', this.#client.macros, helo.macros);
    const said = conversation.ask('helo', () => encodeHelo(helo.name));
    return after(said, (answer) => (this.#ofHelo = this.#sessionVerdict(answer)));
  }

  /** An answer before MAIL that holds for each mail of the session; the connection has done its part then. */
  #sessionVerdict(said: FilterSaid): FilterVerdict | undefined {
    // Before a mail there is nothing to throw away.
    if (said.kind === 'continue' || said.kind === 'skip' || said.kind === 'discard') return undefined;
    this.#conversation?.quit();
    this.#forget();
    return this.#verdictOf(said);
  }

  #sayMail(mail: FilteredMail): Eventual<FilterVerdict> {
    const conversation = this.#conversation;
    if (!conversation) return goOn;
    if (this.#inMail) conversation.abortLater();
    this.#inMail = true;
    const { address, parameters, macros } = mail.path;
    conversation.tell('mail', this.#client.macros, macros);
    const said = conversation.ask('mail', () => encodePath('M', address, parameters));
    return after(said, (answer) => this.#settleUnlessGoing(mail, answer, this.#verdictOf(answer)));
  }

  #sayRcpt(conversation: FilterConversation, mail: FilteredMail, recipient: FilteredPath): Eventual<FilterSaid> {
    const { address, parameters, macros } = recipient;
    conversation.tell('rcpt', this.#client.macros, mail.path.macros, macros);
    const said = conversation.ask('rcpt', () => encodePath('R', address, parameters));
    return after(said, (answer) => {
      if (answer.kind === 'skip') mail.skipsRecipients = true;
      return answer;
    });
  }

  /** The connection on which the mail is under way; a new one is told what the old one was. */
  #current(mail: FilteredMail): Eventual<FilterConversation> {
    return this.#conversation?.alive && this.#inMail ? this.#conversation : this.#replayed(mail);
  }

  async #replayed(mail: FilteredMail): Promise<FilterConversation> {
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

  async #sayMessage(mail: FilteredMail, message: FilteredMessage, lateAt: number): Promise<FilterVerdict> {
    const current = this.#current(mail);
    const conversation = current instanceof Promise ? await current : current;
    conversation.deadline = lateAt;
    const macros = [this.#client.macros, mail.path.macros];
    const early = sayContent(conversation, message, macros);
    const against = early instanceof Promise ? await early : early;
    if (against) return this.#works(mail, this.#verdictOf(against));
    conversation.tell('eom', ...macros);
    this.#isEnding = true;
    const { said, edits } = await conversation.end();
    return this.#works(mail, this.#verdictOf(said, edits));
  }

  #verdictOf(said: FilterSaid, edits: readonly Edit[] = []): FilterVerdict {
    return verdictOf(said, edits, this.#filter.name);
  }
}

/** The same name, with or without encryption as before. */
const isSame = (a: FilteredHelo, b: FilteredHelo | undefined): boolean =>
  a.name === b?.name && a.macros['cipher'] === b.macros['cipher'];

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
