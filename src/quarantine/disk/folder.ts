/**
 * Where things are: the paths of one domain's maildir for one day, and the names of the mails in it. Leaves making,
 * filling and emptying it to others.
 */
import path from 'node:path';

export interface Folder {
  /** /spam/YDAY/DOMAIN */
  readonly path: string;
  readonly tmp: string;
  readonly new: string;
  readonly cur: string;
  readonly index: string;
}

export function folderAt(folder: string): Folder {
  return {
    path: folder,
    tmp: path.join(folder, 'tmp'),
    new: path.join(folder, 'new'),
    cur: path.join(folder, 'cur'),
    index: path.join(folder, 'index'),
  };
}

/**
 * Could this be the name of a domain's folder? The listener has validated domains; this only keeps them in their place.
 */
export function isFolderName(domain: string): boolean {
  return /^[^./\0][^/\0]*$/.test(domain) && Buffer.byteLength(domain) <= 255;
}

/** `<unix seconds>.<ID>_<n>.<host>` (maildir(5)), unique because the id is; `host` is as `nameOfHost` has it. */
export const mailName = (time: Date, id: string, n: number, host: string): string =>
  `${Math.floor(time.getTime() / 1000)}.${id}_${n}.${host}`;

/**
 * A slash is `\057`, a colon `\072` and a comma `\054`; so is whatever else is not visible ASCII. Cut so that the
 * whole name of a mail stays below 255 octets.
 */
export const nameOfHost = (hostname: string): string =>
  [...Buffer.from(hostname)].map(hostOctet).join('').slice(0, 128);

function hostOctet(octet: number): string {
  const char = String.fromCharCode(octet);
  return /[!-+\-.0-9;-~]/.test(char) ? char : `\\${octet.toString(8).padStart(3, '0')}`;
}

/** When a mail was archived, in milliseconds, from its name; undefined for a name that is not a maildir's. */
export function mailTime(name: string): number | undefined {
  const seconds = /^(\d{1,11})\./.exec(name)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

/**
 * The name that the mail was archived under: readers add flags (`:2,S`), and sizes and more of their own before those
 * (Dovecot `,S=512,W=530:2,S`, GNU mailutils `,a=O,u=7:2,S`). Our names have neither comma nor colon.
 */
export const baseName = (name: string): string => name.replace(/[,:].*$/s, '');

/**
 * Returns the part that no reader changes: `ID_n`, which no other mail's name has. Undefined for a name that is not
 * ours.
 */
export const mailKey = (name: string): string | undefined => /^\d+\.([A-Z0-9]{1,64}_\d+)\./.exec(name)?.[1];
