/**
 * A mail's octets → its content, on npm mailparser. Runs in a thread of its own (thread.ts): mailparser's worst inputs
 * take seconds and hundreds of megabytes. Only its decoding is used; text is never made of HTML, links are not looked
 * for. Never throws: what cannot be read is `unreadable`.
 */
import { Readable } from 'node:stream';
import { type AttachmentStream, type Headers, MailParser, type MailParserOptions, type MessageText } from 'mailparser';
import { errorText } from '../mail/error-text.js';
import { type Attachment, type Content, maxAttachment, maxText } from '../mail/content/content.js';
import { imageType } from '../mail/content/image-type.js';
import type { Keep } from './content-reader.js';
import { type ArchiveBudget, archiveBudget, closerLook, firstLook } from './archives.js';
import { officeTraits } from './office-file.js';

/** Our choices; Haraka takes 1000 parts, Postfix a depth of 100, and real mail stays far below. */
const limits = { parts: 1000, depth: 50, attachedMails: 5, headerSize: 1 << 20, namesInside: 20_000 } as const;

/** Octets of pictures that are kept where they are asked for: of one, of all. */
const pictures = { each: 2 << 20, all: 8 << 20 } as const;

export async function readContent(octets: Readable, keep?: Keep): Promise<Content> {
  try {
    const found: Gathered = { text: [], html: [], attachments: [], parts: 0, keep, budget: archiveBudget() };
    await read(octets, found, 0);
    const [text, html] = [found.text, found.html].map((parts) => parts.join('\n').slice(0, maxText));
    return { kind: 'read', text: text ?? '', html: html ?? '', attachments: found.attachments };
  } catch (error) {
    return { kind: 'unreadable', why: errorText(error), isLasting: true };
  }
}

/** The last two are its splitter's; its types leave them out. */
const options: MailParserOptions & { readonly maxHeadSize: number; readonly maxChildNodes: number } = {
  skipHtmlToText: true,
  skipTextToHtml: true,
  skipTextLinks: true,
  skipImageLinks: true,
  maxHeadSize: limits.headerSize,
  maxChildNodes: limits.parts,
};

interface Gathered {
  readonly text: string[];
  readonly html: string[];
  readonly attachments: Attachment[];
  parts: number;
  readonly keep: Keep | undefined;
  readonly budget: ArchiveBudget;
}

/**
 * mailparser reads each field by what its name promises, addresses in seconds where they are made to hurt; so it is
 * shown only fields that say something of content, in every part. Its types leave out what reads them.
 */
function contentParser(): MailParser {
  const parser = new MailParser(options) as MailParser & { processHeaders: (fields: readonly NamedField[]) => Headers };
  const readFields = parser.processHeaders.bind(parser);
  parser.processHeaders = (fields) => readFields(fields.filter(({ key }) => key.startsWith('content-')));
  return parser;
}

interface NamedField {
  /** Its name in lower case. */
  readonly key: string;
}

/** What mailparser keeps of a part; its types leave it out. */
interface MimePart {
  readonly children: readonly MimePart[];
  readonly headers: Headers;
  readonly contentType: string | false;
  readonly isAttachment?: boolean;
  readonly textContent?: string;
  readonly node: { readonly filename: string | false };
}

async function read(octets: Readable, found: Gathered, attachedTo: number): Promise<void> {
  if (attachedTo > limits.attachedMails) throw new Error(`mails in mails, deeper than ${limits.attachedMails}`);
  const parser = contentParser();
  const start = { text: '' };
  await new Promise<void>((resolve, reject) => {
    let taken = Promise.resolve();
    parser.on('data', (part: AttachmentStream | MessageText) => {
      if (part.type !== 'attachment') return;
      taken = take(part, found, attachedTo);
      taken.then(() => part.release(), reject);
    });
    // The last attachment may end with the mail, where no boundary ends it.
    parser.on('end', () => void taken.then(resolve, reject));
    parser.on('error', reject);
    Readable.from(withoutPadding(separated(octets), start))
      .on('error', reject)
      .pipe(parser);
  });
  const { tree } = parser as unknown as { readonly tree: MimePart | false };
  if (!tree) return;
  const body = start.text.slice(/\r?\n\r?\n/.exec(start.text)?.index ?? start.text.length);
  if (isPartless(tree)) found.text.push(Buffer.from(body, 'latin1').toString('utf8'));
  if (takeText(tree, found)) takeNames(body, found);
}

/** A multipart in which we find no part is text. */
const isPartless = ({ children, contentType }: MimePart): boolean =>
  children.length === 0 && contentType !== false && contentType.startsWith('multipart/');

/** Where we find no parts another reader may find some all the same: the names that it would find count. */
function takeNames(body: string, { attachments }: Gathered): void {
  const named = body.matchAll(/name\*?\d*\*?[ \t]*=[ \t]*(?:"([^"\r\n]{1,255})"|([^\s";]{1,255}))/gi);
  const names = [...[...named].map(([, quoted, bare = '']) => quoted ?? bare), ...uuencoded(body)];
  if (names.length > limits.parts) throw new Error('a multipart without parts, but with too many names');
  if (names.length > 0) attachments.push({ names, type: 'text/plain', size: body.length, inside: [] });
}

/**
 * A line in the header that is no field begins the body (as Postfix has it): the empty line that is missing is put
 * there.
 */
async function* separated(octets: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let held: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of octets) {
    if (held === undefined) {
      yield chunk;
      continue;
    }
    held = Buffer.concat([held, chunk]);
    const end = bodyBegins(held.toString('latin1'));
    if (end === undefined && held.length <= limits.headerSize) continue;
    yield* withSeparator(held, end);
    held = undefined;
  }
  if (held !== undefined) yield* withSeparator(held, bodyBegins(`${held.toString('latin1')}\n`));
}

function* withSeparator(octets: Buffer, at: number | undefined): Iterable<Buffer> {
  if (at === undefined || /^\r?\n/.test(octets.toString('latin1', at, at + 2))) return void (yield octets);
  yield octets.subarray(0, at);
  yield Buffer.from('\r\n');
  yield octets.subarray(at);
}

/** Where the first line begins that is no field, nor goes on with one; a mailbox separator may stand in front. */
function bodyBegins(text: string): number | undefined {
  for (let at = 0, end = text.indexOf('\n'); end >= 0; at = end + 1, end = text.indexOf('\n', at)) {
    const line = text.slice(at, Math.min(end, at + 1000));
    const isField = /^[!-9;-~]+[ \t]*:/.test(line) || (at > 0 && /^[ \t]/.test(line));
    if (!isField && !(at === 0 && /^>?From /.test(line))) return at;
  }
  return undefined;
}

/**
 * White space behind a boundary is no part of it (RFC 2046 §5.1.1, transport-padding), but mailparser does not find the
 * part then. It is taken away wherever a line might be a boundary: content is read here, and changed nowhere.
 */
async function* withoutPadding(octets: AsyncIterable<Buffer>, start: { text: string }): AsyncIterable<Buffer> {
  let held = '';
  for await (const chunk of octets) {
    const text = held + chunk.toString('latin1');
    if (start.text.length < maxAttachment) start.text += chunk.toString('latin1');
    const lastLine = text.lastIndexOf('\n') + 1;
    held = text.startsWith('-', lastLine) && text.length - lastLine < 256 ? text.slice(lastLine) : '';
    yield trimmed(text.slice(0, text.length - held.length));
  }
  yield trimmed(held);
}

const trimmed = (text: string): Buffer => Buffer.from(text.replace(/^(--[^\r\n]{1,200}?)[ \t]+$/gm, '$1'), 'latin1');

/** Attachments come one by one, each before the text. */
async function take(part: AttachmentStream, found: Gathered, attachedTo: number): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of part.content as Readable) chunks.push(chunk);
  const octets = Buffer.concat(chunks);
  const packed = await packedIn(octets, found);
  const names = namesOf(part.headers, part.filename);
  const type = part.contentType === undefined || !part.contentType ? 'application/octet-stream' : part.contentType;
  const { cid = '' } = part;
  const named = cid !== '' && cid.length <= maxCid && { cid };
  found.attachments.push({
    names,
    type: type.toLowerCase(),
    size: octets.length,
    ...packed,
    ...named,
    ...(isKept(octets, found, named !== false) && { octets }),
  });
  if (!/^message\/(?:rfc822|global)$/i.test(type)) return;
  const own = { ...found, text: [], html: [] };
  await read(Readable.from([octets]), own, attachedTo + 1);
  found.parts = own.parts;
}

type PackedTraits = Pick<Attachment, 'inside' | 'isPacked' | 'isEncrypted' | 'hasMacros' | 'unlisted'>;

async function packedIn(octets: Buffer, { keep, budget, attachments }: Gathered): Promise<PackedTraits> {
  const first = firstLook(octets);
  if (first === undefined) throw new Error('an archive with too many names');
  const closer = first.isPacked && keep?.kind === 'archives' ? await closerLook(octets, budget) : undefined;
  const { names, isEncrypted } = closer ?? first;
  const before = attachments.reduce((sum, one) => sum + one.inside.length, 0);
  if (before + names.length > limits.namesInside) throw new Error('archives with too many names');
  const office = officeTraits(octets, first.names);
  return {
    inside: names,
    ...(first.isPacked && { isPacked: true }),
    ...((isEncrypted || office.isEncrypted) && { isEncrypted: true }),
    ...(office.hasMacros && { hasMacros: true }),
    ...(closer?.unlisted && { unlisted: closer.unlisted }),
  };
}

const maxCid = 256;

/** Shall the octets be kept of an attachment that is about to be put into the list? */
function isKept(octets: Buffer, { keep, attachments }: Gathered, isNamed: boolean): boolean {
  switch (keep?.kind) {
    case undefined:
    case 'archives':
      return false;
    case 'attachment':
      return keep.at === attachments.length && octets.length <= maxAttachment;
    case 'images': {
      if (!isNamed || octets.length > pictures.each || imageType(octets) === undefined) return false;
      const before = attachments.reduce((sum, one) => sum + (one.octets?.length ?? 0), 0);
      return before + octets.length <= pictures.all;
    }
  }
}

/** The tree, without recursion: its depth is the sender's. Is there a multipart in it without parts? */
function takeText(tree: MimePart, found: Gathered): boolean {
  let isPartlessSomewhere = false;
  const open: { readonly part: MimePart; readonly depth: number }[] = [{ part: tree, depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { part, depth } = next;
    if (depth > limits.depth) throw new Error(`parts in parts, deeper than ${limits.depth}`);
    if (++found.parts > limits.parts) throw new Error(`more than ${limits.parts} parts`);
    isPartlessSomewhere ||= isPartless(part);
    for (const child of part.children.toReversed()) open.push({ part: child, depth: depth + 1 });
    if (part.isAttachment || part.textContent === undefined) continue;
    (part.contentType === 'text/html' ? found.html : found.text).push(part.textContent);
    const names = [...namesOf(part.headers, part.node.filename), ...uuencoded(part.textContent)];
    const type = part.contentType || 'text/plain';
    if (names.length === 0) continue;
    const octets = Buffer.from(part.textContent);
    const kept = isKept(octets, found, false) && { octets };
    found.attachments.push({ names, type, size: octets.length, inside: [], ...kept });
  }
  return isPartlessSomewhere;
}

/**
 * Where a field is there twice, a reader may take the first or the last; the name may stand in either of two fields.
 */
function namesOf(headers: Headers, first: string | false | undefined): string[] {
  const params = ['content-disposition', 'content-type'].flatMap((field) => {
    const value = headers.get(field) as { readonly params?: Readonly<Record<string, string>> } | undefined;
    return [value?.params?.['filename'], value?.params?.['name']];
  });
  return [...new Set([first, ...params].filter((name) => typeof name === 'string' && name !== ''))] as string[];
}

/** A file in plain text, as before MIME; some readers still offer it as an attachment. */
const uuencoded = (text: string): string[] =>
  [...text.matchAll(/^begin(?:-base64)? [0-7]{3,4} (.{1,255})$/gm)].map(([, name = '']) => name.trim());
