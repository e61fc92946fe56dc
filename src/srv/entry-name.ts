/** Client text → the name of a directory entry, or none. The only way for client bytes into a path below /srv. */

/**
 * Lower-cased and composed (NFC). None for what can name no marker: empty, `.`, `..`, anything with `/`, NUL or another
 * control character, over 255 octets of UTF-8, and the literal `*`, which is the operator's wildcard.
 */
export function entryName(clientText: string): string | undefined {
  if (plain.test(clientText)) return clientText;
  const name = clientText.normalize('NFC').toLowerCase();
  if (name === '' || name === '.' || name === '..' || name === '*') return undefined;
  if (/[/\p{Cc}]/u.test(name) || Buffer.byteLength(name) > 255) return undefined;
  return name;
}

/** Most of them: nothing in it has to be changed or looked at more closely. */
const plain = /^[0-9a-z@_-][0-9a-z.@_+-]{0,254}$/;
