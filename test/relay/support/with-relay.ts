/** A scripted MTA and a relay to it for the length of one test; whatever happens, both are closed. */
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
    target: options.mta?.path === undefined ? { host: '127.0.0.1', port: mta.port } : { path: options.mta.path },
    hostname: 'postern.example',
    connections: 4,
    timeoutMs: 5_000,
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
