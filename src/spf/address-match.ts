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

/** Is the client's address among these, in the bits of the masks? Families never mix. */
export function isAmong(client: Ip, addresses: readonly Ip[], { masks4, masks6 }: DualMasks): boolean {
  const masks = client.family === 4 ? masks4 : masks6;
  for (const address of addresses) {
    if (address.family === client.family && sameUnder(masks, address.words, client.words)) return true;
  }
  return false;
}

/** Are two addresses the same in the bits of the mask? */
export function sameUnder(masks: Masks, one: readonly number[], other: readonly number[]): boolean {
  for (let i = 0; i < masks.length; i++) {
    if ((((one[i] ?? 0) ^ (other[i] ?? 0)) & (masks[i] ?? 0)) !== 0) return false;
  }
  return true;
}
