/**
 * How the names of destinations become addresses. Leaves DNS to whoever wires the relay.
 */
import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Ip } from '../../mail/ip.js';
import type { Result } from '../../mail/result.js';

export interface Names {
  /** As net.connect wants it; addresses are never asked for. */
  readonly lookup: LookupFunction;
}

export const systemNames: Names = { lookup: dns.lookup };

/** Those of a resolver of our own. `addressesOf` never rejects, and its problem is a whole clause. */
export const namesBy = (addressesOf: (host: string) => Promise<Result<readonly Ip[]>>): Names => ({
  lookup: (host, { all, family }, callback) => {
    void addressesOf(host).then((found) => {
      const addresses = found.ok ? found.value.filter((ip) => !family || ip.family === family) : [];
      const [first] = addresses;
      if (first === undefined) return callback(new Error(found.ok ? `${host} has no address` : found.problem), '');
      return all
        ? callback(
            null,
            addresses.map((ip) => ({ address: ip.text, family: ip.family })),
          )
        : callback(null, first.text, first.family);
    });
  },
});
