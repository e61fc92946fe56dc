/**
 * Domain names from the wire, as A-labels.
 *
 * npm smtp-server decodes domains after it has validated them (`x@。` arrives as `x@.`, `x@xn--` as `x@`), so
 * postern reads them itself, from the raw command, and a name either is a valid host name or is nothing.
 */
import { decodePunycode } from './punycode.js';

/**
 * The same name, joined anew from its labels: one that is kept, and was cut out of a longer text, would keep all of
 * that, and is slower to look up.
 */
export const ownName = (name: string): string => name.split('.').join('.');

const ldhLabel = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * Reads a domain (RFC 5321 §4.1.2, RFC 5890) into lower-case A-labels without a final dot: at most 253 octets, labels
 * of 1…63, the last one not all digits. Underscores pass, for they exist. A U-label must be in its canonical form (NFC,
 * no compatibility characters), or it is refused: nothing is mapped to another name than the client wrote.
 */
export function parseDomain(text: string): string | undefined {
  if (text.length === 0 || text.length > 253) return undefined;
  if (plainDomain.test(text)) return text;
  const labels = text.toLowerCase().split('.');
  const ascii: string[] = [];
  for (const label of labels) {
    const converted = asciiLabel(label);
    if (converted === undefined) return undefined;
    ascii.push(converted);
  }
  const domain = ascii.join('.');
  if (domain.length > 253 || /^\d+$/.test(ascii.at(-1) ?? '')) return undefined;
  return domain;
}

/** What nearly all domains are: lower-case labels, no `--` that would make one an A-label, and letters at the end. */
const plainDomain = /^(?:[a-z0-9](?:-?[a-z0-9]){0,30}\.){1,8}[a-z]{2,30}$/;

function asciiLabel(label: string): string | undefined {
  if (ldhLabel.test(label)) return label.startsWith('xn--') ? validALabel(label) : label;
  return isULabel(label) ? toALabel(label) : undefined;
}

/**
 * Letters, marks, digits and hyphens only, unchanged by NFKC: full-width dots, zero-width and C1 characters are none
 * of these.
 */
function isULabel(label: string): boolean {
  return /^[\p{L}\p{M}\p{N}-]+$/u.test(label) && !/^[\x00-\x7f]*$/.test(label) && label.normalize('NFKC') === label;
}

/** The WHATWG URL parser holds the only IDNA (UTS #46) implementation of the platform that needs no import. */
function hostOf(label: string): string | undefined {
  try {
    const host = new URL(`http://${label}.example/`).hostname;
    return host.endsWith('.example') ? host.slice(0, -'.example'.length) : undefined;
  } catch {
    return undefined;
  }
}

function toALabel(label: string): string | undefined {
  const host = hostOf(label);
  return host !== undefined && host.startsWith('xn--') && ldhLabel.test(host) ? host : undefined;
}

/**
 * The A-label, where its decoded form makes the same A-label again: one that decodes to ASCII, or to what may not stand
 * in a name, does not.
 */
function validALabel(label: string): string | undefined {
  const decoded = decodePunycode(label.slice('xn--'.length));
  return decoded !== undefined && hostOf(decoded) === label ? label : undefined;
}
