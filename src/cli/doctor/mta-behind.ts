/**
 * The MTAs behind: does each answer, does it learn who the client is, and does it refuse what is not ours? Nearly every
 * MTA trusts 127.0.0.1. It is asked by RCPT and RSET alone, and gets no mail.
 */
import { randomBytes } from 'node:crypto';
import { noAddress } from '../../mail/ip.js';
import { type Interview, interview } from '../../relay/asking/interview.js';
import { mtaReplyText, type MtaReply } from '../../relay/connection/mta-reply.js';
import { type Destination, everyDestination } from '../../relay/destination/destination.js';
import { ownDestination } from '../../settings/cross-checks.js';
import { BrokenMarker } from '../../srv/srv.js';
import { openingOf } from '../relay/relaying.js';
import { type Diagnoses, type Diagnosis, type Examined, failing, good, note, warning } from './diagnosis.js';

/** Refusals slow an MTA down for its other clients as well, and what it says of ten domains it says of all. */
const maxDomains = 10;
/** Where each domain has an MTA of its own, nobody waits for all of them. */
const maxMtas = 20;
const interviewMs = 15_000;
/** Our fields come on top of a mail on its way to the MTA, and are well below this. */
const fieldsOctets = 65_536;

export async function* examineRelay(examined: Examined): Diagnoses {
  const usual = everyDestination(examined.settings.relay);
  const behind = new Map(usual.map((one) => [one.text, mtaOf(one, 'set relay to where it listens')]));
  yield* addDomains(behind, examined);
  const asked = [...behind.values()].slice(0, maxMtas);
  for (const one of asked) yield* examineMta(one, examined);
  if (asked.length < behind.size)
    yield note(
      'relay',
      `${asked.length} of ${behind.size} MTAs were asked`,
      'postern doctor DOMAIN asks that of another domain',
    );
}

/** A destination, and whose mail goes there. */
interface MtaBehind {
  readonly destination: Destination;
  readonly domains: string[];
  /** What to do where nobody listens there. */
  readonly mending: string;
}

const mtaOf = (destination: Destination, mending: string): MtaBehind => ({ destination, domains: [], mending });

/** Adds the domains to their destinations. What their own files say of ourselves, or what makes no sense, is told. */
function* addDomains(behind: Map<string, MtaBehind>, { settings, srv, domains }: Examined): Generator<Diagnosis> {
  for (const domain of domains) {
    try {
      const list = srv.destinations(domain) ?? settings.relay;
      const own = ownDestination(list, settings.listen);
      if (own !== undefined && list !== settings.relay)
        yield failing('relay', `${settings.srv}/${domain}/relay ${own}`, 'name the MTA behind in it');
      for (const one of everyDestination(list)) {
        const known = behind.get(one.text) ?? mtaOf(one, `name another in ${settings.srv}/${domain}/relay`);
        known.domains.push(domain);
        behind.set(one.text, known);
      }
    } catch (error) {
      if (!(error instanceof BrokenMarker)) throw error;
      yield failing('relay', error.message, `mend it: until then the mail of ${domain} is deferred`);
    }
  }
}

async function* examineMta(
  { destination, domains, mending }: MtaBehind,
  { settings, resolver, srv }: Examined,
): Diagnoses {
  const asked = domains.slice(0, maxDomains);
  const where = destination.text;
  const timeoutMs = Math.min(settings.relay_timeout, interviewMs);
  const opening = { ...openingOf(settings, resolver), destination, timeoutMs };
  let isFirst = true;
  for (const domain of asked.length > 0 ? asked : [undefined]) {
    const questions =
      domain === undefined ? [foreign] : [...(isFirst ? [foreign] : []), unknownUser(domain), routed(domain)];
    const recipients = questions.map(({ recipient }) => recipient);
    const heard = await interview({ ...opening, recipients });
    if (!heard.ok) {
      yield failing('relay', `${where}: ${heard.problem}`, `start the MTA behind postern, or ${mending}`);
      return;
    }
    if (isFirst) yield* offers(where, heard.value, settings.max_size);
    const isOpen = domain !== undefined && srv.recipient(domain, unlikely, noAddress).kind === 'valid';
    for (const [i, question] of questions.entries())
      yield judged({ ...question, where, answer: heard.value.answers[i], interview: heard.value, isOpen });
    isFirst = false;
  }
  if (asked.length < domains.length)
    yield note(
      'relay',
      `${where} was asked about ${asked.length} of ${domains.length} domains`,
      'postern doctor DOMAIN asks about another',
    );
}

function* offers(where: string, { greeting, extensions }: Interview, maxSize: number): Generator<Diagnosis> {
  const name = greeting === '' ? where : `${where} (${greeting})`;
  const size = Number(/^\d+$/.exec(extensions.get('SIZE') ?? '')?.[0] ?? 0);
  if (extensions.has('XFORWARD') || extensions.has('XCLIENT'))
    yield good('relay', `${name} answers, and offers ${extensions.has('XFORWARD') ? 'XFORWARD' : 'XCLIENT'}`);
  else {
    const remedy = /postfix/i.test(greeting)
      ? 'give its listener -o smtpd_authorized_xforward_hosts=127.0.0.0/8'
      : 'docs/in-front-of.md says how its log learns of it';
    yield note('relay', `${name} answers, but offers no XFORWARD: its log has no client's address`, remedy);
  }
  if (size > 0 && size < maxSize + fieldsOctets) {
    const smaller = size > fieldsOctets ? `, or set max_size = ${size - fieldsOctets}` : '';
    yield warning(
      'relay',
      `${where} takes mails of ${size} octets, and max_size is ${maxSize}: a mail near that, with our fields on top, is refused after it was received`,
      `raise its limit (message_size_limit) to ${maxSize + fieldsOctets}${smaller}`,
    );
  }
}

interface RelayQuestion {
  readonly recipient: string;
  readonly kind: 'foreign' | 'unknown' | 'routed';
}

const unlikely = `postern-doctor-${randomBytes(4).toString('hex')}`;
const foreign: RelayQuestion = { recipient: 'victim@elsewhere.example', kind: 'foreign' };
const unknownUser = (domain: string): RelayQuestion => ({ recipient: `${unlikely}@${domain}`, kind: 'unknown' });
const routed = (domain: string): RelayQuestion => ({ recipient: `victim%elsewhere.example@${domain}`, kind: 'routed' });

interface Heard extends RelayQuestion {
  readonly where: string;
  readonly answer: MtaReply | undefined;
  readonly interview: Interview;
  /** Does postern take every recipient of the domain? */
  readonly isOpen: boolean;
}

function judged({ recipient, kind, where, answer, interview: { greeting }, isOpen }: Heard): Diagnosis {
  const said = answer ? mtaReplyText(answer) : 'nothing';
  if (answer && answer.code >= 500) {
    // RFC 3463 X.1.2: the name is bad. Another one might be taken.
    if (kind === 'foreign' && answer.enhanced === '5.1.2')
      return note('relay', `${where} refuses ${recipient} for its name (${said}), which says little of other domains`);
    return good('relay', `${where} refuses ${recipient}: ${said}`);
  }
  const isTaken = answer !== undefined && answer.code >= 200 && answer.code < 300;
  if (!isTaken)
    return warning('relay', `${where} neither takes nor refuses ${recipient}: ${said}`, 'see its log for why');
  const text = `${where} takes ${recipient}: ${said}`;
  switch (kind) {
    case 'foreign':
      return failing('relay', `${text}; it relays anywhere for whoever reaches it`, remedyFor(greeting));
    case 'routed':
      return failing('relay', `${text}; it might send that on to elsewhere.example`, remedyFor(greeting));
    case 'unknown': {
      const remedy = `have it refuse unknown users at RCPT: ${remedyFor(greeting)}`;
      return isOpen
        ? failing('relay', `${text}, and so does postern: unknown users become bounces to forged senders`, remedy)
        : warning('relay', `${text}; "valid_users ahead" hears only yes from it`, remedy);
    }
  }
}

/** What to change in it, by its name in the greeting. */
function remedyFor(greeting: string): string {
  const page = 'docs/in-front-of.md';
  if (/exim/i.test(greeting)) return `give the port ACLs of its own, as in ${page}, Exim`;
  if (/sendmail/i.test(greeting)) return `give the port a Local_check_rcpt, as in ${page}, Sendmail`;
  if (/opensmtpd/i.test(greeting)) return `take out "match from local for any", as in ${page}, OpenSMTPD`;
  if (/postfix/i.test(greeting))
    return 'give its listener -o smtpd_relay_restrictions=reject_unauth_destination and recipient maps, as in docs/in-front-of.md';
  return `give the port rules of its own, which do not trust 127.0.0.1, as in ${page}`;
}
