/**
 * Reasons of one kind, for counting: what differs from mail to mail (addresses, names of hosts, quoted words, numbers)
 * is left out.
 */

/** One pass, as a million reasons are counted; the order matters, for an address holds a host's name. */
const particulars =
  /"[^"]*"(?:@[^\s<>()"',;:]+)?|[^\s<>()"',;:]+@[^\s<>()"',;:]+|\b(?:[0-9a-f]{0,4}:){2,7}[0-9a-f.]*|\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[\w-]+\.)+[a-z][\w-]*\b|\b\d+(?:\.\d+)?\b/gi;

const leftOut = '…';

/** `spf: SPF fail: … does not permit … to send its mail by -all` */
export function reasonKind(plugin: string, reason: string): string {
  const kind = reason
    .slice(0, maxReason)
    .replace(particulars, leftOut)
    .replace(/…(?:[\s,/]*…)+/g, leftOut);
  return `${plugin}: ${kind.slice(0, maxKind)}`;
}

/** UTF-16 units that are looked at: the expression takes their square. */
const maxReason = 300;
const maxKind = 160;

/**
 * A search that finds the mails of a kind, and perhaps some more: the plugin, and the longest piece of text in the
 * reason.
 */
export function searchForKind(kind: string): string {
  const [, plugin = '', reason = ''] = /^([^:]*): (.*)$/s.exec(kind) ?? [];
  const pieces = reason.split(leftOut).map((piece) => piece.replaceAll('"', '').trim());
  const longest = pieces.reduce((best, piece) => (piece.length > best.length ? piece : best), '');
  return [...(plugin === '' ? [] : [`plugin:${plugin}`]), ...(longest === '' ? [] : [`reason:"${longest}"`])].join(' ');
}
