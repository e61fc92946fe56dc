/** Mails of several parts, and zip archives, for tests. */

/** Fields and body of one part. */
export const part = (fields: readonly string[], body = 'x'): string => [...fields, '', body].join('\r\n');

export function multipart(parts: readonly string[], boundary = 'B', subtype = 'mixed'): string {
  const inside = parts.map((one) => `--${boundary}\r\n${one}\r\n`).join('');
  return `Content-Type: multipart/${subtype}; boundary=${boundary}\r\n\r\n${inside}--${boundary}--\r\n`;
}

export const attached = (name: string, body = 'x'): string =>
  part([`Content-Disposition: attachment; filename="${name}"`, 'Content-Type: application/octet-stream'], body);

/** A part in base64 with this name. */
export const encoded = (name: string, octets: Buffer): string =>
  part(
    [
      `Content-Disposition: attachment; filename="${name}"`,
      'Content-Type: application/zip',
      'Content-Transfer-Encoding: base64',
    ],
    octets.toString('base64').replace(/.{76}/g, '$&\r\n'),
  );

/**
 * A zip archive of empty, stored files (APPNOTE 6.3.10 §4.3.7, §4.3.12); `centralOnly` leaves the local headers out.
 */
export function zip(names: readonly string[], { centralOnly = false } = {}): Buffer {
  const local = names.map((name) => header('PK\x03\x04', 30, 26, name));
  const central = names.map((name) => header('PK\x01\x02', 46, 28, name));
  return Buffer.concat([...(centralOnly ? [] : local), ...central, Buffer.from('PK\x05\x06'), Buffer.alloc(18)]);
}

function header(signature: string, length: number, lengthAt: number, name: string): Buffer {
  const fixed = Buffer.alloc(length);
  fixed.write(signature, 'latin1');
  fixed.writeUInt16LE(Buffer.byteLength(name), lengthAt);
  return Buffer.concat([fixed, Buffer.from(name)]);
}
