/**
 * A plugin's answer as a verdict of ours. Third parties write plugins without a compiler, so each property is read
 * once, looked at and copied: what is wrong with it is said in the author's words, and what the plugin does to its
 * object later on changes nothing.
 */
import { parseAddress } from '../mail/address.js';
import { readDestinations } from '../relay/destination/destination.js';
import { type Reply, reply } from '../mail/reply.js';
import { withLineEnds } from '../mail/text.js';
import { accept, maxDelayMs, maxPoints, note, pass, rounded, score, skip, type Verdict } from '../mail/verdict.js';

/** Throws a TypeError that says what the plugin returned instead. */
export function believe(answer: unknown): Verdict {
  if (answer === pass) return pass;
  if (typeof answer !== 'object' || answer === null) throw new TypeError(`returned ${shown(answer)}, not a verdict`);
  return verdictOf(answer as PluginAnswer);
}

type PluginAnswer = Readonly<Record<string, unknown>>;

function verdictOf(answer: PluginAnswer): Verdict {
  const { kind } = answer;
  switch (kind) {
    case 'pass':
      return pass;
    case 'accept':
      return accept;
    case 'skip':
      return skip(answer['why'] === undefined ? '' : text(answer, kind, 'why'));
    case 'note':
      return note(text(answer, kind, 'log'));
    case 'reject':
      // Plugins behind this one are shown it.
      return Object.freeze({
        kind,
        about: word(answer, kind, 'about', ['recipient', 'mail']),
        enhanced: rejectionCode(answer),
        reason: text(answer, kind, 'reason'),
        log: text(answer, kind, 'log'),
        ...(answer['further'] !== undefined && { further: texts(answer, kind, 'further') }),
        ...(answer['discards'] === true && { discards: true }),
      });
    case 'score':
      return score(pointsOf(answer), text(answer, kind, 'log'));
    case 'rewrite':
      return {
        kind,
        log: text(answer, kind, 'log'),
        ...(answer['recipients'] !== undefined && { recipients: texts(answer, kind, 'recipients') }),
        ...(answer['reversePath'] !== undefined && { reversePath: reversePath(answer, kind) }),
        ...(answer['body'] !== undefined && { body: octets(answer, kind, 'body') }),
      };
    case 'route':
      return { kind, to: destinations(answer, kind), log: text(answer, kind, 'log') };
    case 'taken':
      return { kind, text: text(answer, kind, 'text'), log: text(answer, kind, 'log') };
    case 'delay':
      return { kind, ms: milliseconds(answer), log: text(answer, kind, 'log') };
    case 'pardon':
      return { kind, lifts: word(answer, kind, 'lifts', ['mail', 'all']), log: text(answer, kind, 'log') };
    case 'refuse':
    case 'defer':
      return { kind, reply: replyOf(answer, kind), log: text(answer, kind, 'log') };
    case undefined:
      throw new TypeError(`returned ${shown(answer)}, not a verdict: it has no kind`);
    default:
      throw new TypeError(`returned a verdict of the kind ${shown(kind)}, which there is not`);
  }
}

function text(of: PluginAnswer, kind: string, name: string): string {
  const value = of[name];
  if (typeof value === 'string') return value;
  throw new TypeError(
    value === undefined
      ? `returned a ${kind} without a ${name}`
      : `returned a ${kind} whose ${name} is ${shown(value)}, not a text`,
  );
}

function milliseconds({ ms }: PluginAnswer): number {
  if (typeof ms === 'number' && ms >= 0 && ms <= maxDelayMs) return ms;
  throw new TypeError(`returned a delay whose ms is ${shown(ms)}, not a number from 0 to ${maxDelayMs}`);
}

function pointsOf({ points }: PluginAnswer): number {
  if (typeof points === 'number' && Math.abs(points) <= maxPoints) return rounded(points);
  throw new TypeError(
    points === undefined
      ? 'returned a score without points'
      : `returned a score whose points are ${shown(points)}, not a number from -${maxPoints} to ${maxPoints}`,
  );
}

function texts(of: PluginAnswer, kind: string, name: string): readonly string[] {
  const value = of[name];
  const all: unknown[] = Array.isArray(value) ? [...(value as unknown[])] : [undefined];
  if (all.every((one) => typeof one === 'string')) return Object.freeze(all);
  throw new TypeError(`returned a ${kind} whose ${name} is ${shown(value)}, not a list of texts`);
}

/** As an operator would write them in one line. */
function destinations(of: PluginAnswer, kind: string): string {
  const to = text(of, kind, 'to');
  const read = readDestinations(to);
  if (read.ok) return read.value.text;
  throw new TypeError(`returned a ${kind} whose to is ${shown(to)}, and it ${read.problem}`);
}

/** In wire form; '' is the null reverse-path. */
function reversePath(of: PluginAnswer, kind: string): string {
  const given = text(of, kind, 'reversePath');
  const address = given === '' ? { text: '' } : parseAddress(given);
  if (address !== undefined) return address.text;
  throw new TypeError(`returned a ${kind} whose reversePath is ${shown(given)}, not an address`);
}

function octets(of: PluginAnswer, kind: string, name: string): Uint8Array {
  const value = of[name];
  if (value instanceof Uint8Array) return withLineEnds(Buffer.from(value));
  throw new TypeError(`returned a ${kind} whose ${name} is ${shown(value)}, not octets`);
}

function word<W extends string>(of: PluginAnswer, kind: string, name: string, words: readonly W[]): W {
  const value = text(of, kind, name);
  const found = words.find((one) => one === value);
  if (found !== undefined) return found;
  throw new TypeError(
    `returned a ${kind} whose ${name} is ${shown(value)}, not ${words.map((one) => shown(one)).join(' or ')}`,
  );
}

/** RFC 3463 §2: it stands behind a 550. */
function rejectionCode(answer: PluginAnswer): string {
  const enhanced = text(answer, 'reject', 'enhanced');
  if (/^5\.\d{1,3}\.\d{1,3}$/.test(enhanced)) return enhanced;
  throw new TypeError(`returned a reject whose enhanced is ${shown(enhanced)}, not a code such as "5.7.1"`);
}

/** Neither may let a mail vanish behind a 250, and what is deferred comes again. */
function replyOf(answer: PluginAnswer, kind: 'refuse' | 'defer'): Reply {
  const given = answer['reply'];
  if (typeof given !== 'object' || given === null) {
    const what = given === undefined ? `without a reply` : `whose reply is ${shown(given)}, not a reply`;
    throw new TypeError(`returned a ${kind} ${what}`);
  }
  const { code, enhanced, close, text: words, further } = given as PluginAnswer;
  const max = kind === 'defer' ? 499 : 599;
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 400 || code > max)
    throw new TypeError(`returned a ${kind} whose reply has the code ${shown(code)}, not 400 to ${max}`);
  if (typeof words !== 'string') throw new TypeError(`returned a ${kind} whose reply has no text`);
  const made = reply(code, enhancedOf(kind, enhanced), words);
  return {
    ...made,
    ...(close === true && { close }),
    ...(further !== undefined && { further: texts(given as PluginAnswer, `${kind}'s reply`, 'further') }),
  };
}

/** RFC 3463 §2, a failure; '' for none. */
function enhancedOf(kind: string, enhanced: unknown): string {
  if (enhanced === undefined || enhanced === '') return '';
  if (typeof enhanced === 'string' && /^[45]\.\d{1,3}\.\d{1,3}$/.test(enhanced)) return enhanced;
  throw new TypeError(
    `returned a ${kind} whose reply has the enhanced code ${shown(enhanced)}, not one such as "5.7.1"`,
  );
}

/**
 * A value as its author would write it, cut where it is long; it may be anything, so no method of it is called
 * unguarded.
 */
function shown(value: unknown): string {
  try {
    if (typeof value === 'number' || typeof value === 'bigint') return String(value); // JSON has no NaN
    return (JSON.stringify(value) ?? String(value)).slice(0, 100);
  } catch {
    return `a value that cannot be shown (${typeof value})`;
  }
}
