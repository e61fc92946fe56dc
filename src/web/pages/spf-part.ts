/** Shows what SPF said of a mail when it was archived, term by term, and on a page of its own what it says now. */
import { html } from 'hono/html';
import { parseIp } from '../../mail/ip.js';
import { unicode } from '../../mail/text.js';
import type { KeptMail } from '../../quarantine/look/kept-mail.js';
import type { SpfOutcome, SpfQuery } from '../../spf/check-host.js';
import { readReceivedSpf } from '../../spf/fields/received-spf.js';
import { sentenceOf } from '../../spf/fields/sentence.js';
import { readSpfTrace } from '../../spf/fields/trace-field.js';
import { traceLines } from '../../spf/trace/tree.js';
import type { Line } from '../../text/line.js';
import { type Html, page, say } from './layout.js';
import type { WebSession } from '../login/sessions.js';

/** What SPF was asked about, as it was archived. */
export interface SpfFacts {
  readonly ip: string;
  readonly helo: string;
  readonly from: string;
  /** It is the result; '' when SPF did not run. */
  readonly spf: string;
}

/** Evaluates SPF now, with a trace. */
export type SpfCheck = (query: SpfQuery) => Promise<SpfOutcome>;

export function spfRow(facts: SpfFacts, kept: KeptMail | undefined, address: string): Html {
  const received = readReceivedSpf(kept?.header.get('Received-SPF') ?? '');
  const trace = kept ? readSpfTrace(kept.header) : [];
  const result = facts.spf === '' ? (received?.result ?? '') : facts.spf;
  const sentence = unicode(received?.comment ?? '')
    .replace(/\s+/g, ' ')
    .replace(/^[^ ]*: /, '');
  return html`<dt>SPF</dt>
    <dd>
      ${result === '' ? 'not asked' : html`<b class="spf ${say(result, 20)}">${say(result, 20)}</b> ${say(sentence, 1000)}`}
      ${trace.length > 0 ? drawing(trace.map((line) => storedLine(line, result))) : ''}
      ${kept && parseIp(facts.ip) ? html`<a href="${address}/spf">Evaluate it ${result === '' ? '' : 'again '}now</a>` : ''}
    </dd>`;
}

/** Finds a term's outcome, and the result that it led to, in a line of the trace. */
const outcome = /(match -> [a-z]+)|((?:no match|not reached|not used|ignored)\b)/;

/** The line, with what led to the result in colour. */
function storedLine(line: string, result: string): Html {
  const text = say(line, 500);
  const [before = '', match, none, after = ''] = text.split(outcome);
  if (match === `match -> ${result}`) return html`${before}<b class="spf ${result}">${match}</b>${after}`;
  return none === undefined ? html`${text}` : html`${before}<span class="dim">${none}</span>${after}`;
}

export interface SpfView {
  readonly session: WebSession;
  readonly facts: SpfFacts;
  readonly query: SpfQuery;
  readonly outcome: SpfOutcome;
  /** It is the address of the mail's page. */
  readonly address: string;
}

/** Undefined when the client's address is not known. */
export function queryOf({ ip: text, helo, from }: SpfFacts, receiver: string): SpfQuery | undefined {
  const ip = parseIp(text);
  return ip && { ip, helo, from, receiver };
}

/** The tree is drawn for so many columns. */
const width = 120;

export function spfPage({ session, facts, query, outcome: now, address }: SpfView): Html {
  return page({
    title: 'SPF – postern',
    session,
    here: 'mails',
    body: html`<p class="back"><a href="${address}" data-key="u">← The mail</a></p>
      <h1>What SPF says now</h1>
      <section class="why ${now.result === 'pass' ? 'good' : ''}" aria-label="SPF">
        <p class="verdict">
          <span class="spf ${now.result}">${now.result}</span> ${say(sentenceOf(now, query.ip), 1000)}
        </p>
        <p>${comparison(facts.spf, now.result)}</p>
        ${drawing(traceLines(now, width).map(styled))}
        <p class="hint">
          The same on the command line:
          <code
            >postern spf check --explain --ip=${query.ip.text} --helo='${word(query.helo)}'
            --from='${word(query.from)}'</code
          >
        </p>
      </section>`,
  });
}

function comparison(then: string, now: string): Html {
  if (then === '') return html`It was not asked when the mail was refused.`;
  return then === now
    ? html`The mail was refused with the same result.`
    : html`When the mail was refused it was <b class="spf ${say(then, 20)}">${say(then, 20)}</b>: the record has changed
        since, or what it leads to.`;
}

/** The text, with `?` for everything that is not safe within a shell's quotes. */
const word = (text: string): string => text.replace(/[^\w.@+=:[\]-]/g, '?');

/** A line of text in styles, each a class. */
export const styled = (line: Line): Html =>
  html`${line.map(([text, style]) => (style === undefined ? text : html`<span class="${style}">${text}</span>`))}`;

/** Lines in a box that can be scrolled by keys. */
export const drawing = (lines: readonly Html[], label = 'Evaluation'): Html =>
  html`<pre class="trace" tabindex="0" aria-label="${label}">${lines.map((line) => [line, '\n'])}</pre>`;
