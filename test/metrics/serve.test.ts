/** `/metrics`, `/livez` and `/readyz` of `postern serve`, asked over HTTP while mail comes in over SMTP. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot, version } from '../../src/cli/package-root.js';
import { startSink } from '../../src/trial/sink.js';
import { SmtpClient } from '../../src/trial/smtp-client.js';
import { ScriptedMta } from '../relay/support/scripted-mta.js';
import { makeCertificate } from '../support/certificate.js';
import { makeRoot, PosternProcess } from '../support/child.js';
import { ended } from '../support/daemon.js';
import { inherited } from '../support/environment.js';
import { freePort } from '../support/free-port.js';
import { message } from '../support/mx.js';
import { needPeer } from '../support/peers.js';
import { inTime, until } from '../support/until.js';
import { get, heard, type Numbers, scrape } from './support/scrape.js';

interface Gate {
  readonly child: PosternProcess;
  readonly mta: ScriptedMta;
  /** Where the numbers are. */
  readonly port: number;
  readonly root: string;
}

interface GateSettings {
  readonly settings?: readonly string[];
  readonly markers?: readonly string[];
  /** Lines of the plugin list. */
  readonly plugins?: readonly string[];
}

const usualPlugins = ['valid_users', 'spf', 'greylisting delay=1s', 'odd'];

async function withGate(
  { settings = [], markers = [], plugins = usualPlugins }: GateSettings,
  run: (gate: Gate) => Promise<void>,
) {
  const root = makeRoot(['example.com/users/valid/alice', ...markers]);
  writeFileSync(join(root, 'list'), `${plugins.join('\n')}\n`);
  mkdirSync(join(root, 'plugins'));
  writeFileSync(
    join(root, 'plugins/odd.mjs'),
    `export default { name: 'odd', async inspect({ header }) {
       const subject = header.get('subject') ?? '';
       if (subject === 'THROW') throw new Error('odd');
       if (subject === 'LATE') setTimeout(() => { throw new Error('late'); });
       if (subject === 'NOTE') return { kind: 'note', log: 'noted' };
       return subject === 'REJECT'
         ? { kind: 'reject', about: 'mail', enhanced: '5.7.1', reason: 'odd', log: 'odd' } : { kind: 'pass' };
     } };`,
  );
  const mta = await ScriptedMta.start({
    extensions: ['PIPELINING', '8BITMIME'],
    script: ({ verb, line }) =>
      verb !== 'RCPT'
        ? undefined
        : line.includes('full@')
          ? '452 4.2.2 full'
          : line.includes('gone@')
            ? '550 5.1.1 gone'
            : undefined,
  });
  const port = await freePort();
  const usual = [`metrics=127.0.0.1:${port}`, `plugins=${root}/list`, `plugin_dirs=${root}/plugins`];
  const isOwn = (one: string): boolean => settings.some((own) => own.split('=')[0] === one.split('=')[0]);
  const own = [...usual.filter((one) => !isOwn(one)), ...settings];
  let child: PosternProcess | undefined;
  try {
    child = await PosternProcess.start({ root, settings: own, relayPort: mta.port });
    await run({ child, mta, port, root });
  } finally {
    await child?.close();
    await mta.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

interface Mail {
  readonly subject?: string;
  readonly to?: readonly string[];
  readonly from?: string;
}

async function send(
  port: number,
  { subject = 'test', to = ['alice@example.com'], from = 'a@sender.example' }: Mail = {},
): Promise<string> {
  const client = new SmtpClient('127.0.0.1', port);
  await client.reply();
  let last = '';
  const rcpt = to.map((address) => `RCPT TO:<${address}>`);
  for (const line of ['EHLO client.example', `MAIL FROM:<${from}>`, ...rcpt, 'DATA']) last = await client.say(line);
  if (last.startsWith('354'))
    last = await client.say(`${message({ without: ['Subject'], fields: [`Subject: ${subject}`] })}\r\n.`);
  await client.say('QUIT');
  client.end();
  return last;
}

/** Names without labels and without what a histogram puts behind them. */
const familiesOf = (numbers: Numbers): ReadonlySet<string> =>
  new Set([...numbers.keys()].map((series) => series.replace(/\{.*/, '').replace(/_(?:bucket|sum|count)$/, '')));

const all =
  `connections connections_total turned_away_total transactions messages_total message_bytes_total rejects_total
  marks_total defers_total plugin_seconds spf_results_total dkim_results_total dmarc_results_total greylist_total
  sessions_tls_total relay_total relay_seconds dns_lookup_seconds fsync_seconds quarantine_messages quarantine_bytes
  quarantine_oldest_seconds disk_free_bytes journal_lost_total journal_lag_seconds log_dropped_total
  workers_replaced_total event_loop_lag_seconds certificate_expiry_seconds ready build_info`
    .split(/\s+/)
    .map((name) => `postern_${name}`);

const perProcess = ['cpu_seconds_total', 'resident_memory_bytes', 'start_time_seconds', 'open_fds'].map(
  (name) => `process_${name}`,
);

test('every series is there before the first mail, and promtool has nothing to say against it', async (t) => {
  if (!needPeer(t, 'promtool')) return;
  const root = makeRoot([]);
  const { cert, key } = makeCertificate('mx.test.example');
  writeFileSync(join(root, 'cert.pem'), cert);
  writeFileSync(join(root, 'key.pem'), key);
  try {
    const settings = [`tls_cert=${root}/cert.pem`, `tls_key=${root}/key.pem`, 'workers=2'];
    await withGate({ settings }, async ({ port }) => {
      const { status, type, body } = await get(port, '/metrics');
      assert.deepEqual([status, type], [200, 'text/plain; version=0.0.4; charset=utf-8']);
      const numbers = await scrape(port);
      assert.deepEqual([...familiesOf(numbers)].toSorted(), [...all, ...perProcess].toSorted());
      for (const series of [
        'postern_defers_total{plugin="greylisting",cause="policy"}',
        'postern_defers_total{plugin="relay",cause="destination"}',
        'postern_rejects_total{plugin="odd"}',
        'postern_spf_results_total{identity="helo",result="permerror"}',
        'postern_greylist_total{result="known"}',
        'postern_messages_total{verdict="discarded"}',
        'postern_workers_replaced_total{cause="silent"}',
        'postern_plugin_seconds_count{plugin="spf"}',
      ])
        assert.equal(numbers.get(series), 0, series);
      assert.ok((numbers.get('postern_certificate_expiry_seconds{name="tls_cert"}') ?? 0) > Date.now() / 1000);
      for (const worker of ['primary', '1', '2'])
        assert.ok((numbers.get(`process_resident_memory_bytes{worker="${worker}"}`) ?? 0) > 1e6, worker);
      const checked = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
      assert.deepEqual([checked.status, checked.stdout, checked.stderr], [0, '', '']);
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('what becomes of mails is counted, by verdict, plugin, cause and destination', async () => {
  const users = ['full', 'gone'].map((name) => `example.com/users/valid/${name}`);
  const markers = ['example.com/checks/spf', 'example.com/checks/odd', ...users];
  await withGate({ markers }, async ({ child, mta, port }) => {
    assert.match(await send(child.port), /^250 /);
    assert.match(await send(child.port, { from: '' }), /^250 /);
    assert.match(await send(child.port, { subject: 'REJECT' }), /^550 /);
    assert.match(await send(child.port, { subject: 'THROW' }), /^451 /);
    assert.match(await send(child.port, { subject: 'NOTE' }), /^250 /);
    assert.match(await send(child.port, { to: ['nobody@example.com'] }), /^550 /);
    assert.match(await send(child.port, { to: ['x@foreign.example'] }), /^5/);
    assert.match(await send(child.port, { to: ['full@example.com'] }), /^452 /);
    assert.match(await send(child.port, { to: ['gone@example.com'] }), /^550 /);
    assert.match(await send(child.port, { to: ['alice@example.com', 'gone@example.com'] }), /^451 /);
    assert.match(await send(child.port, { to: ['gone@example.com'] }), /^554 /, 'the refusal of one is remembered');
    const numbers = await scrape(port);
    const counted = (series: string): number | undefined => numbers.get(`postern_${series}`);
    const destination = `destination="127.0.0.1:${mta.port}"`;
    for (const [series, count] of Object.entries({
      'messages_total{verdict="relayed"}': 3,
      'messages_total{verdict="rejected"}': 2,
      'messages_total{verdict="deferred"}': 3,
      'messages_total{verdict="refused"}': 1,
      'rejects_total{plugin="odd"}': 1,
      'rejects_total{plugin="valid_users"}': 1,
      'rejects_total{plugin="relay"}': 1,
      'defers_total{plugin="relay",cause="destination"}': 2,
      'defers_total{plugin="odd",cause="fault"}': 1,
      'defers_total{plugin="odd",cause="policy"}': 0,
      'marks_total{plugin="odd"}': 1,
      'turned_away_total{reason="relaying"}': 1,
      'turned_away_total{reason="mta"}': 1,
      'spf_results_total{identity="mailfrom",result="none"}': 7,
      'spf_results_total{identity="helo",result="none"}': 1,
      'plugin_seconds_count{plugin="odd"}': 8,
      connections_total: 11,
      'sessions_tls_total{version="none"}': 11,
      [`relay_total{${destination},result="accepted"}`]: 3,
      [`relay_total{${destination},result="deferred"}`]: 1,
      [`relay_total{${destination},result="refused"}`]: 2,
      [`relay_seconds_count{${destination}}`]: 6,
    }))
      assert.equal(counted(series), count, series);
    assert.ok((counted('message_bytes_total{verdict="relayed"}') ?? 0) > 3 * 100);
    assert.ok((counted('fsync_seconds_count') ?? 0) > 0, 'a mail was archived');
  });
});

test('greylisting counts first tries, those that come too early, those in time, and known senders', async () => {
  await withGate({ markers: ['example.com/checks/greylisting'] }, async ({ child, port }) => {
    const result = (numbers: Numbers, name: string): number | undefined =>
      numbers.get(`postern_greylist_total{result="${name}"}`);
    assert.match(await send(child.port), /^450 /);
    const first = await scrape(port);
    assert.deepEqual([result(first, 'new'), result(first, 'passed')], [1, 0]);
    assert.equal(first.get('postern_defers_total{plugin="greylisting",cause="policy"}'), 1);
    await heard(
      () => send(child.port),
      (reply) => reply.startsWith('250'),
    );
    assert.match(await send(child.port), /^250 /);
    const last = await scrape(port);
    assert.deepEqual([result(last, 'new'), result(last, 'passed'), result(last, 'known')], [1, 1, 1]);
    const tries = Number(result(last, 'early')) + 3;
    const deferred = last.get('postern_messages_total{verdict="deferred"}');
    assert.equal(Number(deferred) + Number(last.get('postern_messages_total{verdict="relayed"}')), tries);
  });
});

test('no count goes backwards when a worker is killed, retires or is stopped', async () => {
  await withGate({ settings: ['workers=2'], markers: ['example.com/checks/odd'] }, async ({ child, port }) => {
    const relayed = async (): Promise<number> =>
      (await scrape(port)).get('postern_messages_total{verdict="relayed"}') ?? -1;
    for (let i = 0; i < 6; i++) assert.match(await send(child.port), /^250 /);
    assert.equal(await relayed(), 6);
    process.kill(child.worker, 'SIGKILL');
    await child.until(() => child.listening.length === 3);
    assert.equal(await relayed(), 6);
    assert.match(await send(child.port), /^250 /);
    assert.equal(await relayed(), 7);
    await send(child.port, { subject: 'LATE' });
    await child.until(() => child.log.some(({ msg }) => msg === 'worker retired'));
    const numbers = await scrape(port);
    assert.equal(numbers.get('postern_messages_total{verdict="relayed"}'), 8);
    assert.equal(numbers.get('postern_workers_replaced_total{cause="died"}'), 1);
    assert.equal(numbers.get('postern_workers_replaced_total{cause="mistake"}'), 1);
  });
});

test('/readyz says in words what is not ready, and /livez that we live', async () => {
  await withGate({}, async ({ child, mta, port, root }) => {
    const ready = (): ReturnType<typeof get> => get(port, '/readyz');
    assert.deepEqual(await heard(ready, ({ status }) => status === 200), {
      status: 200,
      type: 'text/plain; charset=utf-8',
      body: 'ok\n',
    });
    assert.equal((await scrape(port)).get('postern_ready'), 1);
    renameSync(join(root, 'srv'), join(root, 'gone'));
    const away = await heard(ready, ({ status }) => status === 503);
    assert.match(away.body, /^\S+\/srv cannot be read: ENOENT/);
    assert.equal((await scrape(port)).get('postern_ready'), 0);
    assert.equal((await get(port, '/livez')).body, 'ok\n');
    renameSync(join(root, 'gone'), join(root, 'srv'));
    await heard(ready, ({ status }) => status === 200);
    await child.stop();
    await mta.stop();
  });
});

test('a local MTA that does not answer is not ready; once it does, mail can be taken', async () => {
  const relayPort = await freePort();
  const port = await freePort();
  const root = makeRoot([]);
  const child = await PosternProcess.start({ root, relayPort, settings: [`metrics=127.0.0.1:${port}`] });
  try {
    const { body } = await heard(
      () => get(port, '/readyz'),
      ({ status }) => status === 503,
    );
    assert.match(body, new RegExp(`^the local MTA at 127\\.0\\.0\\.1:${relayPort} does not answer: .*ECONNREFUSED`));
    const sink = await startSink({ host: '127.0.0.1', port: relayPort, dir: join(root, 'sink'), log: () => {} });
    await heard(
      () => get(port, '/readyz'),
      ({ status }) => status === 200,
    );
    await sink.close();
  } finally {
    await child.close();
    rmSync(root, { recursive: true, force: true });
  }
});

test('only GET and HEAD on these paths; whatever clients do there, mail goes on and the stop is prompt', async () => {
  await withGate({}, async ({ child, port }) => {
    assert.equal((await get(port, '/livez', 'HEAD')).body, '');
    assert.equal((await get(port, '/metrics?x=1')).status, 200);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      assert.equal((await get(port, '/metrics', method)).status, 405, method);
    for (const path of ['/', '/metrics/', '/../etc/passwd', '/metrics%00', `/${'x'.repeat(4000)}`])
      assert.equal((await get(port, path)).status, 404, path.slice(0, 20));
    const gone: Promise<unknown>[] = [];
    const open = (text: string): net.Socket => {
      const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
      socket.on('error', () => {});
      gone.push(new Promise((resolve) => socket.once('close', resolve)));
      socket.resume();
      return socket;
    };
    for (let i = 0; i < 100; i++) open('GET /metrics HTTP/1.1\r\nX-Slow: ');
    open(`GET /${'y'.repeat(100_000)} HTTP/1.1\r\n\r\n`);
    open('\x00\x01\x02 garbage\r\n\r\n');
    open('POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nzzz');
    assert.match(await send(child.port), /^250 /);
    await inTime(Promise.all(gone), 'those who do not come to the point are hung up on');
    assert.equal((await get(port, '/livez')).status, 200);
    const idle = open('');
    await until(() => idle.readyState === 'open');
    assert.equal(await child.stop(), 0);
  });
});

test('however many ask at once whether a slow local MTA is there, all are told that it is not', async () => {
  const deaf = net.createServer((socket) => {
    socket.on('error', () => {});
    setTimeout(() => socket.destroy(), 1_200);
  });
  await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
  const { port: relayPort } = deaf.address() as net.AddressInfo;
  const [port, root] = [await freePort(), makeRoot([])];
  const child = await PosternProcess.start({ root, relayPort, settings: [`metrics=127.0.0.1:${port}`] });
  try {
    const asked = Array.from({ length: 10 }, () => get(port, '/readyz'));
    for (const { status, body } of await Promise.all(asked)) {
      assert.equal(status, 503);
      assert.match(body, /^the local MTA at .* does not answer: /);
    }
    assert.equal((await get(port, '/livez')).status, 200);
    assert.equal(await child.stop(), 0);
  } finally {
    await child.close();
    deaf.close();
    rmSync(root, { recursive: true, force: true });
  }
});

test('HUP moves the address, keeps the old one where the new one cannot be had, and closes it', async () => {
  const root = makeRoot([]);
  const [first, taken] = [await freePort(), await freePort()];
  const other = net.createServer();
  await new Promise<void>((resolve) => other.listen(taken, '127.0.0.1', resolve));
  const file = join(root, 'postern.conf');
  const put = (line: string): void => writeFileSync(file, `${line}\n`);
  put(`metrics = 127.0.0.1:${first}`);
  const mta = await ScriptedMta.start();
  const child = await PosternProcess.start({ root, relayPort: mta.port, settings: [`config=${file}`] });
  const reloaded = async (count: number): Promise<void> => {
    child.signal('SIGHUP');
    await child.until(() => child.log.filter(({ msg }) => msg === 'reloaded').length === count);
  };
  const isOpen = (port: number) => (): Promise<boolean> =>
    get(port, '/livez').then(
      ({ status }) => status === 200,
      () => false,
    );
  try {
    assert.ok(await isOpen(first)());
    put(`metrics = 127.0.0.1:${taken}`);
    await reloaded(1);
    await child.until(() => child.log.some(({ msg }) => /: the old address stays$/.test(String(msg))));
    assert.ok(await isOpen(first)());
    await new Promise((resolve) => other.close(resolve));
    await reloaded(2);
    await heard(isOpen(taken), Boolean); // it is tried again, though the settings are the same
    assert.equal(await isOpen(first)(), false);
    put(`metrics = *:${taken}`);
    await reloaded(3);
    put(`metrics = 127.0.0.1:${taken}`);
    await reloaded(4);
    const opened = (): unknown[] => child.log.flatMap(({ msg, metrics }) => (msg === 'metrics' ? [metrics] : []));
    await child.until(() => opened().length === 4);
    const expected = [`127.0.0.1:${first}`, `127.0.0.1:${taken}`, `[::]:${taken}`, `127.0.0.1:${taken}`];
    assert.deepEqual(opened(), expected);
    put('# none');
    await reloaded(5);
    await heard(isOpen(taken), (isThere) => !isThere);
    assert.equal(await child.stop(), 0);
  } finally {
    await child.close();
    await mta.stop();
    other.close();
    rmSync(root, { recursive: true, force: true });
  }
});

test('an address that another program has costs no mail: the log says so', async () => {
  const taken = await freePort();
  const other = net.createServer();
  await new Promise<void>((resolve) => other.listen(taken, '127.0.0.1', resolve));
  try {
    await withGate({ settings: [`metrics=127.0.0.1:${taken}`] }, async ({ child }) => {
      assert.match(await send(child.port), /^250 /);
      const said = child.log.find(({ msg }) => msg === `metrics = 127.0.0.1:${taken}: mail is taken all the same`);
      assert.match(String(said?.['problem']), /another program listens there/);
    });
  } finally {
    other.close();
  }
});

test('the page tells its own numbers through the gate, and by itself where it runs by itself', async () => {
  const [web, port] = [await freePort(), await freePort()];
  await withGate({ settings: [`web=127.0.0.1:${web}`] }, async ({ port: gate, root }) => {
    const memory = (numbers: Numbers): number | undefined =>
      numbers.get('process_resident_memory_bytes{worker="page"}');
    const numbers = await heard(
      () => scrape(gate),
      (answer) => memory(answer) !== undefined,
    );
    assert.equal(numbers.get(`postern_build_info{version="${version}"}`), 1);
    const words = ['web', `--web=127.0.0.1:${await freePort()}`, `--metrics=127.0.0.1:${port}`];
    const folders = [`--srv=${root}/srv`, `--spam=${root}/spam`, `--state=${root}/state`];
    const page = spawn(process.execPath, [join(packageRoot, 'dist/src/main.js'), ...words, ...folders], {
      stdio: 'ignore',
      env: inherited(),
    });
    try {
      const ready = await heard(
        () => get(port, '/readyz').catch(() => undefined),
        (answer) => answer?.status === 200,
      );
      assert.equal(ready?.body, 'ok\n');
      assert.equal((await scrape(port)).get('postern_ready'), 1);
    } finally {
      await ended(page);
    }
  });
});
