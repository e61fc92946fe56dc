/** What the servers are given to do, how one sample of it is taken, and what makes a sample wrong. */
import { SmtpClient } from '../../src/trial/smtp-client.js';
import { cpuSecondsOf } from './child.js';
import { type Load, runLoad } from './load.js';
import { startWatch } from './machine.js';
import { type Server, clientAddresses, domain, mailbox, proxyHeader } from './server.js';

type Work = Pick<Load, 'connections' | 'mailsPerConnection' | 'size' | 'count' | 'answer' | 'pipelined' | 'tls'>;

export interface Cell extends Work {
  readonly name: string;
}

const small = 5 * 1024;
const large = 1024 * 1024;

/** `cNmK`: N connections at a time, K mails on each before it quits and another one takes its place. */
function cell(name: string, count: number, more: Partial<Work> = {}): Cell {
  const [, connections, mails] = /^c(\d+)m(\d+)/.exec(name) ?? [];
  return {
    name,
    connections: Number(connections),
    mailsPerConnection: Number(mails),
    size: small,
    answer: 'accepted',
    count,
    ...more,
  };
}

const pipelined = { pipelined: true } as const;
const rejected = { answer: 'rejected' } as const;

/** The first is what servers are warmed up with. */
export const cells: readonly Cell[] = [
  cell('c20m10', 2_000),
  cell('c1m10', 1_000),
  cell('c20m1', 1_000),
  cell('c200m10', 4_000),
  cell('c20m10-pipelined', 2_000, pipelined),
  cell('c1m10-pipelined', 1_000, pipelined),
  cell('c20m1-pipelined', 1_000, pipelined),
  cell('c200m10-pipelined', 4_000, pipelined),
  cell('c20m1-tls-full', 1_000, { tls: 'full' }),
  cell('c20m1-tls-resumed', 1_000, { tls: 'resumed' }),
  cell('c4m5-1MB', 200, { size: large }),
  cell('c20m10-rejected', 1_000, rejected),
  cell('c1m10-rejected', 1_000, rejected),
];

/** Before its first sample a server has had so many mails: its compilers know what is hot then. */
const warmUpMails = 20_000;

/** Slow servers are given a tenth of it all: nothing in them gets faster by itself. */
const shareOf = ({ isSlow }: Server): number => (isSlow === true ? 0.1 : 1);

/** The mails that a server has of each cell before the first sample. */
export function warmUps(server: Server): readonly Cell[] {
  const [first, ...others] = cells.filter((one) => canDo(server, one));
  if (first === undefined) return [];
  const few = others.map((one) => ({ ...one, count: Math.ceil(one.count * 0.1 * shareOf(server)) }));
  return [{ ...first, count: warmUpMails * shareOf(server) }, ...few];
}

export const canDo = (server: Server, { name, answer, tls }: Cell): boolean =>
  (answer === 'accepted' || server.archived !== undefined) &&
  (tls === undefined || server.hasTls === true) &&
  (server.cells === undefined || server.cells.includes(name));

export interface Sample {
  readonly mails: number;
  readonly perSecond: number;
  /** CPU seconds of the server and all its processes. */
  readonly cpuSeconds: number;
  /** Cores that were busy meanwhile with what is none of ours. */
  readonly strangers: number;
  /** Milliseconds. */
  readonly latencies: readonly number[];
}

export interface SampleOptions {
  readonly server: Server;
  readonly cell: Cell;
  /** How many mails the local MTA has had by now. */
  readonly delivered: () => Promise<number>;
  /** Processes of the bench itself, beside this one. */
  readonly ours: readonly number[];
}

/** Takes a sample of the whole cell. */
export const takeSample = (options: SampleOptions): Promise<Sample> => {
  const { server, cell: whole } = options;
  return give({ ...options, cell: { ...whole, count: Math.max(20, whole.count * shareOf(server)) } });
};

/** Throws where a mail went another way than its reply says: then the figure would mean nothing. */
export async function give({ server, cell: given, delivered, ours }: SampleOptions): Promise<Sample> {
  const { answer } = given;
  const arrivals = answer === 'rejected' ? (): Promise<number> => Promise.resolve(server.archived?.() ?? 0) : delivered;
  const recipient = `${answer === 'accepted' ? mailbox : 'nobody'}@${domain}`;
  const before = await arrivals();
  const { pid } = server.child;
  const watch = startWatch([...ours, pid]);
  const cpuBefore = cpuSecondsOf(pid);
  const from = server.takesProxy === true ? clientAddresses : undefined;
  const result = await runLoad({ ...given, port: server.port, recipient, from });
  const cpuSeconds = cpuSecondsOf(pid) - cpuBefore;
  const strangers = watch();
  const mails = result.latencies.length;
  const arrived = (await arrivals()) - before;
  if (server.keepsNothing !== true && arrived !== mails)
    throw new Error(`${mails} mails were ${answer}, but ${arrived} arrived`);
  return { mails, perSecond: mails / result.seconds, cpuSeconds, strangers, latencies: result.latencies };
}

/** What each of them has to refuse; undefined when it does. */
export async function problemOf(server: Server): Promise<string | undefined> {
  const good = `${mailbox}@${domain}`;
  const date = 'Date: Fri, 20 Nov 2026 12:00:00 +0000';
  const trials = [
    { what: 'a good mail', to: good, fields: [date], wanted: /^250/ },
    { what: 'a mail without Date:', to: good, fields: [], wanted: /^5/ },
    { what: 'an unknown recipient', to: `nobody@${domain}`, fields: [date], wanted: /^5/ },
    { what: 'a foreign domain', to: `${mailbox}@elsewhere.example`, fields: [date], wanted: /^5/ },
  ];
  for (const { what, to, fields, wanted } of trials) {
    const reply = await send(server, to, [...fields, 'From: <sender@client.example>', '', 'Hello.', '.']);
    if (!wanted.test(reply)) return `${what} is answered ${reply}`;
  }
  return undefined;
}

/** The reply that settles it. */
async function send({ port, takesProxy }: Server, to: string, lines: readonly string[]): Promise<string> {
  const client = new SmtpClient('127.0.0.1', port);
  try {
    await (takesProxy === true ? client.say(proxyHeader) : client.reply());
    const commands = ['EHLO client.example', 'MAIL FROM:<sender@client.example>', `RCPT TO:<${to}>`, 'DATA'];
    for (const command of [...commands, lines.join('\r\n')]) {
      const reply = await client.say(command);
      if (!/^[23]/.test(reply) || command.endsWith('.')) return reply;
    }
    return '';
  } finally {
    client.end();
  }
}
