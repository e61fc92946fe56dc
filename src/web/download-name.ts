/** The Content-Disposition (RFC 6266) under which an attachment may be saved. Its name is the sender's, and what is left of it harmless. */

/** Controls, reversals and lone surrogates; what leads elsewhere on some system; what a shell or a browser reads as more than a name. */
const unfit = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}/\\:*?"<>|%;'`$&]/gu;

const longest = 120;

/**
 * The ID goes in front: no name begins with a dot or a dash then, or is one of Windows' devices. Of a long name the end stays,
 * where its extension is; white space that would push that out of sight becomes one blank.
 */
export function downloadName(id: string, name: string): string {
  const fit = name.slice(-longest).normalize('NFC').replace(unfit, '_').replace(/\s+/gu, ' ');
  return `${id || 'mail'}-${fit.replace(/^[ .]+|[ .]+$/g, '') || 'attachment'}`;
}

export function disposition(filename: string): string {
  const encoded = encodeURIComponent(filename).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${filename.replace(/[^\x20-\x7e]/gu, '_')}"; filename*=UTF-8''${encoded}`;
}
