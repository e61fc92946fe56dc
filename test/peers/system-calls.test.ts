/**
 * How much a relayed mail asks of the system. Calls can be counted on a busy machine as well, times cannot: what is
 * looked up twice, or said in two writes, shows here.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startSink } from '../../src/trial/sink.js';
import { PosternProcess } from '../support/child.js';
import { message } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { type Script, ScriptedFilter, say } from '../support/scripted-filter.js';
import { shippedPlugins } from '../support/shipped-plugins.js';
import { traced } from '../support/strace.js';

const bare = ['h2.test/users/valid/good'];
/** Five checks, and lists with an entry each. */
const typical = [
  ...bare,
  ...['sender', 'date', 'helo', 'address', 'spf'].map((check) => `h2.test/checks/${check}`),
  'h2.test/blacklisted/ips/192.0.2.1',
  'h2.test/blacklisted/domains/spam.example',
  'h2.test/blacklisted/senders/spam@sender.example',
  'h2.test/whitelisted/ips/192.0.2.2',
  'h2.test/whitelisted/domains/friends.example',
  'h2.test/whitelisted/senders/friend@friends.example',
  'h2.test/whitelisted/recipients/sales',
  '_global_/blacklisted/ips/198.51.100.0_24',
  '_global_/blacklisted/senders/bad@spam.example',
  '_global_/blacklisted/domains/bad.example',
];

interface Case {
  readonly what: string;
  readonly markers: readonly string[];
  /** Alice has no mailbox: her mail is archived. */
  readonly to?: string;
  /** MAIL, RCPT and DATA in one write. */
  readonly pipelines?: true;
  /** So many say each line at once. */
  readonly clients?: number;
  /** A milter is asked. */
  readonly filter?: Script;
  /** Calls a mail, at most. */
  readonly most: Readonly<Partial<Record<keyof typeof kinds, number>>>;
}

const kinds = {
  // The journal looks at its file once a second, which is once a mail on a machine that is slow enough.
  stat: /^\w*stat\w*\((?!.*\/state\/journal\/)/,
  // Not the words by which threads wake each other, nor those of the journal, which writes five times a second.
  write: /^(?:write|writev|sendto)\((?!\d+<(?:anon_inode:\[eventfd\]>|[^>]*\/state\/journal\/))/,
  sync: /^(?:fsync|fdatasync)\(/,
} as const;

const onlyEnd: Script = { protocol: 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200 };
const silent: Script = { protocol: 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000 };
const accepting: Script = { answers: { C: say.accept } };

const cases: readonly Case[] = [
  // Four replies, the envelope and the message for the MTA, the line of the log; and a word to the primary at times.
  { what: 'a mail for a bare domain', markers: bare, most: { stat: 10, write: 7.5, sync: 0 } },
  { what: 'one with typical checks and lists', markers: typical, most: { stat: 24, write: 7.5, sync: 0 } },
  // All replies to the envelope are one write.
  { what: 'one of a client that pipelines', markers: typical, pipelines: true, most: { stat: 24, write: 5.5 } },
  // What one of them has looked at in a turn of the event loop serves the others.
  { what: 'one of twenty that come at once', markers: typical, clients: 20, most: { stat: 3, write: 7.5 } },
  // One write more, whatever it is told meanwhile: it is waited for at the end only.
  { what: 'one that a filter wants to see the end of', markers: bare, filter: onlyEnd, most: { write: 8.5 } },
  { what: 'one that a filter sees all of, in silence', markers: bare, filter: silent, most: { write: 8.5 } },
  { what: 'one that a filter has accepted at once', markers: bare, filter: accepting, most: { write: 7.5 } },
  // The file, its folder, and the index.
  { what: 'an archived mail', markers: typical, to: 'alice@h2.test', most: { sync: 3 } },
];

const rounds = 40;
const calls = '?stat,?lstat,statx,newfstatat,write,writev,sendto,fsync,fdatasync';

for (const { what, markers, to = 'good@h2.test', pipelines, clients = 1, filter, most } of cases) {
  test(`${what} takes no more than ${JSON.stringify(most)} system calls`, async (t) => {
    if (!needPeer(t, 'strace')) return;
    const { postern, open } = await readyFor(t, markers, filter);
    const talkers = await Promise.all(Array.from({ length: clients }, open));
    const envelope = ['MAIL FROM:<sender@sender.example>', `RCPT TO:<${to}>`, 'DATA'];
    const text = `${message()}\r\n.`;
    const send = async (): Promise<void> => {
      if (pipelines) await atOnce(postern, talkers, envelope.join('\r\n'), envelope.length);
      else for (const line of envelope) await atOnce(postern, talkers, line, 1);
      for (const reply of await atOnce(postern, talkers, text, 1)) assert.match(reply, /^(?:250|550) /);
    };
    for (let i = 0; i < 5; i++) await send();
    const lines = await traced(postern.worker, calls, async () => {
      for (let i = 0; i < rounds / clients; i++) await send();
    });
    for (const [name, kind] of Object.entries(kinds)) {
      const max = most[name as keyof typeof kinds] ?? Infinity;
      const count = lines.filter((line) => kind.test(line)).length / rounds;
      assert.ok(count <= max, `${name}: ${count} a mail\n${lines.slice(-60).join('\n')}`);
    }
  });
}

/** Says the lines, and hears so many replies: the last one of each client. The server reads all of it in one turn. */
async function atOnce(
  postern: PosternProcess,
  clients: readonly RawClient[],
  lines: string,
  replies: number,
): Promise<readonly string[]> {
  if (clients.length > 1) process.kill(postern.worker, 'SIGSTOP');
  for (const client of clients) client.write(`${lines}\r\n`);
  if (clients.length > 1) process.kill(postern.worker, 'SIGCONT');
  const heard = await Promise.all(clients.map((client) => client.hear(replies)));
  return heard.map((all) => all.at(-1) ?? '');
}

async function readyFor(
  t: TestContext,
  markers: readonly string[],
  script?: Script,
): Promise<{ readonly postern: PosternProcess; readonly open: () => Promise<RawClient> }> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-calls-'));
  const sink = await startSink({ host: '127.0.0.1', port: 0, dir, log: () => {} });
  const filter = script && (await ScriptedFilter.start(script));
  const plugins = join(dir, 'plugins');
  writeFileSync(plugins, `${shippedPlugins()}\n${filter ? `milter ${filter.place} name=test` : ''}\n`);
  const postern = await PosternProcess.start({ markers, settings: [`plugins=${plugins}`], relayPort: sink.port });
  const clients: RawClient[] = [];
  t.after(async () => {
    for (const client of clients) client.end();
    await postern.close();
    await sink.close();
    await filter?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const open = async (): Promise<RawClient> => {
    const client = await RawClient.open(postern);
    clients.push(client);
    await client.say('EHLO client.example');
    return client;
  };
  return { postern, open };
}
