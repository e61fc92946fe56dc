/**
 * milter — asks a filter that speaks the milter protocol: OpenDKIM, OpenDMARC, rspamd's proxy, clamav-milter, and any
 * other that Postfix or Sendmail could ask. One line a filter, in the order in which they are asked; each sees the mail
 * as the one before has left it. It belongs behind valid_users, and behind the checks whose fields the filter reads.
 *
 *     milter unix:/run/opendkim/opendkim.sock name=opendkim
 *     milter inet:127.0.0.1:11332 name=rspamd down=pass
 *
 *     name        what log, journal and replies call it: milter-NAME
 *     down        the filter cannot be asked, is late, or makes no sense: the mail is deferred (defer, the default), or
 *                 goes on without it (pass)
 *     timeout     for an answer to connection, HELO, MAIL, RCPT and DATA (30s)
 *     content     for an answer to header, body and end of the mail (5m)
 *     quarantine  what the filter wants held back is relayed with X-Quarantine: (mark, the default), or rejected and so
 *                 archived (archive)
 *     discard     what the filter wants to vanish is archived, and its sender told 250 (archive, the default), or it is
 *                 relayed with X-Quarantine: (relay)
 *
 * What the filter rejects is read to its end, archived as it came, with the fields that the filter adds, and answered
 * 550 in the filter's words. In a mail that goes on it may change fields, body, sender and recipients (new ones must be
 * deliverable, and of the same domain). A whitelisted mail is not shown to it.
 *
 * The list switches it on, for all domains. Where /srv/DOMAIN/checks/milter-NAME holds the word log, it is only tried
 * out: what it would do to the domain's mail is logged, and not done. Where it holds `score 2.5`, what the filter
 * rejects gets so many points instead (see score).
 */
import { type ArgumentKind, readArguments, time } from '../src/hooks/arguments.js';
import type {
  DataContext,
  FilterMeter,
  MailContext,
  Markers,
  Plugin,
  RcptContext,
  RelayedMail,
  SessionContext,
  SessionFacts,
} from '../src/hooks/plugin.js';
import { type Eventual, after } from '../src/mail/eventual.js';
import { type Reply, reply, replyText } from '../src/mail/reply.js';
import { asciiText } from '../src/mail/text.js';
import {
  defer,
  discard,
  note,
  pass,
  type Rejection,
  rewrite as rewriteMail,
  score,
  skip,
  type Verdict,
} from '../src/mail/verdict.js';
import { Availability } from '../src/milter/client/availability.js';
import type { FilterMacros } from '../src/milter/client/commands.js';
import { type Filter, FilterSession } from '../src/milter/client/filter-session.js';
import type { FilterVerdict } from '../src/milter/client/verdict.js';
import { type Endpoint, parseEndpoint } from '../src/milter/endpoint.js';
import { editHeader, quarantineReason, rewriting } from './shared/filter-edits.js';
import { mailMacros, refusedMacros, sessionMacros } from './shared/filter-macros.js';

interface FilterOptions {
  readonly name: string;
  readonly down: 'defer' | 'pass';
  readonly timeout: number;
  readonly content: number;
  readonly quarantine: 'mark' | 'archive';
  readonly discard: 'archive' | 'relay';
}

const oneOf = <W extends string>(...words: readonly W[]): ArgumentKind<W> => ({
  right: words.join(' or '),
  read: (text) => words.find((word) => word === text),
});

const filterName: ArgumentKind<string> = {
  right: 'a name of letters, digits, - and _',
  read: (text) => (/^[A-Za-z0-9][\w-]{0,31}$/.test(text) ? text : undefined),
};

const kinds: { readonly [K in keyof FilterOptions]: ArgumentKind<FilterOptions[K]> } = {
  name: filterName,
  down: oneOf('defer', 'pass'),
  timeout: time,
  content: time,
  quarantine: oneOf('mark', 'archive'),
  discard: oneOf('archive', 'relay'),
};

const usual: FilterOptions = {
  name: '',
  down: 'defer',
  timeout: 30_000,
  content: 300_000,
  quarantine: 'mark',
  discard: 'archive',
};

/** For all filters of a mail: its client waits ten minutes (RFC 5321 §4.5.3.2.6), and the local MTA is yet to come. */
const allFiltersMs = 480_000;

export default function milter([place, ...args]: readonly string[]): Plugin {
  if (place === undefined) throw new Error('needs the place of a filter, such as unix:/run/opendkim/opendkim.sock');
  const endpoint = endpointOf(place);
  const options = readArguments(args, kinds, usual);
  if (options.name === '') throw new Error('needs a name, such as name=opendkim');
  if (options.timeout > options.content) throw new Error('content must not be shorter than timeout');
  return new MilterPlugin(endpoint, options);
}

function endpointOf(text: string): Endpoint {
  const read = parseEndpoint(text);
  if (!read.ok) throw new Error(`"${text}" ${read.problem}`);
  if (read.value.kind === 'fd') throw new Error(`"${text}": a filter is asked at a path, or at a host and a port`);
  return read.value;
}

class MilterPlugin implements Plugin {
  readonly name: string;
  readonly inAll = false;
  readonly skipsSettled = true;
  readonly timeoutMs = allFiltersMs + 10_000;
  readonly filter: NonNullable<Plugin['filter']>;
  readonly #options: FilterOptions;
  readonly #endpoint: Endpoint;
  readonly #availability = new Availability();
  #meter: FilterMeter | undefined;
  readonly #sessions = new WeakMap<SessionFacts, FilterSession>();
  /** Whose clients have gone, perhaps while something else was waited for: nobody would say QUIT again. */
  readonly #over = new WeakSet<SessionFacts>();

  constructor(endpoint: Endpoint, options: FilterOptions) {
    this.name = `milter-${options.name}`;
    this.#endpoint = endpoint;
    this.#options = options;
    this.filter = {
      name: options.name,
      measuredBy: (meter) => {
        this.#meter = meter;
        meter.up.value = 1;
      },
    };
  }

  mail(context: MailContext): Eventual<Verdict> {
    return after(this.#sessionOf(context), (session) =>
      this.#over.has(context.session) ? pass : this.#atMail(session, context),
    );
  }

  #atMail(session: FilterSession, context: MailContext): Eventual<Verdict> {
    const { reversePath: address, parameters } = context;
    const { helo, tls } = context.session;
    const greeting = { name: helo, macros: tls ? { tls_version: tls.protocol, cipher: tls.cipher } : none };
    // An objection to the mail counts with its first recipient: his domain may only try the filter out.
    return after(session.mail({ address, parameters, macros: mailMacros(context) }, greeting), (verdict) =>
      verdict.kind === 'reject' || verdict.kind === 'discard' ? pass : this.#early(verdict),
    );
  }

  rcpt(context: RcptContext): Eventual<Verdict> {
    const session = this.#sessions.get(context.session);
    // No recipient that is added behind the end of data is a question to it.
    if (!session?.isInEnvelope) return pass;
    const { settled } = session;
    if (settled) return this.#ofMail(settled, context);
    const { rejection, recipient, recipientParameters: parameters } = context;
    if (rejection) return this.#refused(session, context, rejection);
    const macros = { rcpt_addr: recipient.text, rcpt_host: recipient.domain, rcpt_mailer: 'smtp' };
    return after(session.rcpt({ address: recipient.text, parameters, macros }), (verdict) => {
      if (session.settled) return this.#ofMail(verdict, context);
      if (verdict.kind === 'reject') return this.#weighed(context, rejectionOf(verdict, 'recipient'));
      return this.#weighed(context, this.#early(verdict));
    });
  }

  /** Some filters want to see whom we refuse. */
  #refused(session: FilterSession, context: RcptContext, rejection: Rejection): Eventual<Verdict> {
    const { recipient, recipientParameters: parameters } = context;
    const isShown = rejection.about === 'recipient' && session.wantsRefusedRecipients && !session.hasRecipients;
    const told = isShown && session.rcpt({ address: recipient.text, parameters, macros: refusedMacros(rejection) });
    return after(told, () => skip('refused already'));
  }

  dataPost(context: DataContext): Eventual<Verdict> {
    const session = this.#sessions.get(context.session);
    if (!session?.isInMail) return skip('it was not asked at MAIL');
    if (session.settled) return this.#ofMail(session.settled, context);
    return this.#message(session, context);
  }

  reset({ session }: MailContext): void {
    this.#sessions.get(session)?.abort();
  }

  disconnect({ session }: SessionContext): void {
    this.#over.add(session);
    this.#sessions.get(session)?.quit();
    this.#sessions.delete(session);
  }

  #sessionOf({ session, host }: MailContext): Eventual<FilterSession> {
    const known = this.#sessions.get(session);
    if (known) return known;
    return after(session.knownClientName ?? session.clientName(), (name) => {
      const made = new FilterSession(this.#filterFor(host.maxSize), {
        host: name.kind === 'confirmed' ? name.name : `[${session.clientIp.text}]`,
        ip: session.clientIp,
        macros: sessionMacros(session, name, host),
      });
      this.#sessions.set(session, made);
      return made;
    });
  }

  #filterFor(maxBody: number): Filter {
    const { name, timeout, content } = this.#options;
    return {
      name,
      endpoint: this.#endpoint,
      limits: { timeoutMs: timeout, contentMs: content, maxBody },
      availability: this.#availability,
      changed: (problem) => {
        if (this.#meter) this.#meter.up.value = problem === undefined ? 1 : 0;
        if (problem === undefined) console.info(`${name} works again`);
        else console.warn(`${name} is down: ${problem}`);
      },
    };
  }

  async #message(session: FilterSession, context: DataContext): Promise<Verdict> {
    let mail: RelayedMail | undefined;
    // Made where the filter wants to see it, or to change it.
    const shown = (): RelayedMail => (mail ??= context.relayed());
    const lateAt = latestFor(context.message);
    const since = this.#meter && performance.now();
    const verdict = await session.message(
      { fields: () => shown().fields.map(({ name, text }) => ({ name, value: text })), body: () => shown().body },
      lateAt,
    );
    const now = performance.now();
    if (since !== undefined) this.#meter?.seconds.observe((now - since) / 1000);
    if (verdict.kind === 'go on' && verdict.edits.length === 0) return pass;
    if (verdict.kind === 'down' && now >= lateAt) return this.#weighed(context, defer('', verdict.problem, isDown));
    const isTrial = isTriedOut(this.name, context);
    return this.#weighed(context, isTrial ? this.#wouldBe(verdict) : this.#act(verdict, context, shown()));
  }

  /** What is only tried out changes nothing. */
  #wouldBe(verdict: FilterVerdict): Verdict {
    switch (verdict.kind) {
      case 'go on':
        return verdict.edits.length === 0 ? pass : note(`log only, would make ${verdict.edits.length} changes`);
      case 'reject':
        return rejectionOf(verdict, 'mail');
      case 'discard':
        return this.#discard();
      default:
        return this.#early(verdict);
    }
  }

  #act(verdict: FilterVerdict, context: DataContext, before: RelayedMail): Verdict {
    if (verdict.kind === 'defer' || verdict.kind === 'down') return this.#early(verdict);
    const { edits } = verdict;
    const refused = editHeader(context, edits);
    if (verdict.kind === 'reject') return rejectionOf(verdict, 'mail');
    if (verdict.kind === 'discard') {
      if (this.#options.discard === 'archive') return this.#discard();
      context.addField('X-Quarantine', `Discarded by ${this.#options.name}`);
    }
    const held = quarantineReason(edits);
    if (held !== undefined) {
      const reason = held === '' ? `Quarantined by ${this.#options.name}` : held;
      if (this.#options.quarantine === 'archive') return rejectionOf({ text: [reason], enhanced: '5.7.1' }, 'mail');
      context.addField('X-Quarantine', reason);
    }
    const { what, problems } = rewriting(edits, before, context);
    const log = [
      ...Object.keys(what).map((part) => `changes ${part === 'reversePath' ? 'the sender' : `the ${part}`}`),
      ...[...refused, ...problems].map((problem) => `not changed: ${asciiText(problem, 200)}`),
      ...(verdict.kind === 'discard' ? ['would discard it'] : []),
      ...(held === undefined ? [] : [`would quarantine it: ${held}`]),
    ].join('; ');
    if (Object.keys(what).length > 0) return rewriteMail(what, log);
    return log === '' ? pass : note(log);
  }

  #discard(): Verdict {
    return discard(`Discarded by ${this.#options.name}`);
  }

  /** What was said of the mail as a whole before its message was shown. */
  #ofMail(verdict: FilterVerdict, context: RcptContext | DataContext): Verdict {
    if (verdict.kind === 'discard' && this.#options.discard === 'relay') return this.#marked(context);
    if (verdict.kind === 'down' && this.#options.down === 'pass') return skip(`not asked: ${verdict.problem}`);
    return verdict.kind === 'go on' ? pass : this.#weighed(context, this.#wouldBe(verdict));
  }

  /** At RCPT there is no field to write yet. */
  #marked(context: RcptContext | DataContext): Verdict {
    if (!('addField' in context) || isTriedOut(this.name, context)) return note('would discard it');
    context.addField('X-Quarantine', `Discarded by ${this.#options.name}`);
    return note('would discard it');
  }

  /** An answer that is due at once. */
  #early(verdict: FilterVerdict): Verdict {
    switch (verdict.kind) {
      case 'defer':
        return defer('', replyText(verdict.reply), verdict.reply);
      case 'down':
        return this.#options.down === 'pass'
          ? note(`not asked: ${verdict.problem}`)
          : defer('', verdict.problem, isDown);
      default:
        return pass;
    }
  }

  /** What the domain's marker makes of an objection. */
  #weighed(context: RcptContext | DataContext, verdict: Verdict): Verdict {
    if (verdict.kind !== 'reject' && verdict.kind !== 'defer') return verdict;
    const mode = context.markers.checkMode(context.domain, this.name, false);
    if (mode === 'log') return note(`log only, would ${verdict.kind}: ${verdict.log}`);
    if (typeof mode === 'string' || verdict.kind === 'defer') return verdict;
    // What was said at RCPT is said again of the whole mail.
    const isGiven = 'points' in context && context.points.some(({ plugin }) => plugin === this.name);
    return isGiven ? skip('its points are given') : score(mode.points, verdict.log);
  }
}

const none: FilterMacros = {};

const isDown: Reply = reply(451, '4.3.0', 'Your mail cannot be filtered now, try again later');

const isTriedOut = (
  check: string,
  { markers, domain }: { readonly markers: Markers; readonly domain: string },
): boolean => markers.checkMode(domain, check, false) === 'log';

function rejectionOf(
  { text, enhanced }: { readonly text: readonly string[]; readonly enhanced: string },
  about: Rejection['about'],
): Rejection {
  const [reason = '', ...further] = text;
  const log = text.join(' ');
  return { kind: 'reject', about, enhanced, reason, log, ...(further.length > 0 && { further }) };
}

/** When all filters have to be done with the message. */
const latest = new WeakMap<DataContext['message'], number>();

function latestFor(message: DataContext['message']): number {
  const lateAt = latest.get(message) ?? performance.now() + allFiltersMs;
  latest.set(message, lateAt);
  return lateAt;
}
