/** What the servers are given to do, how one sample of it is taken, and what makes a sample wrong. */
import { SmtpClient } from '../../src/trial/smtp-client.js';
import { type Load, runLoad } from './load.js';
import { type Server, domain, mailbox } from './server.js';

export interface Workload extends Pick<Load, 'connections' | 'mailsPerConnection' | 'size' | 'answer' | 'pipelined'> {
  readonly name: string;
}

const small = 5 * 1024;
const large = 1024 * 1024;

/** `cN mK`: N connections at a time, K mails on each before it quits and another one takes its place. */
export const workloads: readonly Workload[] = [
  { name: 'accepted 5 KB, c1 m10', connections: 1, mailsPerConnection: 10, size: small, answer: 'accepted' },
  { name: 'accepted 5 KB, c20 m1', connections: 20, mailsPerConnection: 1, size: small, answer: 'accepted' },
  { name: 'accepted 5 KB, c20 m10', connections: 20, mailsPerConnection: 10, size: small, answer: 'accepted' },
  { name: 'accepted 5 KB, c200 m10', connections: 200, mailsPerConnection: 10, size: small, answer: 'accepted' },
  {
    name: 'the same pipelined, c20 m10',
    connections: 20,
    mailsPerConnection: 10,
    size: small,
    answer: 'accepted',
    pipelined: true,
  },
  { name: 'accepted 1 MB, c4 m5', connections: 4, mailsPerConnection: 5, size: large, answer: 'accepted' },
  {
    name: 'rejected and archived 5 KB, c20 m10',
    connections: 20,
    mailsPerConnection: 10,
    size: small,
    answer: 'rejected',
  },
];

/** Before the first sample each server has so many mails of these: its compilers know what is hot then. */
export const warmUpMails = 4_000;
export const warmUp = workloads.filter(({ connections, size }) => connections === 20 && size === small);

/** Only what keeps refused mail can be asked to. */
export const canDo = (server: Server, { answer }: Workload): boolean =>
  answer === 'accepted' || server.archived !== undefined;

export interface Sample {
  readonly mails: number;
  readonly perSecond: number;
  /** CPU seconds of the server and all its processes. */
  readonly cpuSeconds: number;
  /** Milliseconds. */
  readonly latencies: readonly number[];
}

export interface SampleOptions {
  readonly server: Server;
  readonly workload: Workload;
  readonly seconds: number;
  /** How many mails the local MTA has had by now. */
  readonly delivered: () => Promise<number>;
}

/** Throws where a mail went another way than its reply says: then the figure would mean nothing. */
export async function takeSample({ server, workload, seconds, delivered }: SampleOptions): Promise<Sample> {
  const done = workload.answer === 'accepted' ? delivered : () => Promise.resolve(server.archived?.() ?? 0);
  const recipient = `${workload.answer === 'accepted' ? mailbox : 'nobody'}@${domain}`;
  const before = await done();
  const cpuBefore = server.child.cpuSeconds();
  const result = await runLoad({ ...workload, port: server.port, recipient, seconds });
  const cpuSeconds = server.child.cpuSeconds() - cpuBefore;
  const mails = result.latencies.length;
  const arrived = (await done()) - before;
  if (arrived !== mails) throw new Error(`${mails} mails were ${workload.answer}, but ${arrived} arrived`);
  return { mails, perSecond: mails / result.seconds, cpuSeconds, latencies: result.latencies };
}

/** What each of them has to refuse; undefined when it does. */
export async function problemOf({ port }: Server): Promise<string | undefined> {
  const good = `${mailbox}@${domain}`;
  const date = 'Date: Fri, 20 Nov 2026 12:00:00 +0000';
  const trials = [
    { what: 'a good mail', to: good, fields: [date], wanted: /^250/ },
    { what: 'a mail without Date:', to: good, fields: [], wanted: /^5/ },
    { what: 'an unknown recipient', to: `nobody@${domain}`, fields: [date], wanted: /^5/ },
    { what: 'a foreign domain', to: `${mailbox}@elsewhere.example`, fields: [date], wanted: /^5/ },
  ];
  for (const { what, to, fields, wanted } of trials) {
    const reply = await send(port, to, [...fields, 'From: <sender@client.example>', '', 'Hello.', '.']);
    if (!wanted.test(reply)) return `${what} is answered ${reply}`;
  }
  return undefined;
}

/** The reply that settles it. */
async function send(port: number, to: string, lines: readonly string[]): Promise<string> {
  const client = new SmtpClient('127.0.0.1', port);
  try {
    await client.reply();
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
