/** `postern serve` as a process: starting, stopping, workers, users, handed-over sockets. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScriptedMta, type Step } from '../relay/support/scripted-mta.js';
import { type ChildOptions, PosternProcess, makeRoot } from '../support/child.js';
import { freePort } from '../support/free-port.js';
import { message } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { RawClient } from '../support/raw-client.js';
import { until } from '../support/until.js';

const markers = ['example.com/users/valid/alice'];
const opening = ['EHLO client.example', 'MAIL FROM:<sender@sender.example>', 'RCPT TO:<alice@example.com>', 'DATA'];

/** A process and its local MTA. */
async function withChild(
  options: Partial<ChildOptions>,
  run: (child: PosternProcess, mta: ScriptedMta) => Promise<void>,
): Promise<void> {
  const mta = await ScriptedMta.start({ extensions: ['PIPELINING', '8BITMIME'] });
  let child: PosternProcess | undefined;
  try {
    child = await PosternProcess.start({ markers, relayPort: mta.port, ...options });
    await run(child, mta);
  } finally {
    await child?.close();
    await mta.stop();
  }
}

async function send(port: number, from?: string): Promise<string> {
  const client = await RawClient.open({ port, ...(from !== undefined && { from }) });
  const reply = await client.sayAll(...opening, `${message()}\r\n.`);
  client.end();
  return reply;
}

const refusesConnections = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(false));
    socket.once('error', () => resolve(true));
    socket.once('close', () => socket.destroy());
  });

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('the start names what does nothing in /srv and what cannot be understood, and serves all the same', async () => {
  const root = makeRoot([...markers, 'example.com/checks/spff']);
  try {
    writeFileSync(join(root, 'srv/example.com/expire'), 'expire = soon\n');
    await withChild({ root }, async (child) => {
      const warned = (what: RegExp): boolean =>
        child.log.some(({ msg, level }) => level === 40 && what.test(String(msg)));
      await child.until(() => warned(/^example\.com\/checks\/spff does nothing/));
      await child.until(() => warned(/^example\.com\/expire: expire must be .* until this is mended/));
      assert.match(await send(child.port), /^250 /);
    });
  } finally {
    rmSync(root, { recursive: true });
  }
});

for (const workers of [1, 2]) {
  const settings = [`workers=${workers}`];

  test(`TERM, ${workers} worker(s): a transaction is finished and answered, idle sessions get 421, new ones are refused, exit code 0`, async () => {
    await withChild({ settings }, async (child, mta) => {
      const [busy, inMail, idle] = [
        await RawClient.open(child),
        await RawClient.open(child),
        await RawClient.open(child),
      ];
      await busy.sayAll(...opening);
      busy.write('Subject: half\r\n');
      await inMail.sayAll(...opening.slice(0, 2));
      await idle.say('EHLO client.example');
      await sleep(50);
      child.signal('SIGTERM');
      assert.match(await idle.reply(), /^421 4\.3\.2 Shutting down$/);
      assert.ok(await idle.hungUp());
      const end = Date.now() + 2000;
      while (!(await refusesConnections(child.port)) && Date.now() < end) await sleep(20);
      assert.ok(await refusesConnections(child.port));
      busy.write('\r\nrest\r\n.\r\n');
      assert.match(await busy.reply(), /^250 2\.0\.0 /);
      assert.match(await busy.reply(), /^421 4\.3\.2 /);
      assert.ok(await busy.hungUp());
      assert.match(await inMail.sayAll(...opening.slice(2), `${message()}\r\n.`), /^250 2\.0\.0 /);
      for (const client of [busy, inMail, idle]) client.end();
      assert.equal(await child.exited, 0);
      assert.equal(mta.messages.length, 2);
      assert.equal(child.complaints, '');
    });
  });

  test(`TERM, ${workers} worker(s): whoever does not come to an end is cut off after stop_timeout, exit code 0`, async () => {
    await withChild({ settings: [...settings, 'stop_timeout=1s'] }, async (child, mta) => {
      const client = await RawClient.open(child);
      await client.sayAll(...opening);
      const started = Date.now();
      assert.equal(await child.stop(), 0);
      const took = Date.now() - started;
      assert.ok(took >= 900, `${took} ms`);
      assert.equal(mta.messages.length, 0);
      client.end();
    });
  });
}

test('INT stops as TERM does; a second TERM changes nothing', async () => {
  await withChild({}, async (child) => {
    const client = await RawClient.open(child);
    await client.sayAll(...opening);
    child.signal('SIGINT');
    child.signal('SIGTERM');
    await sleep(100);
    assert.match(await client.say(`${message()}\r\n.`), /^250 /);
    client.end();
    assert.equal(await child.exited, 0);
  });
});

test('a mail whose local MTA is slow is answered before the process ends, and is there once', async () => {
  let answer: () => void = () => {};
  const mta = net.createServer((socket) => {
    socket.write('220 slow ESMTP\r\n');
    let inData = false;
    socket.on('data', (octets) => {
      const text = octets.toString('latin1');
      if (inData) {
        if (text.endsWith('\r\n.\r\n')) answer = () => void socket.write('250 2.0.0 Ok: slow\r\n');
        return;
      }
      for (const line of text.trimEnd().split('\r\n')) {
        inData ||= line === 'DATA';
        socket.write(line === 'DATA' ? '354 go\r\n' : '250 ok\r\n');
      }
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => mta.listen(0, '127.0.0.1', resolve));
  const child = await PosternProcess.start({ markers, relayPort: (mta.address() as net.AddressInfo).port });
  const client = await RawClient.open(child);
  await client.sayAll(...opening);
  client.write(`${message()}\r\n.\r\n`);
  await sleep(300);
  child.signal('SIGTERM');
  await sleep(300);
  answer();
  assert.match(await client.reply(), /^250 2\.0\.0 Ok: slow$/);
  client.end();
  assert.equal(await child.exited, 0);
  await child.close();
  mta.close();
});

test('a second instance on the port: exit code 69, and one line that says why', async () => {
  await withChild({}, async (child) => {
    for (const workers of [1, 2]) {
      const root = makeRoot(markers);
      const settings = [`listen=127.0.0.1:${child.port}`, 'log_level=fatal', `workers=${workers}`];
      const second = PosternProcess.launch({ root, settings, relayPort: 9 });
      assert.equal(await second.exited, 69);
      assert.match(
        second.complaints,
        new RegExp(`^(?:postern: listen = 127\\.0\\.0\\.1:${child.port}: another program listens there; .*\\n){1,2}$`),
      );
      rmSync(root, { recursive: true });
    }
    assert.match(await send(child.port), /^250 /);
  });
});

test('a bad setting: exit code 78, and the place, the value and what would be right', async () => {
  const root = makeRoot(markers);
  const child = PosternProcess.launch({ root, settings: ['max_size=huge'], relayPort: 9 });
  assert.equal(await child.exited, 78);
  assert.match(child.complaints, /^postern: --max_size.*huge.*\n$/);
  rmSync(root, { recursive: true });
});

test('an address that is not ours, and a folder that cannot be made', async () => {
  const root = makeRoot(markers);
  for (const [settings, code, complaint] of [
    [['listen=192.0.2.1:2525'], 69, /^postern: listen = 192\.0\.2\.1:2525: it is no address of this host/],
    [
      [`spam=${root}/zone.json/spam`],
      78,
      /^postern: spam: .*zone\.json\/spam: cannot be made: a file has the name of a folder on its way; /,
    ],
    [[`state=${root}/zone.json/state`], 78, /^postern: state: .*cannot be made: a file has the name of a folder/],
  ] as const) {
    const child = PosternProcess.launch({ root, settings, relayPort: 9 });
    assert.equal(await child.exited, code);
    assert.match(child.complaints, complaint);
  }
  rmSync(root, { recursive: true });
});

for (const [what, env, threads] of [
  ['sixteen threads', {}, 16],
  ['as many threads as the operator says', { UV_THREADPOOL_SIZE: '3' }, 3],
] as const)
  test(`a worker waits for the disk in ${what}`, () =>
    withChild({ env }, ({ worker }) => {
      const environment = readFileSync(`/proc/${worker}/environ`, 'latin1').split('\0');
      assert.deepEqual(
        environment.filter((pair) => pair.startsWith('UV_THREADPOOL_SIZE=')),
        [`UV_THREADPOOL_SIZE=${threads}`],
      );
      return Promise.resolve();
    }));

test('what the MTA refused beside other recipients is refused at RCPT by every worker', async () => {
  const no = '550 5.1.1 bob has moved';
  const script = ({ verb, line }: Step): string | undefined =>
    verb === 'RCPT' && line.includes('bob@') ? no : undefined;
  const mta = await ScriptedMta.start({ extensions: ['PIPELINING', '8BITMIME'], script });
  const child = await PosternProcess.start({
    markers: ['example.com/users/valid/*'],
    settings: ['workers=2'],
    relayPort: mta.port,
  });
  const asBob = async (): Promise<string> => {
    const client = await RawClient.open(child);
    const reply = await client.sayAll(opening[0] ?? '', opening[1] ?? '', 'RCPT TO:<bob@example.com>');
    client.end();
    return reply;
  };
  try {
    assert.match(await asBob(), /^250 /);
    const both = await RawClient.open(child);
    await both.sayAll(...opening.slice(0, 3), 'RCPT TO:<bob@example.com>', 'DATA');
    assert.match(await both.say(`${message()}\r\n.`), /^451 4\.5\.3 /);
    both.end();
    // Connections go to the workers in turn.
    const replies = async (): Promise<readonly string[]> => [await asBob(), await asBob(), await asBob()];
    let last = await replies();
    for (let tries = 0; tries < 50 && !last.every((reply) => reply.startsWith('550 ')); tries++) last = await replies();
    assert.deepEqual(
      last.filter((reply) => !reply.includes('bob has moved')),
      [],
    );
  } finally {
    await child.close();
    await mta.stop();
  }
});

test('two workers serve one port and share one connection limit; one that is killed is replaced', async () => {
  const settings = ['workers=2', 'max_connections_per_ip=4', 'log_level=info'];
  await withChild({ settings }, async (child, mta) => {
    const pids = child.listening.map(({ pid }) => Number(pid));
    assert.equal(new Set(pids).size, 2);
    // Which one the kernel gives a connection to is its own business: enough of them reach both.
    for (
      let i = 0;
      i < 200 && new Set(child.log.filter(({ verdict }) => verdict).map(({ pid }) => pid)).size < 2;
      i++
    ) {
      await Promise.all([send(child.port), send(child.port), send(child.port), send(child.port)]);
    }
    assert.deepEqual(new Set(child.log.filter(({ verdict }) => verdict).map(({ pid }) => pid)), new Set(pids));
    assert.ok(mta.messages.length > 0);

    const clients = await Promise.all(
      Array.from({ length: 12 }, () => RawClient.open({ port: child.port, from: '127.0.0.3' })),
    );
    const greetings = clients.map(({ replies }) => replies[0]?.slice(0, 3));
    assert.equal(greetings.filter((code) => code === '220').length, 4);
    assert.equal(greetings.filter((code) => code === '421').length, 8);
    for (const client of clients) client.end();

    await sleep(2100); // sooner, a death counts as a failed start
    const [victim = 0] = pids;
    process.kill(victim, 'SIGKILL');
    await child.until(() => child.listening.length === 3);
    assert.ok(
      child.log.some(({ msg, worker }) => msg === 'worker died: another one takes its place' && worker === victim),
    );
    for (let i = 0; i < 5; i++) {
      const held = await Promise.all(
        Array.from({ length: 4 }, () => RawClient.open({ port: child.port, from: '127.0.0.3' })),
      );
      assert.deepEqual(
        held.map(({ replies }) => replies[0]?.slice(0, 3)),
        ['220', '220', '220', '220'],
        'the dead worker’s connections are counted',
      );
      for (const client of held) client.end();
      await sleep(30);
    }
    const all = child.listening.map(({ pid }) => Number(pid));
    assert.equal(await child.stop(), 0);
    assert.deepEqual(all.filter(isRunning), []);
  });
});

test('two workers share what greylisting remembers, over a restart too', async () => {
  const root = makeRoot([...markers, 'example.com/checks/greylisting']);
  const list = join(root, 'plugins');
  writeFileSync(list, 'valid_users\ngreylisting delay=2s\n');
  const settings = ['workers=2', 'log_level=info', `plugins=${list}`];
  const tried = (child: PosternProcess): number =>
    new Set(child.log.filter(({ verdict }) => verdict).map(({ pid }) => pid)).size;
  try {
    await withChild({ root, settings }, async (child) => {
      for (let i = 0; i < 200 && tried(child) < 2; i++) {
        const replies = await Promise.all(Array.from({ length: 4 }, () => send(child.port)));
        if (i === 0) assert.deepEqual(new Set(replies.map((reply) => reply.slice(0, 3))), new Set(['450']));
      }
      assert.equal(tried(child), 2);
      assert.equal(await child.stop(), 0);
    });
    await sleep(2100);
    await withChild({ root, settings }, async (child) => {
      for (let i = 0; i < 200 && tried(child) < 2; i++) {
        const replies = await Promise.all(Array.from({ length: 4 }, () => send(child.port)));
        assert.deepEqual(new Set(replies.map((reply) => reply.slice(0, 3))), new Set(['250']));
      }
      assert.equal(tried(child), 2);
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

for (const workers of [1, 2]) {
  test(`${workers} workers: systemd hears of the first process alone that it is ready, and that it stops`, async () => {
    const root = makeRoot(markers);
    const told = join(root, 'told');
    const script = `#!/bin/sh\necho "$@" >>'${told}'\n`;
    writeFileSync(join(root, 'systemd-notify'), script, { mode: 0o755 });
    const env = { PATH: `${root}:${process.env['PATH']}`, NOTIFY_SOCKET: join(root, 'notify') };
    const heard = (): string[] => (existsSync(told) ? readFileSync(told, 'utf8').split('\n').slice(0, -1) : []);
    try {
      await withChild({ root, env, settings: [`workers=${workers}`] }, async (child) => {
        await child.until(() => heard().some((line) => line.endsWith('READY=1')));
        assert.equal(await child.stop(), 0);
        await until(() => heard().some((line) => line.endsWith('STOPPING=1')));
        assert.deepEqual(heard(), [`--pid=${child.pid} READY=1`, `--pid=${child.pid} STOPPING=1`]);
      });
    } finally {
      rmSync(root, { recursive: true });
    }
  });
}

test('workers whose primary is killed stop by themselves', async () => {
  await withChild({ settings: ['workers=2'] }, async (child) => {
    const pids = child.listening.map(({ pid }) => Number(pid));
    process.kill(child.pid, 'SIGKILL');
    const end = Date.now() + 10_000;
    while (pids.some(isRunning) && Date.now() < end) await sleep(20);
    assert.deepEqual(pids.filter(isRunning), []);
  });
});

test('HUP reads the settings anew: later sessions meet them, a bad file changes nothing', async () => {
  const root = makeRoot(markers);
  const config = join(root, 'postern.conf');
  writeFileSync(config, 'max_size = 20000\n');
  try {
    await withChild({ root, settings: [`config=${config}`] }, async (child) => {
      const size = async (): Promise<string | undefined> => {
        const client = await RawClient.open(child);
        const reply = await client.say('EHLO client.example');
        client.end();
        return /SIZE (\d+)/.exec(reply)?.[1];
      };
      assert.equal(await size(), '20000');
      const under = await RawClient.open(child);
      await under.sayAll(...opening);
      writeFileSync(config, 'max_size = 30000\n');
      child.signal('SIGHUP');
      await child.until(() => child.log.some(({ msg }) => msg === 'reloaded'));
      assert.equal(await size(), '30000');
      assert.match(await under.say(`${message()}\r\n.`), /^250 /);
      under.end();
      writeFileSync(config, 'max_size = nonsense\n');
      child.signal('SIGHUP');
      await child.until(() => child.log.some(({ msg }) => msg === 'not reloaded: the old settings stay'));
      assert.equal(await size(), '30000');
      writeFileSync(config, 'max_size = 30000\nworkers = 2\n');
      const warnings = () =>
        child.log.filter(({ msg }) => msg === 'reloaded, but these settings stay as they were until a restart');
      for (const count of [1, 2]) {
        child.signal('SIGHUP');
        await child.until(() => warnings().length === count);
      }
      for (const { level, restart_for } of warnings()) assert.deepEqual([level, restart_for], [40, ['workers']]);
      assert.equal(await child.stop(), 0);
    });
  } finally {
    rmSync(root, { recursive: true });
  }
});

for (const settings of [['user=65534', 'group=65534'], ['user=nobody']]) {
  test(`with ${settings.join(' and ')}, root opens the port and serves as that user, in its group and no other`, async (t) => {
    if (!needPeer(t, 'root')) return;
    const root = makeRoot(markers);
    try {
      await withChild({ root, settings }, async (child, mta) => {
        const status = readFileSync(`/proc/${child.worker}/status`, 'utf8');
        assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
        assert.match(status, /^Gid:\t65534\t65534\t65534\t65534$/m);
        assert.match(status, /^Groups:\t65534 $/m);
        assert.ok(!child.log.some(({ msg }) => String(msg).startsWith('running as root')));
        assert.match(await send(child.port), /^250 /);
        assert.equal(mta.messages.length, 1);
        const client = await RawClient.open(child);
        assert.match(
          await client.sayAll(...opening.slice(0, 2), 'RCPT TO:<nobody@example.com>', 'DATA', `${message()}\r\n.`),
          /^550 5\.1\.1 /,
        );
        client.end();
        const [day = ''] = readdirSync(join(root, 'spam')).filter((name) => /^\d+$/.test(name));
        // It made these folders itself, while it was still root.
        for (const path of [`spam/${day}/example.com/index`, 'spam', 'state', 'state/spool'])
          assert.equal(statSync(join(root, path)).uid, 65_534, path);
        assert.equal(statSync(root).uid, 0);
        assert.equal(await child.stop(), 0);
      });
    } finally {
      rmSync(root, { recursive: true });
    }
  });
}

test('a user that does not exist stops the start: exit code 77', async (t) => {
  if (!needPeer(t, 'root')) return;
  const root = makeRoot(markers);
  const child = PosternProcess.launch({ root, settings: ['user=no-such-user'], relayPort: 9 });
  assert.equal(await child.exited, 77);
  assert.match(
    child.complaints,
    /^postern: user = no-such-user: there is no such user; name one that exists; only root can become another\n$/,
  );
  rmSync(root, { recursive: true });
});

test('a socket that is handed over as descriptor 3 is served, and open already for who comes first', async () => {
  const listening = net.createServer();
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as net.AddressInfo;
  const { fd } = (listening as unknown as { _handle: { fd: number } })._handle;
  const mta = await ScriptedMta.start({ extensions: ['PIPELINING'] });
  const child = await PosternProcess.start({ markers, relayPort: mta.port, settings: ['listen=fd:3'], fds: [fd] });
  listening.close();
  try {
    assert.equal(child.port, port);
    assert.match(await send(port), /^250 /);
    assert.equal(await child.stop(), 0);
  } finally {
    await child.close();
    await mta.stop();
  }
});

test('several endpoints are served alike', async () => {
  await withChild({ settings: ['listen=127.0.0.1:0,[::1]:0'] }, async (child, mta) => {
    const ports = ((child.listening[0]?.['listen'] ?? []) as string[]).map((bound) => Number(bound.split(':').at(-1)));
    assert.equal(ports.length, 2);
    assert.match(await send(ports[0] ?? 0), /^250 /);
    const socket = net.connect({ host: '::1', port: ports[1] ?? 0 });
    const greeting = await new Promise<string>((resolve) =>
      socket.once('data', (octets) => resolve(octets.toString())),
    );
    assert.match(greeting, /^220 /);
    socket.destroy();
    assert.equal(mta.messages.length, 1);
  });
});

for (const workers of [1, 2]) {
  test(`0.0.0.0 and [::] are listened on together, as other servers write it, with ${workers} worker(s)`, async () => {
    const port = await freePort();
    const settings = [`listen=0.0.0.0:${port},[::]:${port}`, `workers=${workers}`];
    await withChild({ settings }, async (child) => {
      assert.deepEqual(child.listening[0]?.['listen'], [`0.0.0.0:${port}`, `[::]:${port}`]);
      for (const host of ['127.0.0.1', '::1']) {
        const socket = net.connect({ host, port });
        const greeting = await new Promise<string>((resolve) =>
          socket.once('data', (text) => resolve(text.toString())),
        );
        assert.match(greeting, /^220 /);
        socket.destroy();
      }
    });
  });
}

test('out of descriptors it waits, and serves again once there are some', async (t) => {
  if (!needPeer(t, 'prlimit')) return;
  await withChild({}, async (child) => {
    const limit = (n: number): Promise<unknown> =>
      new Promise((resolve) =>
        spawn('prlimit', [`--pid=${child.worker}`, `--nofile=${n}:${n}`]).once('close', resolve),
      );
    const used = readdirSync(`/proc/${child.worker}/fd`).length;
    await limit(used + 4);
    const clients = Array.from({ length: 12 }, (_, i) =>
      RawClient.connect({ port: child.port, from: `127.0.0.${i + 2}` }),
    );
    await sleep(300);
    for (const client of clients) client.end();
    await sleep(200);
    await limit(1024);
    assert.match(await send(child.port), /^250 /);
    assert.equal(await child.stop(), 0);
  });
});
