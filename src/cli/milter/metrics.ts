/**
 * The milter's numbers for Prometheus (text format 0.0.4). A process counts by itself; the numbers of several are
 * added. Labels are words of ours only, so no client can make their number grow.
 */
import { createServer, type Server } from 'node:http';
import type { Observation } from '../../milter/verify-sender/tools.js';
import type { TimedAnswer, Upstream } from '../../dns/upstream.js';
import { listenTarget, type ListenEndpoint, writeListenEndpoint } from '../../settings/mail-kinds.js';
import { listenProblem } from '../service/listen-problem.js';
import { version } from '../package-root.js';

/** What any filter may be counted for: its messages by what became of them, in words of its own. */
type CountedEvent = Exclude<Observation, { kind: 'message' }> | { readonly kind: 'message'; readonly verdict: string };

/** By series: `postern_spf_results_total{identity="helo",result="pass"}`. */
export type Numbers = Readonly<Record<string, number>>;

interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
}

const families: Readonly<Record<string, Family>> = {
  postern_build_info: { type: 'gauge', help: 'The version that runs.' },
  postern_milter_sessions: { type: 'gauge', help: 'SMTP sessions under way.' },
  postern_milter_sessions_total: { type: 'counter', help: 'SMTP sessions begun.' },
  postern_milter_messages_total: { type: 'counter', help: 'Messages by what became of them.' },
  postern_milter_problems_total: { type: 'counter', help: 'Faults of the MTA, of the filter, or of postern, by kind.' },
  postern_submission_messages_total: { type: 'counter', help: 'Mails sent on by what their domain publishes.' },
  postern_submission_violations_total: { type: 'counter', help: 'Mails their domain does not permit us to send on.' },
  postern_directory_answers_total: { type: 'counter', help: 'Answers of the LDAP directory.' },
  postern_spf_results_total: { type: 'counter', help: 'SPF results by identity.' },
  postern_spf_own_domain_failures_total: { type: 'counter', help: 'Mails from outside that fail as an own domain.' },
  postern_spf_seconds: { type: 'histogram', help: 'Duration of an SPF evaluation.' },
  postern_dns_lookup_seconds: { type: 'histogram', help: 'Duration of a question to the name servers.' },
  postern_dns_answers_total: { type: 'counter', help: 'Answers of the name servers.' },
};

/** Seconds. */
const buckets = [0.001, 0.01, 0.05, 0.25, 1, 5, 20];

interface Histogram {
  /** Values up to each bound, as `buckets` has them. */
  readonly upTo: number[];
  sum: number;
  count: number;
}

export class Counters {
  readonly #numbers = new Map<string, number>();
  readonly #histograms = new Map<string, Histogram>();

  add(series: string, by = 1): void {
    this.#numbers.set(series, (this.#numbers.get(series) ?? 0) + by);
  }

  #time(family: string, seconds: number): void {
    const kept = this.#histograms.get(family) ?? { upTo: buckets.map(() => 0), sum: 0, count: 0 };
    if (kept.count === 0) this.#histograms.set(family, kept);
    const first = buckets.findIndex((bound) => seconds <= bound);
    for (let i = first; i >= 0 && i < buckets.length; i++) kept.upTo[i] = (kept.upTo[i] ?? 0) + 1;
    kept.sum += seconds;
    kept.count++;
  }

  readonly observe = (event: CountedEvent): void => {
    switch (event.kind) {
      case 'session':
        this.add('postern_milter_sessions', event.change);
        if (event.change > 0) this.add('postern_milter_sessions_total');
        break;
      case 'own':
        this.add(`postern_spf_own_domain_failures_total{result="${event.result}"}`);
        break;
      case 'message':
        this.add(`postern_milter_messages_total{verdict="${event.verdict}"}`);
        break;
      case 'result':
        this.add(`postern_spf_results_total{identity="${event.identity}",result="${event.result}"}`);
        this.#time('postern_spf_seconds', event.milliseconds / 1000);
        break;
    }
  };

  /** The same resolver, its questions counted. */
  measured(upstream: Upstream): Upstream {
    const noted = <T>(timed: TimedAnswer<T>, started: number): TimedAnswer<T> => {
      this.#time('postern_dns_lookup_seconds', (performance.now() - started) / 1000);
      this.add(`postern_dns_answers_total{answer="${timed.answer.kind}"}`);
      return timed;
    };
    return {
      ask: (name, type, options) => {
        const started = performance.now();
        const asked = upstream.ask(name, type, options);
        return asked instanceof Promise ? asked.then((timed) => noted(timed, started)) : asked;
      },
    };
  }

  get numbers(): Numbers {
    const histograms = [...this.#histograms].flatMap(([family, { upTo, sum: total, count }]) => [
      ...buckets.map((bound, i) => [`${family}_bucket{le="${bound}"}`, upTo[i] ?? 0] as const),
      [`${family}_bucket{le="+Inf"}`, count] as const,
      [`${family}_sum`, total] as const,
      [`${family}_count`, count] as const,
    ]);
    return Object.fromEntries([...this.#numbers, ...histograms]);
  }
}

/** Without gauges: what is left of a process that is gone. */
export const lasting = (numbers: Numbers): Numbers =>
  Object.fromEntries(Object.entries(numbers).filter(([series]) => families[familyOf(series)]?.type !== 'gauge'));

export function sum(all: readonly Numbers[]): Numbers {
  const total = new Counters();
  for (const numbers of all) for (const [series, value] of Object.entries(numbers)) total.add(series, value);
  return total.numbers;
}

const familyOf = (series: string): string => series.replace(/\{.*$/, '').replace(/_(?:bucket|sum|count)$/, '');

function exposition(numbers: Numbers): string {
  const build = `postern_build_info{version="${version}"}`;
  const rows = Object.entries({ [build]: 1, ...numbers });
  return Object.entries(families)
    .map(([family, { type, help }]) => {
      const lines = rows.filter(([series]) => familyOf(series) === family);
      const text = lines.map(([series, value]) => `${series} ${value}\n`).join('');
      return text === '' ? '' : `# HELP ${family} ${help}\n# TYPE ${family} ${type}\n${text}`;
    })
    .join('');
}

/** `/metrics`, `/livez` and `/readyz` (503 while not ready); rejects where the address cannot be opened. */
export function serveMetrics(
  at: ListenEndpoint,
  collect: () => Promise<Numbers>,
  isReady: () => boolean = () => true,
): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = (status: number, text: string): void => {
      response.writeHead(status, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'only GET\n');
    if (request.url === '/readyz' && !isReady()) return answer(503, 'not ready\n');
    if (request.url === '/livez' || request.url === '/readyz') return answer(200, 'ok\n');
    if (request.url !== '/metrics') return answer(404, 'there is /metrics, /livez and /readyz\n');
    collect().then(
      (numbers) => answer(200, exposition(numbers)),
      () => answer(500, 'the numbers cannot be had\n'),
    );
    return undefined;
  });
  server.requestTimeout = 5000;
  server.maxConnections = 20;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`metrics = ${writeListenEndpoint(at)}: ${listenProblem(error)}`)));
    server.listen(listenTarget(at), () => {
      server.unref();
      resolve(server);
    });
  });
}
