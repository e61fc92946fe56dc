/**
 * The client's address compared with networks and with the addresses of hosts. Comparing allocates nothing: what it
 * needs was worked out at parsing.
 */
import type { Ip } from '../mail/ip.js';
import type { All, Ip4, Ip6, Masks, Networks } from './record.js';

/** The bits of an address that are compared, in either family. */
export interface DualMasks {
  readonly mask4: number;
  readonly masks6: Masks;
}

/** Compares addresses whole. */
export const wholeAddress: DualMasks = { mask4: -1, masks6: [-1, -1, -1, -1] };

/** Directives that stand side by side, as numbers. */
export function networksOf(directives: readonly (Ip4 | Ip6 | All)[]): Networks {
  const isOfIp4Alone = directives.every(({ kind }) => kind === 'ip4');
  return {
    kind: 'networks',
    directives,
    words4: Int32Array.from(directives.flatMap(words4Of)),
    words6: isOfIp4Alone ? undefined : Int32Array.from(directives.flatMap(words6Of)),
  };
}

/** Base and mask; RFC 7208 §5: families never mix, so that what is of the other one has a base that no mask leaves. */
function words4Of(directive: Ip4 | Ip6 | All): readonly number[] {
  switch (directive.kind) {
    case 'all':
      return [0, 0];
    case 'ip4':
      return [directive.base, directive.mask];
    case 'ip6':
      return [1, 0];
  }
}

function words6Of(directive: Ip4 | Ip6 | All): readonly number[] {
  switch (directive.kind) {
    case 'all':
      return [0, 0, 0, 0, 0, 0, 0, 0];
    case 'ip4':
      return [1, 0, 0, 0, 0, 0, 0, 0];
    case 'ip6':
      return [...directive.base, ...directive.masks];
  }
}

/** The index of the first directive that the client matches; -1 when it matches none. */
export function firstMatch({ words4, words6 }: Networks, client: Ip): number {
  if (client.family === 6) return words6 === undefined ? -1 : firstMatch6(words6, client.words);
  const word = (client.words[0] ?? 0) | 0;
  for (let i = 0; i < words4.length; i += 2) {
    if ((word & (words4[i + 1] ?? 0)) === words4[i]) return i >> 1;
  }
  return -1;
}

function firstMatch6(words6: Int32Array, [a = 0, b = 0, c = 0, d = 0]: readonly number[]): number {
  for (let i = 0; i < words6.length; i += 8) {
    if (
      (a & (words6[i + 4] ?? 0)) === words6[i] &&
      (b & (words6[i + 5] ?? 0)) === words6[i + 1] &&
      (c & (words6[i + 6] ?? 0)) === words6[i + 2] &&
      (d & (words6[i + 7] ?? 0)) === words6[i + 3]
    )
      return i >> 3;
  }
  return -1;
}

/** Is the client's address among these of its own family's record type, in the bits of the masks? */
export function isAmong(client: Ip, addresses: readonly Ip[], { mask4, masks6 }: DualMasks): boolean {
  for (const address of addresses) {
    if (client.family === 4) {
      if (address.family === 4 && (((address.words[0] ?? 0) ^ (client.words[0] ?? 0)) & mask4) === 0) return true;
    } else if (sameUnder(masks6, words6InAaaa(address), client.words)) {
      return true;
    }
  }
  return false;
}

/** A mapped address in an AAAA record reads as its IPv4 address; here it stands for a network of IPv6 all the same. */
const words6InAaaa = ({ family, words }: Ip): readonly number[] =>
  family === 6 ? words : [0, 0, 0xffff, words[0] ?? 0];

/** Are two addresses of IPv6 the same in the bits of the masks? */
export function sameUnder(masks: Masks, one: readonly number[], other: readonly number[]): boolean {
  for (let i = 0; i < masks.length; i++) {
    if ((((one[i] ?? 0) ^ (other[i] ?? 0)) & (masks[i] ?? 0)) !== 0) return false;
  }
  return true;
}
