/**
 * One engine in a process of its own: judges each case again and again, and prints how often in a second of CPU time,
 * as one JSON object. Usage: spf-worker.js postern | spf-worker.js FOLDER strict|default, where FOLDER has npm
 * mailauth.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { zoneResolver } from '../../src/dns/zone.js';
import { parseIp } from '../../src/mail/ip.js';
import { checkHost } from '../../src/spf/check-host.js';
import { benchCases, benchZone, type BenchCase } from './spf-cases.js';

/** Microseconds of CPU time. */
const warmUp = 300_000;
const measured = 700_000;
const batch = 200;

/** Judges a case so often, and returns the last result. */
type Judge = (benchCase: BenchCase, times: number) => Promise<string>;

const [engine = '', mode] = process.argv.slice(2);
const judge = engine === 'postern' ? posternJudge() : mailauthJudge(engine, mode === 'strict');
const rates: Record<string, number> = {};
for (const benchCase of benchCases) rates[benchCase.name] = await rateOf(benchCase);
process.stdout.write(JSON.stringify(rates));

async function rateOf(benchCase: BenchCase): Promise<number> {
  await judgeFor(warmUp, benchCase);
  const { count, cpu } = await judgeFor(measured, benchCase);
  return (count / cpu) * 1e6;
}

async function judgeFor(limit: number, benchCase: BenchCase): Promise<{ count: number; cpu: number }> {
  const start = process.cpuUsage();
  for (let count = batch; ; count += batch) {
    const result = await judge(benchCase, batch);
    if (result !== benchCase.result) throw new Error(`${benchCase.name}: ${result} instead of ${benchCase.result}`);
    const { user, system } = process.cpuUsage(start);
    if (user + system >= limit) return { count, cpu: user + system };
  }
}

function posternJudge(): Judge {
  const options = { resolver: zoneResolver(benchZone) };
  return async ({ ip: text, helo, from }, times) => {
    let result = '';
    for (let i = 0; i < times; i++) {
      const ip = parseIp(text);
      if (!ip) throw new Error(`${text} is no address`);
      const checked = checkHost({ ip, helo, from, receiver: 'mx.example.com' }, options);
      ({ result } = checked instanceof Promise ? await checked : checked);
    }
    return result;
  };
}

interface Mailauth {
  spf(options: Record<string, unknown>): Promise<{ readonly status: { readonly result: string } }>;
}

function mailauthJudge(folder: string, strict: boolean): Judge {
  const { spf } = createRequire(join(folder, 'package.json'))('mailauth/lib/spf') as Mailauth;
  const resolver = mailauthResolver();
  return async ({ ip, helo, from }, times) => {
    let result = '';
    for (let i = 0; i < times; i++) {
      ({ result } = (await spf({ sender: from, ip, helo, mta: 'mx.example.com', resolver, strict })).status);
    }
    return result;
  };
}

/** Answers from memory, in the forms of node:dns. */
function mailauthResolver(): (name: string, type: string) => Promise<unknown> {
  const answers = new Map<string, unknown>();
  for (const [name, { TXT, A, MX }] of Object.entries(benchZone)) {
    if (TXT) answers.set(`${name} TXT`, TXT);
    if (A) answers.set(`${name} A`, A);
    if (MX)
      answers.set(
        `${name} MX`,
        MX.map(([priority, exchange]) => ({ priority, exchange })),
      );
  }
  const nothing = Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' });
  return async (name, type) => {
    const answer = answers.get(`${name} ${type}`);
    if (answer === undefined) throw nothing;
    return answer;
  };
}
