/**
 * The Content-Disposition (RFC 6266) of an attachment. The sender chose its name; only what is harmless of it is kept.
 */

/**
 * Controls, reversals and lone surrogates; path separators of any system; what a shell or a browser reads as more than
 * a name.
 */
const unfit = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}/\\:*?"<>|%;'`$&]/gu;

const maxLength = 120;

/**
 * The ID goes in front, so that no name begins with a dot or a dash, or is one of Windows' devices. A long name keeps
 * its end, where its extension is; white space that would push the extension out of sight becomes one blank.
 */
export function downloadName(id: string, name: string): string {
  const fit = name.slice(-maxLength).normalize('NFC').replace(unfit, '_').replace(/\s+/gu, ' ');
  return `${id || 'mail'}-${fit.replace(/^[ .]+|[ .]+$/g, '') || 'attachment'}`;
}

export function contentDisposition(filename: string): string {
  const encoded = encodeURIComponent(filename).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${filename.replace(/[^\x20-\x7e]/gu, '_')}"; filename*=UTF-8''${encoded}`;
}
