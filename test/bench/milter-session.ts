/**
 * `npm run bench:milter-session`: what a message costs inside the filter that verifies senders, from the octets of the
 * MTA to the octets of the answer and a line of the log, without sockets. The shortest of many batches, so that a step
 * of two in a hundred is seen on a busy machine as well. The load is that of `npm run bench:milter`.
 */
import { loadMilterConfig } from '../../src/cli/milter/verify-sender/config.js';
import { SpfCounts } from '../../src/cli/milter/verify-sender/metrics.js';
import { openMilterLog } from '../../src/cli/milter/log.js';
import { MilterCounts } from '../../src/cli/milter/metrics.js';
import { cachingResolver } from '../../src/dns/cache.js';
import { zoneResolver } from '../../src/dns/zone.js';
import { Registry } from '../../src/metrics/registry.js';
import { preparePolicy } from '../../src/milter/negotiation.js';
import { MilterSession, type Outlet } from '../../src/milter/session.js';
import { verifySender } from '../../src/milter/verify-sender/verify-sender.js';
import { burstsOfSession, messagesPerSession, negotiation, zone } from './milter-load.js';

const batches = 400;
const sessionsABatch = 50;

const loaded = loadMilterConfig({ file: 'bench.conf', options: [], readFile: () => 'socket = unix:/unused\n' });
if (!loaded.ok) throw new Error(loaded.problem.join('\n'));
const { config } = loaded.value;

let loggedOctets = 0;
const stderr = (text: string): void => void (loggedOctets += text.length);
const { log } = openMilterLog({ ...config, log_destination: 'stderr' }, { stderr, device: '', logger: '' });
const registry = new Registry();
const answers = zoneResolver(zone);
const policy = verifySender(config, {
  resolver: cachingResolver({ ask: async (name, type) => ({ answer: answers.lookup(name, type), ttl: 3600 }) }),
  clientName: () => Promise.resolve(undefined),
  log,
  observe: new SpfCounts(registry, new MilterCounts(registry)).observe,
  now: Date.now,
  trace: false,
});
const prepared = preparePolicy(policy, 'unix');

const never = (): never => {
  throw new Error('the filter has failed');
};

/** Plays a session; returns what was said. */
function play(bursts: readonly Buffer[]): readonly Buffer[] {
  const said: Buffer[] = [];
  const outlet: Outlet = {
    write: (octets) => void said.push(octets),
    close: () => {},
    drop: never,
    failed: never,
    resumed: () => {},
  };
  const session = new MilterSession(prepared, outlet);
  session.receive(negotiation);
  for (const burst of bursts) session.receive(burst);
  return said;
}

const [agreed] = play([]);
if (agreed === undefined) throw new Error('no agreement');
const bursts = burstsOfSession(agreed.readUInt32BE(4 + 1 + 8));
play(bursts); // DNS is asked
await new Promise((resolve) => setTimeout(resolve, 100));

const micros: number[] = [];
for (let batch = 0; batch < batches; batch++) {
  const begun = performance.now();
  for (let i = 0; i < sessionsABatch; i++) play(bursts);
  micros.push(((performance.now() - begun) * 1000) / (sessionsABatch * messagesPerSession));
  await new Promise(setImmediate); // the log is written
}
const [shortest = NaN, ...others] = micros.toSorted((a, b) => a - b);
const tenth = others[Math.floor(others.length / 10)] ?? NaN;
console.log(`a message: ${shortest.toFixed(2)} µs; the shortest tenth of the batches: up to ${tenth.toFixed(2)} µs`);
console.log(`${play(bursts).reduce((sum, octets) => sum + octets.length, 0)} octets said in a session`);
