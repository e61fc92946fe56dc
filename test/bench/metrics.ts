/**
 * What metrics cost a mail, and a question of a monitor: `npm run bench:metrics`. The counts of one mail are what a
 * worker does for a mail with one recipient that ten plugins are asked about and the MTA takes.
 */
import { GateMetrics } from '../../src/metrics/gate.js';
import { joined, named } from '../../src/metrics/join.js';
import { metricsText } from '../../src/metrics/text.js';
import { reply } from '../../src/mail/reply.js';

const asked = 10;
const mails = 300_000;
const workers = 4;
const plugins = Array.from({ length: 40 }, (_, i) => `plugin_${i}`);
const destination = '127.0.0.1:10025';
const ok = reply(250, '2.0.0', 'Ok');
const authenticated = { spf: 'pass', dkim: 'pass', dmarc: 'pass' };

function countOne(metrics: GateMetrics, meters: readonly ReturnType<GateMetrics['meterOf']>[]): void {
  metrics.connected();
  for (const meter of meters) {
    const since = performance.now();
    meter?.seconds.observe((performance.now() - since) / 1000);
  }
  metrics.relayed(destination, 'accepted', 0.02);
  metrics.dnsSeconds?.observe(0.01);
  metrics.ended({ verdict: 'relayed', reply: ok, relayed: {}, size: 5000, authenticated, isNullSender: false });
  metrics.disconnected('TLSv1.3');
}

const microseconds = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function cost(times: number, act: () => void): number {
  const before = microseconds();
  for (let i = 0; i < times; i++) act();
  return (microseconds() - before) / times;
}

const metrics = new GateMetrics();
metrics.allowPlugins(plugins);
metrics.allowDestination(destination);
const meters = plugins.slice(0, asked).map((name) => metrics.meterOf(name));
cost(mails / 10, () => countOne(metrics, meters));
const perMail = cost(mails, () => countOne(metrics, meters));
const told = cost(200, () => void JSON.stringify(metrics.registry.snapshot));
const wire = JSON.stringify(metrics.registry.snapshot);
const read = (): typeof metrics.registry.snapshot => JSON.parse(wire) as typeof metrics.registry.snapshot;
const added = cost(200, () => {
  metricsText(joined(Array.from({ length: workers }, (_, i) => named(`${i + 1}`, read()))));
});
process.stdout.write(
  [
    `a mail, ${asked} plugins asked:            ${perMail.toFixed(2)} µs of CPU`,
    `a worker tells its numbers:           ${told.toFixed(0)} µs, ${(wire.length / 1024).toFixed(0)} kB`,
    `the primary adds ${workers} workers and answers: ${added.toFixed(0)} µs`,
    '',
  ].join('\n'),
);
