/**
 * `npm run bench:milter-client -- BATCHES MAILS`: what a filter in the list costs a mail, in CPU time of ours and in
 * round trips. A server without a filter and one with each kind of filter are given batches of mails in turn, once all
 * are warm. The cheapest batch of each counts, and the first quarter, so that a step of a few microseconds is seen on a
 * busy machine. MAILS are those of a connection.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { treeCpuMs } from '../support/cpu.js';
import { runLoad } from './load.js';
import { type Server, clientAddresses, domain, mailbox, postern } from './server.js';

const [batches = 25, mailsPerConnection = 10] = process.argv.slice(2).map(Number);
const warmUp = 3_000;
const mails = 400;

const onlyEnd = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200;
const silent = 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000;

/** The words of `filter`; undefined: there is none. */
const kinds: readonly (readonly [name: string, words: readonly string[] | undefined])[] = [
  ['no filter', undefined],
  ['asks for the end only', [String(onlyEnd)]],
  ['is told all, answers the end', [String(silent)]],
  ['answers all but each field', [String(0x80)]],
  ['answers all', ['0']],
  ['accepts the client', ['0', 'a']],
];

interface Counts {
  readonly reads: number;
  readonly answers: number;
}

interface Contender {
  readonly name: string;
  readonly server: Server;
  readonly filter: ChildProcess | undefined;
  /** Microseconds a mail, of each batch. */
  readonly costs: number[];
  readonly counts: Counts;
}

const beside = (name: string, words: readonly string[] = []): ChildProcess =>
  fork(fileURLToPath(new URL(name, import.meta.url)), words);

async function asked(child: ChildProcess): Promise<unknown> {
  const answer = once(child, 'message') as Promise<[unknown]>;
  if (child.connected) child.send('');
  return (await answer)[0];
}

async function countsOf(filter: ChildProcess | undefined): Promise<Counts> {
  return filter ? ((await asked(filter)) as Counts) : { reads: 0, answers: 0 };
}

const give = ({ server }: Pick<Contender, 'server'>, count: number): Promise<unknown> =>
  runLoad({
    port: server.port,
    connections: 20,
    mailsPerConnection,
    size: 5_120,
    recipient: `${mailbox}@${domain}`,
    count,
    answer: 'accepted',
    from: clientAddresses,
  });

async function contenderOf(name: string, words: readonly string[] | undefined): Promise<Contender> {
  const folder = mkdtempSync(join(root, 'one-'));
  const path = join(folder, 's');
  const filter = words && beside('./filter.js', [path, ...words]);
  if (filter) await once(filter, 'message');
  const place = { dir: folder, sinkPort, node: process.execPath };
  const server = await postern('bare domain', 1, filter && `milter unix:${path} name=bench`).start(place);
  if (!server) throw new Error('postern does not start');
  await give({ server }, warmUp);
  return { name, server, filter, costs: [], counts: await countsOf(filter) };
}

const root = mkdtempSync(join(tmpdir(), 'postern-filters-'));
const sink = beside('./sink.js');
const [{ port: sinkPort }] = (await once(sink, 'message')) as [{ port: number }];
const contenders: Contender[] = [];
try {
  for (const [name, words] of kinds) contenders.push(await contenderOf(name, words));
  for (let batch = 0; batch < batches; batch++)
    for (let i = 0; i < contenders.length; i++) {
      const one = contenders[(batch + i) % contenders.length];
      if (!one) continue;
      const before = treeCpuMs(one.server.child.pid);
      await give(one, mails);
      one.costs.push(((treeCpuMs(one.server.child.pid) - before) / mails) * 1000);
    }
  const [least = NaN, quarter = NaN] = placesOf(contenders[0]?.costs ?? []);
  for (const { name, filter, costs, counts } of contenders) {
    const { reads, answers } = await countsOf(filter);
    const perMail = (count: number): string => (count / (batches * mails)).toFixed(2);
    const [min = NaN, p25 = NaN] = placesOf(costs);
    const more = filter ? `  +${(min - least).toFixed(0)} +${(p25 - quarter).toFixed(0)} µs` : '';
    console.log(
      `${name.padEnd(30)} ${min.toFixed(0)} ${p25.toFixed(0)} µs a mail${more}` +
        `  writes ${perMail(reads - counts.reads)}, round trips ${perMail(answers - counts.answers)}`,
    );
  }
} finally {
  for (const { server, filter } of contenders) {
    await server.child.stop();
    filter?.disconnect();
  }
  sink.disconnect();
  rmSync(root, { recursive: true, force: true });
}

/** The least, and what three of four are above. */
function placesOf(costs: readonly number[]): readonly number[] {
  const sorted = costs.toSorted((a, b) => a - b);
  return [sorted[0] ?? NaN, sorted[costs.length >> 2] ?? NaN];
}
