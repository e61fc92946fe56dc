/** The way to the MTAs behind, for commands that send mail on. */
import { printable } from '../../mail/text.js';
import type { Result } from '../../mail/result.js';
import type { Relay } from '../../relay/relay.js';
import type { Settings } from '../../settings/settings.js';
import { complain } from '../complain.js';
import { byDomain, relayOf } from './relaying.js';
import { makeResolver, srvOf } from '../wire.js';

/** Fails where the zone file is wrong. */
export function wayOut(settings: Settings): Result<Relay> {
  const resolver = makeResolver(settings);
  if (!resolver.ok) return resolver;
  const relay = relayOf(settings, {
    resolver: resolver.value,
    onError: (problem) => complain([printable(problem)]),
  });
  return { ok: true, value: byDomain(relay, srvOf(settings)) };
}
