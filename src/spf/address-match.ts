/**
 * The client's address compared with networks. Allocates nothing: masks were worked out at parsing.
 */
import type { Ip } from '../mail/ip.js';
import type { Masks } from './record.js';

/** Masks for an address of either family. */
export interface DualMasks {
  readonly masks4: Masks;
  readonly masks6: Masks;
}

/** Compares addresses whole. */
export const wholeAddress: DualMasks = { masks4: [-1], masks6: [-1, -1, -1, -1] };

/** Is the client's address among these of its own family's record type, in the bits of the masks? */
export function isAmong(client: Ip, addresses: readonly Ip[], { masks4, masks6 }: DualMasks): boolean {
  const masks = client.family === 4 ? masks4 : masks6;
  for (const address of addresses) {
    if (address.family !== client.family) {
      if (client.family === 6 && isMappedUnder(masks, address, client)) return true;
    } else if (sameUnder(masks, address.words, client.words)) {
      return true;
    }
  }
  return false;
}

/** A mapped address in an AAAA record reads as its IPv4 address; here it stands for a network of IPv6 all the same. */
function isMappedUnder(masks: Masks, address: Ip, client: Ip): boolean {
  const [a = 0, b = 0, c = 0, d = 0] = client.words;
  const [m0 = 0, m1 = 0, m2 = 0, m3 = 0] = masks;
  return ((a & m0) | (b & m1) | ((c ^ 0xffff) & m2) | ((d ^ (address.words[0] ?? 0)) & m3)) === 0;
}

/** Are two addresses the same in the bits of the mask? */
export function sameUnder(masks: Masks, one: readonly number[], other: readonly number[]): boolean {
  for (let i = 0; i < masks.length; i++) {
    if ((((one[i] ?? 0) ^ (other[i] ?? 0)) & (masks[i] ?? 0)) !== 0) return false;
  }
  return true;
}
