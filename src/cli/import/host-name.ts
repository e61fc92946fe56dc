/** Tells a host's name from an address, in lists of others that hold both. */
import { parseDomain } from '../../mail/domain.js';
import { parseNetwork } from '../../mail/ip.js';

export const isHost = (text: string): boolean =>
  parseNetwork(text) === undefined && parseDomain(text) !== undefined && !/^[\d.]+$/.test(text);
