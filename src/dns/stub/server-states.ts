/**
 * Asks each name server by itself, whether it answers and whether it validates (DNSSEC): look-ups go on to the next one
 * where one fails, and so show neither. Leaves what that means to whoever asks.
 */
import { readFileSync } from 'node:fs';
import { encodeName } from '../wire/name.js';
import { askServer, type ServerAnswer } from './ask-server.js';
import { parseResolvConf, systemResolvConf } from './resolv-conf.js';
import { parseServer, type Server } from './servers.js';

export type ServerState =
  | { readonly server: string; readonly kind: 'validates' }
  | { readonly server: string; readonly kind: 'answers' }
  | { readonly server: string; readonly kind: 'failed'; readonly problem: string };

/** `servers` are written as in the settings; those of resolv.conf where there are none. Never rejects. */
export function serverStates(servers: readonly string[], timeoutMs: number): Promise<readonly ServerState[]> {
  const known = servers.length > 0 ? servers.map(parseServer) : systemServers();
  return Promise.all(known.filter((server) => server !== undefined).map((server) => stateOf(server, timeoutMs)));
}

function systemServers(): readonly Server[] {
  let text = '';
  try {
    text = readFileSync(systemResolvConf, 'latin1');
  } catch {
    // Without the file it is the one of this machine, as without a server in it.
  }
  const { servers } = parseResolvConf(text);
  return servers.length > 0 ? servers : [{ family: 4, address: '127.0.0.1', port: 53 }];
}

/** The root is signed, and every server that validates knows its key: also that it has no TXT record. */
const question = { name: encodeName('') ?? Buffer.of(0), type: 'TXT' } as const;

async function stateOf(server: Server, timeoutMs: number): Promise<ServerState> {
  const answer = await new Promise<ServerAnswer>((resolve) => {
    const asked = askServer(
      { ...question, server, edns: true, overTcp: false, wantsValidated: true, heard: () => undefined },
      (told) => {
        clearTimeout(timer);
        resolve(told);
      },
    );
    const timer = setTimeout(() => {
      asked.end();
      resolve({ kind: 'failed', problem: 'timed out', silent: true });
    }, timeoutMs);
  });
  const name = textOf(server);
  if (answer.kind === 'failed') return { server: name, kind: 'failed', problem: answer.problem };
  return answer.message.validated ? { server: name, kind: 'validates' } : { server: name, kind: 'answers' };
}

function textOf({ family, address, port }: Server): string {
  if (port === 53) return address;
  return family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
