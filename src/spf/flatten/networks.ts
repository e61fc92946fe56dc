/** Sets of addresses as networks: the fewest that hold the same addresses, and whether one holds another. */
import { contains, type Ip, type Network, networkBase } from '../../mail/ip.js';

/** The same addresses in as few networks as can be, IPv4 first, in the order of their addresses. */
export function aggregate(networks: readonly Network[]): readonly Network[] {
  const kept: Network[] = [];
  for (const network of networks.map(withoutHostBits).toSorted(inOrder)) {
    const last = kept.at(-1);
    if (last !== undefined && isWithinNetwork(network, last)) continue;
    kept.push(network);
    for (let parent = joined(kept); parent !== undefined; parent = joined(kept)) kept.splice(-2, 2, parent);
  }
  return kept;
}

export const isWithinNetwork = (narrow: Network, wide: Network): boolean =>
  narrow.prefix >= wide.prefix && contains(wide, narrow.base);

const networkText = ({ base, prefix }: Network): string =>
  prefix === (base.family === 4 ? 32 : 128) ? base.text : `${base.text}/${prefix}`;

/** As a term without its qualifier. */
export const networkTerm = (network: Network): string => `ip${network.base.family}:${networkText(network)}`;

const withoutHostBits = ({ base, prefix }: Network): Network => ({ base: networkBase(base, prefix), prefix });

function inOrder(one: Network, other: Network): number {
  if (one.base.family !== other.base.family) return one.base.family - other.base.family;
  const at = one.base.words.findIndex((word, i) => word !== other.base.words[i]);
  return at < 0 ? one.prefix - other.prefix : wordAt(one.base, at) - wordAt(other.base, at);
}

const wordAt = (ip: Ip, at: number): number => ip.words[at] ?? 0;

/** The network that the last two are the halves of. */
function joined(networks: readonly Network[]): Network | undefined {
  const [low, high] = networks.slice(-2);
  if (low === undefined || high === undefined || low.prefix !== high.prefix || low.prefix === 0) return undefined;
  const parent: Network = { base: networkBase(low.base, low.prefix - 1), prefix: low.prefix - 1 };
  return contains(parent, high.base) ? parent : undefined;
}
