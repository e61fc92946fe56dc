/**
 * The survey of /srv in a thread of its own, for it walks through every domain: what is found goes to the log, whenever
 * that is. The file is the thread's program as well.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Logger } from '../../log.js';
import type { Settings } from '../../settings/settings.js';
import { srvOf } from '../wire.js';
import { type SurveyedPlugin, surveyEach } from './survey.js';

interface SurveyOrder {
  readonly survey: Settings;
  readonly plugins: readonly SurveyedPlugin[];
}

interface Warning {
  readonly domain: string;
  readonly check?: string;
  readonly text: string;
}

/** Begins it; returns what ends it. */
export function surveyAside(settings: Settings, plugins: readonly SurveyedPlugin[], log: Logger): () => void {
  const order: SurveyOrder = { survey: settings, plugins };
  const thread = new Worker(new URL(import.meta.url), { workerData: order });
  thread.on('message', ({ text, ...where }: Warning) => log.warn(where, text));
  thread.on('error', (error) => log.error({ problem: String(error) }, '/srv cannot be read'));
  thread.unref();
  return () => void thread.terminate();
}

function lookAround({ survey: settings, plugins }: SurveyOrder, warn: (warning: Warning) => void): void {
  for (const { domain, idle, broken } of surveyEach(srvOf(settings), plugins)) {
    for (const { check, text } of idle) warn({ domain, check, text });
    for (const text of broken) warn({ domain, text });
  }
}

const order = workerData as Partial<SurveyOrder> | null;
if (!isMainThread && order?.survey !== undefined)
  lookAround(order as SurveyOrder, (warning) => parentPort?.postMessage(warning, []));
