/**
 * How fast the quarantine answers with a million mails in it: the page over HTTP, and `list` as a command. Fills a
 * folder first (which stays for the next run), then measures each search cold, the files out of the page cache where
 * this is root, and warm. Run: npm run bench:quarantine [FOLDER]
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../src/cli/package-root.js';
import { tokenLine } from '../../src/web/login/tokens.js';
import { fill } from './quarantine-fill.js';

const root = process.argv[2] ?? 'var/bench-quarantine';
const mails = Number(process.env['MAILS'] ?? 1_000_000);
const token = 'b'.repeat(32);
const main = path.join(packageRoot, 'dist/src/main.js');

const searches = [
  '',
  'from:invoice',
  'plugin:spf',
  'subject:"loan crypto"',
  'domain:domain3.example',
  'larger:4m',
  'ip:10.0.0.0/8',
  'before:7d',
  'spf:fail -from:invoice',
  'nothing-has-this-word',
];

function dropCaches(): boolean {
  try {
    fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function pageFigures(): Promise<void> {
  fs.writeFileSync(`${root}.tokens`, tokenLine('bench', 'admin', token));
  fs.mkdirSync(`${root}.srv`, { recursive: true });
  const words = [
    `--spam=${root}`,
    `--srv=${root}.srv`,
    `--web_tokens=${root}.tokens`,
    '--web=127.0.0.1:0',
    '--log_level=info',
  ];
  const child = spawn(process.execPath, [main, 'web', ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const origin = await new Promise<string>((resolve) => {
      child.stdout.on('data', (octets: Buffer) => {
        const url = /"web":"([^"]+)"/.exec(octets.toString())?.[1];
        if (url !== undefined) resolve(url.replace(/\/$/, ''));
      });
    });
    const login = await fetch(`${origin}/login`, {
      method: 'POST',
      body: new URLSearchParams({ token }),
      redirect: 'manual',
    });
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
    const get = async (where: string): Promise<string> => (await fetch(origin + where, { headers: { cookie } })).text();
    process.stdout.write(`first page of a search          cold ms   warm ms (median of 5)\n`);
    for (const search of searches) {
      const where = `/?q=${encodeURIComponent(search)}`;
      const cold = dropCaches() ? Math.round(await timed(() => get(where))) : NaN;
      await get(where);
      const warm: number[] = [];
      for (let i = 0; i < 5; i++) warm.push(await timed(() => get(where)));
      const median = Math.round(warm.toSorted((a, b) => a - b)[2] ?? NaN);
      process.stdout.write(
        `${(search || '(everything)').padEnd(30)} ${String(cold).padStart(8)}  ${String(median).padStart(8)}\n`,
      );
    }
    const whole = async (): Promise<void> => {
      for (let where = '/?q=nothing-has-this-word'; where !== '';) {
        const next = /href="([^"]+)"\s+id="next"/.exec(await get(where))?.[1] ?? '';
        where = next.replaceAll('&amp;', '&');
      }
    };
    const wholeCold = dropCaches() ? Math.round(await timed(whole)) : NaN;
    const wholeWarm = Math.round(await timed(whole));
    process.stdout.write(`a search that finds nothing, to its very end: ${wholeCold} ms cold, ${wholeWarm} ms warm\n`);
    process.stdout.write(`charts, counted: ${Math.round(await timed(() => get('/part/charts')))} ms\n`);
    const status = fs.readFileSync(`/proc/${child.pid}/status`, 'utf8');
    process.stdout.write(
      `memory at its highest: ${Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)} MB\n`,
    );
  } finally {
    child.kill('SIGTERM');
  }
}

/** Node's own start included. */
async function listFigures(words: readonly string[]): Promise<void> {
  for (const what of ['cold', 'warm'] as const) {
    if (what === 'cold' && !dropCaches()) continue;
    const start = performance.now();
    const child = spawn(process.execPath, [main, 'quarantine', 'list', ...words, `--spam=${root}`, '--all'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const first = await new Promise<number>((resolve) =>
      child.stdout.once('data', () => resolve(performance.now() - start)),
    );
    child.kill('SIGKILL');
    process.stdout.write(`${['list', ...words].join(' ')} prints its first line, ${what}: ${Math.round(first)} ms\n`);
  }
}

if (!fs.existsSync(root)) fill({ root, mails, days: 30, domains: 1_000 });
await pageFigures();
await listFigures([]);
await listFigures(['from:invoice']);
await listFigures(['plugin:spf', 'larger:4m']);
