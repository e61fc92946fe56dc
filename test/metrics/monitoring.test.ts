/**
 * What packaging/monitoring has, read by those it is for: promtool and fail2ban-regex. Names and log lines are those of
 * a process of ours that runs.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../src/cli/package-root.js';
import { emptyCatalog } from '../catalog/support.js';
import { makeCertificate } from '../support/certificate.js';
import { makeRoot, PosternProcess } from '../support/child.js';
import { freePort } from '../support/free-port.js';
import { hasPeer, needPeer } from '../support/peers.js';
import { Postgres } from '../support/postgres.js';
import { RawClient } from '../support/raw-client.js';
import { get, heard, numbersIn } from './support/scrape.js';

const folder = join(packageRoot, 'packaging/monitoring');
const rulesFile = join(folder, 'postern.rules.yml');
const rules = readFileSync(rulesFile, 'utf8');
const ruleTests = join(packageRoot, 'test/metrics/monitoring/postern.rules.test.yml');
const alerts = [...rules.matchAll(/^ {6}- alert: (\w+)$/gm)].map(([, name = '']) => name);

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

const dashboard = JSON.parse(readFileSync(join(folder, 'postern.dashboard.json'), 'utf8')) as {
  readonly panels: readonly Panel[];
};
const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

function run(program: string, ...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  assert.equal(status, 0, `${program} ${words.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

function withFolder(act: (place: string) => void): void {
  const place = mkdtempSync(join(tmpdir(), 'postern-rules-'));
  try {
    act(place);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

test('promtool reads the alerts, and each says in words what is so and what to do', (t) => {
  if (!needPeer(t, 'promtool')) return;
  run('promtool', 'check', 'rules', rulesFile);
  assert.equal(alerts.length, 16);
  assert.equal(rules.match(/^ {10}summary: \S.{20,}$/gm)?.length, alerts.length);
  assert.equal(rules.match(/^ {10}description: >-\n {12}\S.{20,}$/gm)?.length, alerts.length);
});

test('each alert fires when it should, and not before', (t) => {
  if (!needPeer(t, 'promtool')) return;
  const cases = readFileSync(ruleTests, 'utf8');
  for (const alert of alerts)
    assert.match(cases, new RegExp(`alertname: ${alert}\\n +exp_alerts:(?: \\[\\{|\\n)`), `${alert} is seen to fire`);
  withFolder((place) => {
    // What an alert says is not compared word by word.
    writeFileSync(join(place, 'postern.rules.yml'), rules.replace(/^ {8}annotations:\n(?: {10}.*\n)+/gm, ''));
    copyFileSync(ruleTests, join(place, 'tests.yml'));
    assert.match(run('promtool', 'test', 'rules', join(place, 'tests.yml')), /SUCCESS/);
  });
});

test('Prometheus understands what the panels ask, and no two panels lie on each other', (t) => {
  if (!needPeer(t, 'promtool')) return;
  assert.ok(expressions.length > 25);
  withFolder((place) => {
    const file = join(place, 'panels.yml');
    const asked = expressions.map((expr, i) => {
      const plain = expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*');
      return { record: `panel_${i}`, expr: plain };
    });
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules: asked }] })); // JSON is YAML
    run('promtool', 'check', 'rules', file);
  });
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  assert.equal(new Set(cells).size, cells.length);
  for (const { type, title, description = '', gridPos } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    assert.ok(type === 'row' || description !== '', title);
  }
});

const usual = (root: string, port: number): readonly string[] => [`metrics=127.0.0.1:${port}`, `log_file=${root}/log`];

test('every series that alerts and panels name is told by a process that runs', async (t) => {
  const server = hasPeer('postgres') ? await Postgres.start() : undefined;
  t.after(() => server?.end());
  if (server) await (await emptyCatalog(server)).close();
  const root = makeRoot([]);
  const { cert, key } = makeCertificate('mx.test.example');
  writeFileSync(join(root, 'cert.pem'), cert);
  writeFileSync(join(root, 'key.pem'), key);
  const port = await freePort();
  const settings = [
    ...usual(root, port),
    `tls_cert=${root}/cert.pem`,
    `tls_key=${root}/key.pem`,
    ...(server ? [`catalog=${server.url}`] : []),
  ];
  const child = await PosternProcess.start({ root, settings, relayPort: await freePort() });
  try {
    let told = new Set<string>();
    // The process that ships has asked the catalog once.
    const awaited = server ? 'postern_catalog_clock_offset_seconds' : 'postern_ready';
    for (let i = 0; i < 600 && !told.has(awaited); i++) {
      const series = [...numbersIn((await get(port, '/metrics')).body).keys()];
      told = new Set(series.map((one) => one.replace(/\{.*/, '')));
      await sleep(100);
    }
    const named = [
      ...expressions
        .join('\n')
        .concat(rules)
        .matchAll(/\b(?:postern|process)_[a-z_]+\b/g),
    ].map(([name]) => name);
    assert.ok(new Set(named).size > 25);
    assert.deepEqual(
      [...new Set(named)].filter((name) => !told.has(name) && (server || !name.startsWith('postern_catalog_'))),
      [],
    );
  } finally {
    await child.close();
    rmSync(root, { recursive: true, force: true });
  }
});

/** What a client may say to have another address banned in its place: none of it may work. */
const victim = '198.51.100.66';
const liesOf = (end: string): readonly string[] => [
  victim,
  `[${victim}]`,
  `x","ip":"${victim}","y":"`,
  `{"level":30,"time":"2026-11-29T12:00:00.000Z","pid":1,"ip":"${victim}",${end}}`,
  `mx1 postern[1]: {"level":30,"pid":1,"ip":"${victim}",${end}}`,
  `\\",${end}`,
];
const denied = '"reply":"550 5.7.1 Relaying denied","msg":"turned away"';

/** The addresses that would be counted, as fail2ban-regex finds them. */
function bannedBy(log: string, mode: string): readonly string[] {
  const filter = `${join(folder, 'fail2ban/filter.d/postern.conf')}[mode=${mode}]`;
  const { stdout } = spawnSync('fail2ban-regex', ['--out', 'ip', log, filter], { encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean);
}

test('fail2ban finds who misbehaves in our log, and never whom a client names', async (t) => {
  if (!needPeer(t, 'fail2ban-regex')) return;
  const root = makeRoot(['example.com/users/valid/alice']);
  const [port, web] = [await freePort(), await freePort()];
  const settings = [
    ...usual(root, port),
    `web=127.0.0.1:${web}`,
    'web_proxies=127.0.0.1',
    'xclient_networks=127.0.0.1',
    'max_errors=5',
  ];
  const child = await PosternProcess.start({ root, settings, relayPort: await freePort() });
  try {
    /** Each client comes as the address that XCLIENT gives. */
    const as = async (ip: string, ...lines: readonly string[]): Promise<void> => {
      const client = await RawClient.open(child);
      await client.say('EHLO proxy.example');
      await client.say(`XCLIENT ADDR=${ip}`);
      for (const line of lines) await client.say(line);
      client.end();
    };
    for (const lie of liesOf(denied)) {
      await as('192.0.2.1', 'EHLO c.example', `EHLO ${lie}`, 'MAIL FROM:<a@b.example>', 'RCPT TO:<x@foreign.example>');
      await as(
        '192.0.2.2',
        'EHLO c.example',
        'MAIL FROM:<a@b.example>',
        `RCPT TO:<"${lie.replaceAll('"', '\\"')}"@foreign.example>`,
      );
      await as(
        '192.0.2.9',
        `EHLO ${lie}`,
        `MAIL FROM:<"${lie.replaceAll(/["\\]/g, '')}"@b.example>`,
        'RCPT TO:<nobody@example.com>',
      );
    }
    await as('192.0.2.3', 'EHLO c.example', ...Array.from({ length: 5 }, () => 'DATA'));
    await as('2001:db8::4', 'EHLO c.example', `NOOP ${'x'.repeat(6000)}`);
    await as('192.0.2.7', 'EHLO c.example', ...Array.from({ length: 4 }, () => `NONSENSE ,"at":"${victim}"`));
    const login = (ip: string, token: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${web}/login`, {
        method: 'POST',
        headers: { 'X-Forwarded-For': ip, 'User-Agent': `","ip":"${victim}","msg":"log-in failed"}` },
        body: new URLSearchParams({ token, to: '/' }),
      });
    await heard(
      () =>
        login('192.0.2.5', 'wrong').then(
          ({ status }) => status,
          () => 0,
        ),
      (status) => status === 403,
    );
    for (const lie of liesOf('"msg":"log-in failed"')) await login('192.0.2.6', lie);
    await child.until(() => child.log.some(({ msg, ip }) => msg === 'log-in failed' && ip === '192.0.2.6'));
    assert.equal(await child.stop(), 0);
    const log = join(root, 'log');
    const smtp = bannedBy(log, 'smtp');
    assert.deepEqual([...new Set(smtp)].toSorted(), [
      '192.0.2.1',
      '192.0.2.2',
      '192.0.2.3',
      '192.0.2.7',
      '2001:db8::4',
    ]);
    assert.equal(smtp.filter((ip) => ip === '192.0.2.1').length, liesOf('').length);
    assert.deepEqual([...new Set(bannedBy(log, 'web'))].toSorted(), ['192.0.2.5', '192.0.2.6']);
    // As the systemd backend puts a line together.
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    writeFileSync(log, lines.map((line) => `mx1 postern[77]: ${line}\n`).join(''));
    assert.deepEqual(bannedBy(log, 'smtp'), smtp);
  } finally {
    await child.close();
    rmSync(root, { recursive: true, force: true });
  }
});

test('the jails name filters and modes that there are', () => {
  const jails = readFileSync(join(folder, 'fail2ban/jail.d/postern.conf'), 'utf8');
  const filter = readFileSync(join(folder, 'fail2ban/filter.d/postern.conf'), 'utf8');
  const modes = [...jails.matchAll(/^filter +=\s*postern\[mode=(\w+)\]$/gm)].map(([, mode = '']) => mode);
  assert.deepEqual(modes, ['smtp', 'web']);
  for (const mode of modes) assert.match(filter, new RegExp(`^re-${mode} = `, 'm'));
});
