/** What a session knows of its client. Plugins see it, the log and the journal tell it, and the session changes it. */
import type { ClientName, LocalAddress } from '../../hooks/plugin.js';
import type { SessionState } from '../../hooks/shown/seen.js';
import { deepFreeze } from '../../mail/frozen.js';
import type { Ip } from '../../mail/ip.js';
import type { Services } from '../services.js';
import { newId } from '../transaction-id.js';

export interface Client {
  readonly ip: Ip;
  /** Told by a trusted proxy (XCLIENT NAME); undefined: ask DNS. */
  readonly name: ClientName | undefined;
  /** Where it has reached us, where there is a connection. */
  readonly local?: () => LocalAddress | undefined;
}

/** At its beginning; the client's name may come later. */
export function sessionState(client: Client, { clientName }: Pick<Services, 'clientName'>): SessionState {
  const { ip, local } = client;
  const name = client.name ?? clientName(ip);
  const isKnown = !(name instanceof Promise);
  const state: SessionState = {
    id: newId(),
    clientIp: deepFreeze(ip),
    clientName: isKnown ? deepFreeze(name) : Object.freeze(name.then(deepFreeze)),
    knownClientName: isKnown ? name : undefined,
    helo: '',
    tls: undefined,
    localAddress: () => local && deepFreeze(local()),
    early: undefined,
    unknownCommands: 0,
    notes: undefined,
  };
  if (state.clientName instanceof Promise) void state.clientName.then((found) => (state.knownClientName = found));
  return state;
}
