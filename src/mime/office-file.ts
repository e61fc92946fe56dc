/**
 * Macros and passwords in files of office programs, by what such files must hold: in the old ones, OLE compound files
 * ([MS-CFB] §2.6.1), names of streams in UTF-16; in the new ones, zip archives, the name of the part.
 */

const oleBeginning = Buffer.from('d0cf11e0a1b11ae1', 'hex');
const utf16 = (name: string): Buffer => Buffer.from(name, 'utf16le');
const macroStream = utf16('_VBA_PROJECT'); // [MS-OVBA] §2.2.1
const lockedStream = utf16('EncryptedPackage'); // [MS-OFFCRYPTO] §2.3.1

export interface OfficeTraits {
  readonly hasMacros: boolean;
  readonly isEncrypted: boolean;
}

/** `names`: those that it lists as a zip archive. */
export function officeTraits(octets: Buffer, names: readonly string[]): OfficeTraits {
  if (octets.subarray(0, 8).equals(oleBeginning))
    return { hasMacros: octets.includes(macroStream), isEncrypted: octets.includes(lockedStream) };
  return { hasMacros: names.some((name) => /(?:^|[/\\])vbaProject\.bin$/i.test(name)), isEncrypted: false };
}
