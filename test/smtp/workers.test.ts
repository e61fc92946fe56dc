/** The processes of `postern serve`: one that hangs, one that is stopped, plugins that fail behind their answer. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { childrenOf, PosternProcess, makeRoot } from '../support/child.js';
import { message } from '../support/mx.js';
import { RawClient } from '../support/raw-client.js';
import { inTime, until } from '../support/until.js';

const opening = ['EHLO client.example', 'MAIL FROM:<sender@sender.example>', 'RCPT TO:<alice@example.com>', 'DATA'];

/** An MTA that answers the end of data when it is told. */
class SlowMta {
  readonly waiting: (() => void)[] = [];
  readonly #server = net.createServer((socket) => this.#serve(socket));

  static async start(): Promise<SlowMta> {
    const mta = new SlowMta();
    await new Promise<void>((resolve) => mta.#server.listen(0, '127.0.0.1', resolve));
    return mta;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }

  #serve(socket: net.Socket): void {
    let isData = false;
    socket.on('error', () => {});
    socket.write('220 slow ESMTP\r\n');
    socket.on('data', (octets) => {
      const text = octets.toString('latin1');
      if (isData && text.endsWith('\r\n.\r\n')) this.waiting.push(() => socket.write('250 2.0.0 Ok: slow\r\n'));
      if (isData) return;
      for (const line of text.trimEnd().split('\r\n')) {
        isData ||= line === 'DATA';
        socket.write(line === 'DATA' ? '354 go\r\n' : '250 ok\r\n');
      }
    });
  }
}

interface Run {
  readonly settings?: readonly string[];
  /** What the plugin `odd` does with a mail; `subject` is at hand. */
  readonly plugin?: string;
  /** What the plugin `first` does before it. */
  readonly before?: string;
  /** Another MTA's than the test's own. */
  readonly relayPort?: number;
}

/** A process with a plugin of our own, and its local MTA. */
async function withOdd(
  { settings = [], plugin = '', before = '', relayPort }: Run,
  run: (child: PosternProcess, mta: ScriptedMta) => Promise<void>,
): Promise<void> {
  const root = makeRoot(['example.com/users/valid/alice', 'example.com/checks/first', 'example.com/checks/odd']);
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put('plugins/list', 'valid_users\nfirst\nodd\n');
  for (const [name, does] of Object.entries({ first: before, odd: plugin }))
    put(
      `plugins/${name}.mjs`,
      `export default { name: '${name}', async inspect({ header }) {
         const subject = header.get('subject') ?? '';
         ${does}
         return { kind: 'pass' };
       } };`,
    );
  const mta = await ScriptedMta.start({ extensions: ['PIPELINING', '8BITMIME'] });
  const own = [`plugins=${root}/plugins/list`, `plugin_dirs=${root}/plugins`, ...settings];
  let child: PosternProcess | undefined;
  try {
    child = await PosternProcess.start({ root, settings: own, relayPort: relayPort ?? mta.port });
    await run(child, mta);
  } finally {
    await child?.close();
    await mta.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

const withSubject = (subject: string): string =>
  `${message({ without: ['Subject'], fields: [`Subject: ${subject}`] })}\r\n.`;

async function send(port: number, subject = 'test'): Promise<string> {
  const client = await RawClient.open({ port });
  const reply = await client.sayAll(...opening, withSubject(subject));
  client.end();
  return reply;
}

const loop = `if (subject === 'LOOP') for (;;) {}`;

/** Slow, but not endless: the event loop stands still from here on. */
const lingering = `if (subject === 'LOOP') for (const since = Date.now(); Date.now() - since < 2000;);`;

test('a worker in an endless loop is killed and replaced; the log names plugin, hook and mail', async () => {
  await withOdd({ plugin: loop, before: lingering, settings: ['watchdog=10s'] }, async (child) => {
    const stuck = await RawClient.open(child);
    await stuck.sayAll(...opening);
    stuck.write(`${withSubject('LOOP')}\r\n`);
    const killed = (): Record<string, unknown> | undefined =>
      child.log.find(({ msg }) => msg === 'worker killed: its event loop does not turn');
    await child.until(() => killed() !== undefined, 60_000);
    const { plugin, hook, id, worker } = killed() ?? {};
    assert.deepEqual([plugin, hook, worker], ['odd', 'dataPost', child.worker]);
    assert.match(String(id), /^[0-9A-Za-z]{6,}$/);
    assert.equal(await stuck.reply(), '', 'its mail gets no reply');
    await child.until(() => child.listening.length === 2);
    assert.match(await send(child.port), /^250 /);
    assert.equal(await child.stop(), 0);
  });
});

test('TERM while a worker is in an endless loop: all is over within stop_timeout and two seconds', async () => {
  await withOdd({ plugin: loop, settings: ['workers=2', 'stop_timeout=1s', 'watchdog=1h'] }, async (child) => {
    const stuck = await RawClient.open(child);
    await stuck.sayAll(...opening);
    stuck.write(`${withSubject('LOOP')}\r\n`);
    await sleep(300);
    const pids = childrenOf(child.pid);
    child.signal('SIGTERM');
    assert.equal(await inTime(child.exited, 'it ends'), 0);
    assert.deepEqual(pids.flatMap(childrenOf), []);
    stuck.end();
  });
});

for (const to of ['the primary', 'all processes'])
  test(`TERM ten times to ${to} while the MTA takes its time: each client hears the MTA’s reply`, async () => {
    const slow = await SlowMta.start();
    await withOdd({ settings: ['workers=2'], relayPort: slow.port }, async (child) => {
      const replies = Array.from({ length: 4 }, () => send(child.port));
      await child.until(() => slow.waiting.length === 4);
      const idle = await RawClient.open(child);
      await idle.say('EHLO client.example');
      for (let i = 0; i < 10; i++) {
        for (const pid of to === 'the primary' ? [] : childrenOf(child.pid)) process.kill(pid, 'SIGTERM');
        child.signal('SIGTERM');
      }
      assert.match(await idle.reply(), /^421 4\.3\.2 /);
      for (const answer of slow.waiting) answer();
      assert.deepEqual(await Promise.all(replies), Array(4).fill('250 2.0.0 Ok: slow'));
      assert.equal(await inTime(child.exited, 'it ends'), 0);
    });
    slow.close();
  });

test('while the primary is stopped new clients are served, and what it counted is right afterwards', async () => {
  const settings = ['workers=2', 'max_connections_per_ip=3'];
  await withOdd({ settings }, async (child) => {
    child.signal('SIGSTOP');
    for (let i = 0; i < 5; i++) assert.match(await send(child.port), /^250 /);
    child.signal('SIGCONT');
    await sleep(300);
    const held = await Promise.all(Array.from({ length: 3 }, () => RawClient.open(child)));
    assert.deepEqual(
      held.map(({ replies }) => replies[0]?.slice(0, 3)),
      ['220', '220', '220'],
    );
    const more = await RawClient.open(child);
    assert.match(more.replies[0] ?? '', /^421 /);
    for (const client of [...held, more]) client.end();
    assert.equal(await child.stop(), 0);
  });
});

const mistakes: readonly (readonly [what: string, code: string])[] = [
  ['an exception in a timer', `setTimeout(() => { throw new Error('late'); }, 20);`],
  ['a rejection that nobody waits for', `void Promise.reject(new Error('late'));`],
  [
    'an error event that nobody hears',
    `const { EventEmitter } = await import('node:events'); setTimeout(() => new EventEmitter().emit('error', new Error('late')), 20);`,
  ],
];

for (const [what, code] of mistakes)
  test(`${what}: logged with the plugin’s name; others’ mails finish, then the worker is replaced`, async () => {
    await withOdd({ plugin: `if (subject === 'ODD') { ${code} }` }, async (child, mta) => {
      const other = await RawClient.open(child);
      await other.sayAll(...opening);
      other.write('Subject: other\r\n');
      await send(child.port, 'ODD');
      await child.until(() => child.log.some(({ msg, plugin }) => msg === 'a late mistake' && plugin === 'odd'));
      await child.until(() => child.listening.length === 2);
      assert.match(await other.say('\r\nbody\r\n.'), /^250 /);
      other.end();
      await child.until(() => child.log.some(({ msg, code: end }) => msg === 'worker retired' && end === 0));
      assert.match(await send(child.port), /^250 /);
      assert.equal(mta.messages.length, 3);
      assert.equal(await child.stop(), 0);
    });
  });

/** What cannot be looked at; some of it hides the plugin's name as well. */
const unshowable: readonly (readonly [what: string, code: string])[] = [
  ['a value without text', `setTimeout(() => { throw Object.create(null); }, 20);`],
  ['a value that throws when it is looked at', `setTimeout(() => { throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 1; } }); }, 20);`],
  ['an error whose stack is no text', `setTimeout(() => { throw Object.assign(new Error('late'), { stack: 7 }); }, 20);`],
  ['an error whose message throws', `setTimeout(() => { throw Object.defineProperty(new Error(), 'message', { get() { throw 1; } }); }, 20);`],
  ['an error, where stacks are made otherwise', `Error.prepareStackTrace = (error, frames) => frames; setTimeout(() => { throw new Error('late'); }, 20);`],
  ['an error, where no stack can be made', `Error.prepareStackTrace = () => { throw 1; }; setTimeout(() => { throw new Error('late'); }, 20);`],
]; // prettier-ignore
for (const [what, code] of unshowable)
  test(`${what}, thrown in a timer, cuts nobody’s mail either`, async () => {
    await withOdd({ plugin: `if (subject === 'ODD') { ${code} }` }, async (child) => {
      const other = await RawClient.open(child);
      await other.sayAll(...opening);
      other.write('Subject: other\r\n');
      await send(child.port, 'ODD');
      await child.until(() => child.log.some(({ msg }) => msg === 'a late mistake'));
      assert.match(await other.say('\r\nbody\r\n.'), /^250 /);
      other.end();
      await child.until(() => child.listening.length === 2);
      assert.equal(await child.stop(), 0);
    });
  });

test('a plugin that fails behind its back while it is asked: its mail is deferred at once', async () => {
  const plugin = `if (subject === 'ODD') await new Promise(() => setTimeout(() => { throw new Error('late'); }, 20));`;
  await withOdd({ plugin, settings: ['plugin_timeout=1h'] }, async (child, mta) => {
    assert.match(await send(child.port, 'ODD'), /^451 /);
    assert.equal(mta.messages.length, 0);
  });
});

test('process.exit in a plugin ends no process: the mail is deferred', async () => {
  await withOdd({ plugin: `if (subject === 'ODD') process.exit(0);` }, async (child) => {
    assert.match(await send(child.port, 'ODD'), /^451 /);
    assert.match(await send(child.port), /^250 /);
    assert.equal(child.listening.length, 1);
    assert.equal(await child.stop(), 0);
  });
});

test('HUP during the start is heard behind it, and no signal but those to stop ends a process', async () => {
  const root = makeRoot(['example.com/users/valid/alice']);
  const config = join(root, 'postern.conf');
  writeFileSync(config, 'max_size = 20000\n');
  const child = PosternProcess.launch({ root, settings: [`config=${config}`], relayPort: 9 });
  try {
    // As soon as there is a worker the signals are heard; nothing listens yet.
    await child.until(() => childrenOf(child.pid).length > 0);
    writeFileSync(config, 'max_size = 30000\n');
    child.signal('SIGHUP');
    await child.until(() => child.log.some(({ msg }) => msg === 'reloaded'));
    assert.equal(child.listening.length, 1);
    for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGHUP'] as const)
      for (const pid of [child.pid, ...childrenOf(child.pid)]) process.kill(pid, signal);
    const client = await RawClient.open(child);
    assert.match(await client.say('EHLO client.example'), /SIZE 30000/);
    client.end();
    assert.equal(child.complaints, '', 'no inspector was opened');
    child.signal('SIGQUIT');
    assert.equal(await inTime(child.exited, 'it ends'), 0);
  } finally {
    await child.close();
    rmSync(root, { recursive: true });
  }
});

test('systemd hears that the loop turns, and of a reload’s begin and end, from the first process alone', async () => {
  const root = makeRoot(['example.com/users/valid/alice']);
  const told = join(root, 'told');
  const script = `#!/bin/sh\ncase "$*" in *RELOADING*) sleep 0.3;; esac\necho "$@" >>'${told}'\n`;
  writeFileSync(join(root, 'systemd-notify'), script, { mode: 0o755 });
  const env = { PATH: `${root}:${process.env['PATH']}`, NOTIFY_SOCKET: join(root, 'notify'), WATCHDOG_USEC: '400000' };
  const heard = (): string[] => (existsSync(told) ? readFileSync(told, 'utf8').split('\n').slice(0, -1) : []);
  const child = await PosternProcess.start({ root, env, relayPort: 9 });
  try {
    await until(() => heard().some((line) => line.endsWith('WATCHDOG=1')));
    child.signal('SIGHUP');
    await until(() => heard().filter((line) => line.endsWith('READY=1')).length === 2);
    assert.equal(await child.stop(), 0);
    assert.ok(heard().every((line) => line.startsWith(`--pid=${child.pid} `)));
    const states = heard().flatMap((line) => /(?:READY|RELOADING|STOPPING)=1$/.exec(line) ?? []);
    assert.deepEqual(states.slice(0, 3), ['READY=1', 'RELOADING=1', 'READY=1']);
  } finally {
    await child.close();
    rmSync(root, { recursive: true });
  }
});

test('log_file holds all processes’ lines beside standard output, and is opened anew on USR1', async () => {
  const folder = makeRoot([]);
  const file = join(folder, 'log');
  const linesOf = (path: string): readonly Record<string, unknown>[] =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  try {
    await withOdd({ settings: [`log_file=${file}`] }, async (child) => {
      assert.match(await send(child.port), /^250 /);
      await until(() => linesOf(file).some(({ verdict }) => verdict !== undefined));
      renameSync(file, `${file}.1`);
      child.signal('SIGUSR1');
      await until(() => existsSync(file));
      for (let i = 0; i < 100 && linesOf(file).length === 0; i++) assert.match(await send(child.port), /^250 /);
      assert.ok(linesOf(file).every(({ pid }) => pid === child.worker));
      assert.equal(await child.stop(), 0);
      const all = [...linesOf(`${file}.1`), ...linesOf(file)];
      assert.deepEqual(all, child.log);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

for (const workers of [1, 2])
  test(`sockets that systemd hands over are served in the place of listen by ${workers}`, async () => {
    const servers = await Promise.all(
      [1, 2].map(async () => {
        const server = net.createServer();
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        return server;
      }),
    );
    const fds = servers.map((server) => (server as unknown as { _handle: { fd: number } })._handle.fd);
    const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
    const child = await PosternProcess.start({
      markers: ['example.com/users/valid/alice'],
      settings: [`workers=${workers}`, 'listen=127.0.0.1:1'],
      relayPort: 9,
      fds,
      activated: true,
    });
    for (const server of servers) server.close();
    try {
      for (const port of ports) {
        const client = await RawClient.open({ port });
        assert.match(client.replies[0] ?? '', /^220 /);
        client.end();
      }
      assert.equal(await child.stop(), 0);
    } finally {
      await child.close();
    }
  });
