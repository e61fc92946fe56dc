/**
 * The names in a zip archive (APPNOTE 6.3.10 §4.3.7, §4.3.12), found by their headers wherever these stand. A reader
 * that checks what it reads refuses archives that unpackers open all the same: here a name that is there counts.
 * Nothing is unpacked.
 */

/** Both kinds of header: signature, where the name's length stands, where the name begins. */
const headers = [
  { signature: Buffer.from('PK\x03\x04'), lengthAt: 26, nameAt: 30 }, // local file header
  { signature: Buffer.from('PK\x01\x02'), lengthAt: 28, nameAt: 46 }, // central directory
] as const;

const maxNames = 10_000;
const maxName = 1024; // octets; of a longer one the end is taken, where its extension is

/** Names in UTF-8, what is none replaced; each once. undefined: more than anybody needs. */
export function zipNames(octets: Buffer): string[] | undefined {
  const names = new Set<string>();
  for (const { signature, lengthAt, nameAt } of headers) {
    for (let at = octets.indexOf(signature); at >= 0; at = octets.indexOf(signature, at + 4)) {
      if (at + nameAt > octets.length) break;
      const end = Math.min(at + nameAt + octets.readUInt16LE(at + lengthAt), octets.length);
      const name = octets.subarray(Math.max(at + nameAt, end - maxName), end);
      if (name.length > 0) names.add(name.toString('utf8'));
      if (names.size > maxNames) return undefined;
    }
  }
  return [...names];
}
