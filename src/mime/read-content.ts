/**
 * A mail's octets → its content, on npm mailparser. Runs in a thread of its own (thread.ts): mailparser's worst inputs take
 * seconds and hundreds of megabytes. Of what it offers only the decoding is used; text is never made of HTML, links are not
 * looked for. Never throws: what cannot be read is `unreadable`.
 */
import { Readable } from 'node:stream';
import { type AttachmentStream, type Headers, MailParser, type MailParserOptions, type MessageText } from 'mailparser';
import { type Attachment, type Content, largestAttachment, longestText } from '../mail/content.js';
import { imageType } from '../mail/image-type.js';
import type { Keep } from './content-reader.js';
import { zipNames } from './zip-names.js';

/** Our choices; Haraka takes 1000 parts, Postfix a depth of 100, and real mail stays far below. */
export const limits = { parts: 1000, depth: 50, attachedMails: 5, headerSize: 1 << 20 } as const;

/** Octets of pictures that are kept where they are asked for: of one, of all. */
export const pictures = { each: 2 << 20, all: 8 << 20 } as const;

export async function readContent(octets: Readable, keep?: Keep): Promise<Content> {
  try {
    const found: Gathered = { text: [], html: [], attachments: [], parts: 0, keep };
    await read(octets, found, 0);
    const [text, html] = [found.text, found.html].map((parts) => parts.join('\n').slice(0, longestText));
    return { kind: 'read', text: text ?? '', html: html ?? '', attachments: found.attachments };
  } catch (error) {
    return { kind: 'unreadable', why: error instanceof Error ? error.message : String(error) };
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
  const parser = new MailParser(options);
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
    Readable.from(withoutPadding(octets)).on('error', reject).pipe(parser);
  });
  const { tree } = parser as unknown as { readonly tree: MimePart | false };
  if (tree) takeText(tree, found);
}

/**
 * White space behind a boundary is no part of it (RFC 2046 §5.1.1, transport-padding), but mailparser does not find the
 * part then. It is taken away wherever a line might be a boundary: content is read here, and changed nowhere.
 */
async function* withoutPadding(octets: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let held = '';
  for await (const chunk of octets) {
    const text = held + chunk.toString('latin1');
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
  const inside = zipNames(octets);
  if (inside === undefined) throw new Error('an archive with too many names');
  const names = namesOf(part.headers, part.filename);
  const type = part.contentType === undefined || !part.contentType ? 'application/octet-stream' : part.contentType;
  const { cid = '' } = part;
  const named = cid !== '' && cid.length <= longestCid && { cid };
  found.attachments.push({
    names,
    type: type.toLowerCase(),
    size: octets.length,
    inside,
    ...named,
    ...(isKept(octets, found, named !== false) && { octets }),
  });
  if (!/^message\/(?:rfc822|global)$/i.test(type)) return;
  const own = { ...found, text: [], html: [] };
  await read(Readable.from([octets]), own, attachedTo + 1);
  found.parts = own.parts;
}

const longestCid = 256;

/** Of an attachment that is about to be put into the list. */
function isKept(octets: Buffer, { keep, attachments }: Gathered, isNamed: boolean): boolean {
  switch (keep?.kind) {
    case undefined:
      return false;
    case 'attachment':
      return keep.at === attachments.length && octets.length <= largestAttachment;
    case 'images': {
      if (!isNamed || octets.length > pictures.each || imageType(octets) === undefined) return false;
      const before = attachments.reduce((sum, one) => sum + (one.octets?.length ?? 0), 0);
      return before + octets.length <= pictures.all;
    }
  }
}

/** The tree, without recursion: its depth is the sender's. */
function takeText(tree: MimePart, found: Gathered): void {
  const open: { readonly part: MimePart; readonly depth: number }[] = [{ part: tree, depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { part, depth } = next;
    if (depth > limits.depth) throw new Error(`parts in parts, deeper than ${limits.depth}`);
    if (++found.parts > limits.parts) throw new Error(`more than ${limits.parts} parts`);
    if (part.children.length === 0 && part.contentType && part.contentType.startsWith('multipart/'))
      throw new Error('a multipart without parts');
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
}

/** Of two fields of one name a reader may take the first or the last; the name may stand in either of two. */
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
