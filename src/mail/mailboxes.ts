/**
 * The addresses in a From: field (RFC 5322 §3.4), as far as a check needs them: what stands where an address should.
 */

/**
 * Octets and commas of an address field: nobody writes more in earnest, and whoever reads more can be kept busy by
 * it.
 */
const maxOctets = 16_384;
const maxAddresses = 100;

/** Are all fields of a name together small enough to be read? A mail in which they are not is no proper mail. */
export function areReadable(values: readonly string[]): boolean {
  const octets = values.reduce((sum, value) => sum + value.length, 0);
  return octets <= maxOctets && values.reduce((sum, value) => sum + value.split(',').length, 0) <= maxAddresses;
}

/**
 * The addresses of each mailbox, in order, without display names, comments and quotes; '' where there is none. A
 * mailbox with several angle addresses has each of them, for nobody knows which one a reader shows. No more is read
 * than what `areReadable` takes. Never throws.
 */
export function addressesOf(value: string): string[] {
  const parts = split(value.slice(0, maxOctets)).slice(0, maxAddresses);
  const addresses: string[] = [];
  for (const part of parts) {
    const before = addresses.length;
    for (let open = -1, i = 0; i < part.length; i++) {
      const c = part.charCodeAt(i);
      if (c === lessThan) open = i;
      else if (c === greaterThan && open >= 0) {
        addresses.push(part.slice(open + 1, i).trim());
        open = -1;
      }
    }
    if (addresses.length === before) addresses.push(part.trim());
  }
  return addresses;
}

const lessThan = '<'.charCodeAt(0);
const greaterThan = '>'.charCodeAt(0);

/** Cuts at commas outside quotes, comments and angle brackets, dropping quoted display names and comments. */
function split(value: string): string[] {
  if (!/[\\"(,]/.test(value)) return [value];
  const parts: string[] = [];
  let part = '';
  let comments = 0;
  let quoted = false;
  let angle = false;
  for (let i = 0; i < value.length; i++) {
    const c = value.charAt(i);
    if (c === '\\' && (quoted || comments > 0)) i++;
    else if (c === '"' && comments === 0) quoted = !quoted;
    else if (quoted) part += angle ? c : '';
    else if (c === '(') comments++;
    else if (c === ')' && comments > 0) comments--;
    else if (comments > 0) continue;
    else if (c === ',' && !angle) {
      parts.push(part);
      part = '';
    } else {
      if (c === '<') angle = true;
      if (c === '>') angle = false;
      part += c;
    }
  }
  return [...parts, part];
}
