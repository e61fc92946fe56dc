/** A scripted MTA and a relay to it for the length of one test; whatever happens, both are closed. */
import { type DestinationList, readDestinations } from '../../../src/relay/destination/destination.js';
import { openRelay, type Relay, type RelayOptions } from '../../../src/relay/relay.js';
import { ScriptedMta, type Options } from './scripted-mta.js';

export interface Pair {
  readonly mta: ScriptedMta;
  readonly relay: Relay;
  readonly problems: string[];
}

export async function withRelay(
  options: { readonly mta?: Options; readonly relay?: Partial<RelayOptions> },
  run: (pair: Pair) => Promise<void>,
): Promise<void> {
  const mta = await ScriptedMta.start(options.mta);
  const problems: string[] = [];
  const relay = openRelay({
    destinations: destinations(options.mta?.path === undefined ? `127.0.0.1:${mta.port}` : `unix:${options.mta.path}`),
    hostname: 'postern.example',
    connections: 4,
    timeoutMs: 60_000,
    onError: (problem) => problems.push(problem),
    ...options.relay,
  });
  try {
    await run({ mta, relay, problems });
  } finally {
    await relay.close();
    await mta.stop();
  }
}

/** As an operator writes them. */
export function destinations(text: string): DestinationList {
  const read = readDestinations(text);
  if (!read.ok) throw new Error(read.problem);
  return read.value;
}

/** Everything a good MTA of today offers. */
export const usual = ['PIPELINING', 'SIZE 10240000', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'];

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until something is so; fails the test when it does not become so. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (isSo()) return;
    await pause(5);
  }
  throw new Error('it never became so');
}
