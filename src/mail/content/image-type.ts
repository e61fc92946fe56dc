/**
 * The type of a picture that may stand in a page, by its first octets, whatever the mail calls it: mails call pictures
 * application/octet-stream, and worse things image/png. SVG is markup, and never one.
 */
export type ImageType = 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp';

const signatures: readonly (readonly [type: ImageType, beginning: RegExp])[] = [
  ['image/png', /^\x89PNG\r\n\x1a\n/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/gif', /^GIF8[79]a/],
  ['image/webp', /^RIFF[^]{4}WEBP/],
];

export function imageType(octets: Uint8Array): ImageType | undefined {
  const beginning = Buffer.from(octets.subarray(0, 12)).toString('latin1');
  return signatures.find(([, signature]) => signature.test(beginning))?.[0];
}
