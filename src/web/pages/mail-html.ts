/**
 * A mail's HTML as a document of its own, for a sandboxed frame. The policy keeps scripts, forms and requests out; what
 * no policy covers is taken out of the markup: in Chromium `<link rel=preconnect>` opens connections whatever the
 * policy says, and so does a click on a link that it then does not follow.
 */
import type { Attachment } from '../../mail/content/content.js';
import { imageType } from '../../mail/content/image-type.js';

/**
 * Tags that could act before or beside the policy. The tokenizer of HTML wants `<` and the name side by side, and so do
 * we.
 */
const acting =
  /<(\/?)(?=(?:link|base|meta|script|iframe|frame|frameset|object|embed|applet|portal|noscript|template|svg|math)\b)/gi;

/** The name of an attribute ends at white space or `=`; nothing within it is decoded. */
const leading = /href(?=\s*=)/gi;

/** Links look so without an address; the pointer shows where they would have led. */
const linkStyle = `<style>a[x-href]{color:#00e;text-decoration:underline}a[x-href]:hover::after{content:attr(x-href);\
position:absolute;z-index:9;max-width:90vw;padding:1px 6px;background:#fff;color:#000;border:1px solid #888;\
font:12px/1.4 monospace;overflow-wrap:anywhere;text-decoration:none}</style>`;

export const harmless = (html: string): string =>
  `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light">${linkStyle}\n` +
  html.replace(acting, '<$1x-').replace(leading, 'x-href');

/** One document holds at most so many characters of pictures: a mail may name one picture a thousand times. */
const maxImages = 16 << 20;

/**
 * The mail's own pictures in the places that name them (`cid:`, RFC 2392), as data: URIs. These hold no character that
 * ends an attribute or begins a tag, so it does not matter what the place is.
 */
export function withImages(html: string, attachments: readonly Attachment[]): string {
  const images = new Map<string, string>();
  for (const { cid, octets } of attachments) {
    const type = octets && imageType(octets);
    if (cid === undefined || type === undefined || images.has(cid)) continue;
    images.set(cid, `data:${type};base64,${Buffer.from(octets ?? []).toString('base64')}`);
  }
  let room = maxImages;
  return html.replace(
    /(?<=["'=(;])cid:([^\s"'<>()]{1,300}?)(?=["'<>()\s]|&quot;|&#3[49];|$)/gi,
    (whole: string, cid: string) => {
      const image = images.get(cid) ?? images.get(percentDecoded(cid)) ?? '';
      if (image === '' || image.length > room) return whole;
      room -= image.length;
      return image;
    },
  );
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function mailPolicy(images: boolean): string {
  const sources = images ? 'data: https: http:' : 'data:';
  return `sandbox; default-src 'none'; img-src ${sources}; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'`;
}
