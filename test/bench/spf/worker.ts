/**
 * An engine in JavaScript as a process of its own, for `npm run bench:spf`. The engines in other languages, in the
 * folders beside this file, do the same: the first line of standard input is a `BenchInput`; each line after it is the
 * index of a case and how many microseconds of CPU time to judge it for, again and again. The answer is a line, too:
 * evaluations in a second of CPU time. A wrong result ends the process.
 *
 * Usage: worker.js postern | worker.js postern-cache | worker.js FOLDER strict|default, where FOLDER has npm mailauth.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cachingResolver } from '../../../src/dns/cache.js';
import type { Resolver } from '../../../src/dns/resolver.js';
import { zoneResolver } from '../../../src/dns/zone.js';
import { parseIp } from '../../../src/mail/ip.js';
import { checkHost } from '../../../src/spf/check-host.js';
import type { BenchCase, BenchInput, BenchZone } from './cases.js';

const batch = 200;

/** Judges a case so often, and returns the last result. */
type Judge = (benchCase: BenchCase, times: number) => Promise<string>;

const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
const first = await lines.next();
const { zone, cases } = JSON.parse(String(first.value)) as BenchInput;
const [engine = '', mode = ''] = process.argv.slice(2);
const judge = judgeOf(engine);
for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const [index = 0, micros = 0] = line.value.split(' ').map(Number);
  const benchCase = cases[index];
  if (benchCase === undefined) throw new RangeError(`there is no case ${index}`);
  process.stdout.write(`${await rateOf(benchCase, micros)}\n`);
}

function judgeOf(name: string): Judge {
  if (name === 'postern') return posternJudge(zoneResolver(zone));
  return name === 'postern-cache' ? posternJudge(cachedZone(zone)) : mailauthJudge(name, mode === 'strict');
}

async function rateOf(benchCase: BenchCase, limit: number): Promise<number> {
  const start = process.cpuUsage();
  for (let count = batch; ; count += batch) {
    const result = await judge(benchCase, batch);
    if (result !== benchCase.result) throw new Error(`${benchCase.name}: ${result} instead of ${benchCase.result}`);
    const { user, system } = process.cpuUsage(start);
    if (user + system >= limit) return (count / (user + system)) * 1e6;
  }
}

function posternJudge(resolver: Resolver): Judge {
  const options = { resolver };
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

/** The zone behind postern's cache: the first look-up of a name waits, the others find it there. */
function cachedZone(data: BenchZone): Resolver {
  const upstream = zoneResolver(data);
  return cachingResolver({ ask: async (name, type) => ({ answer: upstream.lookup(name, type), ttl: 3600 }) });
}

interface Mailauth {
  spf(options: Record<string, unknown>): Promise<{ readonly status: { readonly result: string } }>;
}

function mailauthJudge(folder: string, strict: boolean): Judge {
  const { spf } = createRequire(join(folder, 'package.json'))('mailauth/lib/spf') as Mailauth;
  const resolver = mailauthResolver(zone);
  return async ({ ip, helo, from }, times) => {
    let result = '';
    for (let i = 0; i < times; i++) {
      ({ result } = (await spf({ sender: from, ip, helo, mta: 'mx.example.com', resolver, strict })).status);
    }
    return result;
  };
}

/** Answers from memory, in the forms of node:dns. */
function mailauthResolver(data: BenchZone): (name: string, type: string) => Promise<unknown> {
  const answers = new Map<string, unknown>();
  for (const [name, { TXT, A, MX }] of Object.entries(data)) {
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
