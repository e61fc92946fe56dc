/**
 * A mail's HTML as a document of its own, for a sandboxed frame. The policy keeps scripts, forms and requests out; what no
 * policy covers is taken out of the markup: `<link rel=preconnect>` opens connections in Chromium whatever the policy says.
 */

/** Tags that could act before or beside the policy. The tokenizer of HTML wants `<` and the name side by side, and so do we. */
const acting =
  /<(?=\/?(?:link|base|meta|script|iframe|frame|frameset|object|embed|applet|portal|noscript|template|svg|math)\b)/gi;

export const harmless = (html: string): string =>
  `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light">\n${html.replace(acting, '<x-')}`;

export function mailPolicy(images: boolean): string {
  const sources = images ? 'data: https: http:' : 'data:';
  return `sandbox; default-src 'none'; img-src ${sources}; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'`;
}
