/** The page of one mail: first why it was refused and what can be done about it, then what it says. */
import { html } from 'hono/html';
import { type Content, maxAttachment } from '../../mail/content/content.js';
import { charsetParameter, decodeField } from '../../mail/encoded-word.js';
import { headlineOf } from '../../mail/shown/headline.js';
import { htmlText } from '../../mail/content/html-text.js';
import { unicode } from '../../mail/text.js';
import { type IndexedDisposition, unknownText } from '../../quarantine/look/disposition.js';
import type { KeptMail } from '../../quarantine/look/kept-mail.js';
import { idOf, type MailRef, refText } from '../../quarantine/disk/mail-ref.js';
import type { Mark } from '../../quarantine/disk/mark.js';
import { senderOf } from '../../quarantine/look/sender.js';
import { smtpReply } from '../../quarantine/look/smtp-reply.js';
import { csrf, type Html, page, say } from './layout.js';
import { sizeText } from '../../text/size.js';
import { mailAddress } from './list.js';
import { listButtons } from './list-buttons.js';
import type { WebSession } from '../login/sessions.js';
import { spfRow } from './spf-part.js';

type ReadContent = Extract<Content, { readonly kind: 'read' }>;

export interface MailView {
  readonly session: WebSession;
  readonly ref: MailRef;
  readonly disposition: IndexedDisposition;
  /** It is undefined when the file is gone. */
  readonly kept: KeptMail | undefined;
  readonly content: Content | undefined;
  /** It is which marker, which value, as the journal has it; '' where nobody knows any more. */
  readonly log: string;
  /** It is the beginning of the file, as it is. */
  readonly source: string;
  /** It tells whether the marker is there. */
  readonly hasMarker: (marker: string) => boolean;
  /** It is true when remote images were asked for, which counts for one look. */
  readonly images: boolean;
}

export interface MailFacts extends Record<
  'plugin' | 'reason' | 'ip' | 'host' | 'helo' | 'from' | 'headerFrom' | 'to' | 'subject' | 'spf' | 'points' | 'id',
  string
> {
  /** It is what the client was told, where the index knows. */
  readonly reply: string | undefined;
}

/** Takes each fact from the index, or else from our fields in the mail. */
export function factsOf({ ref, disposition, kept }: Pick<MailView, 'ref' | 'disposition' | 'kept'>): MailFacts {
  const { entry } = disposition;
  const field = (name: string): string => unicode(kept?.header.get(name) ?? '');
  const headline = kept && headlineOf(kept.header);
  return {
    plugin: entry?.plugin ?? field('X-REJECT-PLUGIN'),
    reason: entry?.reason ?? field('X-REJECT-REASON'),
    reply: entry?.reply,
    ip: entry?.ip ?? field('X-REMOTE-IP'),
    host: entry?.host ?? field('X-REMOTE-HOST'),
    helo: entry?.helo ?? field('X-HELO'),
    from: entry?.from ?? field('X-MAIL-FROM'),
    headerFrom: entry?.headerFrom ?? headline?.headerFrom ?? '',
    to: kept?.recipient ?? entry?.recipient ?? '',
    subject: entry?.subject ?? headline?.subject ?? '',
    spf: entry?.spf ?? '',
    points: entry?.points ?? '',
    id: idOf(ref.filename),
  };
}

export function mailPage(view: MailView): Html {
  const { session, ref, disposition, kept, log } = view;
  const facts = factsOf(view);
  const { visible, envelope } = senderOf(facts);
  const subject = facts.subject.trim() === '' ? '(no subject)' : say(facts.subject);
  return page({
    title: `${subject} – postern`,
    session,
    here: 'mails',
    body: html`<p class="back"><a href="/" data-key="u">← Refused</a></p>
      <h1 class="subject">${subject}</h1>
      <section class="why" aria-label="Why it was refused">
        <p class="verdict"><span class="plugin">${say(facts.plugin, 40)}</span> ${say(facts.reason, 1000)}</p>
        <p class="reply"><code>${say(smtpReply(facts), 600)}</code></p>
        <dl>
          ${
            log === ''
              ? ''
              : html`<dt>Why</dt>
                  <dd>${say(log, 1000)}</dd>`
          }
          <dt>From</dt>
          <dd>${say(visible)}</dd>
          ${
            envelope === undefined
              ? ''
              : html`<dt>Envelope</dt>
                  <dd>${envelope === '<>' ? '<> (a bounce, or a null sender)' : say(envelope)}</dd>`
          }
          <dt>To</dt>
          <dd>${say(facts.to)}</dd>
          <dt>Client</dt>
          <dd>
            ${say(facts.ip)} ${facts.host === '' ? '(no confirmed name)' : say(facts.host)}, HELO ${say(facts.helo)}
          </dd>
          <dt>When</dt>
          <dd>${whenText(disposition.entry?.time ?? '')}</dd>
          <dt>Size</dt>
          <dd>${sizeText(disposition.entry?.size ?? kept?.whole.size ?? 0)}</dd>
          ${spfRow(facts, kept, mailAddress(refText(ref)))}
          ${
            facts.points === ''
              ? ''
              : html`<dt>Points</dt>
                  <dd>${say(facts.points, 1000)}</dd>`
          }
          <dt>File</dt>
          <dd><code>${say(kept?.place ?? `${refText(ref)} (gone)`, 500)}</code></dd>
        </dl>
      </section>
      ${disposition.mark ? markNotice(disposition.mark) : ''}
      ${disposition.unknown ? html`<p class="notice bad">${say(unknownText(disposition.unknown), 600)}</p>` : ''}
      ${actions(view, facts)} ${kept ? bodyOf(view) : html`<p class="empty">${absentText(disposition)}</p>`}`,
  });
}

const absentText = ({ onItsWayFrom, notHeardSince }: IndexedDisposition): Html => {
  if (onItsWayFrom === undefined) return html`The mail itself is gone; this is what the index says of it.`;
  return notHeardSince === undefined
    ? html`The mail itself is on its way from ${say(onItsWayFrom)}: look again in a minute.`
    : html`The mail itself is on ${say(onItsWayFrom)}, which has not been heard of since ${whenText(notHeardSince)}.`;
};

/** Writes `2026-11-26 01:02:46 UTC`. */
const whenText = (time: string): string => time.replace('T', ' ').replace(/\.\d+/, '').replace(/Z$/, ' UTC');

const markNotice = ({ kind, time, by, detail }: Mark): Html =>
  html`<p class="notice ${kind === 'released' ? 'good' : 'bad'}">
    ${kind} ${time.slice(0, 16).replace('T', ' ')} by ${say(by)}${detail === '' ? '' : `: ${say(detail)}`}
  </p>`;

function actions(view: MailView, facts: MailFacts): Html {
  const { session, ref, hasMarker } = view;
  const { from, ip } = facts;
  return html`${mailForm(view)}
  ${listButtons({ session, domain: ref.domain, from, ip, back: mailAddress(refText(ref)), hasMarker })}`;
}

/** What can be done with the mail itself; nothing where it is gone. */
function mailForm({ session, ref, disposition, kept }: MailView): Html {
  const back = mailAddress(refText(ref));
  const again = disposition.mark?.kind === 'released' || disposition.unknown !== undefined;
  return html`<form method="post" class="actions">
    ${csrf(session)}<input type="hidden" name="mail" value="${refText(ref)}" /><input
      type="hidden"
      name="back"
      value="${back}"
    />
    ${again ? html`<input type="hidden" name="again" value="1" />` : ''}
    ${
      kept
        ? html`<button class="main" formaction="/release" data-key="r">${again ? 'Release again' : 'Release'}</button>
            <button formaction="/release" name="form" value="attachment">Release as attachment</button>
            <button formaction="/replay">Replay</button>
            <a class="button" href="${back}/raw" download>Download</a>
            <button
              class="danger"
              formaction="/delete"
              name="back"
              value="/"
              data-key="#"
              data-confirm="Delete this mail?"
            >
              Delete
            </button>`
        : ''
    }
  </form>`;
}

/** What the mail says, a tab each; the text is open unless remote images were asked for. */
function bodyOf({ ref, kept, content, source, images }: MailView): Html {
  const address = mailAddress(refText(ref));
  const read = content?.kind === 'read' ? content : undefined;
  return html`<div class="tabs">
    ${textTab(content, images)} ${read && read.html.trim() !== '' ? htmlTab(address, images) : ''}
    ${read && read.attachments.length > 0 ? attachmentsTab(address, read.attachments) : ''} ${headersTab(kept)}
    ${tab('Source', html`<pre class="source">${lines(source)}</pre>`)}
  </div>`;
}

const tab = (title: string, body: Html, { open = false, id = '' } = {}): Html =>
  html`<details name="tab" ${open ? html`open` : ''} ${id === '' ? '' : html`id="${id}"`}>
    <summary>${title}</summary>
    ${body}
  </details>`;

function textTab(content: Content | undefined, images: boolean): Html {
  const read = content?.kind === 'read' ? content : undefined;
  const isMade = read !== undefined && read.text === '' && read.html.trim() !== '';
  const text = isMade ? htmlText(read.html) : (read?.text ?? '');
  const broken = content?.kind === 'unreadable' ? content.why : undefined;
  const body = html`${broken === undefined ? '' : html`<p class="notice bad">This mail cannot be taken apart (${say(broken)}); its source is below.</p>`}
    <pre class="text">${text === '' ? '(no text)' : lines(text)}</pre>
    ${isMade ? html`<p class="hint">Made from its HTML.</p>` : ''}`;
  return tab('Text', body, { open: !images });
}

function htmlTab(address: string, images: boolean): Html {
  const hint = images
    ? html`Images are loaded from the sender’s servers, this once.`
    : html`Scripts, links and remote images are off. <a href="${address}?images=1#html">Load remote images once</a>:
        their owner learns that it was opened.`;
  const body = html`<p class="hint">${hint}</p>
    <iframe
      sandbox=""
      loading="lazy"
      referrerpolicy="no-referrer"
      title="The mail’s HTML"
      src="${address}/html${images ? '?images=1' : ''}"
    ></iframe>`;
  return tab('HTML', body, { open: images, id: 'html' });
}

const maxAttachmentRows = 200;

function attachmentsTab(address: string, attachments: ReadContent['attachments']): Html {
  const body = html`<table>
    <tr>
      <th scope="col">Name</th>
      <th scope="col">Type</th>
      <th scope="col">Size</th>
      <th scope="col"><span class="unseen">To save it</span></th>
    </tr>
    ${attachments.slice(0, maxAttachmentRows).map((one, at) => attachmentRow(one, `${address}/attachment/${at}`))}
  </table>`;
  return tab(`Attachments (${attachments.length})`, body);
}

function attachmentRow({ names, type, size, inside }: ReadContent['attachments'][number], address: string): Html {
  const name = names.map((one) => say(one, 200)).join(' / ') || '(no name)';
  return html`<tr>
    <td>
      ${name}${inside.length === 0 ? '' : html` <small>holds ${say(inside.slice(0, 10).join(', '), 400)}</small>`}
    </td>
    <td>${say(type, 100)}</td>
    <td>${sizeText(size)}</td>
    <td>${size > maxAttachment ? '' : html`<a href="${address}" download>Save</a>`}</td>
  </tr>`;
}

const maxFieldRows = 500;

function headersTab(kept: KeptMail | undefined): Html {
  const charset = charsetParameter(kept?.header.get('Content-Type') ?? '');
  const fields = kept?.header.fields.filter(({ name }) => name !== '' && name !== 'recipient') ?? [];
  const body = html`<table class="headers">
    ${fields.slice(0, maxFieldRows).map(
      ({ raw, value }) =>
        html`<tr>
          <th scope="row">${say(raw.toString('latin1').split(':')[0] ?? '', 100)}</th>
          <td>${say(decodeField(value, charset).replace(/\s+/g, ' '), 2000)}</td>
        </tr>`,
    )}
  </table>`;
  return tab('Headers', body);
}

/** Each line loses its own controls and reversals. */
const lines = (text: string): string =>
  text
    .split(/\r\n|\r|\n/)
    .map((line) => say(line.replaceAll('\t', '    '), 10_000))
    .join('\n');
